//! The index against the database, and its making anew.

use std::sync::Arc;
use std::time::Duration;

use super::document::{KINDS, from_key};
use super::index::{Condition, Recent};
use super::service::{MOST_INSIDE, changes, in_place};
use super::{indexer, store};
use crate::attribute::Kind;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::journal;

/// How long a comparison or a rebuild waits for the indexer.
const COMPARING: Duration = Duration::from_secs(3600);

/// How the index and the database compare, for one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The kind.
    pub kind: Kind,
    /// How many rows lists show.
    pub rows: usize,
    /// Ids that the index lacks, by id.
    pub missing: Vec<i64>,
    /// Ids that only the index has, by id.
    pub surplus: Vec<i64>,
}

/// Compares the ids of the index with those of the database, after the index has come up to now.
///
/// Errors: `Busy` when it does not come up in time, or fails.
pub async fn compare(cx: &Arc<Context>) -> Result<Vec<Comparison>> {
    // What cannot be opened is not waited for.
    let search = Arc::clone(&cx.search);
    indexer::blocking(move || search.index()).await?;
    indexer::begin(cx);
    let head = cx
        .database
        .read(|tx| Box::pin(async move { Ok(journal::newest(tx).await?.0) }))
        .await?;
    tokio::select! {
        came_up = cx.search.wait_for(head, COMPARING) => if !came_up {
            return Err(Error::Busy("the search index is still being built; ask again later".into()));
        },
        why = cx.search.trouble() => return Err(not_at_work(&why)),
    }
    let search = Arc::clone(&cx.search);
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let (mut recent, covered) = search.covered();
                let (head, _) = journal::newest(tx).await?;
                if head > covered {
                    let batch = changes(tx, covered, head, MOST_INSIDE).await?;
                    let batch = batch.ok_or_else(|| {
                        Error::Busy("too much is being written; ask again later".into())
                    })?;
                    recent.push(Arc::new(Recent::new(covered, head, batch)));
                }
                let index = search.index()?;
                let keys = in_place(|| index.keys(&Condition::All, &recent))?;
                let mut comparisons = Vec::new();
                for kind in KINDS {
                    let mut rows = store::visible_ids(tx, kind).await?;
                    let count = rows.len();
                    let of_kind = keys.iter().map(|key| from_key(*key));
                    let ids = of_kind.filter(|(of, _)| *of == kind).map(|(_, id)| id);
                    // An id that comes twice is surplus, too.
                    let mut surplus: Vec<i64> = ids.filter(|id| !rows.remove(id)).collect();
                    surplus.sort_unstable();
                    let mut missing: Vec<i64> = rows.into_iter().collect();
                    missing.sort_unstable();
                    comparisons.push(Comparison {
                        kind,
                        rows: count,
                        missing,
                        surplus,
                    });
                }
                Ok(comparisons)
            })
        })
        .await
}

/// Builds the index from the database, and returns when it is whole.
///
/// Errors: `Busy` when that takes too long, or fails.
pub async fn rebuild(cx: &Arc<Context>) -> Result<()> {
    let mut progress = cx.search.progress.subscribe();
    indexer::begin(cx);
    let built = async {
        let before = progress.wait_for(|progress| progress.complete).await;
        let before = before.map_or(0, |progress| progress.builds);
        cx.search.rebuilds.send_modify(|wishes| *wishes += 1);
        let after = progress.wait_for(|progress| progress.complete && progress.builds > before);
        after.await.is_ok()
    };
    tokio::select! {
        built = tokio::time::timeout(COMPARING, built) => match built {
            Ok(true) => Ok(()),
            _ => Err(Error::Busy("the search index is still being built".into())),
        },
        why = cx.search.trouble() => Err(not_at_work(&why)),
    }
}

fn not_at_work(why: &str) -> Error {
    Error::Busy(format!(
        "the search index is not at work, and is tried again every few seconds: {why}"
    ))
}
