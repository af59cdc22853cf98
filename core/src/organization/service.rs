//! Rules of organizations and affiliations.

use super::store;
use super::types::{
    Affiliation, AffiliationPatch, NewAffiliation, NewOrganization, Organization,
    OrganizationPatch, Role,
};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::project;

/// Checks that the actor is affiliated with at least this role.
///
/// Errors: `NotFound` if there is no such organization, `Forbidden` without the role.
pub async fn access(tx: &mut Tx, actor: &Actor, organization: i64, least: Role) -> Result<()> {
    match store::role(tx, organization, actor.id).await? {
        Some(role) if role >= least => Ok(()),
        None if !store::exists(tx, organization).await? => Err(Error::no_match("Organization")),
        _ => Err(Error::forbidden()),
    }
}

pub(super) async fn list(cx: &Context, actor: &Actor) -> Result<Vec<Organization>> {
    let account = actor.id;
    cx.database
        .read(move |tx| Box::pin(store::list(tx, account)))
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Organization> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Role::Member).await }))
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Role) -> Result<Organization> {
    access(tx, actor, id, least).await?;
    store::find(tx, id, actor.id)
        .await?
        .ok_or_else(|| Error::no_match("Organization"))
}

/// Makes an organization whose Admin is the actor.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    new: NewOrganization,
) -> Result<Organization> {
    if !actor.is_staff && !cx.settings.account.organization_post {
        return Err(Error::forbidden());
    }
    let stamp = cx.clock.stamp(Some(actor.id), cx.now());
    let account = actor.id;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let mut organization = create_for(tx, &stamp, account, &new.name).await?;
                organization.thumb = new.thumb;
                if let Some(level) = new.default_membership_permission {
                    organization.default_membership_permission = level;
                }
                store::update(tx, &organization).await?;
                // Five bytes of rights for the creator, as the original echoes them.
                Ok(Organization {
                    effective_permission: 0xff_ffff_ffff,
                    ..organization
                })
            })
        })
        .await
}

/// Makes an organization for an account, who becomes its Admin.
pub async fn create_for(
    tx: &mut Tx,
    stamp: &Stamp,
    account: i64,
    name: &str,
) -> Result<Organization> {
    check_name(tx, account, name, None).await?;
    let organization = Organization {
        id: tx.allocate("organization", 1).await?,
        permission: Role::Admin,
        name: name.to_owned(),
        default_membership_permission: "No Access".into(),
        thumb: None,
        effective_permission: 0,
    };
    store::insert(tx, &organization, stamp.at_ms).await?;
    let affiliation = tx.allocate("affiliation", 1).await?;
    store::insert_affiliation(tx, affiliation, organization.id, account, Role::Admin).await?;
    let changes = Change::created(organization.id, &organization)?;
    journal::record(tx, stamp, None, "organization", changes).await?;
    Ok(organization)
}

/// Whether there is such an organization.
pub async fn exists(tx: &mut Tx, id: i64) -> Result<bool> {
    store::exists(tx, id).await
}

/// Whether the station has any organization.
pub async fn any(tx: &mut Tx) -> Result<bool> {
    store::any(tx).await
}

async fn check_name(tx: &mut Tx, account: i64, name: &str, but: Option<i64>) -> Result<()> {
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid(
            "an organization's name has 1 to 128 characters",
        ));
    }
    let folded = name.to_lowercase();
    let taken = store::list(tx, account)
        .await?
        .iter()
        .any(|other| Some(other.id) != but && other.name.to_lowercase() == folded);
    if taken {
        Err(Error::invalid(format!(
            "Organization with name {name} already exists!"
        )))
    } else {
        Ok(())
    }
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: OrganizationPatch,
) -> Result<Organization> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Role::Admin).await?;
                let mut organization = before.clone();
                if let Some(name) = patch.name {
                    check_name(tx, actor.id, &name, Some(id)).await?;
                    organization.name = name;
                }
                if let Some(level) = patch.default_membership_permission {
                    organization.default_membership_permission = level;
                }
                organization.thumb = patch.thumb.or(organization.thumb);
                store::update(tx, &organization).await?;
                journal::record(
                    tx,
                    &stamp,
                    None,
                    "organization",
                    Change::updated(id, &before, &organization)?,
                )
                .await?;
                Ok(organization)
            })
        })
        .await
}

/// Removes an organization that has no projects left.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Role::Admin).await?;
                let projects = project::service::count_of_organization(tx, id).await?;
                if projects > 0 {
                    return Err(Error::invalid(format!(
                        "Organization {id} still has {projects} projects; delete or move them first."
                    )));
                }
                store::remove(tx, id).await?;
                journal::record(tx, &stamp, None, "organization", Change::deleted(id, &before)?).await
            })
        })
        .await
}

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
                if store::role(tx, organization, account).await?.is_some() {
                    return Err(Error::invalid(format!(
                        "Affiliation already exists for user {account} in organization {organization}!"
                    )));
                }
                let id = tx.allocate("affiliation", 1).await?;
                let role = new.permission.unwrap_or(Role::Member);
                store::insert_affiliation(tx, id, organization, account, role).await?;
                let made = administered(tx, &actor, id).await?;
                journal::record(tx, &stamp, None, "affiliation", Change::created(id, &made)?).await?;
                Ok(made)
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

/// The first organization that the actor administers; one of the actor's name is made if there is none.
pub async fn first_of(cx: &Context, actor: &Actor) -> Result<i64> {
    let mine = list(cx, actor).await?;
    if let Some(found) = mine.iter().find(|one| one.permission == Role::Admin) {
        return Ok(found.id);
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move { Ok(create_for(tx, &stamp, actor.id, &actor.username).await?.id) })
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

/// The level that a new project gives to the organization's members, as `account` (one of them)
/// sees it; `No Access` when there is none.
pub async fn default_permission(tx: &mut Tx, organization: i64, account: i64) -> Result<String> {
    let found = store::find(tx, organization, account).await?;
    Ok(found
        .ok_or_else(|| Error::no_match("Organization"))?
        .default_membership_permission)
}
