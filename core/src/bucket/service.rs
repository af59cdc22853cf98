//! Rules of buckets: Admins of the organization look after them.

use super::types::{Bucket, BucketPatch, NewBucket};
use super::{config, store};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::organization::{self, Role};
use crate::project;
use crate::row_protection::{self, TargetKind};
use crate::storage;
use crate::storage::objects::remote::{Connection, Trouble};

/// The longest name, in characters, as S3 has it.
const LONGEST_NAME: usize = 63;
const LIVE_CLASS: &str = "STANDARD";

pub(super) async fn list(cx: &Context, actor: &Actor, organization: i64) -> Result<Vec<Bucket>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                store::list(tx, organization).await
            })
        })
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Bucket> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id).await }))
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64) -> Result<Bucket> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Bucket"))?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// The organization of a bucket, if there is such a bucket.
pub async fn organization_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(store::find(tx, id).await?.map(|bucket| bucket.organization))
}

/// Registers a bucket; also says why it cannot be used yet, if so.
///
/// Errors: `Invalid` when its store refuses.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewBucket,
) -> Result<(Bucket, Option<String>)> {
    check_name(&new.name)?;
    let endpoint_url = config::endpoint(new.store_type, &new.config)?;
    let administered = actor.clone();
    let access = cx.database.read(move |tx| {
        Box::pin(
            async move { organization::access(tx, &administered, organization, Role::Admin).await },
        )
    });
    access.await?;
    let asked = Connection {
        bucket: 0,
        name: new.name.clone(),
        access: config::access(new.store_type, &new.config),
        trusted: actor.is_staff,
    };
    let but = look(cx, asked).await?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                let bucket = Bucket {
                    id: tx.allocate("bucket", 1).await?,
                    organization,
                    endpoint_url,
                    name: new.name,
                    archive_sc: new
                        .archive_sc
                        .unwrap_or_else(|| new.store_type.archive_class().into()),
                    live_sc: new.live_sc.unwrap_or_else(|| LIVE_CLASS.into()),
                    store_type: new.store_type,
                    external_host: new.external_host,
                    effective_permission: 0,
                    config: new.config,
                    trusted: actor.is_staff,
                };
                store::insert(tx, &bucket).await?;
                let changes = Change::created(bucket.id, &bucket)?;
                journal::record(tx, &stamp, None, "bucket", changes).await?;
                Ok(bucket)
            })
        })
        .await?;
    Ok((made, but))
}

/// Looks whether a store lets the station in. One that refuses will not do so later. One that does not answer may: a
/// station is prepared where its stores cannot be reached yet, so that this is no error, and is said.
///
/// Errors: `Invalid` when the store refuses.
async fn look(cx: &Context, connection: Connection) -> Result<Option<String>> {
    let named = format!("bucket {} ({})", connection.bucket, connection.name);
    match cx.places.check(connection).await {
        Ok(()) => Ok(None),
        Err(Trouble::Unreachable(message) | Trouble::Archived(message)) => {
            tracing::warn!("a bucket was registered that cannot be used yet: {message}");
            Ok(Some(message.replace(&named, "it")))
        }
        Err(Trouble::Refused(message)) => Err(Error::invalid_because(
            "The store does not let the station in with this config!",
            message
                .replace(&named, "it")
                .replace("with PATCH /rest/Bucket/0", "here"),
        )),
    }
}

/// Where a bucket is, if there is such a bucket.
pub async fn connection(tx: &mut Tx, id: i64) -> Result<Option<Connection>> {
    Ok(store::find(tx, id).await?.map(|bucket| bucket.connection()))
}

/// Every bucket, by id; and whether a project uses it or something is stored in it.
pub async fn all(tx: &mut Tx) -> Result<Vec<(Bucket, bool)>> {
    let mut all = Vec::new();
    for bucket in store::all(tx).await? {
        let projects = project::service::names_using_bucket(tx, bucket.id).await?;
        let is_used = !projects.is_empty() || storage::is_bucket_in_use(tx, bucket.id).await?;
        all.push((bucket, is_used));
    }
    Ok(all)
}

/// A bucket, if there is one. Whether the caller may know of it is theirs to decide.
pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Bucket>> {
    store::find(tx, id).await
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "a bucket's name has 1 to {LONGEST_NAME} characters"
        )));
    }
    Ok(())
}

/// Changes a bucket; also says why it cannot be used now, if so.
///
/// Errors: `Invalid` when its store refuses.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: BucketPatch,
) -> Result<(Bucket, Option<String>)> {
    let mut but = None;
    patch.name.as_deref().map(check_name).transpose()?;
    let moves = patch.config.is_some() || patch.name.is_some() || patch.store_type.is_some();
    if moves {
        let known = get(cx, actor, id).await?;
        let kind = patch.store_type.unwrap_or(known.store_type);
        let settings = patch.config.as_ref().unwrap_or(&known.config);
        config::endpoint(kind, settings)?;
        let asked = Connection {
            bucket: id,
            name: patch.name.clone().unwrap_or(known.name),
            access: config::access(kind, settings),
            // Where somebody else's configuration leads is not what staff has vouched for.
            trusted: match patch.config {
                Some(_) => actor.is_staff,
                None => known.trusted,
            },
        };
        but = look(cx, asked).await?;
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let changed = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let store_type = patch.store_type.unwrap_or(before.store_type);
                let trusted = match patch.config {
                    Some(_) => actor.is_staff,
                    None => before.trusted,
                };
                let settings = patch.config.unwrap_or_else(|| before.config.clone());
                let bucket = Bucket {
                    endpoint_url: config::endpoint(store_type, &settings)?,
                    name: patch.name.unwrap_or_else(|| before.name.clone()),
                    archive_sc: patch
                        .archive_sc
                        .unwrap_or_else(|| before.archive_sc.clone()),
                    live_sc: patch.live_sc.unwrap_or_else(|| before.live_sc.clone()),
                    store_type,
                    external_host: patch.external_host.or_else(|| before.external_host.clone()),
                    config: settings,
                    trusted,
                    ..before.clone()
                };
                store::update(tx, &bucket).await?;
                let changes = Change::updated(id, &before, &bucket)?;
                journal::record(tx, &stamp, None, "bucket", changes).await?;
                Ok(bucket)
            })
        })
        .await?;
    Ok((changed, but))
}

/// Removes a bucket that no project uses and that holds nothing of the station's.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let users = project::service::names_using_bucket(tx, id).await?;
                if !users.is_empty() {
                    return Err(Error::invalid(format!(
                        "Bucket {id} is used by {}; give these projects another bucket, or delete them, first.",
                        users.join(", ")
                    )));
                }
                if storage::is_bucket_in_use(tx, id).await? {
                    return Err(Error::invalid(format!(
                        "Bucket {id} still holds objects of this station; they go with the media and files that they belong \
                         to, when these were deleted for good."
                    )));
                }
                erase(tx, &stamp, &before).await
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, bucket: &Bucket) -> Result<()> {
    store::remove(tx, bucket.id).await?;
    row_protection::service::forget_target(tx, stamp, TargetKind::Bucket, bucket.id).await?;
    let changes = Change::deleted(bucket.id, bucket)?;
    journal::record(tx, stamp, None, "bucket", changes).await
}

/// Removes the buckets of an organization that goes away; it has no projects any more.
pub async fn remove_of(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    for bucket in store::list(tx, organization).await? {
        erase(tx, stamp, &bucket).await?;
    }
    Ok(())
}
