//! Rules of memberships.

use super::service::access;
use super::store;
use super::types::{Level, Membership, MembershipPatch, NewMembership, Project};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Change, Changes, Stamp};
use crate::{organization, version};

/// The version that an account annotates in unless it says otherwise.
pub async fn default_version(tx: &mut Tx, project: i64, account: i64) -> Result<Option<i64>> {
    Ok(store::membership_of(tx, project, account)
        .await?
        .and_then(|membership| membership.default_version))
}

/// Clears a version that goes away from the memberships that default to it.
pub async fn forget_version(tx: &mut Tx, stamp: &Stamp, project: i64, version: i64) -> Result<()> {
    let before = store::memberships_with_default(tx, version).await?;
    let mut changed = Vec::with_capacity(before.len());
    for membership in before {
        let after = Membership {
            default_version: None,
            ..membership.clone()
        };
        store::update_membership(tx, &after).await?;
        changed.push((after.id, Some(membership), Some(after)));
    }
    let changes = Changes::new(Action::Update, changed)?;
    journal::record(tx, stamp, Some(project), "membership", changes).await
}

/// Gives a new project its first members: the creator, and the organization's by their default.
pub(super) async fn enroll(
    tx: &mut Tx,
    stamp: &Stamp,
    creator: &Actor,
    project: &Project,
) -> Result<()> {
    add(tx, stamp, project.id, creator.id, Level::Full, None).await?;
    let level =
        organization::service::default_permission(tx, project.organization, creator.id).await?;
    let level = Level::from_name(&level);
    if level == Level::None {
        return Ok(());
    }
    for account in organization::service::affiliated_accounts(tx, project.organization).await? {
        if account != creator.id {
            add(tx, stamp, project.id, account, level, None).await?;
        }
    }
    Ok(())
}

async fn add(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    account: i64,
    permission: Level,
    default_version: Option<i64>,
) -> Result<Membership> {
    let id = tx.allocate("membership", 1).await?;
    store::insert_membership(tx, id, project, account, permission, default_version).await?;
    let made = store::find_membership(tx, id).await?;
    let made = made.ok_or_else(|| Error::no_match("Membership"))?;
    let changes = Change::created(id, &made)?;
    journal::record(tx, stamp, Some(project), "membership", changes).await?;
    Ok(made)
}

pub(super) async fn list(cx: &Context, actor: &Actor, project: i64) -> Result<Vec<Membership>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                access(tx, &actor, project, Level::View).await?;
                store::memberships(tx, project).await
            })
        })
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Membership> {
    let found = store::find_membership(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Membership"))?;
    access(tx, actor, found.project, least).await?;
    Ok(found)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Membership> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

/// Adds a member. Errors: `Invalid` when the account already is one.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewMembership,
) -> Result<Membership> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                access(tx, &actor, project, Level::Full).await?;
                let user = account::service::reference(tx, new.user).await?;
                if store::level(tx, project, user.id, false).await?.is_some() {
                    return Err(Error::invalid(format!(
                        "Membership already exists for project {project} and user {}!",
                        user.id
                    )));
                }
                if let Some(default) = new.default_version {
                    version::service::of_project(tx, &[default], project).await?;
                }
                add(
                    tx,
                    &stamp,
                    project,
                    user.id,
                    new.permission,
                    new.default_version,
                )
                .await
            })
        })
        .await
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: MembershipPatch,
) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Full).await?;
                if let Some(default) = patch.default_version {
                    version::service::of_project(tx, &[default], before.project).await?;
                }
                let after = Membership {
                    permission: patch.permission.unwrap_or(before.permission),
                    default_version: patch.default_version.or(before.default_version),
                    ..before.clone()
                };
                store::update_membership(tx, &after).await?;
                let changes = Change::updated(id, &before, &after)?;
                journal::record(tx, &stamp, Some(before.project), "membership", changes).await
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Full).await?;
                store::remove_membership(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(before.project), "membership", changes).await
            })
        })
        .await
}

/// Adds the membership of an account, or changes its level.
pub(super) async fn set(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    account: i64,
    level: Level,
) -> Result<()> {
    let Some(before) = store::membership_of(tx, project, account).await? else {
        return add(tx, stamp, project, account, level, None)
            .await
            .map(drop);
    };
    let mut after = before.clone();
    after.permission = level;
    store::update_membership(tx, &after).await?;
    let changes = Change::updated(after.id, &before, &after)?;
    journal::record(tx, stamp, Some(project), "membership", changes).await
}
