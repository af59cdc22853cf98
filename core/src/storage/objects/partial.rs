//! Files of which only parts are here: those that were read, and what probably is read next.
//!
//! A file has its full length from the beginning, and holes. What is there is known in memory only, so that a crash costs the
//! parts and nothing else: a station that starts begins with none. Every part is asked for with the entity tag of the first, so
//! that parts of two objects never stand in one file. Once all are there the whole is compared with what was written, and
//! becomes a file like any other that was fetched.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};
use tokio::sync::{Notify, Semaphore};
use transect_frame_client::{Supplied, Supply};

use super::fetched::{Fetched, TELL, TRIES, now};
use super::places::Facts;
use super::remote::{self, Found, Remote};
use crate::error::{Error, Result};

/// Shorter files are fetched whole, in bytes.
pub(super) const LEAST: u64 = 4 << 20;
/// What is there or not, in bytes: small, as tables and single pictures are.
const BLOCK: u64 = 64 << 10;
/// How far ahead of somebody who reads on, in blocks: at least and at most. Between them it is half of what was read, so that
/// those who stop early cost little.
const AHEAD: usize = 2;
const FAR_AHEAD: usize = 128;
/// Blocks that a reader hears of behind those it asked for, so that it says early how far it has come.
const TOLD: usize = 16;
/// Readers that are followed in one file.
const WALKS: usize = 4;
/// Requests under way at once for one file.
const AT_ONCE: usize = 6;
/// Bytes of a file that is completed, step by step.
const STEP: u64 = 8 << 20;
/// How long a store may say nothing in the middle of an answer.
const STALL: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Absent,
    Coming,
    There,
    /// It did not come, and nobody has asked again.
    Failed,
}

/// Somebody who reads on.
struct Walk {
    start: usize,
    /// The block behind what was asked for last.
    next: usize,
    /// The block behind what was asked for in advance.
    reached: usize,
}

struct State {
    blocks: Vec<Block>,
    there: usize,
    used: SystemTime,
    walks: VecDeque<Walk>,
    /// It was compared, and stands among the fetched files too.
    whole: bool,
    failure: String,
}

/// A file with holes.
pub(super) struct Partial {
    pub(super) path: PathBuf,
    /// What it is called among the fetched files.
    pub(super) name: String,
    key: String,
    facts: Facts,
    tag: String,
    file: Arc<File>,
    remote: Mutex<Arc<Remote>>,
    state: Mutex<State>,
    changed: Notify,
    turns: Semaphore,
    finishing: tokio::sync::Mutex<()>,
}

impl Partial {
    /// Makes the file, with the first block of the object in it. None where the store says too little to tell this object from
    /// others, or says that it is another one than was written: then only the whole of it can be trusted.
    ///
    /// Errors: `Busy`, `Forbidden` for an archived object, `StorageFull`.
    pub(super) async fn open(
        path: PathBuf,
        name: String,
        remote: Arc<Remote>,
        key: &str,
        facts: Facts,
    ) -> Result<Option<Self>> {
        let first = 0..BLOCK.min(facts.size_bytes);
        let Found::Bytes {
            size_bytes,
            tag: Some(tag),
            bytes,
        } = remote.get_of(key, first.clone(), None).await?
        else {
            return Ok(None);
        };
        // An object that came in one piece has its MD5 as its tag.
        let plain = tag.trim_start_matches("W/").trim_matches('"');
        let says_md5 =
            plain.len() == facts.md5.len() && plain.bytes().all(|c| c.is_ascii_hexdigit());
        if size_bytes != facts.size_bytes || says_md5 && plain != facts.md5 {
            return Ok(None);
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.set_len(facts.size_bytes)?;
        let count = usize::try_from(facts.size_bytes.div_ceil(BLOCK))
            .map_err(|error| Error::internal("open a file in parts", error))?;
        let partial = Self {
            path,
            name,
            key: key.to_owned(),
            facts,
            tag,
            file: Arc::new(file),
            remote: Mutex::new(remote),
            state: Mutex::new(State::new(count)),
            changed: Notify::new(),
            turns: Semaphore::new(AT_ONCE),
            finishing: tokio::sync::Mutex::default(),
        };
        partial.lock().blocks[0] = Block::Coming;
        partial.receive(bytes, &mut (0..1)).await?;
        Ok(Some(partial))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Notes that somebody wants it, and what leads to its store now.
    pub(super) fn use_now(&self, remote: Arc<Remote>) {
        *self.remote.lock().expect("no holder panics") = remote;
        self.lock().used = now();
    }

    /// When it was used, and what it takes of the disk in bytes; nothing once it stands among the fetched files.
    pub(super) fn use_of_disk(&self) -> (SystemTime, u64) {
        let state = self.lock();
        let bytes = (state.there as u64 * BLOCK).min(self.facts.size_bytes);
        (state.used, if state.whole { 0 } else { bytes })
    }

    fn blocks_of(&self, range: &Range<u64>) -> Range<usize> {
        let end = range.end.min(self.facts.size_bytes);
        match range.start < end {
            // There are as many blocks as a `usize` counts.
            true => (range.start / BLOCK) as usize..end.div_ceil(BLOCK) as usize,
            false => 0..0,
        }
    }

    fn bytes_of(&self, blocks: &Range<usize>) -> Range<u64> {
        let end = (blocks.end as u64 * BLOCK).min(self.facts.size_bytes);
        blocks.start as u64 * BLOCK..end
    }

    /// Returns once these ranges are there, with ranges that are. Asks for what follows, where somebody reads on.
    ///
    /// Errors: `Busy` when the store does not give them, or has another object now; `StorageFull`.
    pub(super) async fn supply(
        self: &Arc<Self>,
        fetched: &Arc<Fetched>,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Range<u64>>> {
        let wanted = ranges.iter().map(|range| self.blocks_of(range));
        let wanted: Vec<Range<usize>> = wanted.filter(|blocks| !blocks.is_empty()).collect();
        let runs = {
            let mut state = self.lock();
            state.used = now();
            let mut runs = Vec::new();
            for blocks in &wanted {
                let ahead = state.walk(blocks);
                runs.extend(state.claim(blocks.start..ahead));
            }
            runs
        };
        for run in runs {
            let (partial, fetched) = (Arc::clone(self), Arc::clone(fetched));
            tokio::spawn(async move { partial.bring(&fetched, run).await });
        }
        for blocks in &wanted {
            self.arrived(blocks).await?;
        }
        let state = self.lock();
        let told = wanted.iter().map(|blocks| {
            let most = if state.whole {
                usize::MAX
            } else {
                blocks.end + TOLD
            };
            let more = state.blocks[blocks.end..].iter();
            let more = more.take_while(|block| **block == Block::There).count();
            self.bytes_of(&(blocks.start..(blocks.end + more).min(most)))
        });
        Ok(told.collect())
    }

    /// Waits until blocks that were asked for are there. Errors: `Busy` when one does not come.
    async fn arrived(&self, blocks: &Range<usize>) -> Result<()> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.lock();
                let blocks = &state.blocks[blocks.clone()];
                if blocks.iter().all(|block| *block == Block::There) {
                    return Ok(());
                }
                if !blocks
                    .iter()
                    .all(|block| matches!(block, Block::There | Block::Coming))
                {
                    return Err(Error::Busy(state.failure.clone()));
                }
            }
            changed.await;
        }
    }

    /// Brings blocks that were claimed.
    async fn bring(self: &Arc<Self>, fetched: &Arc<Fetched>, run: Range<usize>) {
        let coming = Coming(self, run.clone());
        if let Err(error) = self.try_bring(fetched, run).await {
            tracing::warn!(%error, key = self.key, "a part of an object does not come");
            self.lock().failure = error.to_string();
        }
        drop(coming);
        let is_complete = {
            let state = self.lock();
            state.there == state.blocks.len() && !state.whole
        };
        if is_complete && let Err(error) = self.finish(fetched).await {
            tracing::warn!(%error, key = self.key, "an object that came in parts is not kept");
        }
    }

    async fn try_bring(&self, fetched: &Fetched, mut run: Range<usize>) -> Result<()> {
        let turn = self.turns.acquire().await;
        let _turn = turn.map_err(|error| Error::internal("bring a part of an object", error))?;
        let bytes = self.bytes_of(&run);
        let _room = fetched.make_room(bytes.end - bytes.start)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let remote = Arc::clone(&self.remote.lock().expect("no holder panics"));
            let found = remote.get_of(&self.key, self.bytes_of(&run), Some(&self.tag));
            let received = match found.await? {
                Found::Bytes { bytes, .. } => self.receive(bytes, &mut run).await,
                Found::Nothing | Found::Another => {
                    fetched.distrust(self);
                    return Err(remote::changed(&remote.connection, &self.key));
                }
            };
            match received {
                Ok(()) => return Ok(()),
                Err(error) if tries == TRIES => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, key = self.key, "a transfer broke and goes on");
                }
            }
        }
    }

    /// Writes blocks as they come; what is left in `run` did not.
    async fn receive(&self, mut bytes: super::ByteStream, run: &mut Range<usize>) -> Result<()> {
        let broke = |why: &str| {
            let remote = self.remote.lock().expect("no holder panics");
            let bucket = remote.connection.bucket;
            Error::Busy(format!(
                "a transfer from bucket {bucket} broke; try again: {why}"
            ))
        };
        let mut block = BytesMut::new();
        while run.start < run.end {
            let chunk = tokio::time::timeout(STALL, bytes.next()).await;
            let chunk = chunk.map_err(|_| broke("nothing more came"))?;
            let chunk = chunk.ok_or_else(|| broke("it ended early"))?;
            let mut chunk = chunk.map_err(|error| broke(&error.to_string()))?;
            while !chunk.is_empty() && run.start < run.end {
                let place = self.bytes_of(&(run.start..run.start + 1));
                let size = (place.end - place.start) as usize;
                let more = chunk.split_to((size - block.len()).min(chunk.len()));
                block.extend_from_slice(&more);
                if block.len() == size {
                    self.keep(run.start, block.split().freeze()).await?;
                    run.start += 1;
                }
            }
        }
        Ok(())
    }

    async fn keep(&self, at: usize, block: Bytes) -> Result<()> {
        let file = Arc::clone(&self.file);
        let write = move || file.write_all_at(&block, at as u64 * BLOCK);
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|error| Error::internal("keep a part of an object", error))??;
        let mut state = self.lock();
        state.blocks[at] = Block::There;
        state.there += 1;
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Brings all that is missing, and makes it a fetched file.
    ///
    /// Errors: `Busy` when the store does not give what was written, `StorageFull`.
    pub(super) async fn complete(self: &Arc<Self>, fetched: &Arc<Fetched>) -> Result<()> {
        let (size, mut told) = (self.facts.size_bytes, Instant::now());
        for step in 0..size.div_ceil(STEP) {
            let range = step * STEP..((step + 1) * STEP).min(size);
            self.supply(fetched, &[range]).await?;
            if told.elapsed() >= TELL {
                told = Instant::now();
                let percent = (step + 1) * STEP * 100 / size.max(1);
                tracing::info!(key = self.key, percent, "fetching a file from a bucket");
            }
        }
        self.finish(fetched).await
    }

    /// Compares what has come with what was written.
    async fn finish(&self, fetched: &Fetched) -> Result<()> {
        let _turn = self.finishing.lock().await;
        if self.lock().whole {
            return Ok(());
        }
        let (file, size) = (Arc::clone(&self.file), self.facts.size_bytes);
        let read = move || -> std::io::Result<String> {
            let (mut md5, mut at, mut buffer) = (Md5::new(), 0, vec![0; 1 << 20]);
            while at < size {
                let length = (size - at).min(buffer.len() as u64) as usize;
                file.read_exact_at(&mut buffer[..length], at)?;
                md5.update(&buffer[..length]);
                at += length as u64;
            }
            file.sync_all()?;
            Ok(hex::encode(md5.finalize()))
        };
        let read = tokio::task::spawn_blocking(read).await;
        let md5 = read.map_err(|error| Error::internal("compare an object", error))??;
        if md5 != self.facts.md5 {
            fetched.distrust(self);
            let remote = self.remote.lock().expect("no holder panics");
            return Err(remote::changed(&remote.connection, &self.key));
        }
        fetched.keep_whole(self)?;
        self.lock().whole = true;
        Ok(())
    }
}

impl State {
    /// Of a file of which nothing is here, of so many blocks.
    fn new(blocks: usize) -> Self {
        Self {
            blocks: vec![Block::Absent; blocks],
            there: 0,
            used: now(),
            walks: VecDeque::new(),
            whole: false,
            failure: String::new(),
        }
    }

    /// Says up to which block to ask where somebody wants these.
    fn walk(&mut self, blocks: &Range<usize>) -> usize {
        let goes_on = |walk: &Walk| blocks.start + 1 >= walk.next && blocks.start <= walk.reached;
        let known = self.walks.iter().position(goes_on);
        let walk = match known.and_then(|at| self.walks.remove(at)) {
            Some(walk) => {
                let read = blocks.end - walk.start;
                let window = (read / 2).clamp(AHEAD, FAR_AHEAD);
                Walk {
                    start: walk.start,
                    next: blocks.end,
                    reached: (blocks.end + window).min(self.blocks.len()),
                }
            }
            None => Walk {
                start: blocks.start,
                next: blocks.end,
                reached: blocks.end,
            },
        };
        let reached = walk.reached;
        self.walks.push_back(walk);
        if self.walks.len() > WALKS {
            self.walks.pop_front();
        }
        reached
    }

    /// The runs of blocks among these that nobody has asked for.
    fn claim(&mut self, blocks: Range<usize>) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for at in blocks {
            if matches!(self.blocks[at], Block::There | Block::Coming) {
                continue;
            }
            self.blocks[at] = Block::Coming;
            match runs.last_mut() {
                Some(run) if run.end == at && run.len() < FAR_AHEAD => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }
}

/// Blocks that somebody brings; those that are not there at the end of it have failed.
struct Coming<'a>(&'a Partial, Range<usize>);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let Coming(partial, run) = self;
        for block in &mut partial.lock().blocks[run.clone()] {
            if *block == Block::Coming {
                *block = Block::Failed;
            }
        }
        partial.changed.notify_waiters();
    }
}

/// Brings what the frame workers want of files with holes.
pub(super) struct Supplier {
    pub(super) fetched: Arc<Fetched>,
    pub(super) folder: PathBuf,
}

impl Supply for Supplier {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn supply(&self, file: PathBuf, ranges: Vec<Range<u64>>) -> Supplied {
        let fetched = Arc::clone(&self.fetched);
        Box::pin(async move {
            let partial = fetched
                .partial_at(&file)
                .ok_or("the file had to make room for others; ask again")?;
            let supplied = partial.supply(&fetched, &ranges).await;
            supplied.map_err(|error| error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_ahead_of_those_who_read_on_and_of_nobody_else() {
        let mut state = State::new(1000);
        assert_eq!(state.walk(&(0..1)), 1);
        assert_eq!(state.walk(&(500..501)), 501);
        assert_eq!(state.walk(&(1..2)), 2 + AHEAD);
        assert_eq!(state.walk(&(2..9)), 9 + 4);
        assert_eq!(state.walk(&(700..701)), 701);
        for at in 9..400 {
            state.walk(&(at..at + 1));
        }
        assert_eq!(state.walk(&(400..401)), 401 + FAR_AHEAD);
        assert_eq!(state.walk(&(501..502)), 502 + AHEAD);
        assert_eq!(state.walk(&(998..999)), 999);
        assert_eq!(state.walk(&(999..1000)), 1000);
    }

    fn claimed(state: &mut State, blocks: Range<usize>) -> Vec<(usize, usize)> {
        let runs = state.claim(blocks).into_iter();
        runs.map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn nothing_is_asked_for_twice_unless_it_failed() {
        let mut state = State::new(300);
        assert_eq!(claimed(&mut state, 3..5), [(3, 5)]);
        assert_eq!(claimed(&mut state, 0..7), [(0, 3), (5, 7)]);
        state.blocks[4] = Block::Failed;
        state.blocks[5] = Block::There;
        assert_eq!(claimed(&mut state, 0..8), [(4, 5), (7, 8)]);
        let long = [(8, 136), (136, 264), (264, 300)];
        assert_eq!(claimed(&mut state, 8..300), long);
    }
}
