//! The search of one station: its index, what the index lacks, and who waits for it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::index::{self, Position, Recent, SearchIndex};
use super::recent::add;
use super::vectors::Vectors;
use crate::config;
use crate::error::Result;

/// The form of the documents: another number makes every index anew.
pub(super) const FORM: u32 = 1;

/// How far the index has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The newest entry of the journal that is findable.
    pub seq: i64,
    /// Whether every row is.
    pub complete: bool,
    /// How often it was built from the rows.
    pub builds: u64,
}

/// The search of a station. Opens nothing before somebody asks, or the indexer runs.
pub struct Search {
    settings: config::Search,
    data: PathBuf,
    pub(super) station: String,
    opened: Mutex<Option<Arc<dyn SearchIndex>>>,
    recent: Mutex<Vec<Arc<Recent>>>,
    pub(super) progress: watch::Sender<Progress>,
    /// The entry that somebody waits for.
    pub(super) wanted: watch::Sender<i64>,
    /// Counts the wishes to build the index anew.
    pub(super) rebuilds: watch::Sender<u64>,
    /// Why the index is not at work, if it is not.
    trouble: watch::Sender<Option<String>>,
    running: AtomicBool,
    /// Vectors in memory.
    pub(crate) vectors: Vectors,
    /// Ends an indexer that runs by itself.
    task: Mutex<Option<AbortHandle>>,
}

impl Search {
    /// The search of a station whose data folder this is.
    pub fn new(settings: &config::Search, data: PathBuf, station: &str) -> Arc<Self> {
        Arc::new(Self {
            settings: settings.clone(),
            data,
            station: station.to_owned(),
            opened: Mutex::default(),
            recent: Mutex::default(),
            progress: watch::Sender::default(),
            wanted: watch::Sender::default(),
            rebuilds: watch::Sender::default(),
            trouble: watch::Sender::default(),
            running: AtomicBool::new(false),
            vectors: Vectors::new(settings.vector_bytes, settings.exact_vectors),
            task: Mutex::default(),
        })
    }

    /// The index, opened at the first call. Blocks for as long as that takes.
    pub(super) fn index(&self) -> Result<Arc<dyn SearchIndex>> {
        let mut opened = lock(&self.opened);
        if let Some(index) = &*opened {
            return Ok(Arc::clone(index));
        }
        let index = index::open(&self.settings, &self.data)?;
        *opened = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Lets go of an index that does not work any more.
    pub(super) fn close(&self) {
        // Dropping it waits for the thread that writes; nobody else should.
        let opened = lock(&self.opened).take();
        drop(opened);
        lock(&self.recent).clear();
        self.progress.send_modify(|progress| {
            (progress.seq, progress.complete) = (0, false);
        });
    }

    /// Says that the indexer begins; false when it runs already.
    pub(super) fn begin(&self) -> bool {
        !self.running.swap(true, Ordering::Relaxed)
    }

    /// Keeps the task of an indexer that runs by itself.
    pub(super) fn keep(&self, task: AbortHandle) {
        *lock(&self.task) = Some(task);
    }

    /// Ends an indexer that runs by itself: the database is about to close.
    pub fn stop(&self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }

    /// Says that the indexer has ended.
    pub(super) fn end(&self) {
        self.running.store(false, Ordering::Relaxed);
    }

    /// Whether a position is one of this station and of our form.
    pub(super) fn knows(&self, position: &Position) -> bool {
        position.form == FORM && position.station == self.station
    }

    /// How far the index goes: none before it is open and ours.
    pub(super) fn position(&self) -> Option<Position> {
        let opened = lock(&self.opened).clone()?;
        opened.position().filter(|position| self.knows(position))
    }

    /// The changes after the position that somebody has read, and how far they go together with it.
    pub(super) fn covered(&self) -> (Vec<Arc<Recent>>, i64) {
        let mut recent = lock(&self.recent).clone();
        // Asked afterwards: what the index has by now must not be hidden by what was before.
        let position = self.position().map_or(0, |position| position.seq);
        recent.retain(|piece| piece.upto > position);
        let upto = recent.last().map_or(position, |last| last.upto);
        (recent, upto)
    }

    /// Keeps changes that somebody has read, for whoever asks next.
    pub(super) fn remember(&self, fresh: Recent) {
        let mut recent = lock(&self.recent);
        let position = self.position().map_or(0, |position| position.seq);
        let covered = recent
            .last()
            .map_or(position, |last| last.upto.max(position));
        // Somebody else may have been faster.
        if fresh.upto > covered && fresh.after <= covered {
            add(&mut recent, fresh);
        }
    }

    /// Says that the index failed, and why.
    pub(super) fn failed(&self, why: String) {
        self.trouble.send_replace(Some(why));
    }

    /// Returns once the index has failed, with the reason.
    pub(super) async fn trouble(&self) -> String {
        let mut trouble = self.trouble.subscribe();
        let why = trouble.wait_for(Option::is_some).await;
        let why = why.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Forgets the changes that the index has now.
    pub(super) fn committed(&self, seq: i64, complete: bool) {
        lock(&self.recent).retain(|recent| recent.upto > seq);
        self.trouble.send_replace(None);
        self.progress.send_modify(|progress| {
            (progress.seq, progress.complete) = (seq, complete);
        });
    }

    /// Says that the index was built from the rows.
    pub(super) fn built(&self) {
        self.progress.send_modify(|progress| progress.builds += 1);
    }

    /// Asks the indexer for an entry of the journal without waiting.
    pub(super) fn want(&self, seq: i64) {
        self.wanted.send_if_modified(|wanted| {
            let more = seq > *wanted;
            *wanted = seq.max(*wanted);
            more
        });
    }

    /// Waits until the index is whole and has an entry. False when that takes too long.
    pub(super) async fn wait_for(&self, seq: i64, patience: Duration) -> bool {
        self.want(seq);
        let mut progress = self.progress.subscribe();
        let there = progress.wait_for(|progress| progress.complete && progress.seq >= seq);
        matches!(tokio::time::timeout(patience, there).await, Ok(Ok(_)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
