//! Conditions on columns: filters that can be told without SQL.

use std::borrow::Cow;
use std::collections::HashSet;

use super::cell::Cell;
use super::column::{Coded, Column};
use super::count::Condition;
use crate::time;

/// What the value of a row must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// One of these ids.
    Among(HashSet<i64>),
    /// So much, compared with a text as a filter gives it.
    Compared(Comparison, String),
}

/// How an attribute filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

impl Comparison {
    /// What a query parameter means; none for those that columns do not tell.
    pub fn of_parameter(name: &str) -> Option<Self> {
        Some(match name {
            "attribute" => Self::Equal,
            "attribute_lt" => Self::Less,
            "attribute_lte" => Self::LessOrEqual,
            "attribute_gt" => Self::Greater,
            "attribute_gte" => Self::GreaterOrEqual,
            "attribute_contains" => Self::Contains,
            _ => return None,
        })
    }

    fn of_numbers(self, one: f64, other: f64) -> bool {
        match self {
            Self::Equal => one == other,
            Self::Less => one < other,
            Self::LessOrEqual => one <= other,
            Self::Greater => one > other,
            Self::GreaterOrEqual => one >= other,
            Self::Contains => false,
        }
    }
}

impl Test {
    /// Whether a value passes, by the rules of `query`: a filter compares only what its type of
    /// values allows.
    fn passes(&self, cell: &Cell) -> bool {
        let (how, text) = match (self, cell) {
            (Self::Among(ids), Cell::Int(id)) => return ids.contains(id),
            (Self::Among(_), _) => return false,
            (Self::Compared(how, text), _) => (*how, text.as_str()),
        };
        match cell {
            Cell::Bool(flag) => {
                how == Comparison::Equal && *flag != text.eq_ignore_ascii_case("false")
            }
            Cell::Int(_) | Cell::Real(_) => {
                let wanted = text.trim().parse().ok();
                let pair = cell.number().zip(wanted);
                pair.is_some_and(|(number, wanted)| how.of_numbers(number, wanted))
            }
            Cell::Time(at_ms) => {
                time::parse(text).is_some_and(|wanted| how.of_numbers(*at_ms as f64, wanted as f64))
            }
            Cell::Text(value) => match how {
                Comparison::Equal => value == text,
                Comparison::Contains => value.to_lowercase().contains(&text.to_lowercase()),
                _ => false,
            },
            Cell::Many(_) => false,
        }
    }
}

/// The condition that the values of a column pass a test.
pub(super) fn on<'c>(column: &'c Column, test: &Test) -> Condition<'c> {
    match column {
        Column::Coded(coded) => Condition {
            codes: Cow::Borrowed(&coded.codes),
            allowed: allowed(coded, |cell| test.passes(cell)),
        },
        Column::Numbers(_, times) => {
            let passed = column.binned(|number| {
                let cell = match times {
                    true => Cell::Time(number as i64),
                    false => Cell::Real(number),
                };
                test.passes(&cell).then_some(1)
            });
            Condition {
                allowed: allowed(&passed, |_| true),
                codes: Cow::Owned(passed.codes),
            }
        }
    }
}

/// For each code, whether its value passes; no value never does.
fn allowed(coded: &Coded, passes: impl Fn(&Cell) -> bool) -> Vec<bool> {
    let codes = 0..coded.dictionary.len() as u32;
    let cells = codes.map(|code| coded.dictionary.cell(code));
    cells.map(|cell| cell.is_some_and(&passes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(column: &Column, how: Comparison, text: &str) -> Vec<usize> {
        let condition = on(column, &Test::Compared(how, text.into()));
        let codes = condition.codes.iter().enumerate();
        codes
            .filter(|(_, code)| condition.allowed[**code as usize])
            .map(|(row, _)| row)
            .collect()
    }

    fn coded(cells: Vec<Option<Cell>>) -> Column {
        let mut column = Column::empty(cells.len(), None);
        for (row, cell) in cells.into_iter().enumerate() {
            column.set(row, cell);
        }
        column
    }

    #[test]
    fn numbers_and_times_are_compared_as_such() {
        let counts = coded(vec![Some(Cell::Int(2)), None, Some(Cell::Int(10))]);
        assert_eq!(passing(&counts, Comparison::Less, "10"), [0]);
        assert_eq!(
            passing(&counts, Comparison::GreaterOrEqual, " 2.0 "),
            [0, 2]
        );
        assert_eq!(
            passing(&counts, Comparison::Contains, "1"),
            Vec::<usize>::new()
        );
        let lengths = Column::Numbers(vec![0.5, f64::NAN, 2.5], false);
        assert_eq!(passing(&lengths, Comparison::LessOrEqual, "2.5"), [0, 2]);
        assert_eq!(
            passing(&lengths, Comparison::Equal, "x"),
            Vec::<usize>::new()
        );
        let times = Column::Numbers(vec![0.0, 86_400_000.0], true);
        assert_eq!(passing(&times, Comparison::Greater, "1970-01-01"), [1]);
    }

    #[test]
    fn texts_and_flags_are_equal_or_not() {
        let texts = ["Cod", "cod", "eel"].map(|text| Some(Cell::Text(text.into())));
        let texts = coded(texts.to_vec());
        assert_eq!(passing(&texts, Comparison::Equal, "cod"), [1]);
        assert_eq!(passing(&texts, Comparison::Contains, "CO"), [0, 1]);
        assert_eq!(passing(&texts, Comparison::Less, "d"), Vec::<usize>::new());
        let flags = coded(vec![Some(Cell::Bool(true)), Some(Cell::Bool(false)), None]);
        assert_eq!(passing(&flags, Comparison::Equal, "False"), [1]);
        assert_eq!(passing(&flags, Comparison::Equal, "yes"), [0]);
    }

    #[test]
    fn ids_are_among_others() {
        let kinds = coded(vec![Some(Cell::Int(3)), Some(Cell::Int(4))]);
        let condition = on(&kinds, &Test::Among([4, 9].into()));
        assert_eq!(condition.allowed, [false, false, true]);
    }
}
