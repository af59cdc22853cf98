//! Keeps the index in step: reads the journal in order, reads the touched rows, applies, commits.
//!
//! An entry says which rows changed; how they stand is read from the rows themselves. Reading a row
//! too late is therefore as good as reading it in time, and applying an entry twice is as good as
//! once. That is what lets a rebuild gather every row while others write: it begins at the newest
//! entry of its start and goes on from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::document::{Batch, KINDS, Removal};
use super::index::{Position, SearchIndex};
use super::station::FORM;
use super::store;
use super::touched::{Touched, Whole};
use crate::attribute::Kind;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::journal;

/// Rows that are read at once.
const ROWS: usize = 2_000;
/// Entries of the journal that are read at once.
const ENTRIES: usize = 512;
/// Documents after which the index is committed.
const COMMIT_DOCUMENTS: usize = 20_000;
/// How long documents wait for a commit.
const COMMIT_AFTER: Duration = Duration::from_secs(3);
/// How long a write waits for others to be read together with it.
const GATHERING: Duration = Duration::from_millis(200);
/// How often the journal is looked at although nobody has told of a write.
const LOOKING: Duration = Duration::from_secs(10);
/// How long an index that fails is left alone.
const RESTING: Duration = Duration::from_secs(5);

/// Keeps the index of the station in step for as long as it is polled. Only one does; others wait.
pub async fn run(cx: Arc<Context>) {
    if !cx.search.begin() {
        return std::future::pending().await;
    }
    run_begun(cx).await;
}

/// Begins to keep the index in step in the background, unless somebody does already.
pub(super) fn begin(cx: &Arc<Context>) {
    if cx.search.begin() {
        let task = tokio::spawn(run_begun(Arc::clone(cx)));
        cx.search.keep(task.abort_handle());
    }
}

async fn run_begun(cx: Arc<Context>) {
    let _ended = Ended(&cx);
    tokio::join!(keep_in_step(&cx), super::vectors::run(&cx));
}

async fn keep_in_step(cx: &Arc<Context>) {
    loop {
        if let Err(error) = follow(cx).await {
            tracing::warn!(error = %Chain(&error), "the search index failed and is opened again");
            cx.search.failed(Chain(&error).to_string());
            let search = Arc::clone(&cx.search);
            // Closing waits for the thread that writes.
            let _ = tokio::task::spawn_blocking(move || search.close()).await;
        }
        sleep(RESTING).await;
    }
}

struct Ended<'c>(&'c Context);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.search.end();
    }
}

async fn follow(cx: &Arc<Context>) -> Result<()> {
    let search = Arc::clone(&cx.search);
    let index = blocking(move || search.index()).await?;
    let mut written = cx.database.committed();
    let mut wanted = cx.search.wanted.subscribe();
    let mut rebuilds = cx.search.rebuilds.subscribe();
    let mut work = Work::begin(cx, index).await?;
    loop {
        if rebuilds.has_changed().unwrap_or(false) {
            rebuilds.borrow_and_update();
            work.rebuild().await?;
        }
        work.catch_up(&mut wanted).await?;
        let due = work.due();
        tokio::select! {
            _ = written.changed() => {
                tokio::select! {
                    () = sleep(GATHERING) => {}
                    _ = wanted.changed() => {}
                }
            }
            _ = wanted.changed() => {}
            _ = rebuilds.changed() => rebuilds.mark_changed(),
            () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => {
                work.commit().await?;
            }
            () = sleep(LOOKING) => {}
        }
    }
}

/// Runs what blocks where it disturbs nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("work on the search index", error))?
}

/// The index while it is worked on.
struct Work<'c> {
    cx: &'c Arc<Context>,
    index: Arc<dyn SearchIndex>,
    /// How far the journal was applied, and that entry's clock.
    applied: (i64, String),
    /// Documents that wait for a commit.
    waiting: usize,
    since: Option<Instant>,
}

/// The next entries of the journal.
struct Step {
    upto: i64,
    clock: String,
    touched: Touched,
}

impl<'c> Work<'c> {
    /// Goes on from where the index stands, or begins anew if that is no place of this journal.
    async fn begin(cx: &'c Arc<Context>, index: Arc<dyn SearchIndex>) -> Result<Self> {
        let mut work = Self {
            cx,
            index,
            applied: (0, String::new()),
            waiting: 0,
            since: None,
        };
        let position = work.index.position();
        match position.filter(|position| position.complete && cx.search.knows(position)) {
            Some(position) if work.is_ours(&position).await? => {
                work.applied = (position.seq, position.clock);
                work.publish(true);
            }
            _ => work.rebuild().await?,
        }
        Ok(work)
    }

    /// Whether the journal has the entry that the index stands at: another database has not.
    async fn is_ours(&self, position: &Position) -> Result<bool> {
        if position.seq == 0 {
            return Ok(true);
        }
        let seq = position.seq;
        let read = self
            .cx
            .database
            .read(move |tx| Box::pin(async move { journal::clock_of(tx, seq).await }));
        Ok(read.await?.as_ref() == Some(&position.clock))
    }

    fn publish(&self, complete: bool) {
        self.cx.search.committed(self.applied.0, complete);
    }

    /// When what waits is to be committed.
    fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + COMMIT_AFTER)
    }

    async fn commit(&mut self) -> Result<()> {
        self.commit_as(true).await
    }

    async fn commit_as(&mut self, complete: bool) -> Result<()> {
        let position = Position {
            form: FORM,
            station: self.cx.search.station.clone(),
            seq: self.applied.0,
            clock: self.applied.1.clone(),
            complete,
        };
        let index = Arc::clone(&self.index);
        blocking(move || index.commit(&position)).await?;
        (self.waiting, self.since) = (0, None);
        self.publish(complete);
        Ok(())
    }

    async fn apply(&mut self, batch: Batch) -> Result<()> {
        let size = batch.documents.len().max(batch.removed.len());
        if size == 0 {
            return Ok(());
        }
        let index = Arc::clone(&self.index);
        blocking(move || index.apply(batch)).await?;
        self.waiting += size;
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Reads the journal to its end.
    async fn catch_up(&mut self, wanted: &mut watch::Receiver<i64>) -> Result<()> {
        while let Some(step) = self.next().await? {
            self.read(step.touched).await?;
            self.applied = (step.upto, step.clock);
            // Also entries that are about nothing found have to be told of, in time.
            self.since.get_or_insert_with(Instant::now);
            if self.waiting >= COMMIT_DOCUMENTS {
                self.commit().await?;
            }
        }
        let wanted = *wanted.borrow_and_update();
        let committed = self.cx.search.progress.borrow().seq;
        if wanted > committed && self.applied.0 > committed {
            self.commit().await?;
        }
        Ok(())
    }

    async fn next(&self) -> Result<Option<Step>> {
        let after = self.applied.0;
        let read = self.cx.database.read(move |tx| {
            Box::pin(async move {
                let mut sum = 0;
                let mut upto = None;
                for (seq, count) in journal::sizes_after(tx, after, ENTRIES).await? {
                    if sum > 0 && sum + count > ROWS as i64 {
                        break;
                    }
                    (sum, upto) = (sum + count, Some(seq));
                }
                let Some(upto) = upto else {
                    return Ok(None);
                };
                Ok(Some(Step {
                    upto,
                    clock: journal::clock_of(tx, upto).await?.unwrap_or_default(),
                    touched: store::touched(tx, after, upto).await?,
                }))
            })
        });
        read.await
    }

    /// Reads touched rows, some at a time, and applies how they stand.
    async fn read(&mut self, mut touched: Touched) -> Result<()> {
        let wholes = touched.wholes.clone();
        while let Some(some) = touched.take(ROWS) {
            let read = self
                .cx
                .database
                .read(move |tx| Box::pin(async move { store::batch(tx, &some).await }));
            let batch = read.await?;
            self.apply(batch).await?;
        }
        for whole in wholes {
            for kind in whole.kinds() {
                self.gather(kind, Some(whole), true).await?;
            }
        }
        Ok(())
    }

    /// Applies every row of a kind, of some whole if given.
    async fn gather(&mut self, kind: Kind, of: Option<Whole>, complete: bool) -> Result<()> {
        let mut after = 0;
        loop {
            let read = self.cx.database.read(move |tx| {
                Box::pin(async move { store::page(tx, kind, of, after, ROWS).await })
            });
            let documents = read.await?;
            let Some(last) = documents.last() else {
                return Ok(());
            };
            after = last.id;
            // Rows of a whole may have come in on their own account already.
            let known = documents.iter().filter(|_| of.is_some());
            let removed = known.map(|row| Removal::Identity(row.identity)).collect();
            self.apply(Batch { removed, documents }).await?;
            if !complete && self.waiting >= COMMIT_DOCUMENTS {
                self.commit_as(false).await?;
            }
        }
    }

    /// Builds the index from the rows.
    async fn rebuild(&mut self) -> Result<()> {
        let began = Instant::now();
        let read = self
            .cx
            .database
            .read(|tx| Box::pin(async move { journal::newest(tx).await }));
        self.applied = read.await?;
        let index = Arc::clone(&self.index);
        blocking(move || index.clear()).await?;
        // From here on questions know that something may be missing, also after a crash.
        self.commit_as(false).await?;
        for kind in KINDS {
            self.gather(kind, None, false).await?;
        }
        self.commit().await?;
        self.cx.search.built();
        if self.applied.0 > 0 {
            let secs = began.elapsed().as_secs_f32();
            tracing::info!(secs, "the search index was built from the database");
        }
        Ok(())
    }
}
