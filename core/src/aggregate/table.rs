//! Tables: the visible rows of one kind in one project, as columns.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::Cell;
use super::column::Column;
use super::key::Key;

/// Rows that went away since the table was read, beyond which it is read again.
const MOST_HIDDEN: usize = 10_000;

/// Rows and the columns that were asked for so far, as of one entry of the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// The last entry of the journal that is in here.
    pub seq: i64,
    /// Ids of the rows, ascending.
    pub ids: Vec<i64>,
    /// Places of rows that went away since, ascending.
    pub hidden: Vec<u32>,
    /// Columns and the keys that they are of, by [`Key::identity`].
    pub columns: BTreeMap<String, (Key, Column)>,
}

impl Table {
    /// The place of a row.
    pub fn place(&self, id: i64) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// Places of some rows, ascending; rows that are not visible have none.
    pub fn places(&self, ids: &[i64]) -> Vec<u32> {
        let hidden: BTreeSet<u32> = self.hidden.iter().copied().collect();
        let mut places: Vec<u32> = ids
            .iter()
            .filter_map(|id| u32::try_from(self.place(*id)?).ok())
            .filter(|place| !hidden.contains(place))
            .collect();
        places.sort_unstable();
        places
    }

    /// The column of a key that was read before.
    pub fn column(&self, key: &Key) -> &Column {
        let found = self.columns.get(&key.identity());
        &found.expect("the columns of a request are read first").1
    }

    /// The keys of its columns, in the order of the columns.
    pub fn keys(&self) -> Vec<Key> {
        self.columns.values().map(|(key, _)| key.clone()).collect()
    }

    /// Takes a row away.
    pub fn hide(&mut self, id: i64) {
        if let Some(place) = self.place(id)
            && let Err(at) = self.hidden.binary_search(&(place as u32))
        {
            self.hidden.insert(at, place as u32);
        }
    }

    /// Adds a row or replaces its values, which are those of the columns in their order.
    pub fn put(&mut self, id: i64, cells: Vec<Option<Cell>>) {
        let place = match self.ids.binary_search(&id) {
            Ok(place) => place,
            Err(place) => {
                self.ids.insert(place, id);
                for (_, column) in self.columns.values_mut() {
                    column.insert(place);
                }
                for hidden in &mut self.hidden {
                    *hidden += u32::from(*hidden as usize >= place);
                }
                place
            }
        };
        if let Ok(at) = self.hidden.binary_search(&(place as u32)) {
            self.hidden.remove(at);
        }
        for ((_, column), cell) in self.columns.values_mut().zip(cells) {
            column.set(place, cell);
        }
    }

    /// Whether so many rows went away that it should be read again.
    pub fn is_worn(&self) -> bool {
        self.hidden.len() > MOST_HIDDEN
    }

    /// Memory that it takes.
    pub fn size_bytes(&self) -> usize {
        let columns = self.columns.values();
        let columns: usize = columns.map(|(_, column)| column.size_bytes()).sum();
        columns + self.ids.capacity() * 8 + self.hidden.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Origin;
    use super::*;
    use crate::query::Scalar;

    #[test]
    fn rows_come_and_go() {
        let key = Key {
            name: "$type".into(),
            origin: Origin::Column("type", Scalar::Int),
        };
        let mut table = Table::default();
        let column = Column::empty(0, None);
        table.columns.insert(key.identity(), (key.clone(), column));
        let put =
            |table: &mut Table, id: i64, kind: i64| table.put(id, vec![Some(Cell::Int(kind))]);
        let kinds = |table: &Table| {
            let coded = table.column(&key).coded().into_owned();
            let cell = |id: &i64| {
                let code = coded.codes[table.place(*id).unwrap()];
                coded.dictionary.cell(code).unwrap().number().unwrap() as i64
            };
            table.ids.iter().map(cell).collect::<Vec<_>>()
        };
        for (id, kind) in [(5, 1), (9, 2), (7, 1)] {
            put(&mut table, id, kind);
        }
        assert_eq!(
            (table.ids.clone(), kinds(&table)),
            (vec![5, 7, 9], vec![1, 1, 2])
        );
        table.hide(9);
        table.hide(1);
        assert_eq!(table.hidden, [2]);
        put(&mut table, 3, 4);
        assert_eq!(
            (table.hidden.clone(), kinds(&table)),
            (vec![3], vec![4, 1, 1, 2])
        );
        assert_eq!(table.places(&[9, 7, 3, 100]), [0, 2]);
        put(&mut table, 9, 8);
        put(&mut table, 5, 8);
        assert!(table.hidden.is_empty());
        assert_eq!(kinds(&table), [4, 8, 1, 8]);
    }
}
