//! Reading everything that is stored, to see whether it is still what was written.

use std::collections::BTreeMap;

use super::objects::{Mended, Soundness, places};
use super::store;
use crate::context::Context;
use crate::error::{Chain, Result};

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
    /// Buckets of other stores that did not answer, by number: why, and how many blobs in them were not read.
    pub unanswered: BTreeMap<i64, (String, usize)>,
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
            let bucket = places::split(&blob).map(|(bucket, _)| bucket);
            if let Some((_, unread)) = bucket.and_then(|bucket| found.unanswered.get_mut(&bucket)) {
                *unread += 1;
                continue;
            }
            let what = match (found.look(cx, &blob, repair).await, bucket) {
                (Ok(None), _) => continue,
                (Ok(Some(what)), _) => what,
                // What else is stored is looked at all the same.
                (Err(error), Some(bucket)) => {
                    let why = Chain(&error).to_string();
                    found.unanswered.insert(bucket, (why, 1));
                    continue;
                }
                (Err(error), None) => return Err(error),
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

impl Scrubbed {
    /// Reads one blob; says what is wrong with it.
    async fn look(
        &mut self,
        cx: &Context,
        blob: &str,
        repair: bool,
    ) -> Result<Option<&'static str>> {
        if repair {
            match cx.objects.mend(blob).await? {
                Mended::First => self.mended += 1,
                Mended::Second => self.copied += 1,
                Mended::Nothing | Mended::Lost => {}
            }
        }
        let found = cx.objects.verify(blob).await?;
        self.blobs += 1;
        Ok(match found {
            Soundness::Sound => None,
            Soundness::Unmarked => {
                self.unmarked += 1;
                None
            }
            Soundness::Damaged => Some("damaged"),
            Soundness::Missing => Some("missing"),
        })
    }
}
