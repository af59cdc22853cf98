//! Enqueueing, finding and calling off.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value as Json;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;

use super::registry;
use super::store;
use super::types::{Filter, Job, NewJob};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};

/// Wakes the runners, and reaches the jobs that run in this program.
#[derive(Debug, Default)]
pub struct Bell {
    woken: Notify,
    running: Mutex<HashMap<i64, CancellationToken>>,
}

impl Bell {
    /// Wakes the runners: a job was enqueued. Call it after the transaction that did so.
    pub fn ring(&self) {
        self.woken.notify_waiters();
    }

    pub(super) fn rung(&self) -> Notified<'_> {
        self.woken.notified()
    }

    pub(super) fn begin(&self, job: i64) -> CancellationToken {
        let token = CancellationToken::new();
        self.lock().insert(job, token.clone());
        token
    }

    pub(super) fn end(&self, job: i64) {
        self.lock().remove(&job);
    }

    pub(super) fn running(&self) -> Vec<i64> {
        self.lock().keys().copied().collect()
    }

    /// Drops what runs of these.
    pub(super) fn stop(&self, jobs: &[i64]) {
        for (job, token) in self.lock().iter() {
            if jobs.contains(job) {
                token.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, CancellationToken>> {
        self.running.lock().expect("no holder panics")
    }
}

/// Enqueues a job in the transaction that wants it; ring the bell of the context after it.
///
/// Errors: `Invalid` when the uid is taken.
pub async fn enqueue(tx: &mut Tx, new: &NewJob, now_ms: i64) -> Result<Job> {
    let work = registry::find(new.kind).ok_or_else(|| {
        Error::internal("enqueue a job", format!("no work is called {}", new.kind))
    })?;
    store::insert(tx, new, work.pool, now_ms).await?;
    find(tx, &new.uid).await
}

/// One job. Errors: `NotFound`, also when it was called off.
pub async fn find(tx: &mut Tx, uid: &str) -> Result<Job> {
    let found = store::find(tx, uid).await?;
    found.ok_or_else(|| Error::no_match("Job"))
}

/// The jobs that a filter selects, oldest first.
pub async fn list(tx: &mut Tx, filter: &Filter) -> Result<Vec<Job>> {
    store::list(tx, filter).await
}

/// Keeps what a job wants to know at its next try, in the transaction that makes it true. See also
/// [`super::Run::remember`].
pub async fn remember(tx: &mut Tx, job: i64, memory: &Json) -> Result<()> {
    store::remember(tx, job, memory).await
}

/// Says that a job is about these media, too.
pub async fn add_media(tx: &mut Tx, job: i64, media: &[i64]) -> Result<()> {
    store::add_media(tx, job, media).await
}

/// Whether there was ever such a job about a media, also one that was called off.
pub async fn was(tx: &mut Tx, kind: &'static str, media: i64) -> Result<bool> {
    store::was(tx, kind, media).await
}

/// Whether jobs of a kind wait or run.
pub async fn is_busy(tx: &mut Tx, kind: &'static str) -> Result<bool> {
    store::is_busy(tx, kind).await
}

/// Whether a job still runs: it was not called off.
pub async fn is_running(tx: &mut Tx, job: i64) -> Result<bool> {
    store::is_running(tx, job).await
}

/// Every job that is not over.
pub async fn unfinished(tx: &mut Tx) -> Result<Vec<i64>> {
    store::unfinished(tx).await
}

/// Calls jobs off: they disappear from every list, and what runs of them is dropped. Returns how
/// many there were.
pub async fn cancel(cx: &Context, jobs: Vec<i64>) -> Result<u64> {
    let now = cx.now();
    let ids = jobs.clone();
    let count = cx
        .database
        .write(move |tx| Box::pin(async move { store::cancel(tx, &ids, now).await }))
        .await?;
    cx.jobs.stop(&jobs);
    Ok(count)
}

/// Calls jobs off in the transaction that wants it; [`heed`] it behind that.
pub async fn call_off(tx: &mut Tx, jobs: &[i64], now_ms: i64) -> Result<()> {
    store::cancel(tx, jobs, now_ms).await.map(drop)
}

/// Calls off all jobs of a project that goes away, in the same transaction; [`heed`] it behind that.
pub async fn call_off_project(tx: &mut Tx, project: i64, now_ms: i64) -> Result<()> {
    let filter = Filter {
        project: Some(project),
        ..Filter::default()
    };
    let found = store::list(tx, &filter).await?;
    let ids: Vec<i64> = found.iter().map(|job| job.id).collect();
    call_off(tx, &ids, now_ms).await
}

/// Drops what runs here and was called off in a transaction, and wakes the runners for what was enqueued
/// in it.
pub async fn heed(cx: &Context) -> Result<()> {
    let running = cx.jobs.running();
    let lost = cx.database.read(move |tx| {
        Box::pin(async move {
            let mut lost = Vec::new();
            for job in running {
                if !store::is_running(tx, job).await? {
                    lost.push(job);
                }
            }
            Ok(lost)
        })
    });
    cx.jobs.stop(&lost.await?);
    cx.jobs.ring();
    Ok(())
}
