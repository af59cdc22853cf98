//! Values that rows are grouped by.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde_json::{Value as Json, json};

use crate::time;

/// One value of a column.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Real(f64),
    /// UTC milliseconds.
    Time(i64),
    Text(String),
    /// Several values at once, as the media of a state; a row counts for each of them.
    Many(Vec<i64>),
}

impl Cell {
    /// The value as the wire shows it.
    pub fn wire(&self) -> Json {
        match self {
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Real(value) => json!(value),
            Self::Time(at_ms) => json!(time::wire(*at_ms)),
            Self::Text(text) => json!(text),
            Self::Many(ids) => json!(ids),
        }
    }

    /// The value as a number, for histograms.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Int(value) | Self::Time(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Text(_) | Self::Many(_) => None,
        }
    }

    /// Bytes beside the cell itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Many(ids) => ids.capacity() * 8,
            _ => 0,
        }
    }
}

impl Ord for Cell {
    /// Numbers before texts; texts by code points.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => match (self, other) {
                (Self::Text(one), Self::Text(other)) => one.cmp(other),
                (Self::Many(one), Self::Many(other)) => one.cmp(other),
                (Self::Text(_), _) => Ordering::Less,
                _ => Ordering::Greater,
            },
        }
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.cmp(other).is_eq()
    }
}

impl Eq for Cell {}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Bool(value) => value.hash(state),
            Self::Int(value) | Self::Time(value) => value.hash(state),
            Self::Real(value) => value.to_bits().hash(state),
            Self::Text(text) => text.hash(state),
            Self::Many(ids) => ids.hash(state),
        }
    }
}
