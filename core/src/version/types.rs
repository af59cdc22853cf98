//! What a version is.

use serde::{Deserialize, Serialize};

/// A version as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Version describes them"
)]
pub struct Version {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub show_empty: bool,
    /// Ids of the versions it lies over.
    pub bases: Vec<i64>,
    pub elemental_id: String,
    /// Ordinal of creation in the project, from 0.
    pub number: i64,
    pub project: i64,
    /// The account, or none for a version that the station made.
    pub created_by: Option<i64>,
    pub effective_permission: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewVersion {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default = "yes")]
    pub show_empty: bool,
    #[serde(default)]
    pub bases: Vec<i64>,
    pub elemental_id: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct VersionPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub show_empty: Option<bool>,
    pub bases: Option<Vec<i64>>,
    pub elemental_id: Option<String>,
}
