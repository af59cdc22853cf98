//! Files of what is elsewhere, for programs that read files: fetched whole at the first need, by one
//! task however many ask, compared with what was written, and removed when others need the room. Who reads only parts of a
//! file gets one that is fetched in parts ([`super::partial`]).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use md5::{Digest, Md5};
use tokio::io::AsyncWriteExt;

use super::local::check_space;
use super::partial::{self, Partial};
use super::places::Facts;
use super::remote::{self, Remote};
use crate::error::{Error, Result};

/// The folder of files that are on their way.
const TEMPORARY: &str = "tmp";
/// The folder of files that have holes.
const PARTS: &str = "parts";
/// What was used a moment ago may be open, and stays.
const IN_USE: Duration = Duration::from_secs(300);
/// How often a transfer goes on where it broke.
pub(super) const TRIES: usize = 4;
/// Seconds between two lines about the progress of a transfer.
pub(super) const TELL: Duration = Duration::from_secs(10);

pub(super) struct Fetched {
    root: PathBuf,
    most_bytes: u64,
    reserve_bytes: u64,
    turns: Mutex<HashMap<String, Weak<Turn>>>,
    /// Bytes of files that are on their way.
    coming: Mutex<u64>,
    /// Files with holes, by what they are called here.
    partial: Mutex<HashMap<String, Arc<Partial>>>,
    /// How many there have been: each has a name of its own, so that nobody takes one for another.
    opened: AtomicU64,
    /// Names of what is not, in its bucket, what was written.
    distrusted: Mutex<HashSet<String>>,
}

/// Room that is kept for a file until it has arrived.
pub(super) struct Room<'a> {
    fetched: &'a Fetched,
    bytes: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.fetched.coming.lock().expect("no holder panics") -= self.bytes;
    }
}

/// The turn of whoever fetches a blob.
#[derive(Default)]
struct Turn {
    taken: tokio::sync::Mutex<()>,
    /// Whether the blob was forgotten since the turn began: what comes may be another one's bytes.
    stale: AtomicBool,
}

impl Fetched {
    /// Opens or makes the folder, and removes what never arrived.
    pub(super) fn open(root: PathBuf, most_bytes: u64, reserve_bytes: u64) -> Result<Self> {
        for name in [TEMPORARY, PARTS] {
            let folder = root.join(name);
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                fs::remove_file(entry?.path())?;
            }
        }
        Ok(Self {
            root,
            most_bytes,
            reserve_bytes,
            turns: Mutex::default(),
            coming: Mutex::default(),
            partial: Mutex::default(),
            opened: AtomicU64::default(),
            distrusted: Mutex::default(),
        })
    }

    fn file(&self, blob: &str) -> PathBuf {
        self.root.join(name_of(blob))
    }

    /// The folder of files that have holes.
    pub(super) fn parts(&self) -> PathBuf {
        self.root.join(PARTS)
    }

    /// The file of a blob that is here already.
    pub(super) fn at_hand(&self, blob: &str) -> Option<PathBuf> {
        let path = self.file(blob);
        path.exists().then(|| {
            touch(&path);
            path
        })
    }

    /// The file of a blob, fetched if it is not here; none when the bucket has no such object.
    ///
    /// Errors: `Busy` when the bucket does not give what was written, `StorageFull`.
    pub(super) async fn file_of(
        self: &Arc<Self>,
        blob: &str,
        remote: Arc<Remote>,
        key: &str,
        facts: Facts,
    ) -> Result<Option<PathBuf>> {
        if let Some(path) = self.at_hand(blob) {
            return Ok(Some(path));
        }
        let (fetched, blob, key) = (Arc::clone(self), blob.to_owned(), key.to_owned());
        // It goes on when the caller has lost patience, for the next one.
        let fetching = tokio::spawn(async move {
            let turn = fetched.turn(&blob);
            let _taken = turn.taken.lock().await;
            match fetched.at_hand(&blob) {
                Some(path) => Ok(Some(path)),
                None => {
                    if let Some(partial) = fetched.partial(&blob) {
                        partial.complete(&fetched).await?;
                        return Ok(fetched.at_hand(&blob));
                    }
                    turn.stale.store(false, Ordering::SeqCst);
                    fetched.fetch(&blob, &turn, &remote, &key, &facts).await
                }
            }
        });
        fetching
            .await
            .map_err(|error| Error::internal("fetch a file", error))?
    }

    /// A file for somebody who reads parts of it: whole if it is here, and else with holes, or fetched whole where it is
    /// short or its bucket says too little. None when the bucket has no such object.
    ///
    /// Errors: as of [`Self::file_of`].
    pub(super) async fn readable(
        self: &Arc<Self>,
        blob: &str,
        remote: Arc<Remote>,
        key: &str,
        facts: Facts,
    ) -> Result<Option<PathBuf>> {
        if let Some(path) = self.at_hand(blob) {
            return Ok(Some(path));
        }
        if let Some(partial) = self.partial(blob) {
            partial.use_now(remote);
            return Ok(Some(partial.path.clone()));
        }
        let name = name_of(blob);
        let distrusted = self
            .distrusted
            .lock()
            .expect("no holder panics")
            .contains(&name);
        if facts.size_bytes >= partial::LEAST && !distrusted {
            let number = self.opened.fetch_add(1, Ordering::Relaxed);
            let path = self.parts().join(format!("{name}-{number}"));
            let opening =
                Partial::open(path, name.clone(), Arc::clone(&remote), key, facts.clone());
            if let Some(partial) = opening.await? {
                let mut known = self.partial.lock().expect("no holder panics");
                if let Some(first) = known.get(&name) {
                    // Another one was faster.
                    let _ = fs::remove_file(&partial.path);
                    return Ok(Some(first.path.clone()));
                }
                let path = partial.path.clone();
                known.insert(name, Arc::new(partial));
                return Ok(Some(path));
            }
        }
        self.file_of(blob, remote, key, facts).await
    }

    fn partial(&self, blob: &str) -> Option<Arc<Partial>> {
        let known = self.partial.lock().expect("no holder panics");
        known.get(&name_of(blob)).cloned()
    }

    /// The file with holes that is here.
    pub(super) fn partial_at(&self, path: &Path) -> Option<Arc<Partial>> {
        let name = path.file_name()?.to_str()?.split('-').next()?;
        let known = self.partial.lock().expect("no holder panics");
        known
            .get(name)
            .filter(|partial| partial.path == path)
            .cloned()
    }

    /// Takes a file with holes away, as its bucket has something else now: until this station ends, only the whole of the
    /// object is believed.
    pub(super) fn distrust(&self, partial: &Partial) {
        let mut distrusted = self.distrusted.lock().expect("no holder panics");
        distrusted.insert(partial.name.clone());
        let mut known = self.partial.lock().expect("no holder panics");
        if known
            .get(&partial.name)
            .is_some_and(|known| known.path == partial.path)
        {
            known.remove(&partial.name);
        }
        let _ = fs::remove_file(&partial.path);
    }

    /// Makes a file whose last hole was filled one like any other here.
    pub(super) fn keep_whole(&self, partial: &Partial) -> Result<()> {
        // Nobody forgets it between the look and the file's arrival.
        let known = self.partial.lock().expect("no holder panics");
        let target = self.root.join(&partial.name);
        if known
            .get(&partial.name)
            .is_some_and(|known| known.path == partial.path)
            && !target.exists()
        {
            fs::hard_link(&partial.path, target)?;
        }
        Ok(())
    }

    /// Removes the file of this name, and the one that it may have with holes.
    fn remove(&self, name: &str) -> std::io::Result<()> {
        let partial = self.partial.lock().expect("no holder panics").remove(name);
        if let Some(partial) = partial {
            let _ = fs::remove_file(&partial.path);
        }
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn turn(&self, blob: &str) -> Arc<Turn> {
        let mut turns = self.turns.lock().expect("no holder panics");
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(blob).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::<Turn>::default();
        turns.insert(blob.to_owned(), Arc::downgrade(&turn));
        turn
    }

    async fn fetch(
        &self,
        blob: &str,
        turn: &Turn,
        remote: &Remote,
        key: &str,
        facts: &Facts,
    ) -> Result<Option<PathBuf>> {
        let _room = self.make_room(facts.size_bytes)?;
        let target = self.file(blob);
        let part = tempfile::NamedTempFile::new_in(self.root.join(TEMPORARY))?;
        let mut file = tokio::fs::File::from_std(part.reopen()?);
        let mut transfer = Transfer {
            md5: Md5::new(),
            written: 0,
            told: Instant::now(),
        };
        tracing::info!(
            key,
            bytes = facts.size_bytes,
            "fetching a file from a bucket"
        );
        let mut tries = 0;
        loop {
            tries += 1;
            match transfer.go_on(remote, key, facts, &mut file).await {
                Ok(true) => break,
                Ok(false) => return Ok(None),
                Err(error) if tries == TRIES => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, key, written = transfer.written, "a transfer broke and goes on");
                }
            }
        }
        file.sync_all().await?;
        if hex::encode(transfer.md5.finalize()) != facts.md5 {
            return Err(remote::changed(&remote.connection, key));
        }
        // Nobody forgets it between the look and the file's arrival.
        let _turns = self.turns.lock().expect("no holder panics");
        if turn.stale.load(Ordering::SeqCst) {
            return Err(remote::changed(&remote.connection, key));
        }
        part.persist(&target)
            .map_err(|error| Error::internal("keep a fetched file", error.error))?;
        Ok(Some(target))
    }

    /// Makes a file that is here already stand for another blob of the same bytes, so that it need not
    /// be fetched.
    pub(super) fn adopt(&self, file: &Path, blob: &str) {
        let target = self.file(blob);
        let Ok(facts) = fs::metadata(file) else {
            return;
        };
        self.forget(blob);
        // A link costs no room until the original goes.
        let room = self.make_room(facts.len());
        if room.is_ok() && fs::hard_link(file, &target).is_ok() {
            touch(&target);
        }
    }

    /// Forgets the file of a blob, also one that is being fetched.
    pub(super) fn forget(&self, blob: &str) {
        let turns = self.turns.lock().expect("no holder panics");
        if let Some(turn) = turns.get(blob).and_then(Weak::upgrade) {
            turn.stale.store(true, Ordering::SeqCst);
        }
        let _ = self.remove(&name_of(blob));
    }

    /// Removes what was not used for longest, until `needed_bytes` fit beside what else is on its way, and keeps them.
    pub(super) fn make_room(&self, needed_bytes: u64) -> Result<Room<'_>> {
        let mut coming = self.coming.lock().expect("no holder panics");
        let expected = coming.saturating_add(needed_bytes);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            // Another one may make room at the same time.
            let Ok(facts) = entry.metadata() else {
                continue;
            };
            if facts.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push((facts.accessed()?, facts.len(), name));
            }
        }
        for (name, partial) in &*self.partial.lock().expect("no holder panics") {
            let (used, bytes) = partial.use_of_disk();
            // What somebody holds stays, as what was used a moment ago does.
            let used = match Arc::strong_count(partial) {
                1 => used,
                _ => now(),
            };
            if bytes > 0 {
                files.push((used, bytes, name.clone()));
            }
        }
        files.sort();
        let mut taken: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let room = |taken: u64| taken.saturating_add(expected) <= self.most_bytes;
        let free = || check_space(&self.root, self.reserve_bytes.saturating_add(expected));
        let recent = now() - IN_USE;
        for (used, bytes, name) in files {
            if (room(taken) && free().is_ok()) || used > recent {
                break;
            }
            self.remove(&name)?;
            taken -= bytes;
        }
        free()?;
        *coming += needed_bytes;
        Ok(Room {
            fetched: self,
            bytes: needed_bytes,
        })
    }
}

struct Transfer {
    md5: Md5,
    written: u64,
    told: Instant,
}

impl Transfer {
    /// Goes on to the end; says whether there is such an object.
    async fn go_on(
        &mut self,
        remote: &Remote,
        key: &str,
        facts: &Facts,
        file: &mut tokio::fs::File,
    ) -> Result<bool> {
        let rest = self.written..facts.size_bytes;
        let Some(mut bytes) = remote.get(key, rest).await? else {
            return Ok(false);
        };
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| {
                Error::Busy(format!(
                    "a transfer from bucket {} broke; try again: {error}",
                    remote.connection.bucket
                ))
            })?;
            file.write_all(&chunk).await?;
            self.md5.update(&chunk);
            self.written += chunk.len() as u64;
            if self.told.elapsed() >= TELL {
                self.told = Instant::now();
                let percent = self.written * 100 / facts.size_bytes.max(1);
                tracing::info!(key, percent, "fetching a file from a bucket");
            }
        }
        file.flush().await?;
        Ok(true)
    }
}

/// What the file of a blob is called.
fn name_of(blob: &str) -> String {
    blake3::hash(blob.as_bytes()).to_hex()[..32].to_owned()
}

pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(crate::time::now_ms().unsigned_abs())
}

/// Marks a file as used now. Not as changed: who has it open would take it for another one.
fn touch(path: &Path) {
    if let Ok(file) = fs::File::open(path) {
        let _ = file.set_times(fs::FileTimes::new().set_accessed(now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_on_their_way_take_their_room_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let fetched = Fetched::open(folder.path().join("fetched"), 100, 0).expect("opened");
        let old = fetched.root.join("old");
        fs::write(&old, [0; 50]).expect("written");
        let file = fs::File::open(&old).expect("opened");
        let long_ago = fs::FileTimes::new().set_accessed(now() - 2 * IN_USE);
        file.set_times(long_ago).expect("dated");
        let first = fetched.make_room(40).expect("room");
        assert!(old.exists());
        let second = fetched.make_room(40).expect("room");
        assert!(!old.exists());
        // The disk's reserve is asked for all that is coming, too.
        let disk = rustix::fs::statvfs(&fetched.root).expect("a disk");
        let free = disk.f_bavail * disk.f_frsize;
        let most = fetched.make_room(free / 2).expect("room");
        assert!(matches!(
            fetched.make_room(free / 2 + free / 4),
            Err(Error::StorageFull(_))
        ));
        drop((first, second, most));
        assert_eq!(*fetched.coming.lock().expect("no holder panics"), 0);
    }
}
