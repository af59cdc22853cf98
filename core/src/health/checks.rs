//! Trying the station's parts: database, stored objects, free space, worker.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::context::Context;
use crate::error::{Chain, Error, Result};

/// How long one part may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a finding stands: nobody keeps the station busy by asking.
const FRESH: Duration = Duration::from_secs(10);
const PROBE: &[u8] = b"is it written, and can it be read?";

/// What trying one part has shown. The log has the reason of a failure; the answer goes to anybody.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `database`, `objects`, `disk` or `worker`.
    pub name: &'static str,
    /// `ok` or `failed`.
    pub status: &'static str,
    /// What was tried.
    pub message: &'static str,
    /// How long it took.
    pub duration_ms: u64,
}

impl Check {
    /// Whether it works.
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// What the last round of checks found.
#[derive(Default)]
pub struct Latest(Mutex<Option<(Instant, Vec<Check>)>>);

/// Tries every part, one after another; those who ask meanwhile get the same findings.
pub async fn all(cx: &Context) -> Vec<Check> {
    let mut latest = cx.health.0.lock().await;
    if let Some((at, checks)) = latest.as_ref()
        && at.elapsed() < FRESH
    {
        return checks.clone();
    }
    let checks = vec![
        check("database", "answers a query", database(cx)).await,
        check(
            "objects",
            "stores, reads and deletes an object",
            objects(cx),
        )
        .await,
        check("disk", "has more free space than the reserve", disk(cx)).await,
        check("worker", "starts and ends", worker(cx)).await,
    ];
    *latest = Some((Instant::now(), checks.clone()));
    checks
}

async fn check(
    name: &'static str,
    message: &'static str,
    trying: impl Future<Output = Result<()>>,
) -> Check {
    let began = Instant::now();
    let tried = match tokio::time::timeout(PATIENCE, trying).await {
        Ok(tried) => tried,
        Err(_) => Err(Error::Busy(format!(
            "it took more than {} s",
            PATIENCE.as_secs()
        ))),
    };
    if let Err(error) = &tried {
        tracing::error!(check = name, error = %Chain(error), "a part of the station does not work");
    }
    Check {
        name,
        status: if tried.is_ok() { "ok" } else { "failed" },
        message,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

async fn database(cx: &Context) -> Result<()> {
    let one: Option<i64> = cx
        .database
        .read(|tx| Box::pin(async move { tx.scalar("select 1", &[]).await }))
        .await?;
    match one {
        Some(1) => Ok(()),
        other => Err(Error::internal(
            "ask the database",
            format!("1 came back as {other:?}"),
        )),
    }
}

async fn objects(cx: &Context) -> Result<()> {
    let bytes = futures::stream::iter([Ok(Bytes::from_static(PROBE))]).boxed();
    let length = PROBE.len() as u64;
    let stored = cx.objects.put(bytes, Some(length)).await?;
    let read = async {
        let stream = cx.objects.get(&stored.blob, 0..length).await?;
        let stream = stream.ok_or_else(|| Error::internal("read an object", "it is gone"))?;
        let chunks: Vec<Bytes> = stream.try_collect().await?;
        Ok::<_, Error>(chunks.concat())
    };
    let read = read.await;
    cx.objects.delete(&stored.blob).await?;
    if read? == PROBE {
        Ok(())
    } else {
        Err(Error::internal("read an object", "other bytes came back"))
    }
}

/// The folders that the station writes in: its data, and its objects if they are elsewhere.
fn folders(cx: &Context) -> Vec<PathBuf> {
    let mut folders = vec![cx.data.clone()];
    if let Some(path) = cx.settings.objects.url.strip_prefix("file:")
        && !path.is_empty()
    {
        folders.push(cx.data.join(path));
    }
    folders
}

async fn disk(cx: &Context) -> Result<()> {
    let reserve = cx.settings.objects.reserve_bytes;
    for folder in folders(cx) {
        let disk = rustix::fs::statvfs(&folder).map_err(std::io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < reserve {
            return Err(Error::StorageFull(format!(
                "{} MiB are free, less than the reserve of {} MiB: {}",
                free >> 20,
                reserve >> 20,
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Starts a worker of its own: it ends when its input does.
async fn worker(cx: &Context) -> Result<()> {
    let program = cx.frames.binary();
    let status = tokio::process::Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| {
            Error::internal(
                format!("start the frame worker {}", program.display()),
                error,
            )
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::internal(
            "start a frame worker",
            format!("it ended with {status}"),
        ))
    }
}
