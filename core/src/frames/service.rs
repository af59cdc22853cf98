//! Pictures, packets and indexes of media.

use std::path::Path;

use serde::Serialize;
use transect_frame_client::{
    ComposeRequest, Flags, Format, FrameIndex, Kind, Packets, Picture, PictureRequest, Roi, Size,
    WorkerError, stamp,
};

use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::media::source::{self, Source, State};
use crate::media::{self};
use crate::project::Level;

/// A frame index as the wire shows it.
#[derive(Debug, Serialize)]
pub(super) struct WireIndex {
    pub media: i64,
    pub kind: &'static str,
    pub state: &'static str,
    pub message: String,
    pub num_frames: usize,
    pub frame_rate: [i64; 2],
    pub time_base: [i64; 2],
    pub start_pts: i64,
    pub duration: f64,
    pub width: u32,
    pub height: u32,
    pub rotation: u16,
    pub codec: String,
    pub codec_string: Option<String>,
    pub fingerprint: Option<String>,
    pub pts: Vec<i64>,
    pub key_frames: Vec<usize>,
}

/// The source of a media that the actor may see, and whether pictures can be had of it.
async fn source_of(cx: &Context, actor: &Actor, id: i64) -> Result<Option<Source>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                media::service::visible(tx, &actor, id, Level::View).await?;
                source::find(tx, id).await
            })
        })
        .await
}

/// The source of a media, ready to be decoded.
///
/// Errors: `NotFound` for a media without a source, `Invalid` for a file that cannot be read,
/// `Busy` while its index is being made.
pub(super) async fn ready(cx: &Context, actor: &Actor, id: i64) -> Result<Source> {
    let source = source_of(cx, actor, id).await?.ok_or_else(|| {
        Error::NotFound(format!(
            "media {id} has no file that pictures could come from"
        ))
    })?;
    match source.state {
        State::Ready => Ok(source),
        State::Indexing => Err(Error::Busy(format!(
            "media {id} is being indexed; try again in a moment"
        ))),
        State::Failed => Err(Error::invalid_because(
            format!("media {id} cannot be read"),
            source.message,
        )),
    }
}

/// The index of a media's source, from its file or made anew; what went wrong with the worker is
/// told apart from the rest.
pub async fn try_index(
    cx: &Context,
    source: &Source,
) -> Result<std::result::Result<FrameIndex, WorkerError>> {
    let path = source::file(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    Ok(cx.frames.workers.index(&path, &index_file).await)
}

/// The index that a ready source was imported with.
///
/// Errors: `Invalid` when its file has changed since, so that frame numbers may mean other pictures.
async fn kept_index(cx: &Context, source: &Source) -> Result<FrameIndex> {
    let path = source::file(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    let (kept, same) = {
        let (path, index_file) = (path.clone(), index_file.clone());
        let read = move || {
            let kept = FrameIndex::read(&index_file).ok();
            let stamp = stamp(&path).ok();
            let same = kept.as_ref().map(|index| Some(&index.stamp)) == Some(stamp.as_ref());
            (kept, same)
        };
        let read = tokio::task::spawn_blocking(read);
        read.await
            .map_err(|error| Error::internal("read a frame index", error))?
    };
    let changed = || {
        Error::invalid(format!(
            "the file is not the one that was imported, so that frame numbers may mean other pictures: put the \
             original back, or import it again to index what is there now: {}",
            path.display()
        ))
    };
    let fits = |index: &FrameIndex| source.fingerprint.as_ref() == Some(&index.fingerprint);
    match kept.filter(fits) {
        Some(index) if same => Ok(index),
        Some(_) if path.exists() => Err(changed()),
        // The index file is lost (it can always be made anew), or the media's file is.
        _ => {
            let index = cx.frames.workers.index(&path, &index_file).await?;
            if fits(&index) {
                Ok(index)
            } else {
                Err(changed())
            }
        }
    }
}

/// A picture of a source's frame, for thumbnails and conversions; errors as of [`try_index`].
pub async fn try_picture(
    cx: &Context,
    source: &Source,
    frame: u64,
    size: Size,
    format: Format,
) -> Result<std::result::Result<Picture, WorkerError>> {
    let path = source::file(cx, source).await?;
    let request = PictureRequest {
        size,
        format,
        ..PictureRequest::jpg(path, cx.frames.index_file(source.media), frame)
    };
    Ok(cx.frames.workers.picture(request).await)
}

pub(super) async fn wire_index(cx: &Context, actor: &Actor, id: i64) -> Result<WireIndex> {
    let source = source_of(cx, actor, id).await?;
    let empty = |state: State, message: String| WireIndex {
        media: id,
        kind: "video",
        state: state.name(),
        message,
        num_frames: 0,
        frame_rate: [0, 1],
        time_base: [0, 1],
        start_pts: 0,
        duration: 0.0,
        width: 0,
        height: 0,
        rotation: 0,
        codec: String::new(),
        codec_string: None,
        fingerprint: None,
        pts: Vec::new(),
        key_frames: Vec::new(),
    };
    let source = match source {
        None => {
            return Ok(empty(
                State::Failed,
                format!("media {id} has no file of its own"),
            ));
        }
        Some(source) if source.state != State::Ready => {
            return Ok(empty(source.state, source.message));
        }
        Some(source) => source,
    };
    let index = match kept_index(cx, &source).await {
        Ok(index) => index,
        Err(Error::NotFound(message) | Error::Invalid { message, .. }) => {
            return Ok(empty(State::Failed, message));
        }
        Err(error) => return Err(error),
    };
    let (width, height) = index.display_size();
    let key_frames = (0..index.frame_count())
        .filter(|frame| index.frames[*frame].flags.contains(Flags::KEY))
        .collect();
    Ok(WireIndex {
        kind: if index.kind == Kind::Image {
            "image"
        } else {
            "video"
        },
        num_frames: index.frame_count(),
        frame_rate: index.frame_rate.map_or([0, 1], |rate| [rate.num, rate.den]),
        time_base: [index.time_base.num, index.time_base.den],
        start_pts: index.start_pts,
        duration: index.duration_secs,
        width,
        height,
        rotation: index.rotation_degrees,
        codec: index.codec.clone(),
        codec_string: index.codec_string.clone(),
        fingerprint: Some(index.fingerprint.clone()),
        pts: index.frames.iter().map(|frame| frame.pts).collect(),
        key_frames,
        ..empty(State::Ready, String::new())
    })
}

/// What a picture of one frame should be like.
#[derive(Debug)]
pub(super) struct Wanted {
    pub frame: u64,
    pub size: Size,
    pub roi: Option<Roi>,
    pub format: Format,
    pub quality: u8,
}

/// One frame of a source that is ready.
pub(super) async fn frame(cx: &Context, source: &Source, wanted: Wanted) -> Result<Picture> {
    let request = PictureRequest {
        source: source::file(cx, source).await?,
        index_file: cx.frames.index_file(source.media),
        frame: wanted.frame,
        roi: wanted.roi,
        size: wanted.size,
        format: wanted.format,
        quality: wanted.quality,
    };
    Ok(cx.frames.workers.picture(request).await?)
}

/// Several frames of a source that is ready, in one picture or animation.
pub(super) async fn compose(
    cx: &Context,
    source: &Source,
    build: impl FnOnce(&Path, &Path) -> ComposeRequest,
) -> Result<Picture> {
    let path = source::file(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    Ok(cx.frames.workers.compose(build(&path, &index_file)).await?)
}

/// The packets that show a range of frames of a source that is ready.
pub(super) async fn packets(
    cx: &Context,
    source: &Source,
    first: u64,
    last: u64,
) -> Result<Packets> {
    let path = source::file(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    let found = cx
        .frames
        .workers
        .packets(&path, &index_file, first, last)
        .await?;
    let shown = i64::try_from(first).unwrap_or(i64::MAX);
    if !found.packets.iter().any(|packet| packet.frame >= shown) {
        return Err(Error::invalid(format!(
            "frame {first} is beyond the end of media {}",
            source.media
        )));
    }
    Ok(found)
}
