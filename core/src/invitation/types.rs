//! What an invitation is.

use serde::{Deserialize, Serialize};

use crate::organization::Role;

/// How far an invitation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It can be accepted.
    Pending,
    /// It was not accepted in time.
    Expired,
    /// It was accepted.
    Accepted,
}

/// An invitation as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Invitation describes them"
)]
pub struct Invitation {
    pub id: i64,
    pub organization: i64,
    /// How the original spells the organization.
    pub organization_id: i64,
    pub created_by: i64,
    /// How the original spells the author.
    pub created_by_id: i64,
    pub created_username: String,
    /// UTC milliseconds.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created_datetime: i64,
    pub status: Status,
    pub registration_token: String,
    pub email: String,
    pub permission: Role,
    /// UTC milliseconds.
    #[serde(skip)]
    pub expires_at: i64,
}

impl Invitation {
    /// The same without what lets somebody in, for the journal.
    pub(super) fn without_token(&self) -> Self {
        Self {
            registration_token: String::new(),
            ..self.clone()
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewInvitation {
    pub email: String,
    pub permission: Role,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvitationPatch {
    pub status: Option<Status>,
    pub permission: Option<Role>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Acceptance {
    pub registration_token: String,
}
