//! Which record a request means.

use serde::Deserialize;

/// The list that a record is in, as `media_files` calls it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RoleQuery {
    pub role: String,
}

/// Where a new record goes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct InsertQuery {
    pub role: String,
    /// Its place in the list; at the end if absent.
    pub index: Option<usize>,
    pub bucket_id: Option<i64>,
}

/// One record.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PlaceQuery {
    pub role: String,
    pub index: usize,
}
