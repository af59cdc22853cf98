//! An open source: its index, its decoder, and how it is being looked at.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use transect_frame_client::{Flags, FrameIndex, WorkerError};

use crate::bitstream;
use crate::cache::Pictures;
use crate::indexer::unreadable;
use crate::libav::{Frame, Parameters};
use crate::reader::{self, Places, Reader};
use crate::session::{Reached, Session, Travel};
use crate::supply::{self, MediaFile};
use crate::sync::lock;

/// Requests this near to one of the last few belong together: stepping, or a cluster of looks.
const NEAR_FRAMES: usize = 32;
const REMEMBERED: usize = 4;
/// Wider strides are jumps.
const LONGEST_STRIDE: i64 = 30;

/// An open source, as its requests see it.
pub struct Source {
    pub film: Arc<Film>,
    index_file: PathBuf,
    look: Look,
    recent: VecDeque<usize>,
    travel: Course,
}

/// The part of an open source that works ahead of requests share with them.
pub struct Film {
    /// Tells sources apart in caches.
    pub number: u64,
    path: PathBuf,
    pub index: Arc<FrameIndex>,
    desk: Mutex<Desk>,
    /// Requests that wait for the decoder.
    waiting: AtomicUsize,
}

/// What only one can use at a time.
struct Desk {
    reader: Reader,
    session: Option<Session>,
}

/// The way that looks at single frames take.
#[derive(Debug, Default)]
struct Course {
    last: Option<usize>,
    stride: i64,
    times: u32,
}

impl Course {
    /// Counts a look, and returns the stride if there seems to be one: after one step to the next frame, or two equal ones.
    fn note(&mut self, frame: usize) -> Option<i64> {
        let step = self.last.map_or(0, |last| frame as i64 - last as i64);
        let again = self.last.replace(frame).is_some() && step == 0;
        if !again {
            let same = step == self.stride;
            self.times = if same {
                self.times.saturating_add(1)
            } else {
                1
            };
            self.stride = step;
        }
        let far = self.stride == 0 || self.stride.abs() > LONGEST_STRIDE;
        (!far && (self.times > 1 || self.stride.abs() == 1)).then_some(self.stride)
    }
}

/// What tells a changed file without reading it.
#[derive(PartialEq, Eq)]
struct Look {
    size_bytes: u64,
    modified_at: Option<SystemTime>,
}

impl Look {
    fn at(path: &Path) -> Result<Self, WorkerError> {
        let metadata = path
            .metadata()
            .map_err(|error| unreadable(path, &error.to_string()))?;
        // One that is not whole changes with every part that comes, and has a name of its own.
        let modified_at = metadata.modified().ok();
        Ok(Look {
            size_bytes: metadata.len(),
            modified_at: modified_at.filter(|_| !supply::is_partial(path)),
        })
    }
}

impl Source {
    /// Opens a source with its index; `number` tells it apart in the cache.
    ///
    /// Errors: `Unreadable`, also if the index is missing or of another file.
    pub fn open(number: u64, path: &Path, index_file: &Path) -> Result<Self, WorkerError> {
        let failed = |error: std::io::Error| unreadable(path, &error.to_string());
        let file = MediaFile::open(path).map_err(failed)?;
        let look = Look::at(path)?;
        let index = FrameIndex::read(index_file)
            .map_err(|error| unreadable(index_file, &error.to_string()))?;
        if file.stamp().map_err(failed)? != index.stamp {
            return Err(unreadable(
                path,
                "the file has changed since it was indexed",
            ));
        }
        let index = Arc::new(index);
        let reader = reader(path, &index)?;
        let desk = Desk {
            reader,
            session: None,
        };
        Ok(Source {
            film: Arc::new(Film {
                number,
                path: path.to_owned(),
                index,
                desk: Mutex::new(desk),
                waiting: AtomicUsize::new(0),
            }),
            index_file: index_file.to_owned(),
            look,
            recent: VecDeque::new(),
            travel: Course::default(),
        })
    }

    /// True if this still is the source of that path and index.
    pub fn is(&self, path: &Path, index_file: &Path) -> bool {
        self.film.path == path
            && self.index_file == index_file
            && Look::at(path).is_ok_and(|look| look == self.look)
    }

    /// Counts a request for a single frame, and returns the stride in which such requests travel, if there is one.
    pub fn note(&mut self, frame: u64) -> Option<i64> {
        let frame = usize::try_from(frame).ok()?;
        (frame < self.film.index.frame_count()).then(|| self.travel.note(frame))?
    }

    /// A second reader of its packets, for those who go their own way.
    ///
    /// Errors: `Unreadable`.
    pub fn reader(&self) -> Result<Reader, WorkerError> {
        reader(&self.film.path, &self.film.index)
    }

    /// The media file.
    pub fn path(&self) -> &Path {
        &self.film.path
    }

    /// Returns a frame as decoded.
    ///
    /// Errors: `OutOfRange`; `Unreadable` if it does not decode.
    pub fn frame(&mut self, ordinal: u64, pictures: &Pictures) -> Result<Frame, WorkerError> {
        let film = &self.film;
        let count = film.index.frame_count();
        let frame = usize::try_from(ordinal)
            .ok()
            .filter(|&frame| frame < count)
            .ok_or(WorkerError::OutOfRange {
                frame: ordinal,
                count: count as u64,
            })?;
        let near = self
            .recent
            .iter()
            .any(|&recent| recent.abs_diff(frame) <= NEAR_FRAMES);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
        if let Some(picture) = film.cached(frame, pictures) {
            return Ok(picture);
        }
        let mut desk = film.desk();
        // Someone may have been ahead of this.
        if let Some(picture) = film.cached(frame, pictures) {
            return Ok(picture);
        }
        let travel = if near { Travel::Walk } else { Travel::Jump };
        let decoded = film
            .decode(&mut desk, frame, travel, pictures, &|| false)
            .map_err(|reason| unreadable(&film.path, &reason))?;
        decoded.ok_or_else(|| unreadable(&film.path, &format!("frame {frame} does not decode")))
    }

    /// As [`verified`], with this source's own reader.
    ///
    /// Errors: `Unreadable`.
    pub fn verified(&mut self, frame: usize, start: usize) -> Result<usize, WorkerError> {
        let film = &self.film;
        verified(&film.index, &mut film.desk().reader, frame, start)
            .map_err(|reason| unreadable(&film.path, &reason))
    }

    /// Reads the payload of a packet.
    ///
    /// Errors: `Unreadable`.
    pub fn payload(
        &mut self,
        ordinal: usize,
        packet: &mut crate::libav::Packet,
    ) -> Result<(), WorkerError> {
        self.film
            .desk()
            .reader
            .read(ordinal, packet)
            .map_err(|reason| unreadable(&self.film.path, &reason))
    }
}

impl Film {
    /// A decoded frame, if it is still there.
    pub fn cached(&self, frame: usize, pictures: &Pictures) -> Option<Frame> {
        lock(pictures).get((self.number, frame))?.share().ok()
    }

    /// Decodes a frame, and what lies on the way, that no request waits for yet. Leaves off when `stop` says so, or when a
    /// request needs the decoder; returns false then.
    pub fn decode_ahead(&self, frame: usize, pictures: &Pictures, stop: &dyn Fn() -> bool) -> bool {
        supply::begin();
        let mut desk = lock(&self.desk);
        let stop = || self.wanted() || stop();
        // A request may have been here first; going back for it would cost a group of pictures.
        if stop() || lock(pictures).contains((self.number, frame)) {
            return !stop();
        }
        // What goes wrong is told to the request that meets it.
        let _ = self.decode(&mut desk, frame, Travel::Walk, pictures, &stop);
        !stop()
    }

    /// True while a request waits for the decoder.
    pub fn wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// The decoder, for a request.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let desk = lock(&self.desk);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        desk
    }

    fn decode(
        &self,
        desk: &mut Desk,
        frame: usize,
        travel: Travel,
        pictures: &Pictures,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Frame>, String> {
        let session = match &mut desk.session {
            Some(session) => session,
            none => {
                let parameters =
                    Parameters::from_index(&self.index).map_err(|error| error.to_string())?;
                none.insert(Session::open(&parameters)?)
            }
        };
        let Some(start) = self.index.random_access_at_or_before(frame) else {
            return Ok(None);
        };
        let mut start = verified(&self.index, &mut desk.reader, frame, start)?;
        let mut travel = travel;
        loop {
            let mut wanted = None;
            let mut keep = |ordinal: usize, picture: Frame| {
                if ordinal == frame {
                    wanted = picture.share().ok();
                }
                let mut pictures = lock(pictures);
                let size_bytes = picture.size_bytes();
                let window = (pictures.limit_bytes() / 2 / size_bytes.max(1)) as usize;
                if ordinal == frame || (travel == Travel::Walk && ordinal.abs_diff(frame) <= window)
                {
                    pictures.put((self.number, ordinal), picture, size_bytes);
                }
            };
            let reached = session.decode(
                &self.index,
                &mut desk.reader,
                (frame, start),
                travel,
                stop,
                &mut keep,
            )?;
            if reached == Reached::Stopped {
                return Ok(None);
            }
            if reached == Reached::Wanted && wanted.is_some() {
                return Ok(wanted);
            }
            // A damaged random access point: once more, from an earlier one, and leaving nothing out.
            let is_key = |at: &usize| self.index.packet_flags(*at).contains(Flags::KEY);
            let earlier = (0..start).rev().find(is_key);
            match earlier {
                _ if travel == Travel::Jump => travel = Travel::Walk,
                Some(earlier) => {
                    start = verified(&self.index, &mut desk.reader, frame, earlier)?;
                }
                None => return Ok(None),
            }
            if start + 2000 < self.index.frame(frame).packet as usize {
                return Ok(None);
            }
        }
    }
}

/// Goes back from a packet where decoding is said to be able to start, to one where it is. `frame` is to be reached from it.
///
/// Errors: the file cannot be read.
pub fn verified(
    index: &FrameIndex,
    reader: &mut Reader,
    frame: usize,
    mut start: usize,
) -> Result<usize, String> {
    let mut packet = crate::libav::Packet::new().map_err(|error| error.to_string())?;
    while start > 0 && index.packet_flags(start).contains(Flags::UNVERIFIED) {
        reader.read(start, &mut packet)?;
        let headers = index.headers_at(start);
        let found = bitstream::random_access(&index.codec, headers, packet.bytes());
        if found != Some(false) {
            break;
        }
        start = index.random_access_before(frame, start);
    }
    Ok(start)
}

fn reader(path: &Path, index: &Arc<FrameIndex>) -> Result<Reader, WorkerError> {
    let places = Places::Indexed(index.clone());
    let headers = reader::headers(index);
    Reader::open(path, &index.container, index.access, places, headers)
        .map_err(|reason| unreadable(path, &reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_stride_only_where_there_is_one() {
        let strides = |frames: &[usize]| {
            let mut course = Course::default();
            frames
                .iter()
                .map(|&frame| course.note(frame))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            strides(&[5, 6, 7, 7, 6]),
            [None, Some(1), Some(1), Some(1), Some(-1)]
        );
        assert_eq!(
            strides(&[0, 15, 30, 15, 0]),
            [None, None, Some(15), None, Some(-15)]
        );
        assert_eq!(strides(&[10, 3, 20, 1]), [None; 4]);
        assert_eq!(strides(&[0, 40, 80, 120]), [None; 4]);
    }
}
