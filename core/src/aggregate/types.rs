//! What is asked of aggregates, and what they answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Rows are grouped by some keys.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct GroupQuery {
    /// Columns (`$type`) or attributes.
    pub group_by: Vec<String>,
    /// How many groups are answered at most.
    pub limit: usize,
    /// Which come first.
    pub order: Order,
}

/// The order of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Order {
    /// Smallest first.
    #[serde(rename = "count")]
    Count,
    /// Largest first.
    #[serde(rename = "-count")]
    CountDown,
    /// By what they are grouped by.
    #[serde(rename = "value")]
    Value,
    /// The same backwards.
    #[serde(rename = "-value")]
    ValueDown,
}

/// Numbers fall into bins.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HistogramQuery {
    /// A column or an attribute whose values are numbers.
    pub key: String,
    /// How many bins of equal width.
    pub bins: usize,
    /// Edges of bins, ascending; in place of `bins`.
    #[serde(default)]
    pub edges: Vec<f64>,
    /// Where the first bin starts; at the lowest number, if absent.
    pub minimum: Option<f64>,
    /// Where the last bin ends; at the highest number, if absent.
    pub maximum: Option<f64>,
}

/// Rows follow one another in time, or in the frames of a media.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TimelineQuery {
    /// `$frame`, or a column or attribute that is a time.
    pub over: String,
    /// How long a bin of time is.
    pub interval: Interval,
    /// How many frames a bin has; a hundredth of all, if absent.
    pub frames: Option<i64>,
    /// What the counts of a bin are split by.
    pub split_by: Vec<String>,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Interval {
    Minute,
    Hour,
    Day,
    /// From Monday on.
    Week,
    Month,
    Year,
}

/// Rows that are equal in what was asked for.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    /// Their values, by key.
    pub group: Map<String, Json>,
    /// Names of values that are ids, by key.
    pub labels: Map<String, Json>,
    /// How many there are.
    pub count: i64,
}

/// How numbers are distributed.
#[derive(Debug, Serialize)]
pub(super) struct Histogram {
    pub bins: Vec<Bin>,
    /// Rows in bins.
    pub count: i64,
    /// Rows below the first bin.
    pub below: i64,
    /// Rows above the last bin.
    pub above: i64,
    /// Rows without a number.
    pub missing: i64,
    /// The lowest number of any row.
    pub minimum: Option<f64>,
    /// The highest number of any row.
    pub maximum: Option<f64>,
}

/// Numbers from `start` up to, but without, `end`; the last bin has its end.
#[derive(Debug, Serialize)]
pub(super) struct Bin {
    pub start: f64,
    pub end: f64,
    pub count: i64,
}

/// Rows within a part of a timeline: from `start` up to, but without, `end`.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    /// A frame or a date-time.
    pub start: Json,
    pub end: Json,
    #[serde(flatten)]
    pub group: Group,
}
