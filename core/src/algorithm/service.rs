//! Rules of algorithms.

use serde_json::Value as Json;

use super::store;
use super::types::{Algorithm, AlgorithmPatch, NewAlgorithm};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::hosted_template::{self, service as templates};
use crate::job_cluster;
use crate::journal::{self, Change, Stamp};
use crate::project::{self, Level};
use crate::row_protection::{self, TargetKind};
use crate::storage::generic;
use crate::workflow::Sandbox;
use crate::workflow::manifest::{Manifest, document};

const LONGEST_NAME: usize = 128;
const LONGEST_DESCRIPTION: usize = 1024;

/// Algorithms of a project, by id, with their templates rendered.
pub(super) async fn list(cx: &Context, actor: &Actor, project: i64) -> Result<Vec<Algorithm>> {
    let actor = actor.clone();
    let algorithms = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                store::list(tx, project).await
            })
        })
        .await?;
    let rendered = algorithms.into_iter().map(|one| render(cx, one));
    Ok(futures::future::join_all(rendered).await)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Algorithm> {
    let actor = actor.clone();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await?;
    Ok(render(cx, found).await)
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Algorithm> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Algorithm"))?;
    project::access(tx, actor, found.project, least).await?;
    Ok(found)
}

async fn render(cx: &Context, mut algorithm: Algorithm) -> Algorithm {
    if let Some(template) = algorithm.template {
        let (tparams, headers) = (&algorithm.tparams, &algorithm.headers);
        algorithm.rendered = templates::shown(cx, template, tparams, headers).await;
    }
    algorithm
}

/// Registers an algorithm.
///
/// Errors: `Forbidden` below Can Edit, for a template of an organization that the caller does not
/// administer, and for this station's own runner with a user who is no staff; `NotFound` for users,
/// templates and clusters that are not there; `Invalid` for a manifest that cannot be run.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewAlgorithm,
) -> Result<Algorithm> {
    let algorithm = Algorithm {
        id: 0,
        project,
        rendered: None,
        name: new.name,
        user: new.user,
        description: new.description,
        manifest: new.manifest,
        cluster: new.cluster.filter(|id| *id != 0),
        files_per_job: new.files_per_job,
        categories: new.categories,
        parameters: new.parameters,
        template: new.template.filter(|id| *id != 0),
        tparams: new.tparams,
        extended_info: new.extended_info,
        headers: new.headers,
    };
    let rules = Rules::new(cx, actor);
    let (first, one) = (rules.clone(), algorithm.clone());
    cx.database
        .read(move |tx| Box::pin(async move { first.check(tx, &one, None).await }))
        .await?;
    runnable(cx, &algorithm).await?;
    let now = cx.now();
    let stamp = cx.clock.stamp(Some(actor.id), now);
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                rules.check(tx, &algorithm, None).await?;
                let id = tx.allocate("algorithm", 1).await?;
                let made = Algorithm { id, ..algorithm };
                store::insert(tx, &made, rules.actor.id, now).await?;
                let changes = Change::created(id, &made)?;
                journal::record(tx, &stamp, Some(project), "algorithm", changes).await?;
                Ok(made)
            })
        })
        .await
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: AlgorithmPatch,
) -> Result<()> {
    let (rules, change) = (Rules::new(cx, actor), patch.clone());
    let (before, checked) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &rules.actor, id, Level::Edit).await?;
                let after = change.apply(&before);
                rules.check(tx, &after, Some(&before)).await?;
                Ok((before, after))
            })
        })
        .await?;
    if !before.runs_as(&checked) {
        runnable(cx, &checked).await?;
    }
    let rules = Rules::new(cx, actor);
    let stamp = cx.clock.stamp(Some(actor.id), cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &rules.actor, id, Level::Edit).await?;
                let after = patch.apply(&before);
                if !after.runs_as(&checked) {
                    return Err(Error::Busy(
                        "somebody else changed the algorithm at the same time; try again".into(),
                    ));
                }
                rules.check(tx, &after, Some(&before)).await?;
                store::update(tx, &after).await?;
                let changes = Change::updated(id, &before, &after)?;
                journal::record(tx, &stamp, Some(after.project), "algorithm", changes).await
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Edit).await?;
                store::remove(tx, id).await?;
                row_protection::service::forget_target(tx, &stamp, TargetKind::Algorithm, id)
                    .await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(before.project), "algorithm", changes).await
            })
        })
        .await
}

/// What an algorithm must fulfil to be stored, beside its manifest.
#[derive(Clone)]
struct Rules {
    actor: Actor,
    /// Whether steps run in a sandbox.
    confined: bool,
}

impl Rules {
    fn new(cx: &Context, actor: &Actor) -> Self {
        Self {
            actor: actor.clone(),
            confined: cx.settings.workflows.sandbox != Sandbox::None,
        }
    }

    /// Checks an algorithm; where it is stored already, what did not change needs no right again.
    async fn check(&self, tx: &mut Tx, one: &Algorithm, before: Option<&Algorithm>) -> Result<()> {
        project::access(tx, &self.actor, one.project, Level::Edit).await?;
        check_texts(one)?;
        let taken = store::find_by_name(tx, one.project, &one.name).await?;
        if taken.is_some_and(|other| other.id != one.id) {
            return Err(Error::invalid(format!(
                "Algorithm with name {} already exists in project {}!",
                one.name, one.project
            )));
        }
        if before.is_none_or(|before| (before.user, before.cluster) != (one.user, one.cluster)) {
            self.check_place(tx, one).await?;
        }
        let same_text = before.is_some_and(|before| before.is_rendered_as(one));
        if let Some(template) = one.template.filter(|_| !same_text) {
            templates::usable(tx, &self.actor, template).await?;
        }
        if one.template.is_none() {
            let Some(manifest) = &one.manifest else {
                return Err(Error::invalid(
                    "Must specify either a manifest or a template!",
                ));
            };
            if !generic::exists(tx, one.project, manifest).await? {
                return Err(no_manifest(manifest));
            }
        }
        Ok(())
    }

    /// Where it is to run, and in whose name.
    async fn check_place(&self, tx: &mut Tx, one: &Algorithm) -> Result<()> {
        let user = account::service::reference(tx, one.user).await?;
        let Some(cluster) = one.cluster else {
            if !user.is_staff {
                return Err(not_staff(&user.username));
            }
            if !self.confined && !self.actor.is_staff {
                return Err(Error::Forbidden(
                    "this station runs steps without a sandbox (workflows.sandbox): only staff registers \
                     algorithms for it"
                        .into(),
                ));
            }
            return Ok(());
        };
        let own = project::service::organization_of(tx, one.project).await?;
        match job_cluster::service::organization_of(tx, cluster).await? {
            Some(organization) if organization == own => Ok(()),
            _ => Err(Error::no_reference("JobCluster")),
        }
    }
}

fn check_texts(one: &Algorithm) -> Result<()> {
    if one.name.is_empty() || one.name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "an algorithm's name has 1 to {LONGEST_NAME} characters"
        )));
    }
    let description = one.description.as_deref().unwrap_or_default();
    if description.chars().count() > LONGEST_DESCRIPTION {
        return Err(Error::invalid(format!(
            "an algorithm's description has at most {LONGEST_DESCRIPTION} characters"
        )));
    }
    if one.files_per_job < 1 {
        return Err(Error::invalid("files_per_job must be at least 1"));
    }
    Ok(())
}

fn not_staff(username: &str) -> Error {
    Error::Forbidden(format!(
        "an algorithm without a job cluster runs on this station, and only in the name of staff, which {username} \
         is not; give another user, or a job cluster"
    ))
}

fn no_manifest(path: &str) -> Error {
    Error::invalid(format!(
        "the project has no manifest {path}; save one first (SaveAlgorithmManifest) and give the path that it returns"
    ))
}

/// Checks that the station can run what an algorithm says; a cluster's manifests are its own affair.
async fn runnable(cx: &Context, algorithm: &Algorithm) -> Result<()> {
    let document = manifest(cx, algorithm).await?;
    if algorithm.cluster.is_none() {
        Manifest::read(document)?;
    }
    Ok(())
}

/// The manifest of an algorithm, rendered anew where it comes from a template.
///
/// Errors: `Invalid` when it cannot be had, or is no YAML mapping.
pub async fn manifest(cx: &Context, algorithm: &Algorithm) -> Result<Json> {
    let text = match (algorithm.template, &algorithm.manifest) {
        (Some(template), _) => {
            let found = cx
                .database
                .read(move |tx| Box::pin(async move { templates::reference(tx, template).await }))
                .await?;
            hosted_template::render(cx, &found, &algorithm.tparams, &algorithm.headers).await?
        }
        (None, Some(path)) => {
            let bytes = generic::read(cx, algorithm.project, path).await?;
            let bytes = bytes.ok_or_else(|| no_manifest(path))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        (None, None) => {
            return Err(Error::invalid(format!(
                "the algorithm {} has neither a manifest nor a template",
                algorithm.name
            )));
        }
    };
    document(&text)
}

/// The algorithm that is to be launched in a project, and whose user may still do so.
///
/// Errors: `NotFound`; `Forbidden` when its user is no staff any more; `Invalid` for one that is to
/// run on a job cluster, which this station does not reach.
pub async fn to_launch(tx: &mut Tx, project: i64, name: &str) -> Result<Algorithm> {
    let found = store::find_by_name(tx, project, name).await?;
    let algorithm = found.ok_or_else(|| Error::no_reference("Algorithm"))?;
    let user = account::service::reference(tx, algorithm.user).await?;
    if user.is_staff {
        Ok(algorithm)
    } else {
        Err(not_staff(&user.username))
    }
}

/// How many algorithms are for a job cluster.
pub async fn count_of_cluster(tx: &mut Tx, cluster: i64) -> Result<i64> {
    store::count_of_cluster(tx, cluster).await
}

/// The project of an algorithm, if there is such an algorithm.
pub async fn project_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    Ok(store::find(tx, id).await?.map(|one| one.project))
}

/// Takes a template that goes away from the algorithms that use it.
pub async fn forget_template(tx: &mut Tx, stamp: &Stamp, template: i64) -> Result<()> {
    for before in store::with_template(tx, template).await? {
        let mut after = before.clone();
        after.template = None;
        store::update(tx, &after).await?;
        let changes = Change::updated(before.id, &before, &after)?;
        journal::record(tx, stamp, Some(before.project), "algorithm", changes).await?;
    }
    Ok(())
}
