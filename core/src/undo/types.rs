//! What the journal shows, and what is asked of an undo.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::time;

/// Which entries are wanted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct JournalQuery {
    /// Only entries with a greater id.
    pub after: Option<i64>,
    pub noun: Option<String>,
    pub entity_id: Option<i64>,
    pub user_id: Option<i64>,
    /// The newest come first.
    #[serde(default)]
    pub newest: bool,
    pub limit: i64,
    /// Seconds to wait for an entry, when there is none yet.
    #[serde(default)]
    pub wait: i64,
    /// With each row before and after.
    #[serde(default)]
    pub detail: bool,
}

/// One entry as the wire shows it: what one request did to one noun.
#[derive(Debug, Clone, Serialize)]
pub(super) struct JournalEntry {
    pub id: i64,
    /// The first entry of the same request.
    pub change: i64,
    pub project: i64,
    pub user: Option<i64>,
    #[serde(serialize_with = "time::serialize")]
    pub created_datetime: i64,
    pub noun: String,
    pub action: String,
    pub count: i64,
    pub first_id: i64,
    pub last_id: i64,
    /// The change that took this one back.
    pub undone_by: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Box<RawValue>>,
}

/// What to take back.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct UndoSpec {
    /// Entries of the journal; the whole change that each belongs to is taken back.
    pub entries: Option<Vec<i64>>,
    /// Or the caller's last so many changes.
    pub last: Option<usize>,
    /// Also what jobs did in the caller's name.
    #[serde(default)]
    pub jobs: bool,
    /// Also where somebody changed the same field since.
    #[serde(default)]
    pub force: bool,
}

/// What was taken back.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Undone {
    pub message: String,
    /// The changes that were taken back.
    pub undone: Vec<i64>,
    /// What they had done, entry by entry.
    pub changes: Vec<String>,
    /// The entries that did so; give them to take that back, too.
    pub entries: Vec<i64>,
}
