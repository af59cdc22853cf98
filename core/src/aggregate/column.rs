//! Columns: one value a row, as small as it goes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::cell::Cell;
use super::count::Chosen;

/// The code of a row that has no value.
pub(super) const NONE: u32 = 0;

/// Numbers whose codes may simply be counted up.
const MOST_CODES: i64 = 1 << 22;

/// The values of one key, one for each row of a table.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// Values of which many are equal.
    Coded(Coded),
    /// Numbers of which few are equal; none is NaN. `true` where they are times.
    Numbers(Vec<f64>, bool),
}

/// Rows as codes, and what they stand for; [`NONE`] for no value.
#[derive(Debug, Clone, Default)]
pub(super) struct Coded {
    pub codes: Vec<u32>,
    pub dictionary: Dictionary,
}

/// What codes stand for: code 1 is the first cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionary {
    cells: Vec<Cell>,
    codes: HashMap<Cell, u32>,
    heap_bytes: usize,
    /// Whether a cell has several values.
    many: bool,
}

impl Dictionary {
    /// The code of a value, a new one if need be.
    pub fn code(&mut self, cell: Cell) -> u32 {
        if let Some(code) = self.codes.get(&cell) {
            return *code;
        }
        self.cells.push(cell.clone());
        self.heap_bytes += 2 * cell.heap_bytes();
        self.many |= matches!(cell, Cell::Many(_));
        let code = u32::try_from(self.cells.len()).expect("a table has fewer rows than that");
        self.codes.insert(cell, code);
        code
    }

    /// The value of a code; none for [`NONE`].
    pub fn cell(&self, code: u32) -> Option<&Cell> {
        self.cells.get((code as usize).checked_sub(1)?)
    }

    /// Whether a cell has several values.
    pub fn has_many(&self) -> bool {
        self.many
    }

    /// One more than the highest code.
    pub fn len(&self) -> usize {
        self.cells.len() + 1
    }

    fn size_bytes(&self) -> usize {
        self.heap_bytes + self.cells.len() * (3 * size_of::<Cell>())
    }
}

impl Coded {
    /// A column in which each value becomes another.
    pub fn map(&self, mut other: impl FnMut(&Cell) -> Option<Cell>) -> Self {
        let mut dictionary = Dictionary::default();
        let mut codes = vec![NONE];
        for cell in &self.dictionary.cells {
            codes.push(other(cell).map_or(NONE, |cell| dictionary.code(cell)));
        }
        let codes = self
            .codes
            .iter()
            .map(|code| codes[*code as usize])
            .collect();
        Self { codes, dictionary }
    }
}

impl Column {
    /// A column for values that are numbers of which few are equal, or for any others; of rows
    /// without a value.
    pub fn empty(rows: usize, numbers: Option<bool>) -> Self {
        match numbers {
            Some(times) => Self::Numbers(vec![f64::NAN; rows], times),
            None => Self::Coded(Coded {
                codes: vec![NONE; rows],
                dictionary: Dictionary::default(),
            }),
        }
    }

    /// Sets the value of a row.
    pub fn set(&mut self, row: usize, cell: Option<Cell>) {
        match self {
            Self::Coded(coded) => {
                coded.codes[row] = cell.map_or(NONE, |cell| coded.dictionary.code(cell));
            }
            Self::Numbers(numbers, _) => {
                numbers[row] = cell.and_then(|cell| cell.number()).unwrap_or(f64::NAN);
            }
        }
    }

    /// Adds a row without a value before another one.
    pub fn insert(&mut self, row: usize) {
        match self {
            Self::Coded(coded) => coded.codes.insert(row, NONE),
            Self::Numbers(numbers, _) => numbers.insert(row, f64::NAN),
        }
    }

    /// Memory that it takes.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Coded(coded) => coded.codes.capacity() * 4 + coded.dictionary.size_bytes(),
            Self::Numbers(numbers, _) => numbers.capacity() * 8,
        }
    }

    /// The column with a code for each different value.
    pub fn coded(&self) -> Cow<'_, Coded> {
        match self {
            Self::Coded(coded) => Cow::Borrowed(coded),
            Self::Numbers(numbers, times) => {
                let mut known: HashMap<u64, u32> = HashMap::new();
                let mut dictionary = Dictionary::default();
                let mut cell = |number: f64| {
                    *known.entry(number.to_bits()).or_insert_with(|| {
                        dictionary.code(if *times {
                            Cell::Time(number as i64)
                        } else {
                            Cell::Real(number)
                        })
                    })
                };
                let code = |number: &f64| if number.is_nan() { NONE } else { cell(*number) };
                let codes = numbers.iter().map(code).collect();
                Cow::Owned(Coded { codes, dictionary })
            }
        }
    }

    /// The column with the number of a bin in place of each value, as `bin` says; none for values
    /// that it puts into no bin.
    pub fn binned(&self, mut bin: impl FnMut(f64) -> Option<i64>) -> Coded {
        match self {
            Self::Coded(coded) => coded.map(|cell| cell.number().and_then(&mut bin).map(Cell::Int)),
            Self::Numbers(numbers, _) => {
                let bins: Vec<i64> = numbers
                    .iter()
                    .map(|number| match number.is_nan() {
                        true => i64::MIN,
                        false => bin(*number).unwrap_or(i64::MIN),
                    })
                    .collect();
                of_bins(&bins)
            }
        }
    }

    /// The lowest and the highest number of the chosen rows; none without any number.
    pub fn range(&self, chosen: &Chosen<'_>) -> Option<(f64, f64)> {
        let mut range = (f64::INFINITY, f64::NEG_INFINITY);
        let mut widen = |number: f64| range = (range.0.min(number), range.1.max(number));
        match self {
            // NaN changes neither the lowest nor the highest.
            Self::Numbers(numbers, _) => chosen.present(|row| widen(numbers[row])),
            Self::Coded(coded) => {
                let mut seen = vec![false; coded.dictionary.len()];
                chosen.present(|row| seen[coded.codes[row] as usize] = true);
                let cells = (1..).zip(&coded.dictionary.cells);
                cells
                    .filter(|(code, _)| seen[*code])
                    .filter_map(|(_, cell)| cell.number())
                    .for_each(widen);
            }
        }
        (range.0 <= range.1).then_some(range)
    }
}

/// Codes of bins; `i64::MIN` is no bin.
fn of_bins(bins: &[i64]) -> Coded {
    let real = || bins.iter().filter(|bin| **bin != i64::MIN);
    let Range { start, end } = match (real().min(), real().max()) {
        (Some(low), Some(high)) => *low..high.saturating_add(1),
        _ => 0..0,
    };
    let mut dictionary = Dictionary::default();
    let codes = if end.saturating_sub(start) <= MOST_CODES {
        for bin in start..end {
            dictionary.code(Cell::Int(bin));
        }
        bins.iter()
            .map(|bin| match *bin == i64::MIN {
                true => NONE,
                false => (bin - start) as u32 + 1,
            })
            .collect()
    } else {
        let mut code = |bin: &i64| match *bin == i64::MIN {
            true => NONE,
            false => dictionary.code(Cell::Int(*bin)),
        };
        bins.iter().map(&mut code).collect()
    };
    Coded { codes, dictionary }
}

#[cfg(test)]
mod tests {
    use super::super::count::Rows;
    use super::*;

    #[test]
    fn equal_values_have_one_code() {
        let mut column = Column::empty(4, None);
        for (row, text) in ["a", "b", "a"].into_iter().enumerate() {
            column.set(row, Some(Cell::Text(text.into())));
        }
        let coded = column.coded();
        assert_eq!(coded.codes, [1, 2, 1, NONE]);
        assert_eq!(coded.dictionary.cell(2), Some(&Cell::Text("b".into())));
        assert_eq!(coded.dictionary.cell(NONE), None);
        let lengths = coded.map(|_| Some(Cell::Int(1)));
        assert_eq!(lengths.codes, [1, 1, 1, NONE]);
    }

    #[test]
    fn numbers_fall_into_bins() {
        let numbers = Column::Numbers(vec![0.5, 9.9, f64::NAN, -3.0, 25.0], false);
        let tens = |number: f64| Some((number / 10.0).floor() as i64);
        let binned = numbers.binned(tens);
        let bins: Vec<Option<&Cell>> = binned
            .codes
            .iter()
            .map(|code| binned.dictionary.cell(*code))
            .collect();
        let int = |bin| Some(Cell::Int(bin));
        let wanted = [int(0), int(0), None, int(-1), int(2)];
        assert_eq!(bins, wanted.each_ref().map(Option::as_ref));
        let range = |rows: &[u32]| {
            let chosen = Chosen {
                rows: Rows::Some(rows),
                conditions: Vec::new(),
            };
            let coded = Column::Coded(numbers.coded().into_owned());
            assert_eq!(numbers.range(&chosen), coded.range(&chosen));
            numbers.range(&chosen)
        };
        assert_eq!(range(&[0, 1, 2, 3, 4]), Some((-3.0, 25.0)));
        assert_eq!(range(&[2]), None);
        let far = Column::Numbers(vec![0.0, 1e15], false).binned(tens);
        assert_eq!(far.codes, [1, 2]);
    }

    #[test]
    fn numbers_are_grouped_too() {
        let coded = Column::Numbers(vec![1.5, 2.0, 1.5], false)
            .coded()
            .into_owned();
        assert_eq!(coded.codes, [1, 2, 1]);
        let times = Column::Numbers(vec![0.0], true).coded().into_owned();
        assert_eq!(
            times.dictionary.cell(1).unwrap().wire(),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
