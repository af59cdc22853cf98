//! Rules of groups: Admins of the organization look after them.

use std::collections::BTreeSet;

use super::store;
use super::types::{Group, GroupFilter, GroupPatch, NewGroup};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::organization::{self, Role};
use crate::row_protection;

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    filter: GroupFilter,
) -> Result<Vec<Group>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                store::list(tx, organization, filter.user).await
            })
        })
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Group> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id).await }))
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64) -> Result<Group> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Group"))?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// The organization of a group, if there is such a group.
pub async fn organization_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(store::find(tx, id).await?.map(|group| group.organization))
}

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewGroup,
) -> Result<Group> {
    check_name(&new.name)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                let members: BTreeSet<i64> = new.initial_members.into_iter().collect();
                check_members(tx, &members).await?;
                let group = Group {
                    id: tx.allocate("group", 1).await?,
                    name: new.name,
                    organization,
                    organization_id: organization,
                    members: members.into_iter().collect(),
                };
                store::insert(tx, &group).await?;
                let changes = Change::created(group.id, &group)?;
                journal::record(tx, &stamp, None, "group", changes).await?;
                Ok(group)
            })
        })
        .await
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid("a group's name has 1 to 128 characters"));
    }
    Ok(())
}

async fn check_members(tx: &mut Tx, members: &BTreeSet<i64>) -> Result<()> {
    for account in members {
        account::service::reference(tx, *account).await?;
    }
    Ok(())
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: GroupPatch,
) -> Result<Group> {
    patch.name.as_deref().map(check_name).transpose()?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let added: BTreeSet<i64> = patch.add_members.into_iter().collect();
                check_members(tx, &added).await?;
                let mut members: BTreeSet<i64> = before.members.iter().copied().collect();
                members.extend(added);
                for account in &patch.remove_members {
                    members.remove(account);
                }
                let group = Group {
                    name: patch.name.unwrap_or_else(|| before.name.clone()),
                    members: members.into_iter().collect(),
                    ..before.clone()
                };
                change(tx, &stamp, &before, &group).await?;
                Ok(group)
            })
        })
        .await
}

async fn change(tx: &mut Tx, stamp: &Stamp, before: &Group, after: &Group) -> Result<()> {
    store::update(tx, after).await?;
    let changes = Change::updated(after.id, before, after)?;
    journal::record(tx, stamp, None, "group", changes).await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                erase(tx, &stamp, before).await
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, group: Group) -> Result<()> {
    store::remove(tx, group.id).await?;
    row_protection::service::forget_group(tx, stamp, group.id).await?;
    let changes = Change::deleted(group.id, &group)?;
    journal::record(tx, stamp, None, "group", changes).await
}

/// Removes the groups of an organization that goes away.
pub async fn remove_of(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    for group in store::list(tx, organization, None).await? {
        erase(tx, stamp, group).await?;
    }
    Ok(())
}

/// Takes an account that goes away out of every group.
pub async fn forget_account(tx: &mut Tx, stamp: &Stamp, account: i64) -> Result<()> {
    for before in store::list_of(tx, account).await? {
        let mut after = before.clone();
        after.members.retain(|member| *member != account);
        change(tx, stamp, &before, &after).await?;
    }
    Ok(())
}
