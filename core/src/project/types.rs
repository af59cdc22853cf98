//! What a project and a membership are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// What a member may do in a project; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Nothing.
    #[serde(rename = "No Access")]
    None,
    /// Read everything.
    #[serde(rename = "View Only")]
    View,
    /// Change annotations, sections, versions, and media's own fields.
    #[serde(rename = "Can Edit")]
    Edit,
    /// Add media and files.
    #[serde(rename = "Can Transfer")]
    Transfer,
    /// Run algorithms, and change files and applets.
    #[serde(rename = "Can Execute")]
    Execute,
    /// Change types, members and the project itself.
    #[serde(rename = "Full Control")]
    Full,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::View,
        Self::Edit,
        Self::Transfer,
        Self::Execute,
        Self::Full,
    ];

    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "No Access",
            Self::View => "View Only",
            Self::Edit => "Can Edit",
            Self::Transfer => "Can Transfer",
            Self::Execute => "Can Execute",
            Self::Full => "Full Control",
        }
    }

    /// The level of that text; `None` for an unknown one.
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .unwrap_or(Self::None)
    }
}

/// A project as the wire shows it to one caller.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Project describes them"
)]
pub struct Project {
    pub id: i64,
    pub name: String,
    pub summary: String,
    pub organization: i64,
    pub enable_downloads: bool,
    pub bucket: Option<i64>,
    pub upload_bucket: Option<i64>,
    pub backup_bucket: Option<i64>,
    pub elemental_id: String,
    pub effective_permission: i64,
    pub thumb: Option<String>,
    /// UTC milliseconds.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created: i64,
    pub num_files: i64,
    /// Bytes of all renditions.
    pub size: i64,
    /// Seconds of video.
    pub duration: i64,
    pub usernames: Vec<String>,
    /// `Creator`, or the caller's level.
    pub permission: String,
    /// The definitions of the attributes of its sections.
    pub attribute_types: Vec<Map<String, Json>>,
    pub extended_info: Map<String, Json>,
    #[serde(skip)]
    pub created_by: i64,
}

/// A project to be made.
#[derive(Debug, Clone, Deserialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component ProjectSpec describes them"
)]
pub struct NewProject {
    pub name: String,
    #[serde(default)]
    pub summary: String,
    pub organization: i64,
    #[serde(default = "yes")]
    pub enable_downloads: bool,
    pub bucket: Option<i64>,
    pub upload_bucket: Option<i64>,
    pub backup_bucket: Option<i64>,
    pub elemental_id: Option<String>,
    pub permission_model: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProjectPatch {
    pub name: Option<String>,
    pub summary: Option<String>,
    pub thumb: Option<String>,
    pub enable_downloads: Option<bool>,
    pub bucket: Option<i64>,
    pub upload_bucket: Option<i64>,
    pub backup_bucket: Option<i64>,
    pub elemental_id: Option<String>,
}

impl ProjectPatch {
    pub fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.summary.is_none()
            && self.thumb.is_none()
            && self.enable_downloads.is_none()
            && self.elemental_id.is_none()
            && self.buckets().next().is_none()
    }

    pub fn buckets(&self) -> impl Iterator<Item = i64> {
        [self.bucket, self.upload_bucket, self.backup_bucket]
            .into_iter()
            .flatten()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProjectFilter {
    pub organization: Option<i64>,
    pub elemental_id: Option<String>,
    /// Those that were deleted and can still be brought back, instead.
    #[serde(default)]
    pub deleted: bool,
}

/// How a project is deleted.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Removal {
    /// For good at once.
    #[serde(default)]
    pub prune: i64,
}

/// A membership as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Membership describes them"
)]
pub struct Membership {
    pub id: i64,
    pub project: i64,
    pub user: i64,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub permission: Level,
    pub default_version: Option<i64>,
    pub effective_permission: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewMembership {
    pub user: i64,
    pub permission: Level,
    pub default_version: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MembershipPatch {
    pub permission: Option<Level>,
    pub default_version: Option<i64>,
}
