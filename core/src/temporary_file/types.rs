//! What a temporary file is.

use serde::{Deserialize, Serialize};

use crate::time;

/// A temporary file as it is stored.
#[derive(Debug, Clone, Serialize)]
pub struct TemporaryFile {
    /// Its row.
    pub id: i64,
    /// Whose members may read it.
    pub project: i64,
    /// Who made it.
    pub account: i64,
    /// The key of its object.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What its maker finds it by.
    pub lookup: String,
    /// When it was made; UTC milliseconds.
    pub created_at: i64,
    /// When it goes; UTC milliseconds.
    pub eol_at: i64,
}

/// A temporary file as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component TemporaryFile describes them"
)]
pub struct Wire {
    pub id: i64,
    pub project: i64,
    pub user: i64,
    pub path: String,
    pub created_datetime: String,
    pub eol_datetime: String,
    pub name: String,
    pub lookup: String,
}

impl TemporaryFile {
    /// What is told of it to somebody who sees the station at `origin` (`scheme://host`).
    pub fn wire(&self, origin: &str) -> Wire {
        let name = self.key.rsplit('/').next().unwrap_or_default();
        Wire {
            id: self.id,
            project: self.project,
            user: self.account,
            path: format!("{origin}/media/{}/{name}", self.project),
            created_datetime: time::iso_now(self.created_at),
            eol_datetime: time::iso_now(self.eol_at),
            name: self.name.clone(),
            lookup: self.lookup.clone(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewTemporaryFile {
    pub name: String,
    pub url: String,
    pub lookup: String,
    pub hours: i64,
}

/// Which files of a project are meant.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Filter {
    /// Anything but 0: only those whose time is over.
    pub expired: i64,
}
