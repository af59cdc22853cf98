//! Decoded pictures, bounded by bytes.

use std::collections::{BTreeMap, HashMap};

use crate::libav::Frame;

/// A source, as numbered by the worker, and a display ordinal.
pub type Key = (u64, usize);

struct Entry {
    frame: Frame,
    size_bytes: u64,
    used_at: u64,
}

/// Keeps the pictures that were used last.
pub struct Cache {
    limit_bytes: u64,
    size_bytes: u64,
    clock: u64,
    entries: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
}

impl Cache {
    pub fn new(limit_bytes: u64) -> Self {
        Cache {
            limit_bytes,
            size_bytes: 0,
            clock: 0,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    pub fn contains(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }

    /// Returns a picture and counts that as use.
    pub fn get(&mut self, key: Key) -> Option<Frame> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        self.by_use.remove(&entry.used_at);
        self.by_use.insert(self.clock, key);
        entry.used_at = self.clock;
        entry.frame.share().ok()
    }

    /// Adds a picture and drops the longest unused ones until the limit holds. A picture above the limit is not kept.
    pub fn put(&mut self, key: Key, frame: Frame) {
        let size_bytes = frame.size_bytes();
        if size_bytes > self.limit_bytes || self.contains(key) {
            return;
        }
        self.clock += 1;
        self.size_bytes += size_bytes;
        self.by_use.insert(self.clock, key);
        self.entries.insert(
            key,
            Entry {
                frame,
                size_bytes,
                used_at: self.clock,
            },
        );
        while self.size_bytes > self.limit_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                return;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.size_bytes -= entry.size_bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::PixelFormat;

    #[test]
    fn drops_what_was_used_longest_ago() {
        let picture = || Frame::blank(PixelFormat::YUV420P, 64, 64).unwrap();
        let mut cache = Cache::new(picture().size_bytes() * 2);
        cache.put((0, 0), picture());
        cache.put((0, 1), picture());
        assert!(cache.get((0, 0)).is_some());
        cache.put((0, 2), picture());
        assert_eq!(
            [0, 1, 2].map(|frame| cache.contains((0, frame))),
            [true, false, true]
        );
        Cache::new(1).put((0, 0), picture());
    }
}
