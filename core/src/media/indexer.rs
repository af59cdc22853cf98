//! The indexer: turns sources that wait into frame indexes, thumbnails and facts of their media.
//!
//! What waits is a row in the database, so that a killed station goes on where it was; indexing one
//! source twice gives the same result.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use transect_frame_client::{Format, FrameIndex, Kind, Size};

use super::create::record;
use super::source::{self, Source, State};
use super::store;
use super::types::Media;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::{frames, id, storage};

/// Sources taken from the queue at a time.
const BATCH: usize = 16;
const THUMBNAIL_WIDTH: u32 = 256;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// Indexes sources as they come, for ever.
pub async fn run(cx: Arc<Context>) {
    loop {
        let woken = cx.indexing.notified();
        if let Err(error) = drain(&cx).await {
            tracing::error!(error = %Chain(&error), "indexing stopped; it goes on with the next media");
        }
        woken.await;
    }
}

/// Indexes every source that waits, oldest first.
pub async fn drain(cx: &Context) -> Result<()> {
    let mut tried = HashSet::new();
    loop {
        let waiting = cx
            .database
            .read(|tx| Box::pin(source::waiting(tx, BATCH)))
            .await?;
        let fresh: Vec<Source> = waiting
            .into_iter()
            .filter(|source| tried.insert(source.media))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for source in fresh {
            index(cx, source).await?;
        }
    }
}

/// Indexes one source; returns the state that it has now, and the message of a failure.
///
/// Errors: only what is not the file's fault (a full disk, a database that does not answer).
pub async fn index(cx: &Context, source: Source) -> Result<(State, String)> {
    let media = source.media;
    match examine(cx, &source).await {
        Ok(found) => {
            finish(cx, source, found).await?;
            Ok((State::Ready, String::new()))
        }
        Err(error @ (Error::StorageFull(_) | Error::Internal { .. })) => Err(error),
        Err(error) => {
            let message = match &error {
                Error::Invalid { message, details } if details != "None" => {
                    format!("{message}: {details}")
                }
                other => other.to_string(),
            };
            tracing::warn!(media.id = media, message, "a media cannot be read");
            fail(cx, source, message.clone()).await?;
            Ok((State::Failed, message))
        }
    }
}

/// What the worker found out about a source.
struct Found {
    index: FrameIndex,
    thumbnail: (Vec<u8>, u32, u32),
    /// The picture itself as PNG, for images that browsers or scripts may not read.
    converted: Option<(Vec<u8>, u32, u32)>,
}

async fn examine(cx: &Context, source: &Source) -> Result<Found> {
    let index = frames::index(cx, source).await?;
    if index.frame_count() == 0 {
        return Err(Error::invalid("the file has no pictures"));
    }
    let (width, height) = index.display_size();
    let thumbnail_height = (height * THUMBNAIL_WIDTH).div_ceil(width.max(1)).max(1);
    let size = if width > THUMBNAIL_WIDTH {
        Size::Exact {
            width: THUMBNAIL_WIDTH,
            height: thumbnail_height,
        }
    } else {
        Size::Native
    };
    let thumbnail = frames::picture(cx, source, 0, size, Format::Jpg).await?;
    let plain = matches!(index.codec.as_str(), "mjpeg" | "png") && index.rotation_degrees == 0;
    let converted = if index.kind == Kind::Image && !plain && source.object_key.is_some() {
        let picture = frames::picture(cx, source, 0, Size::Native, Format::Png).await?;
        Some((picture.bytes.to_vec(), picture.width, picture.height))
    } else {
        None
    };
    Ok(Found {
        index,
        thumbnail: (thumbnail.bytes.to_vec(), thumbnail.width, thumbnail.height),
        converted,
    })
}

/// Stores the pictures, then writes what is known of the media, all at once.
async fn finish(cx: &Context, source: Source, found: Found) -> Result<()> {
    let media = source.media;
    let Some(project) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                Ok(store::find(tx, media)
                    .await?
                    .and_then(|media| media.project))
            })
        })
        .await?
    else {
        return forget(cx, source).await;
    };
    let owner = cx
        .database
        .read(move |tx| Box::pin(storage::service::owner(tx, project)))
        .await?;
    let thumbnail_key = owner.rendition(media, Some("thumbnail.jpg"));
    storage::service::put_bytes(cx, &thumbnail_key, found.thumbnail.0.clone()).await?;
    let converted_key = format!(
        "{}/{}/{media}/image_{}.png",
        owner.organization,
        owner.project,
        id::random_text(LETTERS, 10)
    );
    if let Some((bytes, ..)) = &found.converted {
        storage::service::put_bytes(cx, &converted_key, bytes.clone()).await?;
    }
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let Some(mut row) = store::find(tx, media).await? else {
                    return Ok(());
                };
                let original = original_key(&source, owner, &row);
                if let Some(path) = &source.path {
                    let size = source.size_bytes.unsigned_abs();
                    let path = std::path::Path::new(path);
                    storage::service::put_in_place(tx, &original, path, size, source.modified_at)
                        .await?;
                }
                describe(
                    &mut row,
                    &source,
                    &found,
                    &original,
                    &converted_key,
                    &thumbnail_key,
                );
                store::update(tx, &row).await?;
                let ready = Source {
                    state: State::Ready,
                    message: String::new(),
                    fingerprint: Some(found.index.fingerprint.clone()),
                    ..source
                };
                source::put(tx, &ready).await
            })
        })
        .await
}

/// The key under which the source's bytes are read.
fn original_key(source: &Source, owner: storage::Owner, media: &Media) -> String {
    source.object_key.clone().unwrap_or_else(|| {
        let name = std::path::Path::new(source.path.as_deref().unwrap_or_default())
            .file_name()
            .map_or_else(
                || media.name.clone(),
                |name| name.to_string_lossy().into_owned(),
            );
        format!(
            "{}/{}/{}/{name}",
            owner.organization, owner.project, media.id
        )
    })
}

/// Writes the facts of the index into the row.
fn describe(
    row: &mut Media,
    source: &Source,
    found: &Found,
    original: &str,
    converted: &str,
    thumbnail: &str,
) {
    let index = &found.index;
    let (width, height) = index.display_size();
    let resolution = (i64::from(height), i64::from(width));
    let mut files = row.media_files.take().unwrap_or_default();
    if index.kind == Kind::Image {
        let image = match &found.converted {
            Some((bytes, width, height)) => {
                let mut image = record(
                    converted,
                    bytes.len() as i64,
                    Some((i64::from(*height), i64::from(*width))),
                );
                image.insert("mime".into(), json!("image/png"));
                image
            }
            None => {
                let mut image = record(original, source.size_bytes, Some(resolution));
                image.insert("mime".into(), json!(mime_of(index)));
                image
            }
        };
        files.insert("image".into(), json!([image]));
    } else {
        let mut video = record(original, source.size_bytes, Some(resolution));
        video.insert("codec".into(), json!(index.codec));
        if let Some(codec) = &index.codec_string {
            video.insert(
                "codec_mime".into(),
                json!(format!("video/mp4; codecs=\"{codec}\"")),
            );
        }
        if let Some(rate) = index.bit_rate {
            video.insert("bit_rate".into(), json!(rate));
        }
        files.insert("archival".into(), json!([video]));
        row.num_frames = Some(index.frame_count() as i64);
        row.fps = index
            .frame_rate
            .map(transect_frame_client::Fraction::as_f64)
            .or(row.fps);
        row.codec = Some(index.codec.clone());
    }
    let (bytes, thumbnail_width, thumbnail_height) = &found.thumbnail;
    let size = Some((i64::from(*thumbnail_height), i64::from(*thumbnail_width)));
    let mut small: Map<String, Json> = record(thumbnail, bytes.len() as i64, size);
    small.insert("mime".into(), json!("image/jpeg"));
    files.insert("thumbnail".into(), json!([small]));
    row.media_files = Some(files);
    row.width = Some(i64::from(width));
    row.height = Some(i64::from(height));
}

fn mime_of(index: &FrameIndex) -> &'static str {
    match index.codec.as_str() {
        "mjpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "av1" => "image/avif",
        "tiff" => "image/tiff",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        _ => "application/octet-stream",
    }
}

async fn fail(cx: &Context, source: Source, message: String) -> Result<()> {
    let failed = Source {
        state: State::Failed,
        message,
        ..source
    };
    cx.database
        .write(move |tx| Box::pin(async move { source::put(tx, &failed).await }))
        .await
}

/// A media that was deleted while it waited needs no index.
async fn forget(cx: &Context, source: Source) -> Result<()> {
    fail(cx, source, "the media was deleted".into()).await
}
