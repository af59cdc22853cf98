//! Whether files in place are where they were imported, and as they were.

use super::import::look;
use super::source;
use crate::context::Context;
use crate::error::Result;

/// Files that are read from the database at a time.
const BATCH: usize = 1000;
/// Files that are named; there may be more.
const MOST_NAMED: usize = 20;

/// What was found of files in place.
#[derive(Debug, Default)]
pub struct Present {
    /// How many there should be.
    pub files: usize,
    /// How many are not there.
    pub missing: usize,
    /// How many have another length or time of change.
    pub changed: usize,
    /// Some of them: `missing: path`.
    pub named: Vec<String>,
}

/// Looks at every file in place, but not into it.
pub async fn check(cx: &Context) -> Result<Present> {
    let (mut found, mut after) = (Present::default(), 0);
    loop {
        let files = cx
            .database
            .read(move |tx| Box::pin(source::in_place(tx, after, BATCH)))
            .await?;
        let Some((last, ..)) = files.last() else {
            return Ok(found);
        };
        after = *last;
        for (_, path, size_bytes, modified_at) in files {
            found.files += 1;
            let what = match look(path.as_ref()).await {
                Ok(look) if (look.size_bytes, look.modified_at) == (size_bytes, modified_at) => {
                    continue;
                }
                Ok(_) => {
                    found.changed += 1;
                    "changed"
                }
                Err(_) => {
                    found.missing += 1;
                    "missing"
                }
            };
            if found.named.len() < MOST_NAMED {
                found.named.push(format!("{what}: {path}"));
            }
        }
    }
}
