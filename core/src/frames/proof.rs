//! Whether frames are what their index says, and workers are held to their task.

use std::path::Path;
use std::time::Duration;

use transect_frame_client::{Inspection, Proof, Sandbox, WorkerError};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::media::{
    self,
    source::{self, Source, State},
};

/// Reads and decodes the source of a media once more, in a process that yields to everything else, and compares what it
/// shows with the index that its frame numbers come from.
///
/// Errors: `NotFound` for a media without a source here; `Invalid` for one that was not indexed, or cannot be read any more.
pub async fn prove(cx: &Context, media: i64) -> Result<Proof> {
    let finding = cx.database.read(move |tx| {
        Box::pin(async move {
            let found = media::service::find(tx, media).await?;
            let parts = found.map(|found| media::service::joined(&found));
            Ok((source::find(tx, media).await?, parts.unwrap_or_default()))
        })
    });
    let (source, parts) = finding.await?;
    let source = source.ok_or_else(|| no_source(media, &parts))?;
    match source.state {
        State::Ready => {}
        State::Failed => {
            return Err(Error::invalid(format!(
                "media {media} has no index, because {}",
                source.message
            )));
        }
        State::Indexing => {
            return Err(Error::Busy(format!(
                "media {media} is being indexed; try again in a moment"
            )));
        }
    }
    let path = source::file(cx, &source).await?;
    let index_file = cx.frames.index_file(media);
    let mut proof = cx.frames.workers.prove(&path, &index_file).await?;
    if source.fingerprint.as_ref() != Some(&proof.fingerprint) {
        proof.mismatch(|| "the index is not the one that the media was made with".into());
    }
    Ok(proof)
}

/// The error of a media whose frames come from no file of its own.
fn no_source(media: i64, parts: &[(i64, Option<f64>)]) -> Error {
    if parts.is_empty() {
        return Error::NotFound(format!("media {media} has no file of its own here"));
    }
    let each = parts
        .iter()
        .map(|(part, _)| format!("transect doctor frames {part}"));
    let each: Vec<String> = each.collect();
    Error::invalid(format!(
        "media {media} is joined of {} others, and its frames are theirs, in this order; prove each of them: {}",
        parts.len(),
        each.join("; ")
    ))
}

/// Looks at random access points of a source that is ready, for about this long, and writes what was found to its index file.
///
/// Errors: `Invalid` for a source that cannot be read, or has changed.
pub async fn inspect(cx: &Context, source: &Source, budget: Duration) -> Result<Inspection> {
    if !source::is_here(cx, source).await? {
        return Err(Error::Busy(
            "its file is in a bucket: key frames are looked at when they are used".into(),
        ));
    }
    let path = source::file(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    Ok(cx
        .frames
        .workers
        .inspect(&path, &index_file, budget)
        .await?)
}

/// Has a worker try what it must not do.
///
/// Errors: the worker cannot be started.
pub async fn try_sandbox(worker: &Path) -> std::result::Result<Sandbox, WorkerError> {
    transect_frame_client::sandbox(worker).await
}
