//! Films: the files that pictures of a media are made from.
//!
//! A media's pictures are those of its source. A streaming rendition stands in for it where it has
//! exactly as many frames, since frame *n* of the one is then frame *n* of the other; a rendition
//! with another number of frames is not trusted, and the source is scaled to its size instead. A
//! media that has renditions but no source of its own is read from the best of them. A media that is a
//! `concat` of others is read from those, one after another: its frames are theirs, counted on.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use transect_frame_client::{FrameIndex, Roi, Size, WorkerError};

use super::rendition::{self, Rendition};
use super::service::kept_index;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::media::source::{self, Source, State};
use crate::media::{self, Media};
use crate::project::Level;
use crate::storage::objects::places::Hold;
use crate::storage::{self, Object, Place};

/// Files whose facts are kept in memory.
const MOST_FACTS: usize = 4096;
/// Roles of stored files that can take the place of a missing source, the best first.
const STAND_INS: [&str; 3] = ["streaming", "archival", "image"];

/// What an index says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What identifies its bytes and their frames.
    pub fingerprint: String,
    /// How many pictures it shows.
    pub frames: usize,
    /// Width of a picture as shown, in pixels.
    pub width: u32,
    /// Height of a picture as shown, in pixels.
    pub height: u32,
}

impl Facts {
    pub(super) fn of(index: &FrameIndex) -> Self {
        let (width, height) = index.display_size();
        Self {
            fingerprint: index.fingerprint.clone(),
            frames: index.frame_count(),
            width,
            height,
        }
    }
}

/// Facts of files that were read before, by what identifies their bytes.
#[derive(Default)]
pub(super) struct KnownFacts(Mutex<HashMap<String, Facts>>);

impl KnownFacts {
    fn get(&self, identity: &str) -> Option<Facts> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(identity).cloned()
    }

    fn put(&self, identity: String, facts: Facts) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_FACTS {
            known.clear();
        }
        known.insert(identity, facts);
    }
}

/// A file with its frame index.
#[derive(Debug, Clone)]
pub struct Film {
    pub(super) path: PathBuf,
    pub(super) index_file: PathBuf,
    /// What its index says.
    pub facts: Facts,
    /// The size that whole pictures have instead of the file's own.
    scaled: Option<(u32, u32)>,
    /// Keeps the file where it is.
    _hold: Option<Hold>,
    /// What it consists of, if it is no file of its own: then path and index are those of the first part.
    pub(super) parts: Vec<Part>,
}

/// A film within one that consists of several.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Which frame of the whole its first one is.
    pub first: u64,
    /// At which second of the whole it begins, where somebody said so.
    pub offset_secs: Option<f64>,
    pub film: Film,
}

impl Part {
    /// Which frame of the whole follows its last one.
    pub fn end(&self) -> u64 {
        self.first + self.film.facts.frames as u64
    }
}

impl Film {
    /// The film of one file that has a frame, and which frame of the whole its first one is.
    ///
    /// Errors: `Invalid` for a frame beyond the end of several parts; a single file is not asked.
    pub(super) fn part(&self, frame: u64) -> Result<(u64, &Film)> {
        if self.parts.is_empty() {
            return Ok((0, self));
        }
        let part = self.parts.iter().find(|part| frame < part.end());
        part.map(|part| (part.first, &part.film)).ok_or_else(|| {
            let count = self.facts.frames as u64;
            WorkerError::OutOfRange { frame, count }.into()
        })
    }

    /// Shows pictures at this size; at the file's own where it is the same.
    fn at_size(mut self, width: u32, height: u32) -> Self {
        let own = (self.facts.width, self.facts.height);
        self.scaled = (own != (width, height)).then_some((width, height));
        self
    }

    /// Shows pictures at most this high, keeping proportions.
    fn at_most(self, height: u32) -> Self {
        if height == 0 || height >= self.facts.height {
            return self;
        }
        let share = f64::from(height) / f64::from(self.facts.height);
        let width = (f64::from(self.facts.width) * share).round() as u32;
        self.at_size(width.max(1), height)
    }

    /// What to ask of a worker where a region is wanted at a size that is relative to this film's.
    pub(super) fn size(&self, roi: Option<Roi>, wanted: Size) -> Size {
        let (Some((width, height)), Size::Native) = (self.scaled, wanted) else {
            return wanted;
        };
        let share = |start: f64, extent: f64| (start + extent).min(1.0) - start.max(0.0);
        let part = |pixels: u32, share: f64| ((f64::from(pixels) * share).round() as u32).max(1);
        let (across, down) = roi.map_or((1.0, 1.0), |roi| {
            (
                share(roi.x_norm, roi.width_norm),
                share(roi.y_norm, roi.height_norm),
            )
        });
        Size::Exact {
            width: part(width, across),
            height: part(height, down),
        }
    }

    /// The height that whole pictures have instead of the file's own.
    pub(super) fn scaled_height(&self) -> Option<u32> {
        self.scaled.map(|(_, height)| height)
    }

    /// What identifies the pictures that it gives.
    pub(super) fn identity(&self) -> String {
        format!("{} {:?}", self.facts.fingerprint, self.scaled)
    }
}

/// A media that the actor may see, with what is known of its files.
pub(super) struct Seen {
    pub media: Media,
    pub source: Option<Source>,
    /// Keys of stored bytes that are the media's to show.
    own_keys: HashSet<String>,
    /// The media that it shows one after another.
    pieces: Vec<Piece>,
}

/// One of the media that another one shows.
struct Piece {
    media: i64,
    offset_secs: Option<f64>,
    /// None if it is not there any more.
    seen: Option<Seen>,
}

impl Seen {
    /// A stored object that a record names; none where it is not the media's own.
    pub async fn object(&self, cx: &Context, key: &str) -> Result<Option<Object>> {
        match self.own_keys.contains(key) {
            true => storage::find(cx, key).await,
            false => Ok(None),
        }
    }

    fn ready(&self) -> Option<&Source> {
        self.source
            .as_ref()
            .filter(|source| source.state == State::Ready)
    }
}

/// Finds a media. Errors: `NotFound`, `Forbidden`.
pub(super) async fn seen(cx: &Context, actor: &Actor, id: i64) -> Result<Seen> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let (media, project) = media::service::visible(tx, &actor, id, Level::View).await?;
                let mut seen = alone(tx, project, media).await?;
                for (id, offset_secs) in media::service::joined(&seen.media) {
                    let piece = media::service::find(tx, id).await?;
                    let piece = piece.filter(|piece| piece.project == Some(project));
                    let piece = match piece {
                        Some(piece) => Some(alone(tx, project, piece).await?),
                        None => None,
                    };
                    seen.pieces.push(Piece {
                        media: id,
                        offset_secs,
                        seen: piece,
                    });
                }
                Ok(seen)
            })
        })
        .await
}

/// A media without those that it may consist of.
async fn alone(tx: &mut Tx, project: i64, media: Media) -> Result<Seen> {
    let owner = storage::owner(tx, project).await?;
    Ok(Seen {
        own_keys: media::service::own_keys(tx, owner, &media).await?,
        source: source::find(tx, media.id).await?,
        media,
        pieces: Vec::new(),
    })
}

/// The film of a media at its full size.
///
/// Errors: `NotFound` for a media without a file, `Invalid` for a file that cannot be read, `Busy`
/// while its index is being made.
pub(super) async fn whole(cx: &Context, seen: &Seen) -> Result<Film> {
    if let Some(film) = of_files(cx, seen).await? {
        return Ok(film);
    }
    if seen.pieces.is_empty() {
        return Err(unready(seen));
    }
    sequence(cx, seen).await
}

/// The film of a media's own files; none where there are none that can be read.
async fn of_files(cx: &Context, seen: &Seen) -> Result<Option<Film>> {
    match seen.ready() {
        Some(source) => of_source(cx, source).await.map(Some),
        None => stand_in(cx, seen).await,
    }
}

/// The film of a media that shows others one after another. Pictures of other sizes than the first part's are scaled to it.
async fn sequence(cx: &Context, seen: &Seen) -> Result<Film> {
    let (mut parts, mut first) = (Vec::new(), 0);
    for piece in &seen.pieces {
        let gone = || {
            Error::invalid(format!(
                "media {} consists of several, of which media {} is gone; bring it back, or make another one without it",
                seen.media.id, piece.media
            ))
        };
        let part = piece.seen.as_ref().ok_or_else(gone)?;
        if !media::service::joined(&part.media).is_empty() {
            return Err(Error::invalid(format!(
                "media {} consists of several, of which media {} does so itself; name the parts of that in its place",
                seen.media.id, piece.media
            )));
        }
        let film = of_files(cx, part).await?.ok_or_else(|| unready(part))?;
        let part = Part {
            first,
            offset_secs: piece.offset_secs,
            film,
        };
        first = part.end();
        parts.push(part);
    }
    let mut whole = parts[0].film.clone();
    let mut hasher = blake3::Hasher::new();
    for part in &parts {
        hasher.update(part.film.facts.fingerprint.as_bytes());
    }
    let size = (whole.facts.width, whole.facts.height);
    let size_of = |part: &Part| (part.film.facts.width, part.film.facts.height);
    whole.scaled = parts
        .iter()
        .any(|part| size_of(part) != size)
        .then_some(size);
    whole.facts.frames = parts.iter().map(|part| part.film.facts.frames).sum();
    whole.facts.fingerprint = hasher.finalize().to_hex().to_string();
    whole.parts = parts;
    Ok(whole)
}

/// The film of a media at the quality that a caller asks for: the size of the streaming rendition
/// whose height is nearest, or of the highest one; without renditions the source, scaled down to
/// that height.
///
/// Errors: as of [`whole`].
pub(super) async fn of_quality(cx: &Context, seen: &Seen, quality: Option<u32>) -> Result<Film> {
    let streaming = rendition::of_role(&seen.media, "streaming");
    let Some(best) = rendition::nearest(&streaming, quality) else {
        let film = whole(cx, seen).await?;
        return Ok(match quality {
            Some(height) => film.at_most(height),
            None => film,
        });
    };
    let Some(source) = seen.ready() else {
        let own = of_rendition(cx, seen, best).await?;
        return own.ok_or_else(|| unready(seen));
    };
    let whole = of_source(cx, source).await?;
    match trusted(cx, seen, best, &whole).await {
        Some(own) => Ok(own),
        None => Ok(whole.at_size(best.width, best.height)),
    }
}

/// A film that shows the same frames and has at least this height, cheaper to decode than `whole`
/// where there is one.
pub(super) async fn of_height(cx: &Context, seen: &Seen, whole: &Film, height: u32) -> Film {
    let streaming = rendition::of_role(&seen.media, "streaming");
    let lower = rendition::covering(&streaming, height, whole.facts.height);
    match lower {
        Some(lower) => trusted(cx, seen, lower, whole).await,
        None => None,
    }
    .unwrap_or_else(|| whole.clone())
}

/// A rendition's film, if its frames are those of `whole`.
async fn trusted(cx: &Context, seen: &Seen, one: &Rendition, whole: &Film) -> Option<Film> {
    match of_rendition(cx, seen, one).await {
        Ok(found) => found.filter(|own| own.facts.frames == whole.facts.frames),
        Err(error) => {
            let (media, error) = (seen.media.id, Chain(&error).to_string());
            tracing::warn!(
                media.id = media,
                error,
                "a rendition is not readable: {}",
                one.path
            );
            None
        }
    }
}

async fn of_source(cx: &Context, source: &Source) -> Result<Film> {
    let identity = source.fingerprint.clone().unwrap_or_default();
    let index_file = cx.frames.index_file(source.media);
    let known = cx.frames.facts.get(&identity);
    let facts = match known.filter(|_| index_file.exists()) {
        Some(facts) => facts,
        None => {
            let facts = Facts::of(&kept_index(cx, source).await?);
            cx.frames.facts.put(identity, facts.clone());
            facts
        }
    };
    let path = source::readable(cx, source).await?;
    Ok(Film {
        _hold: cx.places.hold(&path),
        path,
        index_file,
        facts,
        scaled: None,
        parts: Vec::new(),
    })
}

/// A film of the best stored file that is no source; none when there is none.
async fn stand_in(cx: &Context, seen: &Seen) -> Result<Option<Film>> {
    for role in STAND_INS {
        let renditions = rendition::of_role(&seen.media, role);
        let Some(best) = rendition::nearest(&renditions, None) else {
            continue;
        };
        if let Some(film) = of_rendition(cx, seen, best).await? {
            return Ok(Some(film));
        }
    }
    Ok(None)
}

/// The film of a rendition, indexed on demand; none where its bytes are not stored here.
pub(super) async fn of_rendition(
    cx: &Context,
    seen: &Seen,
    one: &Rendition,
) -> Result<Option<Film>> {
    let Some(object) = seen.object(cx, &one.path).await? else {
        return Ok(None);
    };
    let source = seen.source.as_ref();
    let in_place = source.is_some_and(|source| source.path.is_some());
    let path = match &object.place {
        Place::Blob(blob) => cx.places.readable(blob).await?,
        // A source in place is read as one, or not at all: only its index tells whether it is still that file.
        Place::File(_) if in_place => None,
        Place::File(path) => Some(path.clone()),
    };
    let Some(path) = path else {
        return Ok(None);
    };
    let identity = format!("{} {} {}", object.key, object.etag, object.size_bytes);
    let index_file = cx.frames.rendition_index_file(seen.media.id, &identity);
    let known = cx.frames.facts.get(&identity);
    let facts = match known.filter(|_| index_file.exists()) {
        Some(facts) => facts,
        None => {
            let index = cx.frames.workers.index(&path, &index_file).await?;
            let facts = Facts::of(&index);
            cx.frames.facts.put(identity, facts.clone());
            facts
        }
    };
    Ok(Some(Film {
        _hold: cx.places.hold(&path),
        path,
        index_file,
        facts,
        scaled: None,
        parts: Vec::new(),
    }))
}

/// Why a media has no pictures at the moment.
fn unready(seen: &Seen) -> Error {
    let id = seen.media.id;
    match &seen.source {
        Some(source) if source.state == State::Indexing => Error::Busy(format!(
            "media {id} is being indexed; try again in a moment"
        )),
        Some(source) => {
            Error::invalid_because(format!("media {id} cannot be read"), source.message.clone())
        }
        None => Error::NotFound(format!(
            "media {id} has no file that pictures could come from"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Film {
        Film {
            path: PathBuf::new(),
            index_file: PathBuf::new(),
            facts: Facts {
                fingerprint: "f".into(),
                frames: 1,
                width: 1920,
                height: 1080,
            },
            scaled: None,
            _hold: None,
            parts: Vec::new(),
        }
    }

    #[test]
    fn sizes_are_relative_to_the_scaled_picture() {
        let half: Roi = "0.5:0.25:0.75:0".parse().unwrap();
        let exact = |width, height| Size::Exact { width, height };
        assert_eq!(film().size(Some(half), Size::Native), Size::Native);
        let small = film().at_most(540);
        assert_eq!(small.size(None, Size::Native), exact(960, 540));
        assert_eq!(small.size(Some(half), Size::Native), exact(240, 135));
        assert_eq!(small.size(Some(half), exact(7, 9)), exact(7, 9));
        assert_eq!(film().at_most(2000).size(None, Size::Native), Size::Native);
    }

    #[test]
    fn another_size_is_another_picture() {
        assert_eq!(film().identity(), film().at_size(1920, 1080).identity());
        assert_ne!(film().identity(), film().at_most(540).identity());
    }
}
