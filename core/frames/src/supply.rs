//! Media files, also such whose bytes are not all there yet.
//!
//! Files of one folder have holes. Before anything reads a part of such a file, it is asked for, and the reading thread waits
//! until the station says that it is there. A part that does not come fails the task that needed it, whatever the code between
//! made of the error: a file that ends early must not pass for a short one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

use transect_frame_client::message::{self, Outcome, Reply, Supplied, Wants};
use transect_frame_client::{WorkerError, stamp_of, stamp_ranges};

use crate::sync::lock;

static STATION: OnceLock<Station> = OnceLock::new();

thread_local! {
    /// Why the task that this thread is at cannot be done.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Who brings what is missing.
struct Station {
    folder: PathBuf,
    waiting: Mutex<HashMap<u64, SyncSender<Supplied>>>,
    next: AtomicU64,
}

/// From now on, files of this folder have holes.
pub fn from(folder: PathBuf) {
    let station = Station {
        folder,
        waiting: Mutex::default(),
        next: AtomicU64::new(1),
    };
    // It is said once, at the start.
    let _ = STATION.set(station);
}

/// Takes an answer of the station.
pub fn supplied(answer: Supplied) {
    let station = STATION.get();
    let waiting = station.and_then(|station| lock(&station.waiting).remove(&answer.number));
    if let Some(waiting) = waiting {
        // Whoever waits does so until there is an answer.
        let _ = waiting.send(answer);
    }
}

/// Forgets what failed: this thread begins another task.
pub fn begin() {
    FAILURE.take();
}

/// Errors: `Unavailable` if bytes that the task of this thread needed did not come.
pub fn check() -> Result<(), WorkerError> {
    FAILURE.with_borrow(|failure| match failure {
        None => Ok(()),
        Some(message) => Err(WorkerError::Unavailable {
            message: message.clone(),
        }),
    })
}

/// Whether a file may have holes.
pub fn is_partial(path: &Path) -> bool {
    STATION
        .get()
        .is_some_and(|station| path.starts_with(&station.folder))
}

/// An open media file.
pub struct MediaFile {
    file: File,
    /// Of a file that has holes.
    holes: Option<Holes>,
}

struct Holes {
    path: PathBuf,
    size: u64,
    /// Rising ranges that are known to be there, with gaps between them.
    there: Mutex<Vec<Range<u64>>>,
}

impl MediaFile {
    /// Errors: those of the file system; a file with holes that is gone counts as bytes that do not come.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_partial = is_partial(path);
        let file = File::open(path).map_err(|error| match is_partial {
            true => fail("the file had to make room for others; ask again".into()),
            false => error,
        })?;
        let holes = match is_partial {
            true => Some(Holes {
                path: path.to_owned(),
                size: file.metadata()?.len(),
                there: Mutex::default(),
            }),
            false => None,
        };
        Ok(MediaFile { file, holes })
    }

    /// Whether bytes of it may have to be brought first.
    pub fn is_partial(&self) -> bool {
        self.holes.is_some()
    }

    /// Its length in bytes.
    ///
    /// Errors: those of the file system.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Fills as much of the buffer as the file has from there on, or less.
    ///
    /// Errors: those of the file system; bytes that do not come.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let range = position..position.saturating_add(buffer.len() as u64);
        self.need(slice::from_ref(&range))?;
        self.file.read_at(buffer, position)
    }

    /// Fills the buffer.
    ///
    /// Errors: those of the file system; bytes that do not come; `UnexpectedEof`.
    pub fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let range = position..position.saturating_add(buffer.len() as u64);
        self.need(slice::from_ref(&range))?;
        self.file.read_exact_at(buffer, position)
    }

    /// As [`transect_frame_client::stamp`]; all that it looks at is asked for at once.
    ///
    /// Errors: those of the file system; bytes that do not come.
    pub fn stamp(&self) -> io::Result<String> {
        let size = self.size()?;
        self.need(&stamp_ranges(size))?;
        stamp_of(size, |range| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            self.file.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        })
    }

    fn need(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        match &self.holes {
            None => Ok(()),
            Some(holes) => holes.need(ranges),
        }
    }
}

impl Holes {
    /// Returns when these ranges are there, as far as the file goes.
    fn need(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let missing: Vec<Range<u64>> = {
            let there = lock(&self.there);
            let within = ranges
                .iter()
                .map(|range| range.start..range.end.min(self.size));
            within
                .filter(|range| !range.is_empty() && !holds(&there, range))
                .collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        if let Err(error) = check() {
            return Err(io::Error::other(error));
        }
        let brought = bring(&self.path, missing).map_err(fail)?;
        let mut there = lock(&self.there);
        there.extend(brought);
        merge(&mut there);
        Ok(())
    }
}

/// Notes why the task of this thread cannot be done.
fn fail(message: String) -> io::Error {
    FAILURE.set(Some(message.clone()));
    io::Error::other(message)
}

/// Asks the station, and waits for its answer: it always gives one, or ends this process.
fn bring(path: &Path, ranges: Vec<Range<u64>>) -> Result<Vec<Range<u64>>, String> {
    let station = STATION.get().ok_or("nobody brings what is missing")?;
    let number = station.next.fetch_add(1, Ordering::Relaxed);
    let (answer, answered) = sync_channel(1);
    lock(&station.waiting).insert(number, answer);
    let wants = Wants {
        number,
        file: path.to_owned(),
        ranges,
    };
    let outcome = Outcome::Wants(wants);
    let sent = message::encode(&Reply { id: 0, outcome }, &[]).and_then(|message| {
        let mut output = io::stdout().lock();
        output.write_all(&message)?;
        output.flush()
    });
    sent.map_err(|error| error.to_string())?;
    let supplied = answered.recv().map_err(|error| error.to_string())?;
    match supplied.failure {
        None => Ok(supplied.there),
        Some(failure) => Err(failure),
    }
}

fn holds(there: &[Range<u64>], range: &Range<u64>) -> bool {
    let after = there.partition_point(|known| known.start <= range.start);
    after > 0 && range.end <= there[after - 1].end
}

/// Sorts ranges, and makes one of those that touch.
fn merge(ranges: &mut Vec<Range<u64>>) {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, before| {
        let touches = next.start <= before.end;
        if touches {
            before.end = before.end.max(next.end);
        }
        touches
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_is_there() {
        let mut there = vec![20..30, 0..10, 8..12, 30..40];
        merge(&mut there);
        assert_eq!(there, [0..12, 20..40]);
        for (range, held) in [
            (0..12, true),
            (25..40, true),
            (11..13, false),
            (12..20, false),
            (39..41, false),
        ] {
            assert_eq!(holds(&there, &range), held, "{range:?}");
        }
    }
}
