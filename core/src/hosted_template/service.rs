//! Rules of hosted templates: Admins of the organization look after them.

use super::render::render;
use super::store;
use super::types::{HostedTemplate, HostedTemplatePatch, NewHostedTemplate, Parameter};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::organization::{self, Role};
use crate::row_protection::{self, TargetKind};
use crate::{algorithm, applet, client};

const LONGEST_URL: usize = 2048;

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    organization: i64,
) -> Result<Vec<HostedTemplate>> {
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

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<HostedTemplate> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { administered(tx, &actor, id).await }))
        .await
}

async fn administered(tx: &mut Tx, actor: &Actor, id: i64) -> Result<HostedTemplate> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("HostedTemplate"))?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// The organization of a template, if there is such a template.
pub async fn organization_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(store::find(tx, id).await?.map(|one| one.organization))
}

/// A template that the actor wants to use in a project.
///
/// Errors: `NotFound` when there is none, `Forbidden` for who is no Admin of its organization.
pub async fn usable(tx: &mut Tx, actor: &Actor, id: i64) -> Result<HostedTemplate> {
    let found = reference(tx, id).await?;
    organization::access(tx, actor, found.organization, Role::Admin).await?;
    Ok(found)
}

/// A template that something refers to. Errors: `NotFound`.
pub async fn reference(tx: &mut Tx, id: i64) -> Result<HostedTemplate> {
    let found = store::find(tx, id).await?;
    found.ok_or_else(|| Error::no_reference("HostedTemplate"))
}

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    new: NewHostedTemplate,
) -> Result<HostedTemplate> {
    let access = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(
                async move { organization::access(tx, &access, organization, Role::Admin).await },
            )
        })
        .await?;
    check(cx, &new.name, &new.url).await?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, organization, Role::Admin).await?;
                let template = HostedTemplate {
                    id: tx.allocate("hosted_template", 1).await?,
                    organization,
                    effective_permission: 0,
                    name: new.name,
                    url: new.url,
                    tparams: new.tparams,
                    headers: new.headers,
                };
                store::insert(tx, &template).await?;
                let changes = Change::created(template.id, &template)?;
                journal::record(tx, &stamp, None, "hosted_template", changes).await?;
                Ok(template)
            })
        })
        .await
}

async fn check(cx: &Context, name: &str, url: &str) -> Result<()> {
    client::check(cx, url).await?;
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid(
            "a hosted template's name has 1 to 128 characters",
        ));
    }
    if url.len() > LONGEST_URL {
        return Err(Error::invalid(format!(
            "a hosted template's URL has at most {LONGEST_URL} characters"
        )));
    }
    Ok(())
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: HostedTemplatePatch,
) -> Result<()> {
    get(cx, actor, id).await?;
    check(cx, &patch.name, &patch.url).await?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = administered(tx, &actor, id).await?;
                let mut template = before.clone();
                template.name = patch.name;
                template.url = patch.url;
                template.tparams = patch.tparams.unwrap_or(template.tparams);
                template.headers = patch.headers.unwrap_or(template.headers);
                store::update(tx, &template).await?;
                let changes = Change::updated(id, &before, &template)?;
                journal::record(tx, &stamp, None, "hosted_template", changes).await
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
                erase(tx, &stamp, &before).await
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, template: &HostedTemplate) -> Result<()> {
    let id = template.id;
    algorithm::service::forget_template(tx, stamp, id).await?;
    applet::service::forget_template(tx, stamp, id).await?;
    store::remove(tx, id).await?;
    row_protection::service::forget_target(tx, stamp, TargetKind::HostedTemplate, id).await?;
    let changes = Change::deleted(id, template)?;
    journal::record(tx, stamp, None, "hosted_template", changes).await
}

/// Removes the templates of an organization that goes away.
pub async fn remove_of(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    for template in store::list(tx, organization).await? {
        erase(tx, stamp, &template).await?;
    }
    Ok(())
}

/// The text of a template as something that uses it shows it; none when it cannot be had just now.
pub async fn shown(
    cx: &Context,
    id: i64,
    tparams: &[Parameter],
    headers: &[Parameter],
) -> Option<String> {
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { reference(tx, id).await }));
    let text = match found.await {
        Ok(template) => render(cx, &template, tparams, headers).await,
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::info!(error = %Chain(&error), hosted_template.id = id, "a template could not be rendered");
            None
        }
    }
}
