//! Pictures, packets and indexes of media.

use std::path::{Path, PathBuf};

use serde::Serialize;
use transect_frame_client::{
    Change, ComposeRequest, ConfigurationChange, Format, FrameIndex, Kind, Layout, Packets,
    Picture, PictureRequest, Roi, Size, WorkerError, stamp,
};

use super::film::{self, Film, Part};

use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::media::source::{self, Source, State};

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
    /// Coded pictures are mirrored left to right before they are turned by `rotation`.
    pub mirrored: bool,
    /// Width of a pixel over its height, as shown. Pictures come without it: who shows them stretches them.
    pub pixel_aspect: [i64; 2],
    pub codec: String,
    pub codec_string: Option<String>,
    pub fingerprint: Option<String>,
    pub pts: Vec<i64>,
    pub key_frames: Vec<usize>,
    /// Pictures that the file has and that nobody can decode: the frame that follows them, and how many.
    pub damaged: Vec<[usize; 2]>,
    /// First and last of the frames whose times were made up.
    pub synthetic: Vec<[usize; 2]>,
    /// Where pictures have another size, or are coded in another way, than those before.
    pub changes: Vec<WireChange>,
}

/// What is true of a frame and those behind it, in the place of what the index says of the first.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WireChange {
    pub frame: usize,
    /// As shown.
    pub width: u32,
    pub height: u32,
    pub codec_string: Option<String>,
}

/// The index of a media's source, from its file or made anew; what went wrong with the worker is
/// told apart from the rest.
pub async fn try_index(
    cx: &Context,
    source: &Source,
) -> Result<std::result::Result<FrameIndex, WorkerError>> {
    let path = source::readable(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    Ok(cx.frames.workers.index(&path, &index_file).await)
}

/// The index that a ready source was imported with.
///
/// Errors: `Invalid` when its file has changed since, so that frame numbers may mean other pictures.
pub(super) async fn kept_index(cx: &Context, source: &Source) -> Result<FrameIndex> {
    let path = source::readable(cx, source).await?;
    let index_file = cx.frames.index_file(source.media);
    // What lies in a bucket is never written again, and its worker looks at the stamp too.
    let is_partial = cx.places.is_partial(&path);
    let (kept, same) = {
        let (path, index_file) = (path.clone(), index_file.clone());
        let read = move || {
            let kept = FrameIndex::read(&index_file).ok();
            let fits = |index: &FrameIndex| stamp(&path).is_ok_and(|stamp| index.stamp == stamp);
            let same = kept.as_ref().is_some_and(|index| is_partial || fits(index));
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

/// The index that a ready source was imported with.
///
/// Errors: `Invalid` when its file has changed since, so that frame numbers may mean other pictures.
pub async fn index(cx: &Context, source: &Source) -> Result<FrameIndex> {
    kept_index(cx, source).await
}

/// The index of a file that is no media yet, kept under a name until [`adopt_index`] or
/// [`drop_index`]. What went wrong with the worker is told apart from the rest.
pub async fn index_of_file(
    cx: &Context,
    path: &Path,
    name: &str,
) -> std::result::Result<FrameIndex, WorkerError> {
    let index_file = cx.frames.index_file_named(name);
    cx.frames.workers.index(path, &index_file).await
}

/// Gives the index that was kept under a name to the media that the file has become.
pub async fn adopt_index(cx: &Context, name: &str, media: i64) {
    let (from, to) = (
        cx.frames.index_file_named(name),
        cx.frames.index_file(media),
    );
    if let Err(error) = tokio::fs::rename(from, to).await {
        tracing::debug!(%error, media.id = media, "the index of a new media is made once more");
    }
}

/// Forgets the index that was kept under a name.
pub async fn drop_index(cx: &Context, name: &str) {
    drop(tokio::fs::remove_file(cx.frames.index_file_named(name)).await);
}

/// A picture of a source's frame, for thumbnails and conversions; errors as of [`try_index`].
pub async fn try_picture(
    cx: &Context,
    source: &Source,
    frame: u64,
    size: Size,
    format: Format,
) -> Result<std::result::Result<Picture, WorkerError>> {
    let path = source::readable(cx, source).await?;
    let request = PictureRequest {
        size,
        format,
        ..PictureRequest::jpg(path, cx.frames.index_file(source.media), frame)
    };
    Ok(cx.frames.workers.picture(request).await)
}

/// The frame index of a media, or the state of one that has none.
pub(super) async fn wire_index(cx: &Context, actor: &Actor, id: i64) -> Result<WireIndex> {
    let seen = film::seen(cx, actor, id).await?;
    let state = seen.source.as_ref().map(|source| source.state);
    let index = match &seen.source {
        Some(source) if source.state == State::Ready => kept_index(cx, source).await,
        _ => match film::whole(cx, &seen).await {
            Ok(film) if !film.parts.is_empty() => return sequence_index(cx, id, &film).await,
            Ok(film) => {
                let workers = &cx.frames.workers;
                Ok(workers.index(&film.path, &film.index_file).await?)
            }
            Err(error) => Err(error),
        },
    };
    match index {
        Ok(index) => Ok(WireIndex::of(id, &index)),
        Err(Error::Busy(_)) if state == Some(State::Indexing) => {
            Ok(WireIndex::empty(id, State::Indexing, String::new()))
        }
        Err(Error::NotFound(message)) => Ok(WireIndex::empty(id, State::Failed, message)),
        Err(Error::Invalid { message, details }) => {
            let said = if details == "None" { message } else { details };
            Ok(WireIndex::empty(id, State::Failed, said))
        }
        Err(error) => Err(error),
    }
}

/// The index of a film of several parts: their frames one after another, in the ticks of the first. A part begins where the one
/// before it ends, or later where its offset says so.
async fn sequence_index(cx: &Context, media: i64, film: &Film) -> Result<WireIndex> {
    let mut whole: Option<WireIndex> = None;
    for part in &film.parts {
        let workers = &cx.frames.workers;
        let index = workers
            .index(&part.film.path, &part.film.index_file)
            .await?;
        let more = WireIndex::of(media, &index);
        match &mut whole {
            None => whole = Some(more),
            Some(whole) => whole.append(&more, &index, part.offset_secs),
        }
    }
    let mut whole = whole.ok_or_else(|| Error::invalid(format!("media {media} has no frames")))?;
    let same = film.parts.iter().all(|part| {
        let size = |film: &Film| (film.facts.width, film.facts.height);
        size(&part.film) == size(film)
    });
    whole.codec_string = whole.codec_string.filter(|_| same);
    whole.fingerprint = Some(film.facts.fingerprint.clone());
    Ok(whole)
}

impl WireIndex {
    /// Adds the frames of another file behind the last.
    fn append(&mut self, more: &WireIndex, index: &FrameIndex, offset_secs: Option<f64>) {
        let tick_secs = |base: [i64; 2]| base[0] as f64 / base[1] as f64;
        let own = tick_secs(self.time_base);
        let ratio = tick_secs(more.time_base) / own;
        let end = self.start_pts + (self.duration / own).round() as i64;
        let stated = offset_secs.map(|secs| self.start_pts + (secs / own).round() as i64);
        let begin = stated.map_or(end, |stated| stated.max(end));
        let first = self.pts.len();
        for pts in &more.pts {
            let since = (pts - more.start_pts) as f64 * ratio;
            let after = self.pts.last().map_or(i64::MIN, |last| last + 1);
            self.pts.push((begin + since.round() as i64).max(after));
        }
        let keys = more.key_frames.iter().map(|frame| first + frame);
        self.key_frames.extend(keys);
        for [frame, count] in &more.damaged {
            match self.damaged.last_mut() {
                // What one part lacks at its end and the next at its beginning is one gap.
                Some([before, missing]) if *before == first + frame => *missing += count,
                _ => self.damaged.push([first + frame, *count]),
            }
        }
        let synthetic = more.synthetic.iter();
        let synthetic = synthetic.map(|range| range.map(|frame| first + frame));
        self.synthetic.extend(synthetic);
        if (self.width, self.height) != (more.width, more.height) {
            self.changes.push(WireChange {
                frame: first,
                width: more.width,
                height: more.height,
                codec_string: more.codec_string.clone(),
            });
        }
        self.changes
            .extend(more.changes.iter().map(|change| WireChange {
                frame: first + change.frame,
                ..change.clone()
            }));
        self.num_frames += more.num_frames;
        self.duration = (begin - self.start_pts) as f64 * own + index.duration_secs;
        if self.frame_rate != more.frame_rate && self.duration > 0.0 {
            let rate = self.num_frames as f64 / self.duration;
            self.frame_rate = [(rate * 1000.0).round() as i64, 1000];
        }
        if self.codec_string != more.codec_string {
            self.codec_string = None;
        }
    }

    fn empty(media: i64, state: State, message: String) -> Self {
        Self {
            media,
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
            mirrored: false,
            pixel_aspect: [1, 1],
            codec: String::new(),
            codec_string: None,
            fingerprint: None,
            pts: Vec::new(),
            key_frames: Vec::new(),
            damaged: Vec::new(),
            synthetic: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn of(media: i64, index: &FrameIndex) -> Self {
        let (width, height) = index.display_size();
        let pixel = index.display_pixel();
        let key_frames = index.key_frames().collect();
        Self {
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
            mirrored: index.mirrored,
            pixel_aspect: [pixel.num, pixel.den],
            codec: index.codec.clone(),
            codec_string: index.codec_string.clone(),
            fingerprint: Some(index.fingerprint.clone()),
            pts: index.frames().map(|frame| frame.pts).collect(),
            key_frames,
            damaged: (index.damage().into_iter())
                .map(|(frame, count)| [frame, count])
                .collect(),
            synthetic: (index.synthetic().into_iter())
                .map(|range| [*range.start(), *range.end()])
                .collect(),
            changes: (index.changed_frames())
                .map(|(frame, change)| WireChange::of(index, frame, change))
                .collect(),
            ..Self::empty(media, State::Ready, String::new())
        }
    }
}

impl WireChange {
    fn of(index: &FrameIndex, frame: usize, change: &Change) -> Self {
        let (width, height) = index.upright(change.width, change.height);
        Self {
            frame,
            width,
            height,
            codec_string: change.codec_string.clone(),
        }
    }
}

/// What a picture of one frame should be like.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The frame's ordinal.
    pub frame: u64,
    /// Size after cropping.
    pub size: Size,
    /// Part of the picture, or all of it.
    pub roi: Option<Roi>,
    /// Encoding.
    pub format: Format,
    /// 1 to 100, for encodings that lose something.
    pub quality: u8,
}

/// What pictures of several frames should be like.
#[derive(Debug, Clone)]
pub struct WantedTogether {
    /// Their ordinals, in the order wanted.
    pub frames: Vec<u64>,
    /// Side by side, or one after the other.
    pub layout: Layout,
    /// Part of every picture, or all of it.
    pub roi: Option<Roi>,
    /// Part of each picture, as many as frames; empty where `roi` is meant.
    pub rois: Vec<Roi>,
    /// Size of each after cropping.
    pub size: Size,
    /// Encoding.
    pub format: Format,
    /// 1 to 100, for encodings that lose something.
    pub quality: u8,
}

/// The film of a media that the actor may see, at its full size.
///
/// Errors: `NotFound`, `Forbidden`; `Invalid` for a file that cannot be read, `Busy` while its index
/// is being made.
pub async fn film(cx: &Context, actor: &Actor, media: i64) -> Result<Film> {
    let seen = film::seen(cx, actor, media).await?;
    film::whole(cx, &seen).await
}

/// One frame of a film.
///
/// Errors: `Invalid` for a frame beyond the end or a region outside the picture.
pub async fn frame(cx: &Context, film: &Film, wanted: Wanted) -> Result<Picture> {
    cx.frames.ask();
    let (first, part) = film.part(wanted.frame)?;
    let request = PictureRequest {
        source: part.path.clone(),
        index_file: part.index_file.clone(),
        frame: wanted.frame - first,
        roi: wanted.roi,
        size: film.size(wanted.roi, wanted.size),
        format: wanted.format,
        quality: wanted.quality,
    };
    Ok(cx.frames.workers.picture(request).await?)
}

/// Several frames of a film, in one picture or animation.
///
/// Errors: `Invalid`, also where layout, encoding and number of frames do not go together.
pub async fn compose(cx: &Context, film: &Film, wanted: WantedTogether) -> Result<Picture> {
    cx.frames.ask();
    let places = places(film, &wanted.frames)?;
    let size = match film.parts.len() {
        0 => film.size(wanted.roi, wanted.size),
        // A region of each its own has a size of its own, as ever.
        _ if wanted.rois.is_empty() => film.size(wanted.roi, wanted.size),
        _ => wanted.size,
    };
    let mut sources = places.sources.into_iter();
    let (source, index_file) = sources.next().unwrap_or_default();
    let request = ComposeRequest {
        source,
        index_file,
        others: sources.collect(),
        files: places.files,
        size,
        frames: places.frames,
        layout: wanted.layout,
        roi: wanted.roi,
        rois: wanted.rois,
        format: wanted.format,
        quality: wanted.quality,
    };
    Ok(cx.frames.workers.compose(request).await?)
}

/// Where frames of a film are: its files, which of them each frame is in, and which frame of it.
struct Places {
    sources: Vec<(PathBuf, PathBuf)>,
    files: Vec<usize>,
    frames: Vec<u64>,
}

fn places(film: &Film, wanted: &[u64]) -> Result<Places> {
    let mut places = Places {
        sources: Vec::new(),
        files: Vec::new(),
        frames: Vec::new(),
    };
    for frame in wanted {
        let (first, part) = film.part(*frame)?;
        let source = (part.path.clone(), part.index_file.clone());
        let known = places.sources.iter().position(|known| *known == source);
        if known.is_none() {
            places.sources.push(source);
        }
        places.files.push(known.unwrap_or(places.sources.len() - 1));
        places.frames.push(frame - first);
    }
    Ok(places)
}

/// The packets that show a range of frames of a film of this media.
///
/// Errors: `Invalid` for frames beyond the end, and for a range that goes from one part of a film into another one that is
/// encoded differently: no decoder goes on there.
pub(super) async fn packets(
    cx: &Context,
    media: i64,
    film: &Film,
    first: u64,
    last: u64,
) -> Result<Packets> {
    cx.frames.ask();
    if film.parts.is_empty() {
        return packets_of(cx, media, film, first, last).await;
    }
    film.part(first)?;
    let mut all: Option<Packets> = None;
    let meets = |part: &&Part| first < part.end() && last >= part.first;
    for part in film.parts.iter().filter(meets) {
        let from = first.saturating_sub(part.first);
        let to = last.min(part.end() - 1) - part.first;
        let mut found = packets_of(cx, media, &part.film, from, to).await?;
        let before = i64::try_from(part.first).unwrap_or(i64::MAX);
        let shown = found.packets.iter_mut().filter(|packet| packet.frame >= 0);
        shown.for_each(|packet| packet.frame += before);
        match &mut all {
            None => all = Some(found),
            Some(all) if same_stream(all, &found) => {
                let before = all.packets.len();
                found.changes.iter_mut().for_each(|one| one.at += before);
                all.changes.append(&mut found.changes);
                all.packets.append(&mut found.packets);
            }
            Some(_) => {
                return Err(Error::invalid(format!(
                    "the video is encoded differently from frame {} on, where another file begins: ask for frames on one \
                     side of it, or for pictures",
                    part.first
                )));
            }
        }
    }
    all.ok_or_else(|| Error::invalid(format!("media {media} has no frames")))
}

/// Whether a decoder that comes from the end of the one decodes the other.
fn same_stream(one: &Packets, other: &Packets) -> bool {
    let last = one.changes.last().cloned();
    let last = last.unwrap_or_else(|| one.first_configuration());
    let first = other.first_configuration();
    one.codec == other.codec && ConfigurationChange { at: 0, ..last } == first
}

async fn packets_of(
    cx: &Context,
    media: i64,
    film: &Film,
    first: u64,
    last: u64,
) -> Result<Packets> {
    let workers = &cx.frames.workers;
    let found = workers
        .packets(&film.path, &film.index_file, first, last)
        .await?;
    let shown = i64::try_from(first).unwrap_or(i64::MAX);
    if !found.packets.iter().any(|packet| packet.frame >= shown) {
        return Err(Error::invalid(format!(
            "frame {first} is beyond the end of media {media}"
        )));
    }
    Ok(found)
}
