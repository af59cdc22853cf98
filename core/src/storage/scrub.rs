//! Reading everything that is stored, to see whether it is still what was written.

use super::objects::{Mended, Soundness};
use super::store;
use crate::context::Context;
use crate::error::Result;

/// Blobs looked up at a time.
const BATCH: usize = 500;
/// Damaged objects that are named; there may be more.
const MOST_NAMED: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Blobs that were read.
    pub blobs: usize,
    /// Those without a fingerprint, of which nobody knows whether they are what was written.
    pub unmarked: usize,
    /// Those that were written anew from their second copy.
    pub mended: usize,
    /// Those whose second copy was written anew.
    pub copied: usize,
    /// What is damaged or missing, and whose it is: `damaged: bucket/key`.
    pub damaged: Vec<String>,
}

/// Reads every blob that an object or an upload in parts uses; to `repair` also its second copy, and writes that of both
/// anew which is not what was written.
pub async fn scrub(cx: &Context, repair: bool) -> Result<Scrubbed> {
    let mut found = Scrubbed::default();
    let mut after = String::new();
    loop {
        let from = after.clone();
        let reading = cx
            .database
            .read(move |tx| Box::pin(async move { store::used(tx, &from, BATCH).await }));
        let blobs = reading.await?;
        let Some(last) = blobs.last() else {
            return Ok(found);
        };
        after.clone_from(last);
        for blob in blobs {
            found.blobs += 1;
            if repair {
                match cx.objects.mend(&blob).await? {
                    Mended::First => found.mended += 1,
                    Mended::Second => found.copied += 1,
                    Mended::Nothing | Mended::Lost => {}
                }
            }
            let what = match cx.objects.verify(&blob).await? {
                Soundness::Sound => continue,
                Soundness::Unmarked => {
                    found.unmarked += 1;
                    continue;
                }
                Soundness::Damaged => "damaged",
                Soundness::Missing => "missing",
            };
            let users = cx
                .database
                .read(move |tx| Box::pin(async move { store::users(tx, &blob).await }));
            for user in users.await? {
                // What was deleted meanwhile has no users any more.
                if found.damaged.len() < MOST_NAMED {
                    found.damaged.push(format!("{what}: {user}"));
                }
            }
        }
    }
}
