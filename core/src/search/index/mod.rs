//! The seam to the index of words: what is asked of it, and what it promises.
//!
//! The database stays the truth: an index may be deleted at any moment and gives the same answers
//! once it is built again. It knows neither people nor permissions.

mod tantivy;

use std::any::Any;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::document::{Batch, Scalar};
use crate::config;
use crate::error::{Error, Result};

/// How far an index has read, and of what. A form or a station that is not ours means: build it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The form of the documents.
    pub form: u32,
    /// The station whose rows they are.
    pub station: String,
    /// The newest entry of the journal that is in.
    pub seq: i64,
    /// That entry's clock; empty for 0.
    pub clock: String,
    /// Whether every row is in, or they are still being gathered.
    pub complete: bool,
}

/// Finds documents by words and values.
pub trait SearchIndex: Send + Sync {
    /// Applies a batch; it is found after the next commit.
    fn apply(&self, batch: Batch) -> Result<()>;

    /// Makes everything that was applied durable and findable.
    fn commit(&self, position: &Position) -> Result<()>;

    /// Removes every document; takes effect with the next commit.
    fn clear(&self) -> Result<()>;

    /// How far the findable documents go; none when nothing was ever committed.
    fn position(&self) -> Option<Position>;

    /// Answers a query as if `recent`, the changes after the position, oldest first, were in.
    ///
    /// Errors: `Invalid` for a facet with too many values.
    fn search(&self, query: &Query, recent: &[Arc<Recent>]) -> Result<Found>;

    /// The keys of every document that satisfies a condition, in no order; `recent` as above.
    fn keys(&self, condition: &Condition, recent: &[Arc<Recent>]) -> Result<Vec<u64>>;
}

/// Opens the engine that the settings name.
///
/// `tantivy:` is a folder in the data folder, or an absolute path after the colon.
pub fn open(settings: &config::Search, data: &Path) -> Result<Arc<dyn SearchIndex>> {
    match settings.url.split_once(':') {
        Some(("tantivy", path)) => {
            let path = if path.is_empty() { "search" } else { path };
            Ok(Arc::new(tantivy::Tantivy::open(
                &data.join(path),
                settings.heap_bytes,
            )?))
        }
        _ => Err(Error::invalid(
            "the search URL names no known engine; use tantivy: or tantivy:/an/absolute/folder",
        )),
    }
}

/// Changes that an index does not have yet.
pub struct Recent {
    /// The entry of the journal after which they begin.
    pub after: i64,
    /// The last entry that is in them.
    pub upto: i64,
    /// The changes.
    pub batch: Batch,
    /// What the engine made of them to search in.
    prepared: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Recent {
    /// Changes of the entries after one, up to another.
    pub fn new(after: i64, upto: i64, batch: Batch) -> Self {
        Self {
            after,
            upto,
            batch,
            prepared: OnceLock::new(),
        }
    }
}

/// Texts of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextField {
    /// All of them.
    Any,
    /// The name.
    Name,
    /// The path of a leaf.
    Path,
    /// The description of a file.
    Description,
    /// An attribute, by its name in lower case.
    Attribute(String),
}

/// Values of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// An attribute, by its name in lower case.
    Attribute(String),
    /// When it was made.
    Created,
    /// When it was changed.
    Modified,
}

/// Numbers of a document that stand for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The document itself, by its key.
    Key,
    /// The number of its kind.
    Kind,
    /// Its project.
    Project,
    /// Its type, as a key.
    Type,
    /// The folder of a media.
    Section,
    /// The version of an annotation.
    Version,
    /// The media that it is, or is about.
    Media,
    /// Who made it.
    User,
}

/// What documents are looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one.
    All,
    /// None.
    None,
    /// All must hold.
    And(Vec<Condition>),
    /// One must hold.
    Or(Vec<Condition>),
    /// Must not hold.
    Not(Box<Condition>),
    /// Words next to each other; the last may go on if `prefix`.
    Words {
        /// Where.
        field: TextField,
        /// Folded, never empty.
        words: Vec<String>,
        /// Whether the last is only a beginning.
        prefix: bool,
    },
    /// A value between bounds of one kind of scalar.
    Between(Column, Bound<Scalar>, Bound<Scalar>),
    /// Any value.
    Present(Column),
    /// One of some numbers.
    Among(Reference, Vec<u64>),
}

/// By what hits are ordered; ties by kind and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// How well they fit.
    Relevance,
    /// When they were made.
    Created,
    /// When they were changed.
    Modified,
    /// Their kind and id.
    Key,
    /// Their name.
    Name,
}

/// What counts are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub enum Facet {
    /// A reference.
    Reference(Reference),
    /// The values of an attribute, by its name in lower case.
    Attribute(String),
}

/// A question.
#[derive(Debug, Clone)]
pub struct Query {
    /// What is looked for; decides how well a hit fits.
    pub condition: Condition,
    /// What must hold as well.
    pub filter: Condition,
    /// The order of hits.
    pub order: Order,
    /// Whether it is turned around.
    pub reverse: bool,
    /// The first hit wanted, counted from zero.
    pub start: usize,
    /// The hit after the last.
    pub stop: usize,
    /// What is counted besides.
    pub facets: Vec<Facet>,
    /// The most frequent values that each facet lists.
    pub facet_size: usize,
}

/// An answer.
#[derive(Debug)]
pub struct Found {
    /// How many documents there are.
    pub total: usize,
    /// Those of the page.
    pub hits: Vec<Hit>,
    /// The values of each facet, most frequent first.
    pub facets: Vec<Vec<Bucket>>,
}

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: u64,
    /// How well it fits; none in another order.
    pub score: Option<f32>,
}

/// A value and how many documents have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// The value, as JSON shows it.
    pub value: serde_json::Value,
    /// How many.
    pub count: u64,
}
