//! The tables that are kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::table::Table;
use crate::attribute::Kind;

/// A project and a kind.
type Place = (i64, Kind);

struct Entry {
    table: Arc<Table>,
    size_bytes: usize,
    used: u64,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Place, Entry>,
    uses: u64,
}

/// Tables of the projects that were asked last, within a limit of memory.
pub struct Tables {
    limit_bytes: usize,
    kept: Mutex<Kept>,
}

impl Tables {
    /// Keeps at most this much.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            kept: Mutex::default(),
        }
    }

    pub(super) fn get(&self, project: i64, kind: Kind) -> Option<Arc<Table>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let used = kept.uses;
        let entry = kept.entries.get_mut(&(project, kind))?;
        entry.used = used;
        Some(Arc::clone(&entry.table))
    }

    /// Keeps a table, unless a newer one is there; those used longest ago make room.
    pub(super) fn put(&self, project: i64, kind: Kind, table: &Arc<Table>) {
        let size_bytes = table.size_bytes();
        let mut kept = self.lock();
        let newer = kept.entries.get(&(project, kind)).is_some_and(|known| {
            let (known, fresh) = (&known.table, table);
            (known.seq, known.columns.len()) > (fresh.seq, fresh.columns.len())
        });
        if newer {
            return;
        }
        kept.entries.remove(&(project, kind));
        if size_bytes > self.limit_bytes {
            return;
        }
        kept.uses += 1;
        let entry = Entry {
            table: Arc::clone(table),
            size_bytes,
            used: kept.uses,
        };
        kept.entries.insert((project, kind), entry);
        while kept
            .entries
            .values()
            .map(|entry| entry.size_bytes)
            .sum::<usize>()
            > self.limit_bytes
        {
            let oldest = kept.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(place, _)| *place) else {
                return;
            };
            kept.entries.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(seq: i64, rows: usize) -> Arc<Table> {
        Arc::new(Table {
            seq,
            ids: vec![0; rows],
            ..Table::default()
        })
    }

    #[test]
    fn the_newest_tables_are_kept_within_the_limit() {
        let tables = Tables::new(100);
        tables.put(1, Kind::Media, &table(3, 5));
        tables.put(1, Kind::Media, &table(2, 4));
        assert_eq!(tables.get(1, Kind::Media).unwrap().seq, 3);
        tables.put(2, Kind::Media, &table(4, 5));
        assert!(tables.get(1, Kind::Media).is_some());
        tables.put(1, Kind::State, &table(5, 5));
        assert!(tables.get(2, Kind::Media).is_none());
        assert!(tables.get(1, Kind::Media).is_some());
        tables.put(1, Kind::Media, &table(9, 50));
        assert!(tables.get(1, Kind::Media).is_none());
    }
}
