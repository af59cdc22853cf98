//! Counting rows by columns of codes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::column::{Coded, NONE};

/// Combinations of codes that are counted in a plain list.
const MOST_COUNTERS: usize = 1 << 20;

/// Which rows of a table count.
pub(super) enum Rows<'r> {
    /// All but a few.
    AllBut(usize, &'r [u32]),
    /// These.
    Some(&'r [u32]),
}

impl Rows<'_> {
    #[inline]
    fn each(&self, mut visit: impl FnMut(usize, i64)) {
        match self {
            Self::AllBut(count, hidden) => {
                (0..*count).for_each(|row| visit(row, 1));
                hidden.iter().for_each(|row| visit(*row as usize, -1));
            }
            Self::Some(rows) => rows.iter().for_each(|row| visit(*row as usize, 1)),
        }
    }
}

/// A column whose codes decide whether a row counts.
pub(super) struct Condition<'c> {
    pub codes: Cow<'c, [u32]>,
    /// By code.
    pub allowed: Vec<bool>,
}

impl Condition<'_> {
    fn holds(&self, row: usize) -> bool {
        self.allowed[self.codes[row] as usize]
    }
}

/// Rows that count, if their conditions hold.
pub(super) struct Chosen<'c> {
    pub rows: Rows<'c>,
    pub conditions: Vec<Condition<'c>>,
}

impl Chosen<'_> {
    /// Hands each row to `visit` with what it adds to a count: the few that do not count are taken
    /// back at the end.
    #[inline]
    fn each(&self, mut visit: impl FnMut(usize, i64)) {
        match &self.conditions[..] {
            // The most common questions have a loop of their own, without anything to ask on the way.
            [] => self.rows.each(visit),
            [one] => self.rows.each(|row, weight| {
                if one.holds(row) {
                    visit(row, weight);
                }
            }),
            all => self.rows.each(|row, weight| {
                if all.iter().all(|condition| condition.holds(row)) {
                    visit(row, weight);
                }
            }),
        }
    }

    /// Hands each row to `visit`, in their order.
    pub fn present(&self, mut visit: impl FnMut(usize)) {
        let holds = |row: usize| self.conditions.iter().all(|condition| condition.holds(row));
        match self.rows {
            Rows::Some(rows) => {
                let rows = rows.iter().map(|row| *row as usize);
                rows.filter(|row| holds(*row)).for_each(visit);
            }
            Rows::AllBut(count, hidden) => {
                let mut hidden = hidden.iter().map(|row| *row as usize).peekable();
                for row in 0..count {
                    if hidden.next_if_eq(&row).is_none() && holds(row) {
                        visit(row);
                    }
                }
            }
        }
    }
}

/// How many of the chosen rows have each combination of codes; combinations that no row has are
/// left out. In no particular order.
pub(super) fn count(columns: &[&Coded], chosen: &Chosen<'_>) -> Vec<(Vec<u32>, i64)> {
    let sizes: Vec<usize> = columns
        .iter()
        .map(|column| column.dictionary.len())
        .collect();
    let combinations = sizes
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size));
    match combinations {
        Some(combinations) if combinations <= MOST_COUNTERS => {
            dense(columns, &sizes, combinations, chosen)
        }
        _ => sparse(columns, chosen),
    }
}

fn dense(
    columns: &[&Coded],
    sizes: &[usize],
    combinations: usize,
    chosen: &Chosen<'_>,
) -> Vec<(Vec<u32>, i64)> {
    let mut counts = vec![0_i64; combinations];
    match columns {
        [one] => chosen.each(|row, weight| counts[one.codes[row] as usize] += weight),
        [one, two] => chosen.each(|row, weight| {
            let at = one.codes[row] as usize * sizes[1] + two.codes[row] as usize;
            counts[at] += weight;
        }),
        _ => chosen.each(|row, weight| {
            let at = columns.iter().zip(sizes).fold(0, |at, (column, size)| {
                at * size + column.codes[row] as usize
            });
            counts[at] += weight;
        }),
    }
    let apart = |mut at: usize| {
        let mut codes = vec![NONE; sizes.len()];
        for (code, size) in codes.iter_mut().zip(sizes).rev() {
            *code = (at % size) as u32;
            at /= size;
        }
        codes
    };
    let found = counts.into_iter().enumerate();
    found
        .filter(|(_, count)| *count > 0)
        .map(|(at, count)| (apart(at), count))
        .collect()
}

fn sparse(columns: &[&Coded], chosen: &Chosen<'_>) -> Vec<(Vec<u32>, i64)> {
    let mut counts: HashMap<Vec<u32>, i64> = HashMap::new();
    let mut codes = vec![NONE; columns.len()];
    chosen.each(|row, weight| {
        for (code, column) in codes.iter_mut().zip(columns) {
            *code = column.codes[row];
        }
        match counts.get_mut(&codes) {
            Some(count) => *count += weight,
            None => {
                counts.insert(codes.clone(), weight);
            }
        }
    });
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::super::column::Column;
    use super::*;

    fn coded(values: &[Option<i64>]) -> Coded {
        let mut column = Column::empty(values.len(), None);
        for (row, value) in values.iter().enumerate() {
            column.set(row, value.map(Cell::Int));
        }
        column.coded().into_owned()
    }

    fn counted(columns: &[&Coded], chosen: &Chosen<'_>) -> Vec<(Vec<Option<i64>>, i64)> {
        let value = |column: &Coded, code: u32| match column.dictionary.cell(code) {
            Some(Cell::Int(value)) => Some(*value),
            _ => None,
        };
        let mut found: Vec<_> = count(columns, chosen)
            .into_iter()
            .map(|(codes, count)| {
                let values = columns.iter().zip(codes);
                (
                    values.map(|(column, code)| value(column, code)).collect(),
                    count,
                )
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn rows_are_counted_by_every_column() {
        let kinds = coded(&[Some(7), Some(8), Some(7), None, Some(7)]);
        let users = coded(&[Some(1), Some(1), Some(2), Some(1), Some(1)]);
        let all = Chosen {
            rows: Rows::AllBut(5, &[]),
            conditions: Vec::new(),
        };
        let wanted = vec![(vec![None], 1), (vec![Some(7)], 3), (vec![Some(8)], 1)];
        assert_eq!(counted(&[&kinds], &all), wanted);
        let both = counted(&[&kinds, &users], &all);
        assert_eq!(both.len(), 4);
        assert!(both.contains(&(vec![Some(7), Some(1)], 2)));
        let hidden = Chosen {
            rows: Rows::AllBut(5, &[1, 4]),
            conditions: Vec::new(),
        };
        let wanted = vec![(vec![None], 1), (vec![Some(7)], 2)];
        assert_eq!(counted(&[&kinds], &hidden), wanted);
        let mut present = Vec::new();
        hidden.present(|row| present.push(row));
        assert_eq!(present, [0, 2, 3]);
    }

    #[test]
    fn conditions_leave_rows_out() {
        let kinds = coded(&[Some(7), Some(8), Some(7), None]);
        let users = coded(&[Some(1), Some(1), Some(2), Some(1)]);
        let first = Condition {
            codes: Cow::Borrowed(&users.codes),
            allowed: vec![false, true, false],
        };
        let chosen = Chosen {
            rows: Rows::Some(&[0, 1, 2]),
            conditions: vec![first],
        };
        let wanted = vec![(vec![Some(7)], 1), (vec![Some(8)], 1)];
        assert_eq!(counted(&[&kinds], &chosen), wanted);
    }

    #[test]
    fn many_combinations_are_counted_alike() {
        let values: Vec<Option<i64>> = (0..1500).map(Some).collect();
        let (one, other) = (coded(&values), coded(&values));
        let all = Chosen {
            rows: Rows::AllBut(1500, &[3]),
            conditions: Vec::new(),
        };
        let found = counted(&[&one, &other], &all);
        assert_eq!(found.len(), 1499);
        assert!(found.iter().all(|(_, count)| *count == 1));
    }
}
