//! Segments on the disk: a folder for each recording, below `recordings/` of the data folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;

use super::store;
use crate::context::Context;
use crate::error::{Error, Result, storage_full_message};
use crate::storage::objects::{ByteStream, Stored};

/// The folder of a recording.
pub(super) fn folder(cx: &Context, recording: i64) -> PathBuf {
    root(cx).join(recording.to_string())
}

fn root(cx: &Context) -> PathBuf {
    cx.data.join("recordings")
}

/// The file of a segment, by its place in the recording.
pub(super) fn segment_file(folder: &Path, number: i64) -> PathBuf {
    folder.join(format!("{number:08}.segment"))
}

/// The file of an initialization section.
pub(super) fn init_file(folder: &Path, init: i64) -> PathBuf {
    folder.join(format!("{init:04}.init"))
}

/// Writes a file so that it is whole and durable once this returns, or not there.
///
/// Errors: `StorageFull`.
pub(super) async fn write(cx: &Context, file: PathBuf, bytes: Bytes) -> Result<()> {
    let reserve = cx.settings.objects.reserve_bytes;
    let writing = tokio::task::spawn_blocking(move || write_now(&file, &bytes, reserve));
    writing
        .await
        .map_err(|error| Error::internal("keep a segment", error))?
}

fn write_now(file: &Path, bytes: &[u8], reserve_bytes: u64) -> Result<()> {
    let folder = file.parent().expect("it lies in its recording's folder");
    if !folder.exists() {
        std::fs::create_dir_all(folder)?;
        std::fs::File::open(folder.parent().unwrap_or(folder))?.sync_all()?;
    }
    let disk = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < reserve_bytes.saturating_add(bytes.len() as u64) {
        return Err(Error::StorageFull(storage_full_message()));
    }
    let temporary = file.with_extension("new");
    let mut writing = std::fs::File::create(&temporary)?;
    writing.write_all(bytes)?;
    writing.sync_all()?;
    std::fs::rename(&temporary, file)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Stores files one after another as one blob. Errors: `StorageFull`; `Internal` when one is gone.
pub(super) async fn join(cx: &Context, files: Vec<PathBuf>) -> Result<Stored> {
    let mut length = 0;
    for file in &files {
        length += tokio::fs::metadata(file).await?.len();
    }
    let streams = futures::stream::iter(files).then(|file| async move {
        let opened = tokio::fs::File::open(file).await?;
        Ok::<_, std::io::Error>(tokio_util::io::ReaderStream::with_capacity(opened, 1 << 20))
    });
    let bytes: ByteStream = Box::pin(futures::TryStreamExt::try_flatten(streams));
    cx.objects.put(bytes, Some(length)).await
}

/// Removes the files of a recording.
pub(super) async fn discard(cx: &Context, recording: i64) {
    let folder = folder(cx, recording);
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "segments stay until the next sweep: {}", folder.display());
        }
        _ => {}
    }
}

/// Removes the folders of recordings that are gone. The station calls it every hour.
pub async fn sweep(cx: &Context) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(root(cx)) else {
        return Ok(());
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        found.extend(name.to_string_lossy().parse::<i64>().ok());
    }
    if found.is_empty() {
        return Ok(());
    }
    let known = cx
        .database
        .read(|tx| Box::pin(async move { store::ids(tx).await }))
        .await?;
    for recording in found {
        if !known.contains(&recording) {
            discard(cx, recording).await;
        }
    }
    Ok(())
}
