//! Rules of versions.

use super::store;
use super::types::{NewVersion, Version, VersionPatch};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Change, Changes, Clock, Stamp};
use crate::project::{self, Level};
use crate::{id, time};

/// The rights of a creator, as the original echoes them: two full bytes.
const CREATOR_MASK: i64 = 0xffff;

/// The version that an account annotates in unless it says otherwise: the default of its
/// membership, else the one with the lowest number from 0, else a new Baseline.
pub async fn default_for(tx: &mut Tx, project: i64, account: i64) -> Result<i64> {
    if let Some(default) = project::service::default_version(tx, project, account).await? {
        return Ok(default);
    }
    if let Some(first) = store::first(tx, project).await? {
        return Ok(first);
    }
    let station = store::station(tx).await?;
    let stamp = Clock::new(&station).stamp(Some(account), time::now_ms());
    create_baseline(tx, &stamp, project).await
}

/// Checks that every id is a version of the project. Errors: `Invalid`, naming the first that is not.
pub async fn of_project(tx: &mut Tx, ids: &[i64], project: i64) -> Result<()> {
    match first_foreign(tx, ids, project).await? {
        None => Ok(()),
        Some(id) => Err(Error::invalid(format!(
            "Version {id} does not belong to project {project}!"
        ))),
    }
}

async fn first_foreign(tx: &mut Tx, ids: &[i64], project: i64) -> Result<Option<i64>> {
    if ids.is_empty() {
        return Ok(None);
    }
    let own = store::ids(tx, project).await?;
    Ok(ids.iter().find(|id| !own.contains(id)).copied())
}

/// Makes the version that every project starts with.
pub async fn create_baseline(tx: &mut Tx, stamp: &Stamp, project: i64) -> Result<i64> {
    let baseline = NewVersion {
        name: "Baseline".into(),
        description: String::new(),
        show_empty: true,
        bases: Vec::new(),
        elemental_id: None,
    };
    Ok(add(tx, stamp, project, baseline).await?.id)
}

async fn add(tx: &mut Tx, stamp: &Stamp, project: i64, new: NewVersion) -> Result<Version> {
    check(tx, project, &new.name, &new.description, &new.bases).await?;
    let version = Version {
        id: tx.allocate("version", 1).await?,
        name: new.name,
        description: new.description,
        show_empty: new.show_empty,
        bases: new.bases,
        elemental_id: match &new.elemental_id {
            Some(uuid) => id::parse_uuid(uuid)?,
            None => id::uuid(),
        },
        number: store::next_number(tx, project).await?,
        project,
        created_by: stamp.account,
        effective_permission: 0,
    };
    store::insert(tx, &version).await?;
    let changes = Change::created(version.id, &version)?;
    journal::record(tx, stamp, Some(project), "version", changes).await?;
    Ok(version)
}

async fn check(
    tx: &mut Tx,
    project: i64,
    name: &str,
    description: &str,
    bases: &[i64],
) -> Result<()> {
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid("a version's name has 1 to 128 characters"));
    }
    if description.chars().count() > 1024 {
        return Err(Error::invalid(
            "a version's description has at most 1024 characters",
        ));
    }
    if first_foreign(tx, bases, project).await?.is_some() {
        return Err(Error::no_reference("Version"));
    }
    Ok(())
}

/// Versions of a project, by number.
pub(super) async fn list(cx: &Context, actor: &Actor, project: i64) -> Result<Vec<Version>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                store::list(tx, project).await
            })
        })
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Version> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Version"))?;
    project::access(tx, actor, found.project, least).await?;
    Ok(found)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Version> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewVersion,
) -> Result<Version> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                Ok(Version {
                    effective_permission: CREATOR_MASK,
                    ..add(tx, &stamp, project, new).await?
                })
            })
        })
        .await
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: VersionPatch,
) -> Result<Version> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Edit).await?;
                let mut version = before.clone();
                version.name = patch.name.unwrap_or(version.name);
                version.description = patch.description.unwrap_or(version.description);
                version.show_empty = patch.show_empty.unwrap_or(version.show_empty);
                version.bases = patch.bases.unwrap_or(version.bases);
                if let Some(uuid) = patch.elemental_id {
                    version.elemental_id = id::parse_uuid(&uuid)?;
                }
                let project = version.project;
                check(
                    tx,
                    project,
                    &version.name,
                    &version.description,
                    &version.bases,
                )
                .await?;
                store::update(tx, &version).await?;
                let changes = Change::updated(id, &before, &version)?;
                journal::record(tx, &stamp, Some(project), "version", changes).await?;
                Ok(Version {
                    effective_permission: CREATOR_MASK,
                    ..version
                })
            })
        })
        .await
}

/// Removes a version that shows no annotations, and every mention of it.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Edit).await?;
                let project = before.project;
                let localizations = store::visible(tx, "localization", project, id).await?;
                let states = store::visible(tx, "state", project, id).await?;
                if localizations + states > 0 {
                    return Err(Error::invalid(format!(
                        "Cannot delete version with annotations! Found {localizations} localizations, {states} states!"
                    )));
                }
                store::remove(tx, project, id).await?;
                forget_base(tx, &stamp, project, id).await?;
                project::service::forget_version(tx, &stamp, project, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(project), "version", changes).await
            })
        })
        .await
}

/// Takes a version that goes away out of the bases of the others.
async fn forget_base(tx: &mut Tx, stamp: &Stamp, project: i64, base: i64) -> Result<()> {
    let mut changed = Vec::new();
    for before in store::list(tx, project).await? {
        if !before.bases.contains(&base) {
            continue;
        }
        let mut after = before.clone();
        after.bases.retain(|id| *id != base);
        store::update(tx, &after).await?;
        changed.push((after.id, Some(before), Some(after)));
    }
    let changes = Changes::new(Action::Update, changed)?;
    journal::record(tx, stamp, Some(project), "version", changes).await
}
