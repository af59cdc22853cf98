//! Rules of affiliations: who belongs to an organization.

use super::service::{access, erase};
use super::store;
use super::types::{Affiliation, AffiliationPatch, NewAffiliation, Role};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::project;

pub(super) async fn affiliations(
    cx: &Context,
    actor: &Actor,
    organization: i64,
) -> Result<Vec<Affiliation>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                access(tx, &actor, organization, Role::Admin).await?;
                store::affiliations(tx, organization).await
            })
        })
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64) -> Result<Affiliation> {
    let found = store::find_affiliation(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Affiliation"))?;
    access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

pub(super) async fn affiliation(cx: &Context, actor: &Actor, id: i64) -> Result<Affiliation> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id).await }))
        .await
}

pub(super) async fn affiliate(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewAffiliation,
) -> Result<Affiliation> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                access(tx, &actor, organization, Role::Admin).await?;
                let account = new.user.ok_or_else(|| {
                    Error::invalid_because(
                        "Request body validation error",
                        "body: 'user' is a required property",
                    )
                })?;
                account::service::reference(tx, account).await?;
                let role = new.permission.unwrap_or(Role::Member);
                join(tx, &stamp, organization, account, role).await
            })
        })
        .await
}

pub(super) async fn update_affiliation(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: AffiliationPatch,
) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let permission = patch.permission.unwrap_or(before.permission);
                store::set_role(tx, id, permission).await?;
                let after = Affiliation {
                    permission,
                    ..before.clone()
                };
                journal::record(
                    tx,
                    &stamp,
                    None,
                    "affiliation",
                    Change::updated(id, &before, &after)?,
                )
                .await
            })
        })
        .await
}

pub(super) async fn remove_affiliation(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                store::remove_affiliation(tx, id).await?;
                journal::record(
                    tx,
                    &stamp,
                    None,
                    "affiliation",
                    Change::deleted(id, &before)?,
                )
                .await
            })
        })
        .await
}

/// Accounts affiliated with an organization, for the memberships of a new project.
pub async fn affiliated_accounts(tx: &mut Tx, organization: i64) -> Result<Vec<i64>> {
    Ok(store::affiliations(tx, organization)
        .await?
        .into_iter()
        .map(|one| one.user)
        .collect())
}

/// Whether an account is affiliated with an organization.
pub async fn has_member(tx: &mut Tx, organization: i64, account: i64) -> Result<bool> {
    Ok(store::role(tx, organization, account).await?.is_some())
}

/// Affiliates an account that was invited.
///
/// Errors: `Invalid` when it is affiliated already.
pub async fn join(
    tx: &mut Tx,
    stamp: &Stamp,
    organization: i64,
    account: i64,
    role: Role,
) -> Result<Affiliation> {
    if has_member(tx, organization, account).await? {
        return Err(Error::invalid(format!(
            "Affiliation already exists for user {account} in organization {organization}!"
        )));
    }
    let id = tx.allocate("affiliation", 1).await?;
    store::insert_affiliation(tx, id, organization, account, role).await?;
    let made = store::find_affiliation(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Affiliation"))?;
    journal::record(tx, stamp, None, "affiliation", Change::created(id, &made)?).await?;
    Ok(made)
}

/// Whether somebody else administers an organization, or nobody needs to: it has neither other
/// members nor projects.
async fn can_spare(tx: &mut Tx, organization: i64, account: i64) -> Result<(bool, bool)> {
    let members = store::affiliations(tx, organization).await?;
    let others: Vec<&Affiliation> = members.iter().filter(|one| one.user != account).collect();
    let administered = others.iter().any(|one| one.permission == Role::Admin);
    let empty =
        others.is_empty() && project::service::count_of_organization(tx, organization).await? == 0;
    Ok((administered, empty))
}

/// What to call the organizations that nobody but this account looks after, and somebody should.
pub async fn only_administered_by(tx: &mut Tx, account: i64) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for organization in store::list(tx, account).await? {
        let (administered, empty) = can_spare(tx, organization.id, account).await?;
        if organization.permission == Role::Admin && !administered && !empty {
            names.push(format!("the organization {}", organization.name));
        }
    }
    Ok(names)
}

/// Takes an account that goes away out of every organization; one that is then empty goes, too.
pub async fn forget_account(tx: &mut Tx, stamp: &Stamp, account: i64) -> Result<()> {
    for organization in store::list(tx, account).await? {
        if can_spare(tx, organization.id, account).await?.1 {
            erase(tx, stamp, &organization).await?;
        }
    }
    for affiliation in store::affiliations_of(tx, account).await? {
        store::remove_affiliation(tx, affiliation.id).await?;
        let changes = Change::deleted(affiliation.id, &affiliation)?;
        journal::record(tx, stamp, None, "affiliation", changes).await?;
    }
    Ok(())
}
