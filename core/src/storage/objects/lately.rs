//! Files of blobs that were read lately, and which of their blocks had the bytes that were written.
//!
//! Looking at every byte costs more than sending it. A block that was compared with its fingerprint a
//! short while ago, in a file that nobody touched since, is sent without another look.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use lru::LruCache;

/// How long a look at a block counts.
const LASTS: Duration = Duration::from_secs(600);
/// Files that are kept open.
const MOST_FILES: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");

/// What tells that nobody wrote to a file: its length, and when it was changed, as the kernel says.
type Mark = (u64, i64, i64);

struct Seen {
    file: Arc<File>,
    mark: Mark,
    since: Instant,
    /// A bit for each block.
    sound: Vec<u64>,
}

/// Files by their blobs.
pub(super) struct Lately(Mutex<LruCache<String, Seen>>);

impl Lately {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST_FILES)))
    }

    /// The open file of a blob, if it was read lately and is as it was.
    pub(super) fn file(&self, blob: &str) -> Option<Arc<File>> {
        let mut all = self.all();
        let seen = all.get(blob)?;
        let fresh = seen.since.elapsed() < LASTS && mark(&seen.file) == Some(seen.mark);
        if !fresh {
            all.pop(blob);
            return None;
        }
        Some(Arc::clone(&seen.file))
    }

    /// Notes a file that was opened, unless it was deleted meanwhile: whoever deletes it forgets it afterwards, so that none
    /// is kept that is gone.
    pub(super) fn opened(&self, blob: &str, file: &Arc<File>) {
        let mut all = self.all();
        let is_there = file.metadata().is_ok_and(|facts| facts.nlink() > 0);
        if let Some(mark) = mark(file).filter(|_| is_there) {
            let seen = Seen {
                file: Arc::clone(file),
                mark,
                since: Instant::now(),
                sound: Vec::new(),
            };
            all.put(blob.to_owned(), seen);
        }
    }

    /// Notes blocks of this file that had the bytes that were written.
    pub(super) fn compared(&self, blob: &str, file: &Arc<File>, blocks: Range<u64>) {
        let mut all = self.all();
        let Some(seen) = all
            .get_mut(blob)
            .filter(|seen| Arc::ptr_eq(&seen.file, file))
        else {
            return;
        };
        for block in blocks {
            let word = (block / 64) as usize;
            if seen.sound.len() <= word {
                seen.sound.resize(word + 1, 0);
            }
            seen.sound[word] |= 1 << (block % 64);
        }
    }

    /// Whether these blocks of this file were all compared lately.
    pub(super) fn is_sound(&self, blob: &str, file: &Arc<File>, mut blocks: Range<u64>) -> bool {
        let all = self.all();
        all.peek(blob).is_some_and(|seen| {
            let bit = |block: u64| {
                let word = seen.sound.get((block / 64) as usize);
                word.is_some_and(|word| word >> (block % 64) & 1 == 1)
            };
            Arc::ptr_eq(&seen.file, file) && seen.since.elapsed() < LASTS && blocks.all(bit)
        })
    }

    /// Closes the file of a blob that goes, or that is to be looked at again.
    pub(super) fn forget(&self, blob: &str) {
        self.all().pop(blob);
    }

    fn all(&self) -> MutexGuard<'_, LruCache<String, Seen>> {
        self.0.lock().expect("no holder panics")
    }
}

fn mark(file: &File) -> Option<Mark> {
    let facts = file.metadata().ok()?;
    Some((facts.len(), facts.ctime(), facts.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn blocks_count_until_the_file_changes() {
        let mut named = tempfile::NamedTempFile::new().expect("a file");
        let file = Arc::new(named.reopen().expect("opened"));
        let lately = Lately::new();
        lately.opened("b", &file);
        lately.compared("b", &file, 3..70);
        assert!(lately.is_sound("b", &file, 3..70));
        assert!(!lately.is_sound("b", &file, 2..4) && !lately.is_sound("b", &file, 69..71));
        let other = Arc::new(named.reopen().expect("opened"));
        assert!(!lately.is_sound("b", &other, 3..4));
        assert!(lately.file("b").is_some());
        named.write_all(b"x").expect("written");
        assert!(lately.file("b").is_none() && !lately.is_sound("b", &file, 3..4));
        // Nobody's space is held by what was deleted between opening and noting it.
        drop(named);
        lately.opened("b", &file);
        assert!(lately.file("b").is_none());
    }
}
