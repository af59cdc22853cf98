//! Quotas: how many bytes of the station's disk a bucket of S3 clients, a project, or an organization may
//! hold.
//!
//! What is kept is counted in the transaction that keeps or removes it, and compared in the transaction that adds to
//! it, so that many writers at once overshoot nothing. A bucket holds every version and the parts of uploads under
//! way; objects that share bytes count each. A project holds what lies under its keys, its generic files among them,
//! which always stay here. Quotas are there for the disk of the station, so what takes none of it is not counted: files
//! in place, and what is in a bucket of another store, which has limits of its own there. What is to move to such a
//! bucket counts until it has arrived, and what is on its way here from the start. Temporary uploads, which go within a
//! day, count once they are taken over. An organization holds what its projects hold together; buckets of S3 clients
//! belong to accounts, and are in none.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::key::project_of;
use super::s3::{self, OWN};
use super::store;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::organization::{self, Role};
use crate::project::{self, Level};

/// From this share of its quota on, somebody should look.
const NEARLY_PERCENT: u64 = 90;

/// What bytes are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A bucket of S3 clients.
    Bucket(i64),
    /// A project: what of its keys is on the station's disk.
    Project(i64),
    /// An organization: what its projects hold together.
    Organization(i64),
}

impl Scope {
    /// What the bytes under a key of a bucket are counted for (and for the organization of a project, too); nothing for temporary uploads and for what belongs to
    /// no project.
    pub fn of(bucket: i64, key: &str) -> Option<Self> {
        if bucket != OWN {
            return Some(Self::Bucket(bucket));
        }
        let (project, temporary) = project_of(key)?;
        (!temporary).then_some(Self::Project(project))
    }

    /// Its kind, as it is stored and shown.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Bucket(_) => "bucket",
            Self::Project(_) => "project",
            Self::Organization(_) => "organization",
        }
    }

    /// The number of the bucket, project or organization.
    pub fn id(self) -> i64 {
        match self {
            Self::Bucket(id) | Self::Project(id) | Self::Organization(id) => id,
        }
    }
}

/// How much is kept, and how much may be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Use {
    /// `bucket`, `project` or `organization`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Bytes that are kept.
    pub used_bytes: u64,
    /// Bytes that may be; none for as many as the disk takes.
    pub quota_bytes: Option<u64>,
}

impl Use {
    /// Whether little of the quota is left.
    pub fn is_nearly_full(&self) -> bool {
        self.quota_bytes.is_some_and(|quota| {
            u128::from(self.used_bytes) * 100 >= u128::from(quota) * u128::from(NEARLY_PERCENT)
        })
    }
}

/// Whose quota is set, by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A bucket of S3 clients.
    Bucket(String),
    /// A project.
    Project(String),
    /// An organization.
    Organization(String),
}

/// Checks that so many bytes more fit into a quota, for a project also into that of its organization; after bytes were
/// added, that they did.
///
/// Errors: `QuotaExceeded`, with the quota, what is in use, and what to do.
pub async fn check(tx: &mut Tx, scope: Scope, more_bytes: i64) -> Result<()> {
    check_one(tx, scope, more_bytes).await?;
    if let Scope::Project(project) = scope
        && let Some(organization) = store::organization_of_project(tx, project).await?
    {
        check_one(tx, Scope::Organization(organization), more_bytes).await?;
    }
    Ok(())
}

async fn check_one(tx: &mut Tx, scope: Scope, more_bytes: i64) -> Result<()> {
    let (used, quota) = store::used_and_quota(tx, scope).await?;
    let Some(quota) = quota.filter(|quota| used.saturating_add(more_bytes) > *quota) else {
        return Ok(());
    };
    let name = store::name_of(tx, scope).await?.unwrap_or_default();
    let (kind, quota) = (scope.kind(), quota.unsigned_abs());
    // What was added already is rolled back with the refusal.
    let state = match more_bytes {
        0 => "it would hold more than that".to_owned(),
        _ => format!("{} are in use", ByteSize(used.max(0).unsigned_abs())),
    };
    Err(Error::QuotaExceeded(format!(
        "the {kind} {name} has a quota of {}, and {state}: nothing was written; delete something from it, or have its \
         quota raised by who runs the station: transect quota set --{kind} {name:?} SIZE",
        ByteSize(quota)
    )))
}

/// Checks the quota of the project that a key belongs to, after bytes were kept there. A temporary upload must have
/// room, but is not counted. What takes no room on the station's disk always has some.
///
/// Errors: `QuotaExceeded`.
pub async fn check_kept(tx: &mut Tx, key: &str) -> Result<()> {
    let Some((project, temporary)) = project_of(key) else {
        return Ok(());
    };
    let taken = match store::find(tx, key).await? {
        Some(object) => store::taken(tx, &object).await?,
        None => 0,
    };
    if taken == 0 {
        return Ok(());
    }
    let more = if temporary { taken } else { 0 };
    check(tx, Scope::Project(project), more).await
}

/// Checks the quota of the project that a key belongs to, after a part of `size_bytes` of an upload of that key was
/// kept; parts wait on the station's disk, wherever the whole goes.
///
/// Errors: `QuotaExceeded`.
pub(super) async fn check_part(tx: &mut Tx, key: &str, size_bytes: u64) -> Result<()> {
    match project_of(key) {
        Some((project, temporary)) => {
            let more = if temporary { size_bytes as i64 } else { 0 };
            check(tx, Scope::Project(project), more).await
        }
        None => Ok(()),
    }
}

/// Checks that bytes which are about to come to the station's disk fit into the quota of the project that a key belongs
/// to.
///
/// Errors: `QuotaExceeded`.
pub(super) async fn check_room(cx: &Context, key: &str, size_bytes: u64) -> Result<()> {
    let Some((project, _)) = project_of(key) else {
        return Ok(());
    };
    let (key, more) = (
        key.to_owned(),
        i64::try_from(size_bytes).unwrap_or(i64::MAX),
    );
    let checking = cx.database.read(move |tx| {
        Box::pin(async move {
            let replaced = match store::find(tx, &key).await? {
                Some(object) => store::taken(tx, &object).await?,
                None => 0,
            };
            check(tx, Scope::Project(project), more - replaced).await
        })
    });
    checking.await
}

/// Every bucket, project and organization that holds something or has a quota, by kind and name.
pub async fn list(cx: &Context) -> Result<Vec<Use>> {
    let uses = cx.database.read(|tx| Box::pin(store::uses(tx))).await?;
    let uses = uses.into_iter().map(|(kind, name, used, quota)| Use {
        kind,
        name,
        used_bytes: used.max(0).unsigned_abs(),
        quota_bytes: quota.map(i64::unsigned_abs),
    });
    Ok(uses.collect())
}

/// Sets the quota of a bucket, project or organization; none lifts it. What is kept already stays, also where it is more.
///
/// Errors: `NotFound`.
pub async fn set(cx: &Context, target: Target, quota_bytes: Option<u64>) -> Result<Use> {
    let (scope, name) = match target {
        Target::Bucket(name) => (Scope::Bucket(s3::bucket_id(cx, &name).await?), name),
        Target::Project(name) => {
            let project = project::service::find_any_by_name(cx, &name).await?;
            (Scope::Project(project), name)
        }
        Target::Organization(name) => (
            Scope::Organization(organization_named(cx, &name).await?),
            name,
        ),
    };
    let quota = quota_bytes.map(|quota| i64::try_from(quota).unwrap_or(i64::MAX));
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            store::set_quota(tx, scope, quota).await?;
            Ok(store::used_and_quota(tx, scope).await?.0)
        })
    });
    Ok(Use {
        kind: scope.kind().into(),
        name,
        used_bytes: writing.await?.max(0).unsigned_abs(),
        quota_bytes,
    })
}

async fn organization_named(cx: &Context, name: &str) -> Result<i64> {
    let wanted = name.to_owned();
    let finding = cx
        .database
        .read(move |tx| Box::pin(async move { store::organizations_named(tx, &wanted).await }));
    match finding.await?[..] {
        [organization] => Ok(organization),
        [] => Err(Error::NotFound(format!(
            "there is no organization named {name}"
        ))),
        _ => Err(Error::invalid(format!(
            "several organizations are named {name}: set the quota by id, PATCH /rest/OrganizationQuota/{{id}}"
        ))),
    }
}

/// Whose quota an operation of the API is about.
#[derive(Debug, Clone)]
pub(super) enum Whose {
    Bucket(String),
    Project(i64),
    Organization(i64),
}

impl Whose {
    /// Errors: `NotFound`, also for what is deleted.
    async fn find(self, tx: &mut Tx) -> Result<Scope> {
        match self {
            Self::Bucket(name) => match s3::find_bucket(tx, &name).await? {
                Some(bucket) => Ok(Scope::Bucket(bucket)),
                None => Err(Error::no_match("Bucket")),
            },
            Self::Project(id) => {
                project::service::organization_of(tx, id).await?;
                Ok(Scope::Project(id))
            }
            Self::Organization(id) => {
                organization::service::name_of(tx, id).await?;
                Ok(Scope::Organization(id))
            }
        }
    }

    /// Members see how much their project or organization holds; administrators of the station see everything.
    async fn may_read(&self, tx: &mut Tx, actor: &Actor) -> Result<()> {
        if actor.is_staff {
            return Ok(());
        }
        match self {
            Self::Bucket(name) => match s3::owns_bucket(tx, actor.id, name).await? {
                true => Ok(()),
                false => Err(Error::no_match("Bucket")),
            },
            Self::Project(id) => project::access(tx, actor, *id, Level::View).await,
            Self::Organization(id) => organization::access(tx, actor, *id, Role::Member).await,
        }
    }
}

/// How much somebody holds, and how much they may.
///
/// Errors: `NotFound`; `Forbidden` for who is no member.
pub(super) async fn read(cx: &Context, actor: &Actor, whose: Whose) -> Result<Use> {
    let actor = actor.clone();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            whose.may_read(tx, &actor).await?;
            let scope = whose.find(tx).await?;
            use_of(tx, scope).await
        })
    });
    reading.await
}

/// Sets how much somebody may hold; none lifts the quota. What is kept already stays, also where it is more.
///
/// Errors: `Forbidden` for who is no administrator of the station, `NotFound`.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    whose: Whose,
    quota_bytes: Option<i64>,
) -> Result<Use> {
    if !actor.is_staff {
        return Err(Error::forbidden());
    }
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            let scope = whose.find(tx).await?;
            store::set_quota(tx, scope, quota_bytes).await?;
            use_of(tx, scope).await
        })
    });
    writing.await
}

async fn use_of(tx: &mut Tx, scope: Scope) -> Result<Use> {
    let (used, quota) = store::used_and_quota(tx, scope).await?;
    Ok(Use {
        kind: scope.kind().into(),
        name: store::name_of(tx, scope).await?.unwrap_or_default(),
        used_bytes: used.max(0).unsigned_abs(),
        quota_bytes: quota.map(i64::unsigned_abs),
    })
}
