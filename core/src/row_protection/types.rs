//! What a row protection is.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// What a grant can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the noun of that name")]
pub enum TargetKind {
    Project,
    Media,
    File,
    Section,
    Algorithm,
    Version,
    Organization,
    Group,
    JobCluster,
    Bucket,
    HostedTemplate,
}

impl TargetKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Project,
        Self::Media,
        Self::File,
        Self::Section,
        Self::Algorithm,
        Self::Version,
        Self::Organization,
        Self::Group,
        Self::JobCluster,
        Self::Bucket,
        Self::HostedTemplate,
    ];

    /// The wire's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Media => "media",
            Self::File => "file",
            Self::Section => "section",
            Self::Algorithm => "algorithm",
            Self::Version => "version",
            Self::Organization => "target_organization",
            Self::Group => "target_group",
            Self::JobCluster => "job_cluster",
            Self::Bucket => "bucket",
            Self::HostedTemplate => "hosted_template",
        }
    }

    /// The wire's word for one, in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Media => "Media",
            Self::File => "File",
            Self::Section => "Section",
            Self::Algorithm => "Algorithm",
            Self::Version => "Version",
            Self::Organization => "Organization",
            Self::Group => "Group",
            Self::JobCluster => "JobCluster",
            Self::Bucket => "Bucket",
            Self::HostedTemplate => "HostedTemplate",
        }
    }
}

/// Who a grant can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GranteeKind {
    /// One account.
    User,
    /// Everybody affiliated with an organization.
    Organization,
    /// Everybody in a group.
    Group,
}

impl GranteeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::User, Self::Organization, Self::Group];

    /// The wire's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Group => "group",
        }
    }
}

/// A grant.
#[derive(Debug, Clone)]
pub struct RowProtection {
    /// Its id.
    pub id: i64,
    /// When it was made; UTC milliseconds.
    pub created_at: i64,
    /// Who made it.
    pub created_by: i64,
    /// What it is on.
    pub target: (TargetKind, i64),
    /// Who it is for.
    pub grantee: (GranteeKind, i64),
    /// The bit mask.
    pub permission: i64,
}

/// Kinds of targets that the published component has, but no grant.
const NEVER: [&str; 2] = ["localization", "state"];

impl Serialize for RowProtection {
    /// As the wire shows it: a key for every kind of target and grantee, null but for its own.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("created_datetime", &crate::time::wire(self.created_at))?;
        map.serialize_entry("created_by", &self.created_by)?;
        for kind in TargetKind::ALL {
            let id = (self.target.0 == kind).then_some(self.target.1);
            map.serialize_entry(kind.key(), &id)?;
        }
        for key in NEVER {
            map.serialize_entry(key, &None::<i64>)?;
        }
        for kind in GranteeKind::ALL {
            let id = (self.grantee.0 == kind).then_some(self.grantee.1);
            map.serialize_entry(kind.key(), &id)?;
        }
        map.serialize_entry("permission", &self.permission)?;
        map.end()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RowProtectionPatch {
    pub permission: Option<i64>,
}
