//! What an announcement is.

use serde::Serialize;

/// An announcement as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Announcement describes them"
)]
pub struct Announcement {
    pub id: i64,
    /// UTC milliseconds.
    #[serde(serialize_with = "crate::time::serialize")]
    pub created_datetime: i64,
    /// From when on nobody sees it; UTC milliseconds.
    #[serde(serialize_with = "crate::time::serialize")]
    pub eol_datetime: i64,
    pub markdown: String,
}

/// That an account does not want to see an announcement again.
#[derive(Debug, Serialize)]
pub(super) struct Dismissal {
    pub announcement: i64,
    pub user: i64,
}
