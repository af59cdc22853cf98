//! Rules of jobs.

use super::types::{Job, JobQuery};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::jobs::{self, Filter};
use crate::project::{self, Level};
use crate::workflow::{self, KIND, Memory, engine};

pub(super) use super::launch::launch;

async fn selected(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: JobQuery,
    least: Level,
) -> Result<Vec<jobs::Job>> {
    let actor = actor.clone();
    let filter = Filter {
        kind: Some(KIND),
        project: Some(project),
        gid: query.gid,
        media: query.media_id,
    };
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, least).await?;
                jobs::list(tx, &filter).await
            })
        })
        .await
}

/// Jobs of a project, oldest first.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: JobQuery,
) -> Result<Vec<Job>> {
    let found = selected(cx, actor, project, query, Level::View).await?;
    found.into_iter().map(Job::of).collect()
}

async fn find(cx: &Context, actor: &Actor, uid: &str, least: Level) -> Result<jobs::Job> {
    let (actor, uid) = (actor.clone(), uid.to_owned());
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, &uid, least).await }))
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, uid: &str, least: Level) -> Result<jobs::Job> {
    let job = jobs::find(tx, uid).await?;
    match job.project.filter(|_| job.kind == KIND) {
        Some(project) => project::access(tx, actor, project, least).await?,
        None => return Err(Error::no_match("Job")),
    };
    Ok(job)
}

pub(super) async fn get(cx: &Context, actor: &Actor, uid: &str) -> Result<Job> {
    Job::of(find(cx, actor, uid, Level::View).await?)
}

/// Calls the selected jobs off, and kills what runs of them. Returns how many there were.
pub(super) async fn cancel_list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: JobQuery,
) -> Result<u64> {
    let found = selected(cx, actor, project, query, Level::Execute).await?;
    cancel(cx, found.iter().map(|job| job.id).collect()).await
}

/// Calls one job off, and kills what runs of it.
pub(super) async fn cancel_one(cx: &Context, actor: &Actor, uid: &str) -> Result<()> {
    let job = find(cx, actor, uid, Level::Execute).await?;
    cancel(cx, vec![job.id]).await.map(drop)
}

async fn cancel(cx: &Context, jobs: Vec<i64>) -> Result<u64> {
    let count = jobs::cancel(cx, jobs).await?;
    // What is just being killed may still write; then the hourly round removes it.
    if let Err(error) = workflow::tidy(cx).await {
        tracing::debug!(error = %Chain(&error), "folders of canceled workflows stay for now");
    }
    Ok(count)
}

/// What a step printed, or all steps one after another: the last of it, at most a mebibyte each.
///
/// The token that the job runs with is blotted out. Errors: `NotFound` for a node that the job has not.
pub(super) async fn log(
    cx: &Context,
    actor: &Actor,
    uid: &str,
    node: Option<&str>,
) -> Result<String> {
    let job = find(cx, actor, uid, Level::View).await?;
    let memory = Memory::of(&job.memory);
    let nodes = memory.map(|memory| memory.state.nodes).unwrap_or_default();
    let mut text = String::new();
    match node {
        Some(path) => {
            let found = nodes.get(path);
            let found = found.ok_or_else(|| {
                Error::NotFound(format!(
                    "the job has no node {path}; its nodes are listed in GetJob"
                ))
            })?;
            text += &printed(cx, uid, found)?;
        }
        None => {
            let mut pods: Vec<_> = nodes
                .iter()
                .filter(|(_, node)| node.kind == engine::Kind::Pod && node.started_at.is_some())
                .collect();
            pods.sort_by_key(|(_, node)| node.ordinal);
            for (path, node) in pods {
                text += &format!("==> {path} <==\n{}\n", printed(cx, uid, node)?);
            }
        }
    }
    if let Some(account) = job.account {
        let token = account::service::token(cx, account, false).await?;
        text = text.replace(&token, "***");
    }
    Ok(text)
}

fn printed(cx: &Context, uid: &str, node: &engine::Node) -> Result<String> {
    Ok(workflow::read_log(cx, uid, node.ordinal)?.unwrap_or_default())
}
