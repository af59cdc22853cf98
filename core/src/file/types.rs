//! What a file is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::attribute::AttributePatch;
use crate::query::{Form, Key};
use crate::time;

/// A file as the wire shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct File {
    pub id: i64,
    pub project: i64,
    #[serde(rename = "created_datetime", serialize_with = "time::serialize")]
    pub created_at: i64,
    pub created_by: Option<i64>,
    #[serde(rename = "modified_datetime", serialize_with = "time::serialize")]
    pub modified_at: i64,
    pub modified_by: Option<i64>,
    /// The key of its bytes.
    pub path: Option<String>,
    pub name: String,
    pub description: String,
    pub attributes: Map<String, Json>,
    pub elemental_id: String,
    pub r#type: i64,
}

/// A file as it is answered: the original names the type twice.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    file: File,
    meta: i64,
}

/// The keys of a row, which are those of [`Shown`].
pub(super) const KEYS: [Key; 13] = [
    Key::plain("id"),
    Key::plain("project"),
    Key::of("created_datetime", "created_at", Form::Time),
    Key::plain("created_by"),
    Key::of("modified_datetime", "modified_at", Form::Time),
    Key::plain("modified_by"),
    Key::plain("path"),
    Key::plain("name"),
    Key::plain("description"),
    Key::of("attributes", "attributes", Form::Document),
    Key::plain("elemental_id"),
    Key::plain("type"),
    Key::of("meta", "type", Form::Plain),
];

impl From<File> for Shown {
    fn from(file: File) -> Self {
        Self {
            meta: file.r#type,
            file,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewFile {
    pub name: Option<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub elemental_id: Option<String>,
    pub r#type: Option<i64>,
    pub user_elemental_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilePatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub elemental_id: Option<String>,
    pub r#type: Option<i64>,
    pub path: Option<String>,
    #[serde(flatten)]
    pub attributes: AttributePatch,
}
