//! Rules of organizations.

pub use super::affiliations::{
    affiliated_accounts, forget_account, has_member, join, only_administered_by,
};
use super::store;
use super::types::{NewOrganization, Organization, OrganizationPatch, Role, UploadQuery};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::storage::{self, UploadInfo};
use crate::{bucket, group, hosted_template, id, invitation, job_cluster, project, row_protection};

/// Seconds that a link to a picture works.
const LINK_SECS: i64 = 86_400;

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
    row_protection::service::check_model(new.permission_model.as_deref())?;
    let stamp = cx.clock.stamp(Some(actor.id), cx.now());
    let account = actor.id;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let mut organization = create_for(tx, &stamp, account, &new.name).await?;
                if let Some(upload) = new.thumb {
                    organization.thumb = Some(picture(tx, &organization, account, &upload).await?);
                }
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
                if let Some(upload) = patch.thumb {
                    organization.thumb = Some(picture(tx, &before, actor.id, &upload).await?);
                }
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
                erase(tx, &stamp, &before).await
            })
        })
        .await?;
    storage::collect(cx).await
}

/// Removes an organization with everything that belongs to it alone.
pub(super) async fn erase(tx: &mut Tx, stamp: &Stamp, organization: &Organization) -> Result<()> {
    let id = organization.id;
    project::service::erase_deleted_of(tx, id).await?;
    group::service::remove_of(tx, stamp, id).await?;
    bucket::service::remove_of(tx, stamp, id).await?;
    hosted_template::service::remove_of(tx, stamp, id).await?;
    job_cluster::service::remove_of(tx, stamp, id).await?;
    invitation::service::remove_of(tx, stamp, id).await?;
    row_protection::service::forget_organization(tx, stamp, id).await?;
    if let Some(key) = &organization.thumb {
        storage::remove(tx, key).await?;
    }
    store::remove(tx, id).await?;
    let changes = Change::deleted(id, organization)?;
    journal::record(tx, stamp, None, "organization", changes).await
}

/// Makes an upload of the account the picture of an organization; returns its key.
async fn picture(
    tx: &mut Tx,
    organization: &Organization,
    account: i64,
    upload: &str,
) -> Result<String> {
    let key = format!("{}/thumb/{}", organization.id, id::uuid());
    storage::keep_upload(tx, account, upload, &key, organization.thumb.as_deref()).await?;
    Ok(key)
}

/// Replaces the key of an organization's picture by a link below `origin`.
pub(super) async fn link(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    organization: &mut Organization,
) {
    if let Some(key) = &organization.thumb {
        let url = storage::presign(cx, actor, origin, key, LINK_SECS, false).await;
        organization.thumb = Some(url);
    }
}

/// Where an Admin puts the bytes of a new picture.
pub(super) async fn upload_info(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    organization: i64,
    query: UploadQuery,
) -> Result<UploadInfo> {
    let (admin, account) = (actor.clone(), actor.id);
    cx.database
        .read(move |tx| {
            Box::pin(async move { access(tx, &admin, organization, Role::Admin).await })
        })
        .await?;
    let UploadQuery {
        expiration,
        num_parts,
    } = query;
    storage::organization_upload(cx, origin, organization, account, num_parts, expiration).await
}

/// The name of an organization. Errors: `NotFound`.
pub async fn name_of(tx: &mut Tx, id: i64) -> Result<String> {
    store::name(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Organization"))
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

/// The level that a new project gives to the organization's members, as `account` (one of them)
/// sees it; `No Access` when there is none.
pub async fn default_permission(tx: &mut Tx, organization: i64, account: i64) -> Result<String> {
    let found = store::find(tx, organization, account).await?;
    Ok(found
        .ok_or_else(|| Error::no_match("Organization"))?
        .default_membership_permission)
}
