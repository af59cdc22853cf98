//! Pictures that browsers or scripts may not read, in a form that they do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use transect_frame_client::{ImageFormat, WorkerError};

use super::create::attach;
use super::fetch::Origin;
use super::indexer::Trouble;
use super::source::{self, Source};
use super::store;
use super::types::Media;
use crate::attribute::Kind;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::storage::objects::Stored;
use crate::{entity_type, frames, storage};

/// What the names of the work files begin with.
const PREFIX: &str = "image-";
/// A work file of that age belongs to nobody.
const OLD: Duration = Duration::from_secs(3600);

/// A picture in its new form, stored without a key.
#[derive(Debug)]
pub(super) struct Converted {
    pub stored: Stored,
    pub width: u32,
    pub height: u32,
    pub mime: String,
}

/// Converts the picture of a source.
pub(super) async fn picture(
    cx: &Context,
    source: &Source,
    format: ImageFormat,
) -> Result<Converted, Trouble> {
    let folder = folder(cx);
    std::fs::create_dir_all(&folder).map_err(Error::from)?;
    let place = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(&folder)
        .map_err(Error::from)?;
    let file = place.path().join("picture");
    let made = frames::convert_image(cx, source, &file, format).await?;
    let made = made.map_err(Trouble::Worker)?;
    Ok(Converted {
        stored: storage::put_file(cx, &file).await?,
        width: made.width,
        height: made.height,
        mime: made.mime,
    })
}

/// Puts a PNG in the place of an image that the frame service cannot read (HEIC, raw pictures);
/// returns the new source. None for everything that is no stored image, or cannot be converted.
pub(super) async fn replace(cx: &Context, source: &Source) -> Result<Option<Source>, Trouble> {
    if source.object_key.is_none() || !is_image(cx, source.media).await? {
        return Ok(None);
    }
    let made = match picture(cx, source, ImageFormat::Png).await {
        Err(Trouble::Worker(WorkerError::Unreadable { .. })) => return Ok(None),
        made => made?,
    };
    let (blob, before) = (made.stored.blob.clone(), source.clone());
    let stamp = cx.clock.stamp(None, cx.now());
    let replaced = cx.database.write(move |tx| {
        Box::pin(async move {
            let current = source::find(tx, before.media).await?;
            let media = store::find(tx, before.media).await?;
            let (Some(current), Some(media)) = (current, media) else {
                return Ok(None);
            };
            let (true, Some(project)) = (current.is_same(&before), media.project) else {
                return Ok(None);
            };
            let named = Media {
                name: "image.png".into(),
                ..media
            };
            attach(tx, &stamp, project, &named, Origin::Blob(made.stored)).await?;
            source::find(tx, before.media).await
        })
    });
    let replaced = replaced.await?;
    if replaced.is_none() {
        cx.objects.delete(&blob).await?;
    }
    Ok(replaced)
}

async fn is_image(cx: &Context, media: i64) -> Result<bool> {
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let Some(media) = store::find(tx, media).await? else {
                    return Ok(false);
                };
                let of = entity_type::service::get(tx, Kind::Media, media.type_id).await?;
                Ok(of.dtype == "image")
            })
        })
        .await
}

fn folder(cx: &Context) -> PathBuf {
    cx.data.join("work")
}

/// Removes work files that a killed station left behind. The station calls it every hour.
pub fn sweep(cx: &Context) {
    let Ok(entries) = std::fs::read_dir(folder(cx)) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && is_old(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_old(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|facts| facts.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD))
}
