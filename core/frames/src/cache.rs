//! What was decoded and encoded, bounded by bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Mutex;

use crate::libav::Frame;

/// A source, as numbered by the worker, and a display ordinal.
pub type Key = (u64, usize);

/// Decoded pictures, for all threads.
pub type Pictures = Mutex<Cache<Key, Frame>>;

struct Entry<V> {
    value: V,
    size_bytes: u64,
    used_at: u64,
}

/// Keeps what was used last.
pub struct Cache<K, V> {
    limit_bytes: u64,
    size_bytes: u64,
    clock: u64,
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
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

    pub fn contains(&self, key: K) -> bool {
        self.entries.contains_key(&key)
    }

    /// Returns a value and counts that as use.
    pub fn get(&mut self, key: K) -> Option<&V> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        self.by_use.remove(&entry.used_at);
        self.by_use.insert(self.clock, key);
        entry.used_at = self.clock;
        Some(&entry.value)
    }

    /// Adds a value and drops the longest unused ones until the limit holds. A value above the limit is not kept.
    pub fn put(&mut self, key: K, value: V, size_bytes: u64) {
        if size_bytes > self.limit_bytes || self.contains(key) {
            return;
        }
        self.clock += 1;
        self.size_bytes += size_bytes;
        self.by_use.insert(self.clock, key);
        self.entries.insert(
            key,
            Entry {
                value,
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

    #[test]
    fn drops_what_was_used_longest_ago() {
        let mut cache = Cache::new(20);
        cache.put(0, "zero", 10);
        cache.put(1, "one", 10);
        assert_eq!(cache.get(0), Some(&"zero"));
        cache.put(2, "two", 10);
        assert_eq!(
            [0, 1, 2].map(|key| cache.contains(key)),
            [true, false, true]
        );
        cache.put(3, "three", 21);
        assert!(!cache.contains(3));
    }
}
