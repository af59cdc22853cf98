//! Runners: claim what is due in their pool, do it, write down what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::registry;
use super::store;
use super::types::{Job, Pool, Status};
use crate::context::Context;
use crate::error::{Chain, Error, Result};

/// How long a claim holds without word from its runner.
const LEASE_MS: i64 = 60_000;
/// How often runners say that they are still there, and look for what they were not told of.
const BEAT: Duration = Duration::from_secs(10);
/// How long a job rests after its first failed try; doubled with each further one.
const REST_MS: i64 = 5_000;
const MOST_DOUBLINGS: i64 = 8;
const DAY_MS: i64 = 86_400_000;

/// One job that is being done.
pub struct Run {
    /// The station it runs at.
    pub cx: Arc<Context>,
    /// The job as it was when claimed.
    pub job: Job,
}

impl Run {
    /// Keeps what the work wants to know at its next try, and shows of its progress.
    pub async fn remember(&self, memory: &Json) -> Result<()> {
        let (id, memory) = (self.job.id, memory.clone());
        self.cx
            .database
            .write(move |tx| Box::pin(async move { store::remember(tx, id, &memory).await }))
            .await
    }
}

/// Does what is enqueued, for ever. Jobs that were running when the station last ended go on.
pub async fn run(cx: Arc<Context>) {
    let runner = cx.station.clone();
    let released = cx
        .database
        .write(move |tx| Box::pin(async move { store::release(tx, &runner).await }))
        .await;
    match released {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "jobs of the last run go on"),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "jobs of the last run wait for their leases to end")
        }
    }
    let mut lanes = Vec::new();
    for pool in Pool::ALL {
        for _ in 0..cx.settings.jobs.size(pool) {
            lanes.push(lane(cx.clone(), pool));
        }
    }
    tokio::join!(futures::future::join_all(lanes), beat(cx.clone()));
}

async fn lane(cx: Arc<Context>, pool: Pool) {
    loop {
        let rung = cx.jobs.rung();
        match claim(&cx, pool).await {
            Ok(Some(job)) => {
                perform(&cx, job).await;
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = %Chain(&error), "no job could be claimed; it is tried again")
            }
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

async fn claim(cx: &Context, pool: Pool) -> Result<Option<Job>> {
    let (now, runner) = (cx.now(), cx.station.clone());
    let asking = runner.clone();
    let due = cx
        .database
        .read(move |tx| Box::pin(async move { store::is_due(tx, pool, &asking, now).await }));
    if !due.await? {
        return Ok(None);
    }
    cx.database
        .write(move |tx| {
            Box::pin(async move { store::claim(tx, pool, &runner, now, LEASE_MS).await })
        })
        .await
}

async fn perform(cx: &Arc<Context>, job: Job) {
    let (id, uid, kind) = (job.id, job.uid.clone(), job.kind.clone());
    let attempts = job.attempts;
    let stop = cx.jobs.begin(id);
    let outcome = match registry::find(&kind) {
        Some(work) => {
            // A task of its own, so that a panic ends the job and not the lane.
            let mut task = tokio::task::JoinSet::new();
            task.spawn((work.body)(Run {
                cx: cx.clone(),
                job,
            }));
            let outcome = tokio::select! {
                ended = task.join_next() => match ended {
                    Some(Ok(outcome)) => Some(outcome),
                    Some(Err(error)) => Some(Err(Error::invalid(format!("the job broke off: {error}")))),
                    None => None,
                },
                () = stop.cancelled() => None,
            };
            outcome.map(|outcome| (outcome, work.attempts))
        }
        None => Some((
            Err(Error::invalid(format!(
                "this version of the program knows no work called {kind}"
            ))),
            1,
        )),
    };
    cx.jobs.end(id);
    let Some((outcome, most)) = outcome else {
        tracing::info!(job.uid = uid, job.kind = kind, "a job was called off");
        return;
    };
    let now = cx.now();
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            match outcome {
                Ok(()) => store::finish(tx, id, Status::Succeeded, "", now).await,
                Err(error) if passes(&error) && attempts < most => {
                    let rest = REST_MS << (attempts - 1).clamp(0, MOST_DOUBLINGS);
                    let text = Chain(&error).to_string();
                    tracing::warn!(
                        job.uid = uid,
                        job.kind = kind,
                        error = text,
                        "a job is tried again"
                    );
                    store::postpone(tx, id, &text, now + rest).await
                }
                Err(error) => {
                    let text = error.explained();
                    tracing::warn!(job.uid = uid, job.kind = kind, error = text, "a job failed");
                    store::finish(tx, id, Status::Failed, &text, now).await
                }
            }
        })
    });
    if let Err(error) = written.await {
        tracing::error!(error = %Chain(&error), job.id = id, "the end of a job was not written down; it will be done again");
    }
}

/// Whether a trouble may be gone by itself at the next try.
fn passes(error: &Error) -> bool {
    matches!(
        error,
        Error::Busy(_) | Error::StorageFull(_) | Error::Internal { .. }
    )
}

/// Keeps the leases, stops what was called off elsewhere, and forgets what is long over.
async fn beat(cx: Arc<Context>) {
    let keep_ms = i64::from(cx.settings.jobs.keep_days) * DAY_MS;
    let mut forgotten_at = 0;
    let mut interval = tokio::time::interval(BEAT);
    loop {
        interval.tick().await;
        let running = cx.jobs.running();
        let (now, runner) = (cx.now(), cx.station.clone());
        let forget = now - forgotten_at > DAY_MS / 24;
        if running.is_empty() && !forget {
            continue;
        }
        let held = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    if forget {
                        store::forget(tx, now - keep_ms).await?;
                    }
                    store::keep(tx, &runner, now + LEASE_MS).await
                })
            })
            .await;
        match held {
            Ok(held) => {
                let lost: Vec<i64> = running
                    .into_iter()
                    .filter(|job| !held.contains(job))
                    .collect();
                cx.jobs.stop(&lost);
                if forget {
                    forgotten_at = now;
                }
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the leases of running jobs could not be kept")
            }
        }
    }
}
