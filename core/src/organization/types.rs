//! What an organization and an affiliation are.

use serde::{Deserialize, Serialize};

/// What an affiliated account may do in an organization; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Sees it.
    Member,
    /// Changes it, its affiliations, buckets and projects.
    Admin,
}

impl Role {
    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "Member",
            Self::Admin => "Admin",
        }
    }

    /// The role of that text; an unknown one is the lower.
    pub fn from_name(name: &str) -> Self {
        if name == "Admin" {
            Self::Admin
        } else {
            Self::Member
        }
    }
}

/// An organization as the wire shows it to one caller.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Organization describes them"
)]
pub struct Organization {
    pub id: i64,
    /// The caller's own role.
    pub permission: Role,
    pub name: String,
    pub default_membership_permission: String,
    pub thumb: Option<String>,
    pub effective_permission: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UploadQuery {
    pub expiration: i64,
    pub num_parts: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewOrganization {
    pub name: String,
    pub default_membership_permission: Option<String>,
    pub thumb: Option<String>,
    pub permission_model: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrganizationPatch {
    pub name: Option<String>,
    pub default_membership_permission: Option<String>,
    pub thumb: Option<String>,
}

/// An affiliation as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Affiliation describes them"
)]
pub struct Affiliation {
    pub id: i64,
    pub user_id: i64,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub permission: Role,
    pub organization_id: i64,
    /// The key of the published component, beside `user_id` that the original sends.
    pub user: i64,
    pub organization: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewAffiliation {
    pub user: Option<i64>,
    pub permission: Option<Role>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct AffiliationPatch {
    pub permission: Option<Role>,
}
