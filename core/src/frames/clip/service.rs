//! Making clips.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use transect_frame_client::{Output, SegmentIndex, Stretch, TranscodeRequest, VideoCodec};

use super::parts::{self, Parts, SEGMENT_FRAMES, Span};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::frames::film::{self, Seen};
use crate::frames::rendition::{self, Rendition};
use crate::storage::Place;
use crate::temporary_file::{self, TemporaryFile};

/// Hours that a clip stays.
const HOURS: i64 = 24;
/// Frames that are encoded for one clip; copying has no such limit.
const MOST_ENCODED: u64 = 9_000;
/// A larger segment index is not read.
const INDEX_BYTES: u64 = 64 << 20;

/// Which clip is wanted.
#[derive(Debug)]
pub(in crate::frames) struct Wanted {
    /// Items `first:last`.
    pub frame_ranges: Vec<String>,
    /// The height of the rendition.
    pub quality: Option<u32>,
    /// Whether to encode even where bytes could be copied.
    pub reencode: bool,
}

/// A clip and what it shows.
pub(in crate::frames) struct Clip {
    /// First and last frame of each segment, in the order of the clip.
    pub spans: Vec<Span>,
    /// The clip.
    pub file: TemporaryFile,
}

/// Cuts ranges of frames out of a media that the actor may see.
///
/// Errors: `NotFound`, `Forbidden`; `Invalid` for ranges that are none or beyond the end, and for
/// too long ones where they would have to be encoded; `StorageFull`.
pub(in crate::frames) async fn make(
    cx: &Context,
    actor: &Actor,
    id: i64,
    wanted: Wanted,
) -> Result<Clip> {
    let ranges = parts::ranges(&wanted.frame_ranges)?;
    let seen = film::seen(cx, actor, id).await?;
    let work = cx.data.join("work");
    tokio::fs::create_dir_all(&work).await?;
    let folder = tempfile::TempDir::with_prefix_in("clip-", &work)?;
    let file = folder.path().join("clip.mp4");
    let spans = match fragments(cx, &seen, &wanted).await? {
        Some((path, parts)) => copy(path, parts, &ranges, file.clone()).await?,
        None => encode(cx, &seen, wanted.quality, &ranges, file.clone()).await?,
    };
    let project = seen.media.project.unwrap_or_default();
    let name = named(&seen.media.name, &spans);
    let lookup = format!(
        "clip_{id}_{:?}_{}",
        wanted.quality,
        wanted.frame_ranges.join(",")
    );
    let lookup = blake3::hash(lookup.as_bytes()).to_hex();
    let file =
        temporary_file::create(cx, project, actor.id, &name, &file, HOURS, lookup.as_str()).await?;
    Ok(Clip { spans, file })
}

/// `dive_25-74.mp4` of `dive.mov`.
fn named(media: &str, spans: &[Span]) -> String {
    let stem = Path::new(media)
        .file_stem()
        .map_or_else(|| media.into(), |stem| stem.to_string_lossy());
    let stem: String = stem.chars().take(200).collect();
    let first = spans.first().map_or(0, |(first, _)| *first);
    let last = spans.last().map_or(0, |(_, last)| *last);
    format!("{stem}_{first}-{last}.mp4")
}

/// The rendition that a clip can be copied out of, and its fragments; none where there is none.
async fn fragments(cx: &Context, seen: &Seen, wanted: &Wanted) -> Result<Option<(PathBuf, Parts)>> {
    let streaming = rendition::of_role(&seen.media, "streaming");
    let best = rendition::nearest(&streaming, wanted.quality).filter(|_| !wanted.reencode);
    let Some(Rendition {
        path,
        segment_info: Some(segment_info),
        ..
    }) = best
    else {
        return Ok(None);
    };
    let (Some(video), Some(index)) = (
        file_of(cx, seen, path).await?,
        file_of(cx, seen, segment_info).await?,
    ) else {
        return Ok(None);
    };
    if tokio::fs::metadata(&index).await?.len() > INDEX_BYTES {
        return Err(unfit(path, "its segment index is too large"));
    }
    let index: SegmentIndex = serde_json::from_slice(&tokio::fs::read(&index).await?)
        .map_err(|error| unfit(path, &format!("its segment index cannot be read: {error}")))?;
    Ok(parts::of_index(&index).map(|parts| (video, parts)))
}

fn unfit(path: &str, why: &str) -> Error {
    Error::invalid(format!(
        "no clip can be copied out of this rendition, because {why}; ask with reencode=1 instead: {path}"
    ))
}

/// The file that holds a stored object of the media.
async fn file_of(cx: &Context, seen: &Seen, key: &str) -> Result<Option<PathBuf>> {
    match seen.object(cx, key).await?.map(|object| object.place) {
        Some(Place::Blob(blob)) => cx.objects.path(&blob).await,
        Some(Place::File(path)) => Ok(Some(path)),
        None => Ok(None),
    }
}

async fn copy(video: PathBuf, parts: Parts, ranges: &[Span], clip: PathBuf) -> Result<Vec<Span>> {
    let places = parts::covering(&parts.spans, ranges)?;
    let spans = places.iter().map(|at| parts.spans[*at]).collect();
    let head = std::iter::once(0..parts.head);
    let pieces: Vec<_> = head
        .chain(places.into_iter().map(|at| parts.bytes[at].clone()))
        .collect();
    let shown = video.display().to_string();
    let copied = tokio::task::spawn_blocking(move || -> io::Result<bool> {
        let mut from = File::open(video)?;
        let mut to = BufWriter::new(File::create(clip)?);
        for piece in pieces {
            let length = piece.end - piece.start;
            from.seek(SeekFrom::Start(piece.start))?;
            if io::copy(&mut (&from).take(length), &mut to)? != length {
                return Ok(false);
            }
        }
        to.flush()?;
        Ok(true)
    });
    let whole = copied
        .await
        .map_err(|error| Error::internal("copy a clip", error))??;
    if !whole {
        return Err(unfit(&shown, "its segment index is of another file"));
    }
    Ok(spans)
}

async fn encode(
    cx: &Context,
    seen: &Seen,
    quality: Option<u32>,
    ranges: &[Span],
    clip: PathBuf,
) -> Result<Vec<Span>> {
    let film = film::of_quality(cx, seen, quality).await?;
    let all = segments(&film);
    let places = parts::covering(&all, ranges)?;
    let spans: Vec<Span> = places.into_iter().map(|at| all[at]).collect();
    let frames: u64 = spans.iter().map(|(first, last)| last - first + 1).sum();
    if frames > MOST_ENCODED {
        return Err(Error::invalid(format!(
            "that is a clip of {frames} frames, which would have to be encoded; ask for at most {MOST_ENCODED}, or have \
             streaming renditions made, out of which clips are copied"
        )));
    }
    let stretches = stretches(&film, &spans)?;
    for stretch in &stretches {
        cx.places.complete(&stretch.source).await?;
    }
    let mut stretches = stretches.into_iter();
    let first = stretches
        .next()
        .ok_or_else(|| Error::invalid("the media has no frames"))?;
    let output = Output::Stream {
        file: clip,
        codec: VideoCodec::H264,
        height: film.scaled_height(),
        crf: 20,
        preset: "veryfast".into(),
        tune: None,
        pixel_format: "yuv420p".into(),
        gop: SEGMENT_FRAMES as u32,
        fragmented: false,
    };
    let request = TranscodeRequest {
        source: first.source,
        index_file: first.index_file,
        ranges: first.ranges,
        more: stretches.collect(),
        outputs: vec![output],
        encoders: cx.settings.transcode.encoders,
    };
    let _turn = cx.frames.clips.acquire().await;
    cx.frames.workers.transcode(request, |_| {}).await?;
    Ok(spans)
}

/// What segments take of each file, in their order; none takes frames of two.
fn stretches(film: &film::Film, spans: &[Span]) -> Result<Vec<Stretch>> {
    let mut found: Vec<(u64, Stretch)> = Vec::new();
    for (first, last) in spans {
        let (before, part) = film.part(*first)?;
        let local = (first - before, last - before);
        match found.last_mut() {
            Some((begin, stretch)) if *begin == before => stretch.ranges.push(local),
            _ => found.push((
                before,
                Stretch {
                    source: part.path.clone(),
                    index_file: part.index_file.clone(),
                    ranges: vec![local],
                },
            )),
        }
    }
    let stretches = found.into_iter().map(|(_, stretch)| Stretch {
        ranges: parts::joined(stretch.ranges),
        ..stretch
    });
    Ok(stretches.collect())
}

/// The segments of a film; none goes from one of its files into the next.
fn segments(film: &film::Film) -> Vec<Span> {
    if film.parts.is_empty() {
        return parts::of_frames(film.facts.frames as u64);
    }
    let of_part = |part: &film::Part| {
        let first = part.first;
        let segments = parts::of_frames(part.end() - first).into_iter();
        segments.map(move |(from, to)| (first + from, first + to))
    };
    film.parts.iter().flat_map(of_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_named_after_what_they_show() {
        assert_eq!(named("dive.2.mov", &[(0, 24), (50, 74)]), "dive.2_0-74.mp4");
        assert!(named(&"x".repeat(500), &[(0, 24)]).len() < 256);
    }
}
