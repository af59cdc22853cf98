//! Rules of job clusters: Admins of the organization look after them.

use super::store;
use super::types::{JobCluster, NewJobCluster};
use crate::account::Actor;
use crate::algorithm;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::organization::{self, Role};
use crate::row_protection::{self, TargetKind};

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    organization: i64,
) -> Result<Vec<JobCluster>> {
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

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<JobCluster> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id).await }))
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64) -> Result<JobCluster> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("JobCluster"))?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// The organization of a cluster, if there is such a cluster.
pub async fn organization_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(store::find(tx, id).await?.map(|one| one.organization))
}

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewJobCluster,
) -> Result<JobCluster> {
    check(&new)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                let cluster = JobCluster {
                    id: tx.allocate("job_cluster", 1).await?,
                    organization,
                    effective_permission: 0,
                    name: new.name,
                    host: new.host,
                    port: new.port,
                    token: new.token,
                    cert: new.cert,
                };
                store::insert(tx, &cluster).await?;
                let changes = Change::created(cluster.id, &cluster.without_token())?;
                journal::record(tx, &stamp, None, "job_cluster", changes).await?;
                Ok(cluster)
            })
        })
        .await
}

fn check(new: &NewJobCluster) -> Result<()> {
    if new.name.is_empty() || new.name.chars().count() > 128 {
        return Err(Error::invalid(
            "a job cluster's name has 1 to 128 characters",
        ));
    }
    if !(1..=65_535).contains(&new.port) {
        return Err(Error::invalid(
            "a job cluster's port is between 1 and 65535",
        ));
    }
    Ok(())
}

pub(super) async fn update(cx: &Context, actor: &Actor, id: i64, new: NewJobCluster) -> Result<()> {
    check(&new)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let cluster = JobCluster {
                    name: new.name,
                    host: new.host,
                    port: new.port,
                    token: new.token,
                    cert: new.cert,
                    ..before.clone()
                };
                store::update(tx, &cluster).await?;
                let changes =
                    Change::updated(id, &before.without_token(), &cluster.without_token())?;
                journal::record(tx, &stamp, None, "job_cluster", changes).await
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let users = algorithm::service::count_of_cluster(tx, id).await?;
                if users > 0 {
                    return Err(Error::invalid(format!(
                        "Job cluster {id} is used by {users} algorithms; give them another cluster first."
                    )));
                }
                erase(tx, &stamp, &before).await
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, cluster: &JobCluster) -> Result<()> {
    store::remove(tx, cluster.id).await?;
    row_protection::service::forget_target(tx, stamp, TargetKind::JobCluster, cluster.id).await?;
    let changes = Change::deleted(cluster.id, &cluster.without_token())?;
    journal::record(tx, stamp, None, "job_cluster", changes).await
}

/// Removes the clusters of an organization that goes away.
pub async fn remove_of(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    for cluster in store::list(tx, organization).await? {
        erase(tx, stamp, &cluster).await?;
    }
    Ok(())
}
