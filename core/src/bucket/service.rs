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

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewBucket,
) -> Result<Bucket> {
    check_name(&new.name)?;
    let endpoint_url = config::endpoint(new.store_type, &new.config)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
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
                };
                store::insert(tx, &bucket).await?;
                let changes = Change::created(bucket.id, &bucket)?;
                journal::record(tx, &stamp, None, "bucket", changes).await?;
                Ok(bucket)
            })
        })
        .await
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "a bucket's name has 1 to {LONGEST_NAME} characters"
        )));
    }
    Ok(())
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: BucketPatch,
) -> Result<Bucket> {
    patch.name.as_deref().map(check_name).transpose()?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let store_type = patch.store_type.unwrap_or(before.store_type);
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
                    ..before.clone()
                };
                store::update(tx, &bucket).await?;
                let changes = Change::updated(id, &before, &bucket)?;
                journal::record(tx, &stamp, None, "bucket", changes).await?;
                Ok(bucket)
            })
        })
        .await
}

/// Removes a bucket that no project uses; what is stored in it stays there.
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
