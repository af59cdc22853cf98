//! What is asked and answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Hits that one answer may skip and hold.
pub(super) const DEEPEST_HIT: usize = 100_000;
/// Hits of one answer.
pub(super) const MOST_HITS: usize = 10_000;
/// Hits of one answer unless asked otherwise.
const USUAL_HITS: usize = 50;

/// A question of free text; the component of the same name says what its parts are.
#[derive(Debug, Clone, Deserialize)]
pub struct TextSearch {
    #[serde(default)]
    pub query: String,
    #[serde(default)]
    pub nouns: Vec<String>,
    #[serde(default)]
    pub projects: Vec<i64>,
    #[serde(default)]
    pub types: Vec<i64>,
    #[serde(default)]
    pub sections: Vec<i64>,
    #[serde(default)]
    pub versions: Vec<i64>,
    #[serde(default)]
    pub media: Vec<i64>,
    #[serde(default)]
    pub users: Vec<i64>,
    #[serde(default)]
    pub facets: Vec<String>,
    #[serde(default = "usual_facet_size")]
    pub facet_size: usize,
    pub sort: Option<String>,
    #[serde(default)]
    pub start: usize,
    pub stop: Option<usize>,
    #[serde(default = "yes")]
    pub highlight: bool,
}

fn usual_facet_size() -> usize {
    20
}

fn yes() -> bool {
    true
}

impl TextSearch {
    /// The hit after the last that is wanted.
    pub(super) fn stop(&self) -> usize {
        self.stop.unwrap_or(self.start.saturating_add(USUAL_HITS))
    }
}

/// An answer to it.
#[derive(Debug, Serialize)]
pub struct TextSearchResult {
    /// How many documents there are.
    pub total: usize,
    /// Whether every document was looked at; false while the index is being built.
    pub complete: bool,
    /// Those of the page.
    pub hits: Vec<TextHit>,
    /// The most frequent values, by the names that were asked for.
    pub facets: BTreeMap<String, Vec<TextBucket>>,
    /// What about the question cannot be meant.
    pub warnings: Vec<String>,
}

/// A row that was found.
#[derive(Debug, Clone, Serialize)]
pub struct TextHit {
    /// `media`, `localization`, `state`, `leaf` or `file`.
    pub noun: &'static str,
    /// Its id.
    pub id: i64,
    /// Its project.
    pub project: i64,
    /// Its type.
    pub r#type: i64,
    /// The type's name.
    pub type_name: String,
    /// Its name; none for annotations.
    pub name: Option<String>,
    /// Its path; leaves only.
    pub path: Option<String>,
    /// The media that it is, or is about.
    pub media: Vec<i64>,
    /// The frame of an annotation.
    pub frame: Option<i64>,
    /// The version of an annotation.
    pub version: Option<i64>,
    /// The folder of a media.
    pub section: Option<i64>,
    /// Its UUID.
    pub elemental_id: String,
    /// When it was made.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created_datetime: i64,
    /// When it was changed.
    #[serde(serialize_with = "crate::time::serialize")]
    pub modified_datetime: i64,
    /// How well it fits; none in another order.
    pub score: Option<f32>,
    /// Where the words stand.
    pub snippets: Vec<Snippet>,
}

/// A piece of a text around the words that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snippet {
    /// `$name`, `$path`, `$description` or an attribute.
    pub field: String,
    /// The text, cut where the words begin and end.
    pub parts: Vec<Part>,
}

/// A stretch of a snippet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The letters.
    pub text: String,
    /// Whether they were asked for.
    pub hit: bool,
}

/// A value and how many documents have it.
#[derive(Debug, Clone, Serialize)]
pub struct TextBucket {
    /// The value; of `$type` and the like an id, of `$noun` a name.
    pub value: Json,
    /// What the value is called, where it is an id.
    pub name: Option<String>,
    /// What kind of thing, where the ids of several kinds may be meant.
    pub noun: Option<&'static str>,
    /// How many.
    pub count: u64,
}
