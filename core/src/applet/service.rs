//! Rules of applets.

use super::store;
use super::types::{Applet, AppletPatch};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::hosted_template::{self, service as templates};
use crate::journal::{self, Change, Stamp};
use crate::project::{self, Level};
use crate::storage::generic;

const LONGEST_NAME: usize = 128;
const LONGEST_DESCRIPTION: usize = 1024;

/// Applets of a project, by id, with their templates rendered.
pub(super) async fn list(cx: &Context, actor: &Actor, project: i64) -> Result<Vec<Applet>> {
    let actor = actor.clone();
    let applets = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                store::list(tx, project).await
            })
        })
        .await?;
    let rendered = applets.into_iter().map(|one| render(cx, one));
    Ok(futures::future::join_all(rendered).await)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Applet> {
    let actor = actor.clone();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await?;
    Ok(render(cx, found).await)
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Applet> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Applet"))?;
    project::access(tx, actor, found.project, least).await?;
    Ok(found)
}

async fn render(cx: &Context, mut applet: Applet) -> Applet {
    if let Some(template) = applet.template {
        applet.rendered = templates::shown(cx, template, &applet.tparams, &applet.headers).await;
    }
    applet
}

/// Registers an applet.
///
/// Errors: `Forbidden` below Can Execute, and for a template of an organization that the caller does
/// not administer; `NotFound` for a template that is not there; `Invalid` for a page that was not
/// saved, or a template that cannot be fetched.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: AppletPatch,
) -> Result<Applet> {
    let applet = new.apply(Applet {
        id: 0,
        project,
        rendered: None,
        name: String::new(),
        html_file: None,
        description: None,
        categories: Vec::new(),
        template: None,
        tparams: Vec::new(),
        extended_info: serde_json::Map::new(),
        headers: Vec::new(),
    });
    check(cx, actor, &applet, None).await?;
    let now = cx.now();
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), now));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Execute).await?;
                let id = tx.allocate("applet", 1).await?;
                let made = Applet { id, ..applet };
                store::insert(tx, &made, actor.id, now).await?;
                let changes = Change::created(id, &made)?;
                journal::record(tx, &stamp, Some(project), "applet", changes).await?;
                Ok(made)
            })
        })
        .await
}

/// Checks an applet before it is stored; what is fetched of its template must be there.
async fn check(
    cx: &Context,
    actor: &Actor,
    applet: &Applet,
    before: Option<&Applet>,
) -> Result<()> {
    let touches_template = !before.is_some_and(|before| before.is_rendered_as(applet));
    let (actor, one) = (actor.clone(), applet.clone());
    let template = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, one.project, Level::Execute).await?;
                check_texts(&one)?;
                match (one.template, &one.html_file) {
                    (Some(id), _) if touches_template => {
                        Ok(Some(templates::usable(tx, &actor, id).await?))
                    }
                    (Some(_), _) => Ok(None),
                    (None, Some(page)) if generic::exists(tx, one.project, page).await? => {
                        Ok(None)
                    }
                    (None, Some(page)) => Err(Error::invalid(format!(
                        "the project has no page {page}; save one first (SaveGenericFile) and give the path that it \
                         returns"
                    ))),
                    (None, None) => Err(Error::invalid(
                        "Must specify either an html_file or a template!",
                    )),
                }
            })
        })
        .await?;
    if let Some(template) = template {
        hosted_template::render(cx, &template, &applet.tparams, &applet.headers).await?;
    }
    Ok(())
}

fn check_texts(applet: &Applet) -> Result<()> {
    if applet.name.is_empty() || applet.name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "an applet's name has 1 to {LONGEST_NAME} characters"
        )));
    }
    let description = applet.description.as_deref().unwrap_or_default();
    if description.chars().count() > LONGEST_DESCRIPTION {
        return Err(Error::invalid(format!(
            "an applet's description has at most {LONGEST_DESCRIPTION} characters"
        )));
    }
    Ok(())
}

pub(super) async fn update(cx: &Context, actor: &Actor, id: i64, patch: AppletPatch) -> Result<()> {
    let asking = actor.clone();
    let before = cx
        .database
        .read(move |tx| Box::pin(async move { visible(tx, &asking, id, Level::Execute).await }))
        .await?;
    let checked = patch.clone().apply(before.clone());
    check(cx, actor, &checked, Some(&before)).await?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Execute).await?;
                let after = patch.apply(before.clone());
                if !after.shows_as(&checked) {
                    return Err(Error::Busy(
                        "somebody else changed the applet at the same time; try again".into(),
                    ));
                }
                store::update(tx, &after).await?;
                let changes = Change::updated(id, &before, &after)?;
                journal::record(tx, &stamp, Some(after.project), "applet", changes).await
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Execute).await?;
                store::remove(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(before.project), "applet", changes).await
            })
        })
        .await
}

/// Takes a template that goes away from the applets that use it.
pub async fn forget_template(tx: &mut Tx, stamp: &Stamp, template: i64) -> Result<()> {
    for before in store::with_template(tx, template).await? {
        let mut after = before.clone();
        after.template = None;
        store::update(tx, &after).await?;
        let changes = Change::updated(before.id, &before, &after)?;
        journal::record(tx, stamp, Some(before.project), "applet", changes).await?;
    }
    Ok(())
}
