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
//! belong to accounts, and are in none. What recordings have fetched counts before it is a video, and that it becomes one is
//! never refused.

use std::sync::{Arc, Mutex};

use bytesize::ByteSize;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::key::project_of;
use super::objects::{ByteStream, Stored};
use super::s3::{self, OWN};
use super::store;
use crate::account::Actor;
use crate::context::Context;
use crate::database::{Database, Tx};
use crate::error::{Error, Result};
use crate::organization::{self, Role};
use crate::project::{self, Level};
use crate::recording;

/// From this share of its quota on, somebody should look.
const NEARLY_PERCENT: u64 = 90;
/// After how many bytes that come somebody looks whether there is room for more.
const LOOK_BYTES: u64 = 4 << 20;

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

    pub(super) fn from_kind(kind: &str, id: i64) -> Option<Self> {
        match kind {
            "bucket" => Some(Self::Bucket(id)),
            "project" => Some(Self::Project(id)),
            "organization" => Some(Self::Organization(id)),
            _ => None,
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
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is deleted and may come back, so that its bytes are kept.
    pub deleted: bool,
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
    let (kept, quota) = store::used_and_quota(tx, scope).await?;
    let Some(quota) = quota else {
        return Ok(());
    };
    let used = kept + recorded(tx, scope).await?;
    if used.saturating_add(more_bytes) <= quota {
        return Ok(());
    }
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

/// Bytes that a project fetches pass as long as there is room for them.
///
/// Errors: `QuotaExceeded` when the announced length does not fit.
pub async fn limited(
    cx: &Context,
    project: i64,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<(ByteStream, Refusal)> {
    let expected = i64::try_from(expected_bytes.unwrap_or_default()).unwrap_or(i64::MAX);
    check_now(&cx.database, project, expected).await?;
    let refusal = Refusal::default();
    let (database, told) = (cx.database.clone(), Arc::clone(&refusal.0));
    let begun = (bytes, 0_u64, LOOK_BYTES);
    let passing = futures::stream::unfold(begun, move |(mut bytes, mut come, mut look_at)| {
        let (database, told) = (database.clone(), Arc::clone(&told));
        async move {
            let chunk = bytes.next().await?;
            come += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            if come >= look_at {
                look_at = come + LOOK_BYTES;
                if let Err(error) = check_now(&database, project, come as i64).await {
                    *told.lock().expect("no holder panics") = Some(error);
                    let broken = std::io::Error::other("there is no room for more");
                    return Some((
                        Err(broken),
                        (futures::stream::empty().boxed(), come, look_at),
                    ));
                }
            }
            Some((chunk, (bytes, come, look_at)))
        }
    });
    Ok((passing.boxed(), refusal))
}

/// Why a stream of [`limited`] broke off, if that was for want of room.
#[derive(Default)]
pub struct Refusal(Arc<Mutex<Option<Error>>>);

impl Refusal {
    /// What storing the stream came to, in better words.
    pub fn explain<T>(self, outcome: Result<T>) -> Result<T> {
        let refused = self.0.lock().expect("no holder panics").take();
        match (outcome, refused) {
            (Err(_), Some(refused)) => Err(refused),
            (outcome, _) => outcome,
        }
    }
}

/// Stores what a project fetches from elsewhere, which gets a key of the project later.
///
/// Errors: `QuotaExceeded`, as early as that can be known; else those of the store.
pub async fn put_fetched(
    cx: &Context,
    project: i64,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<Stored> {
    let (bytes, refusal) = limited(cx, project, bytes, expected_bytes).await?;
    refusal.explain(cx.objects.put(bytes, expected_bytes).await)
}

async fn check_now(database: &Database, project: i64, more_bytes: i64) -> Result<()> {
    database
        .read(move |tx| {
            Box::pin(async move { check(tx, Scope::Project(project), more_bytes).await })
        })
        .await
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

/// Bytes that recordings of a project, or of an organization's, have fetched and that are no video yet.
async fn recorded(tx: &mut Tx, scope: Scope) -> Result<i64> {
    match scope {
        Scope::Bucket(_) => Ok(0),
        Scope::Project(project) => recording::held_bytes(tx, project).await,
        Scope::Organization(organization) => {
            let mut held = 0;
            for project in store::projects_of(tx, organization).await? {
                held += recording::held_bytes(tx, project).await?;
            }
            Ok(held)
        }
    }
}

/// Every bucket, project and organization that holds something or has a quota, by kind and name.
pub async fn list(cx: &Context) -> Result<Vec<Use>> {
    let listing = cx.database.read(|tx| {
        Box::pin(async move {
            let mut uses = Vec::new();
            for scope in store::counted(tx).await? {
                uses.push(use_of(tx, scope).await?);
            }
            Ok(uses)
        })
    });
    let mut uses = listing.await?;
    uses.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
    Ok(uses)
}

/// Sets the quota of a bucket, project or organization; none lifts it. What is kept already stays, also where it is more.
///
/// Errors: `NotFound`.
pub async fn set(cx: &Context, target: Target, quota_bytes: Option<u64>) -> Result<Use> {
    let scope = match target {
        Target::Bucket(name) => Scope::Bucket(s3::bucket_id(cx, &name).await?),
        Target::Project(name) => {
            Scope::Project(project::service::find_any_by_name(cx, &name).await?)
        }
        Target::Organization(name) => Scope::Organization(organization_named(cx, &name).await?),
    };
    let quota = quota_bytes.map(|quota| i64::try_from(quota).unwrap_or(i64::MAX));
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            store::set_quota(tx, scope, quota).await?;
            use_of(tx, scope).await
        })
    });
    writing.await
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
    let (kept, quota) = store::used_and_quota(tx, scope).await?;
    let used = kept + recorded(tx, scope).await?;
    Ok(Use {
        kind: scope.kind().into(),
        id: scope.id(),
        name: store::name_of(tx, scope).await?.unwrap_or_default(),
        deleted: match scope {
            Scope::Project(project) => project::is_deleted(tx, project).await?,
            _ => false,
        },
        used_bytes: used.max(0).unsigned_abs(),
        quota_bytes: quota.map(i64::unsigned_abs),
    })
}
