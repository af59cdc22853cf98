//! What a group is.

use serde::{Deserialize, Serialize};

/// A group as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Group describes them"
)]
pub struct Group {
    pub id: i64,
    pub name: String,
    pub organization: i64,
    /// How lists of the original spell the organization.
    #[serde(rename = "organization__id")]
    pub organization_id: i64,
    /// Accounts, in the order of ids.
    pub members: Vec<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewGroup {
    pub name: String,
    #[serde(default)]
    pub initial_members: Vec<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct GroupPatch {
    pub name: Option<String>,
    #[serde(default)]
    pub add_members: Vec<i64>,
    #[serde(default)]
    pub remove_members: Vec<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct GroupFilter {
    pub user: Option<i64>,
}
