//! The indexer: turns sources that wait into frame indexes, thumbnails and facts of their media.
//!
//! What waits is a row in the database, so that a killed station goes on where it was; indexing one
//! source twice gives the same result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};
use transect_frame_client::{Format, FrameIndex, ImageFormat, Kind, Size, WorkerError};

use super::convert::{self, Converted};
use super::files::{best, record};
use super::queue::Claim;
use super::source::{self, Filled, Source, State};
use super::types::Media;
use super::{family, store};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::journal::{self, Change};
use crate::{annotation, frames, storage};

/// Sources taken from the queue at a time.
const BATCH: usize = 16;
/// How often what still waits is tried again, should nobody wake the indexer.
const AGAIN: Duration = Duration::from_secs(30);
/// Tries of a source that somebody waits for.
const TRIES: usize = 3;
const THUMBNAIL_WIDTH: u32 = 256;
const REPLACED: &str = "another file has taken the place of the one that the annotations of this media were made on; put that one \
                        back and import it again, or import this one under another name, or, to see this one under those \
                        annotations, with: transect import --replace";

/// Indexes sources as they come, for ever.
pub async fn run(cx: Arc<Context>) {
    loop {
        if let Err(error) = drain(&cx).await {
            tracing::error!(error = %Chain(&error), "what waits to be indexed could not be read; it is tried again");
        }
        tokio::select! {
            () = cx.indexing.woken() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Tries every source that waits once, oldest first. What cannot be indexed for no fault of its own
/// goes on waiting, and keeps nobody else.
///
/// Errors: those of reading what waits.
pub async fn drain(cx: &Context) -> Result<()> {
    let mut after = 0;
    loop {
        let waiting = cx
            .database
            .read(move |tx| Box::pin(source::waiting(tx, after, BATCH)))
            .await?;
        let Some(last) = waiting.last() else {
            return Ok(());
        };
        after = *last;
        for media in waiting {
            if !cx.indexing.is_due(media, Instant::now()) {
                continue;
            }
            let Some(claim) = cx.indexing.try_claim(media) else {
                continue;
            };
            if let Err(error) = attempt(cx, media, &claim).await {
                tracing::error!(error = %Chain(&error), media.id = media, "a media waits to be indexed later");
            }
        }
    }
}

/// Indexes the source of one media while the caller waits; returns the state that it has then, and
/// why it failed or still waits.
///
/// Errors: `StorageFull`.
pub async fn index(cx: &Context, media: i64) -> Result<(State, String)> {
    let claim = cx.indexing.claim(media).await;
    let mut outcome = (State::Indexing, String::new());
    for _ in 0..TRIES {
        outcome = match attempt(cx, media, &claim).await {
            Ok(outcome) => outcome,
            Err(error @ Error::StorageFull(_)) => return Err(error),
            Err(error) => (State::Indexing, Chain(&error).to_string()),
        };
        if outcome.0 != State::Indexing {
            break;
        }
    }
    Ok(outcome)
}

/// Why a source could not be examined.
pub(super) enum Trouble {
    Worker(WorkerError),
    Station(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Station(error)
    }
}

/// Indexes the source of a media, if it waits; returns the state that it has now, and the message of
/// a failure. The claim says that nobody else is at it.
///
/// Errors: what is not the file's fault (a full disk, a database that does not answer, a worker that
/// died once). The source goes on waiting.
async fn attempt(cx: &Context, media: i64, _claim: &Claim<'_>) -> Result<(State, String)> {
    let source = match cx
        .database
        .read(move |tx| Box::pin(source::find(tx, media)))
        .await?
    {
        Some(source) if source.state == State::Indexing => source,
        Some(source) => return Ok((source.state, source.message)),
        None => return Ok((State::Failed, "the media has no file".into())),
    };
    let message = match try_once(cx, &source).await {
        Ok(()) => {
            cx.indexing.forget(media);
            return Ok((State::Ready, String::new()));
        }
        Err(Trouble::Worker(error @ (WorkerError::Crashed { .. } | WorkerError::Timeout))) => {
            if !cx.indexing.strike(media) {
                cx.indexing.postpone(media, Instant::now());
                return Err(error.into());
            }
            format!("it stopped the frame worker twice: {error}")
        }
        Err(trouble) => {
            let error = match trouble {
                Trouble::Worker(error) => error.into(),
                Trouble::Station(error) => error,
            };
            match error {
                // Room may be made at any moment, and a try costs little.
                Error::StorageFull(_) => return Err(error),
                Error::Internal { .. } | Error::Busy(_) => {
                    cx.indexing.postpone(media, Instant::now());
                    return Err(error);
                }
                other => other.explained(),
            }
        }
    };
    tracing::warn!(media.id = media, message, "a media cannot be read");
    fail(cx, source, message.clone()).await?;
    cx.indexing.forget(media);
    Ok((State::Failed, message))
}

async fn try_once(cx: &Context, source: &Source) -> Result<(), Trouble> {
    let (source, found) = match examine(cx, source).await {
        Err(Trouble::Worker(error @ WorkerError::Unreadable { .. })) => {
            let replaced = convert::replace(cx, source).await?;
            let replaced = replaced.ok_or(Trouble::Worker(error))?;
            let found = examine(cx, &replaced).await?;
            (replaced, found)
        }
        found => (source.clone(), found?),
    };
    Ok(finish(cx, source, found).await?)
}

/// What the worker found out about a source.
struct Found {
    index: FrameIndex,
    thumbnail: (Vec<u8>, u32, u32),
    /// The picture itself, upright, for images that browsers or scripts may not read.
    converted: Option<Converted>,
}

async fn examine(cx: &Context, source: &Source) -> Result<Found, Trouble> {
    let index = frames::try_index(cx, source)
        .await?
        .map_err(Trouble::Worker)?;
    if index.frame_count() == 0 {
        return Err(Error::invalid("the file has no pictures").into());
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
    let thumbnail = frames::try_picture(cx, source, 0, size, Format::Jpg)
        .await?
        .map_err(Trouble::Worker)?;
    let upright = index.rotation_degrees == 0 && !index.mirrored;
    let plain = matches!(index.codec.as_str(), "mjpeg" | "png") && upright;
    let converted = if index.kind == Kind::Image && !plain && source.object_key.is_some() {
        // A rotated JPEG stays one.
        let format = match index.codec.as_str() {
            "mjpeg" => ImageFormat::Jpg,
            _ => ImageFormat::Png,
        };
        Some(convert::picture(cx, source, format).await?)
    } else {
        None
    };
    Ok(Found {
        index,
        thumbnail: (thumbnail.bytes.to_vec(), thumbnail.width, thumbnail.height),
        converted,
    })
}

/// Stores the pictures, then writes what is known of the media, all at once. What an earlier index
/// stored goes with it.
async fn finish(cx: &Context, source: Source, found: Found) -> Result<()> {
    let media = source.media;
    let project = cx
        .database
        .read(move |tx| Box::pin(store::find(tx, media)))
        .await?
        .and_then(|media| media.project);
    let Some(project) = project else {
        return forget(cx, source).await;
    };
    let owner = cx
        .database
        .read(move |tx| Box::pin(storage::service::owner(tx, project)))
        .await?;
    let thumbnail_key = owner.rendition(media, Some("thumbnail.jpg"));
    storage::service::put_bytes(cx, &thumbnail_key, found.thumbnail.0.clone()).await?;
    let converted_key = found.converted.as_ref().map(|converted| {
        let ending = if converted.mime == "image/jpeg" {
            "jpg"
        } else {
            "png"
        };
        owner.rendition(media, Some(&format!("image.{ending}")))
    });
    let blob = found
        .converted
        .as_ref()
        .map(|converted| converted.stored.blob.clone());
    let stamp = cx.clock.stamp(None, cx.now());
    let taken = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let current = source::find(tx, media).await?;
                let (Some(before), Some(current)) = (store::find(tx, media).await?, current) else {
                    return Ok(false);
                };
                let earlier = source.fingerprint.as_ref();
                let is_another = earlier.is_some_and(|earlier| *earlier != found.index.fingerprint);
                if is_another && annotation::service::is_annotated(tx, media).await? {
                    return Err(Error::invalid(REPLACED));
                }
                if !current.is_same(&source) {
                    // The media got another file meanwhile, which waits for its own index.
                    storage::remove(tx, &thumbnail_key).await?;
                    return Ok(false);
                }
                let mut row = before.clone();
                let original = original_key(&source, owner, &row);
                if let Some(path) = &source.path {
                    let size = source.size_bytes.unsigned_abs();
                    let path = std::path::Path::new(path);
                    storage::service::put_in_place(tx, &original, path, size, source.modified_at)
                        .await?;
                }
                remove_made(tx, owner, &mut row, &current.made).await?;
                let files = row.media_files.as_ref();
                let recorded = files.is_some_and(|files| is_recorded(&source, files));
                let converted_key = converted_key.filter(|_| !recorded);
                let taken = converted_key.is_some();
                if let (Some(key), Some(converted)) = (&converted_key, &found.converted) {
                    storage::adopt(tx, key, converted.stored.clone(), stamp.at_ms).await?;
                }
                let thumbnail = if has_thumbnail(&row) {
                    // It was uploaded with the media.
                    storage::remove(tx, &thumbnail_key).await?;
                    None
                } else {
                    Some(thumbnail_key.as_str())
                };
                let known = Known {
                    source: &source,
                    filled: &current.filled,
                    original: &original,
                    converted: converted_key.as_deref(),
                };
                let filled = describe(&mut row, &known, &found, thumbnail);
                row.modified_datetime = stamp.at_ms;
                store::update(tx, &row).await?;
                let ready = Source {
                    state: State::Ready,
                    message: String::new(),
                    fingerprint: Some(found.index.fingerprint.clone()),
                    unverified: i64::try_from(found.index.unverified_count()).ok(),
                    made: thumbnail
                        .map(str::to_owned)
                        .into_iter()
                        .chain(converted_key)
                        .collect(),
                    filled,
                    ..source
                };
                source::put(tx, &ready).await?;
                let changes = Change::updated(media, &before, &row)?;
                journal::record(tx, &stamp, Some(project), "media", changes).await?;
                Ok(taken)
            })
        })
        .await?;
    if let (false, Some(blob)) = (taken, blob) {
        cx.objects.delete(&blob).await?;
    }
    storage::collect(cx).await
}

/// Removes what an earlier index stored, and the records of it.
async fn remove_made(
    tx: &mut Tx,
    owner: storage::Owner,
    row: &mut Media,
    made: &[String],
) -> Result<()> {
    let made: Vec<&String> = made
        .iter()
        .filter(|key| owner.holds_media(row.id, key))
        .collect();
    let needed = family::needed(tx, row.id).await?;
    for key in made.iter().filter(|key| !needed.contains(**key)) {
        storage::remove(tx, key).await?;
    }
    let is_made = |record: &Json| {
        let path = record["path"].as_str();
        path.is_some_and(|path| made.iter().any(|key| *key == path))
    };
    for records in row.media_files.iter_mut().flat_map(Map::values_mut) {
        if let Some(records) = records.as_array_mut() {
            records.retain(|record| !is_made(record));
        }
    }
    Ok(())
}

fn has_thumbnail(row: &Media) -> bool {
    let files = row.media_files.as_ref();
    let thumbnails = files.and_then(|files| files.get("thumbnail"));
    thumbnails
        .and_then(Json::as_array)
        .is_some_and(|thumbnails| !thumbnails.is_empty())
}

/// The key under which the source's bytes are read.
pub(super) fn original_key(source: &Source, owner: storage::Owner, media: &Media) -> String {
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

/// What is known of a source besides its index.
struct Known<'s> {
    source: &'s Source,
    /// What the index before this one filled in.
    filled: &'s Filled,
    /// The key under which its bytes are read.
    original: &'s str,
    /// The key of the picture that it was made into.
    converted: Option<&'s str>,
}

/// Writes the facts of the index into the row, and returns those that are the station's own; without a
/// key for the thumbnail the row keeps its own.
fn describe(row: &mut Media, known: &Known<'_>, found: &Found, thumbnail: Option<&str>) -> Filled {
    let Known {
        source, original, ..
    } = *known;
    let index = &found.index;
    let (width, height) = index.display_size();
    let resolution = (i64::from(height), i64::from(width));
    let mut files = row.media_files.take().unwrap_or_default();
    let recorded = is_recorded(source, &files);
    let facts = facts(index);
    let filled = if recorded {
        // Whoever recorded it knows it better; only what they left open is filled in.
        known.filled.renew(row, &facts)
    } else {
        // It is the station that knows this file.
        let all = Filled {
            num_frames: row.num_frames,
            fps: row.fps,
            width: row.width,
            height: row.height,
        };
        all.renew(row, &facts)
    };
    if recorded {
        // Its record is there.
    } else if index.kind == Kind::Image {
        let image = match found.converted.as_ref().zip(known.converted) {
            Some((converted, key)) => {
                let size = i64::try_from(converted.stored.size_bytes).unwrap_or(i64::MAX);
                let resolution = (i64::from(converted.height), i64::from(converted.width));
                let mut image = record(key, size, Some(resolution));
                image.insert("mime".into(), json!(converted.mime));
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
        let others = files.get("archival").and_then(Json::as_array);
        let others = others.into_iter().flatten();
        let others = others.filter(|other| other["path"] != original).cloned();
        let copies: Vec<Json> = std::iter::once(Json::Object(video)).chain(others).collect();
        files.insert("archival".into(), json!(copies));
        row.codec = Some(index.codec.clone());
    }
    if let Some(thumbnail) = thumbnail {
        let (bytes, thumbnail_width, thumbnail_height) = &found.thumbnail;
        let size = Some((i64::from(*thumbnail_height), i64::from(*thumbnail_width)));
        let mut small: Map<String, Json> = record(thumbnail, bytes.len() as i64, size);
        small.insert("mime".into(), json!("image/jpeg"));
        files.insert("thumbnail".into(), json!([small]));
    }
    row.media_files = Some(files);
    filled
}

/// What an index says about its media. A picture has no frames and no rate.
fn facts(index: &FrameIndex) -> Filled {
    let (width, height) = index.display_size();
    let film = index.kind != Kind::Image;
    let rate = index.frame_rate.filter(|_| film);
    Filled {
        num_frames: film.then(|| index.frame_count() as i64),
        fps: rate.map(transect_frame_client::Fraction::as_f64),
        width: Some(i64::from(width)),
        height: Some(i64::from(height)),
    }
}

/// Whether the source is one of the media's records, rather than an upload that becomes one.
fn is_recorded(source: &Source, files: &Map<String, Json>) -> bool {
    source.object_key.is_some() && source.object_key.as_deref() == best(files)
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

/// Notes a failure, unless the media got another file meanwhile.
async fn fail(cx: &Context, source: Source, message: String) -> Result<()> {
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                match source::find(tx, source.media).await? {
                    Some(current) if current.is_same(&source) => {
                        let failed = Source {
                            state: State::Failed,
                            message,
                            ..current
                        };
                        source::put(tx, &failed).await
                    }
                    _ => Ok(()),
                }
            })
        })
        .await
}

/// A media that was deleted while it waited needs no index.
async fn forget(cx: &Context, source: Source) -> Result<()> {
    fail(cx, source, "the media was deleted".into()).await
}
