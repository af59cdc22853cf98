//! What a media is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::annotation::Document;
use crate::attribute::AttributePatch;
use crate::query::{Form, Key};
use crate::time;

/// A media as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Media describes them"
)]
pub struct Media {
    pub name: String,
    pub media_files: Option<Map<String, Json>>,
    #[serde(serialize_with = "time::serialize_opt")]
    pub last_edit_start: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt")]
    pub last_edit_end: Option<i64>,
    pub attributes: Document,
    pub elemental_id: String,
    pub primary_section: Option<i64>,
    pub id: i64,
    pub project: Option<i64>,
    #[serde(rename = "type")]
    pub type_id: i64,
    #[serde(serialize_with = "time::serialize")]
    pub created_datetime: i64,
    pub created_by: Option<i64>,
    #[serde(serialize_with = "time::serialize")]
    pub modified_datetime: i64,
    pub modified_by: Option<i64>,
    pub md5: String,
    pub num_frames: Option<i64>,
    pub fps: Option<f64>,
    pub codec: Option<String>,
    pub width: Option<i64>,
    pub height: Option<i64>,
    pub summary_level: Option<i64>,
    pub gid: Option<String>,
    pub uid: Option<String>,
    pub archive_state: String,
    #[serde(serialize_with = "time::serialize_opt")]
    pub archive_status_date: Option<i64>,
    pub effective_permission: Option<i64>,
    /// Where row protection takes its rights from; the folder, unless another is named.
    pub master_section: Option<i64>,
    /// Hits of a related search, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<i64>,
}

/// The keys of a row, which are those of [`Media`].
pub(super) const KEYS: [Key; 27] = [
    Key::plain("name"),
    Key::of("media_files", "media_files", Form::Document),
    Key::of("last_edit_start", "last_edit_start", Form::Time),
    Key::of("last_edit_end", "last_edit_end", Form::Time),
    Key::of("attributes", "attributes", Form::Document),
    Key::plain("elemental_id"),
    Key::plain("primary_section"),
    Key::plain("id"),
    Key::plain("project"),
    Key::plain("type"),
    Key::of("created_datetime", "created_at", Form::Time),
    Key::plain("created_by"),
    Key::of("modified_datetime", "modified_at", Form::Time),
    Key::plain("modified_by"),
    Key::plain("md5"),
    Key::plain("num_frames"),
    Key::plain("fps"),
    Key::plain("codec"),
    Key::plain("width"),
    Key::plain("height"),
    Key::plain("summary_level"),
    Key::plain("gid"),
    Key::plain("uid"),
    Key::plain("archive_state"),
    Key::of("archive_status_date", "archive_status_date", Form::Time),
    Key::of("effective_permission", "", Form::Always("null")),
    Key::plain("master_section"),
];

/// Hits of a related search, which no column holds.
pub(super) const INCIDENT: Key = Key::of("incident", "", Form::Always("null"));

/// A media to be made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewMedia {
    pub r#type: i64,
    pub name: String,
    pub md5: String,
    pub gid: Option<String>,
    pub uid: Option<String>,
    pub url: Option<String>,
    pub thumbnail_url: Option<String>,
    pub thumbnail_gif_url: Option<String>,
    pub section: Option<String>,
    pub section_id: Option<i64>,
    pub num_frames: Option<i64>,
    pub fps: Option<f64>,
    pub codec: Option<String>,
    pub width: Option<i64>,
    pub height: Option<i64>,
    pub summary_level: Option<i64>,
    pub attributes: Option<Map<String, Json>>,
    pub elemental_id: Option<String>,
    pub user_elemental_id: Option<String>,
    pub reference_only: i64,
    pub master_section: Option<i64>,
    /// The job that works on it.
    #[serde(skip)]
    pub workflow: Option<String>,
}

/// What a PATCH may change; absent keys stay.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct MediaPatch {
    pub name: Option<String>,
    pub media_files: Option<Map<String, Json>>,
    pub last_edit_start: Option<String>,
    pub last_edit_end: Option<String>,
    pub elemental_id: Option<String>,
    pub primary_section: Option<i64>,
    pub num_frames: Option<i64>,
    pub fps: Option<f64>,
    pub codec: Option<String>,
    pub width: Option<i64>,
    pub height: Option<i64>,
    pub summary_level: Option<i64>,
    pub multi: Option<Map<String, Json>>,
    pub live: Option<Map<String, Json>>,
    pub concat: Option<Vec<Json>>,
    pub archive_state: Option<String>,
    pub user_elemental_id: Option<String>,
    pub master_section: Option<i64>,
    #[serde(flatten)]
    pub attributes: AttributePatch,
}

/// Numbers of the selected media.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    pub count: i64,
    pub download_size: i64,
    pub total_size: i64,
    pub duration: f64,
}

/// The name that a file's last component has, and its type of media by its ending.
pub(super) fn dtype_of_name(name: &str) -> Option<&'static str> {
    let mime = mime_guess::from_path(name).first()?;
    match mime.type_().as_str() {
        "image" => Some("image"),
        "video" => Some("video"),
        _ => None,
    }
}
