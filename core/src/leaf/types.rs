//! What a leaf is.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use crate::attribute::AttributePatch;
use crate::query::{Form, Key};

/// A leaf as the wire shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Leaf {
    pub id: i64,
    pub r#type: i64,
    pub project: i64,
    pub path: String,
    pub name: String,
    pub parent: Option<i64>,
    pub attributes: Map<String, Json>,
}

/// The keys of a row, which are those of [`Leaf`].
pub(super) const KEYS: [Key; 7] = [
    Key::plain("id"),
    Key::plain("type"),
    Key::plain("project"),
    Key::plain("path"),
    Key::plain("name"),
    Key::plain("parent"),
    Key::of("attributes", "attributes", Form::Document),
];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewLeaf {
    pub name: String,
    pub r#type: i64,
    pub parent: Option<i64>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeafPatch {
    pub name: Option<String>,
    /// Absent stays; null or −1 makes a top leaf.
    #[serde(deserialize_with = "given")]
    pub parent: Option<Option<i64>>,
    #[serde(flatten)]
    pub attributes: AttributePatch,
}

fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// One proposal of autocompletion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Suggestion {
    pub value: String,
    pub group: String,
    pub data: Map<String, Json>,
}
