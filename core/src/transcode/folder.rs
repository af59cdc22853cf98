//! Work files: a folder for each job that makes files, below `work/` of the data folder.
//!
//! They outlive the program, so that a job goes on with what it had; they go with their job.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Chain, Error, Result, storage_full_message};
use crate::jobs;

/// What the names of the folders begin with; the job's id follows.
const PREFIX: &str = "job-";

/// The folder of a job.
pub(super) fn of(cx: &Context, job: i64) -> PathBuf {
    root(cx).join(format!("{PREFIX}{job}"))
}

fn root(cx: &Context) -> PathBuf {
    cx.data.join("work")
}

/// Makes a folder within a job's, and makes sure that the disk has room for what is to come.
///
/// Errors: `StorageFull`.
pub(super) fn prepare(cx: &Context, folder: &Path, expected_bytes: u64) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let disk = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free
        < cx.settings
            .objects
            .reserve_bytes
            .saturating_add(expected_bytes)
    {
        return Err(Error::StorageFull(storage_full_message()));
    }
    Ok(())
}

/// Removes the folder of a job that is over.
pub(super) fn remove(cx: &Context, job: i64) {
    discard(&of(cx, job));
}

fn discard(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "work files stay until the next sweep: {}", folder.display());
        }
        _ => {}
    }
}

/// Removes the folders of jobs that are over: called off, failed, forgotten. The station calls it
/// every hour.
pub async fn sweep(cx: &Context) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(root(cx)) else {
        return Ok(());
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let job = name.strip_prefix(PREFIX);
        if let Some(job) = job.and_then(|job| job.parse::<i64>().ok()) {
            folders.push((job, path));
        }
    }
    if folders.is_empty() {
        return Ok(());
    }
    let unfinished = cx
        .database
        .read(|tx| Box::pin(async move { jobs::unfinished(tx).await }))
        .await?;
    for (job, folder) in folders {
        if !unfinished.contains(&job) {
            discard(&folder);
        }
    }
    Ok(())
}

/// Sweeps once the jobs that were just called off have let go of their files.
pub(super) async fn sweep_soon(cx: &Context) {
    for pause_ms in [0, 300, 1_500] {
        tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
        if let Err(error) = sweep(cx).await {
            tracing::warn!(error = %Chain(&error), "work files stay until the next sweep");
        }
    }
}
