//! Joining the chapters of a recording: one media that shows them one after another.
//!
//! The parts stay media of their own, with their files, indexes and proofs, in a folder apart, so that lists show the recording
//! once. The joined media names them in `media_files.concat`, as clients of the API do it themselves.

use std::path::Path;

use serde_json::{Map, json};
use transect_frame_client::{Format, Size};

use super::chapters::{Chapters, Scheme};
use super::create::{self, Links, Sourced};
use super::files::record;
use super::source::{self, Source};
use super::types::{Media, MediaPatch, NewMedia};
use super::{change, composite, service, store};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::Result;
use crate::journal::{self, Change, Ledger};
use crate::{frames, section, storage};

/// The folder of the parts.
const PARTS: &str = "Parts of joined recordings";
/// Chapters of one recording have rates that agree within this share.
const RATE_SHARE: f64 = 0.01;
/// A file of a recording was finished so long before the next one began, at most.
const GAP_MS: f64 = 5_000.0;
/// A larger height is no thumbnail.
const THUMBNAIL_HEIGHT: u32 = 256;

/// What became of chapters.
pub(super) enum Joined {
    /// They are this media now, with so many frames.
    Made(i64, Option<i64>),
    /// They were joined before.
    There,
    /// They are not one recording; why.
    Apart(String),
}

/// Joins media of a project that are chapters of one recording, if what is known of them agrees. `changed_at` says when each file
/// was written last, in UTC milliseconds.
///
/// Errors: `StorageFull`, those of the database.
pub(super) async fn join(
    cx: &Context,
    actor: &Actor,
    project: i64,
    section: Option<&str>,
    chapters: &Chapters,
    parts: Vec<i64>,
    changed_at: Vec<i64>,
) -> Result<Joined> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let (name, scheme) = (chapters.name.clone(), chapters.scheme);
    let section = section.map(str::to_owned);
    let first = parts[0];
    let (joined, source) = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let mut rows = Vec::new();
                for part in &parts {
                    match store::find(tx, *part).await? {
                        Some(row) => rows.push(row),
                        None => return Ok((Joined::Apart("one was deleted".into()), None)),
                    }
                }
                if is_known(tx, project, &name, &parts).await? {
                    return Ok((Joined::There, None));
                }
                if let Some(why) = unlike(&rows, scheme, &changed_at) {
                    return Ok((Joined::Apart(why), None));
                }
                let sourced = Sourced {
                    new: whole(&rows, name, section),
                    links: Links::default(),
                };
                let mut media = create::one(tx, &stamp, &actor, project, sourced).await?;
                let patch = MediaPatch {
                    concat: Some(offsets(&rows)),
                    ..MediaPatch::default()
                };
                composite::compose(tx, project, &mut media, &patch).await?;
                store::update(tx, &media).await?;
                let created = Change::created(media.id, &media)?;
                journal::record(tx, &stamp, Some(project), "media", created).await?;
                let folder = match section::service::find_folder_by_name(tx, project, PARTS).await?
                {
                    Some(folder) => folder,
                    None => section::service::create_folder(tx, &stamp, project, PARTS).await?,
                };
                let apart = MediaPatch {
                    primary_section: Some(folder.id),
                    ..MediaPatch::default()
                };
                let mut ledger = Ledger::default();
                change::change_all(tx, &stamp, project, rows, &apart, &mut ledger).await?;
                ledger.write(tx, &stamp, project).await?;
                let made = Joined::Made(media.id, media.num_frames);
                Ok((made, source::find(tx, first).await?))
            })
        })
        .await?;
    if let (Joined::Made(media, _), Some(source)) = (&joined, &source) {
        thumbnail(cx, *media, project, source).await?;
    }
    Ok(joined)
}

/// Whether these were joined before.
async fn is_known(tx: &mut Tx, project: i64, name: &str, parts: &[i64]) -> Result<bool> {
    let sql = "select id from media where project = $1 and name = $2 and not deleted order by id";
    for mut row in tx.rows(sql, &crate::values![project, name]).await? {
        let id: i64 = row.take()?;
        let media = store::find(tx, id).await?;
        let joined = media
            .map(|media| composite::joined(&media))
            .unwrap_or_default();
        if joined.iter().map(|(part, _)| part).eq(parts) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why media are not parts of one recording; none if they are.
fn unlike(rows: &[Media], scheme: Scheme, changed_at: &[i64]) -> Option<String> {
    for (at, pair) in rows.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        let told = |what: &str| Some(format!("{} {what} {}", after.name, before.name));
        if before.type_id != after.type_id {
            return told("is of another type than");
        }
        if (&before.codec, before.width, before.height) != (&after.codec, after.width, after.height)
        {
            return told("has another codec or size than");
        }
        let rates = before.fps.zip(after.fps);
        if rates.is_none_or(|(one, other)| (one / other - 1.0).abs() > RATE_SHARE) {
            return told("has another frame rate than");
        }
        if scheme == Scheme::Numbers {
            let began_at = changed_at[at + 1] as f64 - secs(after) * 1000.0;
            if (began_at - changed_at[at] as f64).abs() > GAP_MS {
                return told(
                    "was not begun, by the time stamps of the files, when this one ended:",
                );
            }
        }
    }
    None
}

fn secs(media: &Media) -> f64 {
    let frames = media.num_frames.unwrap_or(0) as f64;
    frames / media.fps.filter(|fps| *fps > 0.0).unwrap_or(1.0)
}

fn whole(rows: &[Media], name: String, section: Option<String>) -> NewMedia {
    let first = &rows[0];
    NewMedia {
        r#type: first.type_id,
        name,
        section,
        num_frames: rows.iter().map(|row| row.num_frames).sum(),
        fps: first.fps,
        codec: first.codec.clone(),
        width: first.width,
        height: first.height,
        ..NewMedia::default()
    }
}

fn offsets(rows: &[Media]) -> Vec<serde_json::Value> {
    let mut begin = 0.0;
    let offset = |row: &Media| {
        let part = json!({"id": row.id, "timestampOffset": begin});
        begin += secs(row);
        part
    };
    rows.iter().map(offset).collect()
}

/// Gives the whole the first picture of its first part.
async fn thumbnail(cx: &Context, media: i64, project: i64, source: &Source) -> Result<()> {
    let size = Size::MaxHeight(THUMBNAIL_HEIGHT);
    let Ok(picture) = frames::try_picture(cx, source, 0, size, Format::Jpg).await? else {
        // It can do without; the part's own thumbnail says what is wrong.
        return Ok(());
    };
    let owner = cx
        .database
        .read(move |tx| Box::pin(storage::service::owner(tx, project)))
        .await?;
    let key = owner.rendition(media, Some("thumbnail.jpg"));
    storage::service::put_bytes(cx, &key, picture.bytes.to_vec()).await?;
    let size = Some((i64::from(picture.height), i64::from(picture.width)));
    let mut small: Map<String, _> = record(&key, picture.bytes.len() as i64, size);
    small.insert("mime".into(), json!("image/jpeg"));
    let stamp = cx.clock.stamp(None, cx.now());
    let noted = cx.database.write(move |tx| {
        Box::pin(async move {
            service::amend_files(tx, &stamp, media, |files| {
                files.insert("thumbnail".into(), json!([small]));
                Ok(())
            })
            .await
        })
    });
    noted.await
}

/// The sentence that tells what was joined.
pub(super) fn said(paths: &[&Path]) -> String {
    let names = paths.iter().filter_map(|path| path.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    format!(
        "joined {} chapters of one recording: {}; they are in the folder \"{PARTS}\" (--no-join leaves them apart)",
        names.len(),
        names.join(", ")
    )
}
