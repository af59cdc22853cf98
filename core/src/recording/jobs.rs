//! The work of a recording: it follows its feed, makes videos, and states of what was noted.

use super::follow::End;
use super::types::{Recording, Status};
use super::{assemble, bind, follow, keep, service, store};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::jobs::registry::Work;
use crate::jobs::{Pool, Run};
use crate::media::fetch;

/// The kind of the jobs that record.
pub(super) const RECORDING: &str = "recording";
/// How often it is begun before a passing trouble counts as a failure: a recording is not to end
/// because a disk was full for a while.
const ATTEMPTS: i64 = 1_000;

/// The registry's entry.
pub const WORK: Work = Work {
    kind: RECORDING,
    pool: Pool::Recording,
    attempts: ATTEMPTS,
    body: |run| Box::pin(body(run)),
};

async fn body(run: Run) -> Result<()> {
    let cx = run.cx.as_ref();
    let id = run.job.payload["recording"].as_i64().unwrap_or_default();
    let job = run.job.uid.as_str();
    let outcome = perform(cx, id, job).await;
    let Err(error) = outcome else {
        return Ok(());
    };
    let passes = matches!(
        error,
        Error::Busy(_) | Error::StorageFull(_) | Error::Internal { .. }
    );
    let message = error.explained();
    let over = !passes || run.job.attempts >= ATTEMPTS;
    change(cx, id, job, move |one| {
        one.message = message;
        if over {
            one.status = Status::Failed;
        }
    })
    .await?;
    Err(error)
}

async fn perform(cx: &Context, id: i64, job: &str) -> Result<()> {
    let mut recording = get(cx, id, job).await?;
    while recording.status.is_live() {
        let end = follow::follow(cx, &recording).await?;
        let now = cx.now();
        change(cx, id, job, move |one| {
            let why = match end {
                // Whoever asked for the end may have taken that back.
                End::Asked if one.status == Status::Recording => return,
                End::Asked => String::new(),
                End::Feed(why) => why,
            };
            one.status = Status::Assembling;
            one.stopped_at = one.stopped_at.or(Some(now));
            one.message = why;
        })
        .await?;
        recording = get(cx, id, job).await?;
    }
    assemble::assemble(cx, id, job).await?;
    recording = get(cx, id, job).await?;
    for media in recording.parts.iter().filter_map(|part| part.media) {
        match fetch::index(cx, media).await {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let whole = recording.parts.iter().all(|part| part.media.is_some());
    let empty = recording.parts.is_empty();
    recording.status = match whole && !empty {
        true => Status::Finished,
        false => Status::Failed,
    };
    if empty && recording.message.is_empty() {
        recording.message = "nothing was fetched of the feed".into();
    }
    if !whole {
        recording.message = "a part cannot be read; its segments stay in the data folder".into();
    }
    let made = bind::states(cx, &recording).await?;
    if !made.problems.is_empty() {
        recording.message = made.problems.join("; ");
    }
    if whole {
        keep::discard(cx, id).await;
    }
    // Whoever sees that it is over sees its states, too.
    let (status, message) = (recording.status, recording.message);
    change(cx, id, job, move |one| {
        one.status = status;
        one.message = message;
    })
    .await
}

async fn get(cx: &Context, id: i64, job: &str) -> Result<Recording> {
    let job = job.to_owned();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { store::find_of(tx, id, &job).await }));
    found.await?.ok_or_else(follow::removed)
}

/// Changes a recording, if it is still there and nobody else's.
async fn change(
    cx: &Context,
    id: i64,
    job: &str,
    change: impl FnOnce(&mut Recording) + Send + 'static,
) -> Result<()> {
    let (job, stamp) = (job.to_owned(), cx.clock.stamp(None, cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                if let Some(before) = store::find_of(tx, id, &job).await? {
                    let mut recording = before.clone();
                    change(&mut recording);
                    service::write(tx, &stamp, &before, &recording).await?;
                }
                Ok(())
            })
        })
        .await
}
