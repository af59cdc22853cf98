//! What a job cluster is.

use serde::{Deserialize, Serialize};

/// A job cluster as the wire shows it to Admins.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component JobCluster describes them"
)]
pub struct JobCluster {
    pub id: i64,
    pub organization: i64,
    pub effective_permission: i64,
    pub name: String,
    pub host: String,
    pub port: i64,
    pub token: String,
    /// PEM text.
    pub cert: String,
}

impl JobCluster {
    /// The same without its secret.
    pub(super) fn without_token(&self) -> Self {
        Self {
            token: String::new(),
            ..self.clone()
        }
    }
}

/// The body of both POST and PATCH: every field is required.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewJobCluster {
    pub name: String,
    pub host: String,
    pub port: i64,
    pub token: String,
    pub cert: String,
}
