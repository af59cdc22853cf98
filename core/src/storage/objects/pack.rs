//! The engine's own small database: bytes of small blobs, and fingerprints of large ones.
//!
//! One file beside the blobs. Its writer's thread gathers what waits, writes it in one transaction and
//! commits it with one fsync, so that many small blobs written at once cost little more than one.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use lru::LruCache;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::{mpsc, oneshot};

use super::local::check_space;
use super::{Head, storage_full};
use crate::error::{Error, Result};

/// The file's name, beside the blobs.
pub(super) const FILE: &str = "pack.sqlite";
/// Writes that may share one commit, and that may wait.
const GROUP: usize = 256;
const QUEUE: usize = 1024;
/// Connections that are kept for readers.
const READERS: usize = 8;
/// Bytes of fingerprints that are kept in memory.
const KNOWN_BYTES: usize = 16 << 20;
/// Bytes that each entry of those takes beside: its name, and its place in the table.
const ENTRY_BYTES: usize = 200;
/// Bytes of one fingerprint.
const PRINT: usize = blake3::OUT_LEN;

const SCHEMA: &str = "
create table if not exists small (
    blob text primary key,
    bytes blob not null,
    print blob not null,
    written_at integer not null
) without rowid;
create index if not exists small_shard on small (substr(blob, -4, 2), blob);
create table if not exists large (blob text primary key, prints blob not null) without rowid;
";

/// Fingerprints of some blocks, one after another.
pub(super) struct Prints {
    all: Arc<[u8]>,
    blocks: Range<u64>,
}

impl std::ops::Deref for Prints {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let place = |block: u64| (block as usize).saturating_mul(PRINT).min(self.all.len());
        &self.all[place(self.blocks.start)..place(self.blocks.end)]
    }
}

/// What is written.
pub(super) enum Work {
    /// A small blob.
    Small { blob: String, bytes: Vec<u8> },
    /// The fingerprints of a large one, block by block.
    Large { blob: String, prints: Vec<u8> },
    /// A blob goes, whichever it was.
    Remove { blob: String },
}

struct Request {
    work: Work,
    reply: oneshot::Sender<Result<()>>,
}

pub(super) struct Pack {
    path: PathBuf,
    writer: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    known: Mutex<Known>,
}

/// Fingerprints that were asked for lately: those of a large blob are long, and each range needs few.
struct Known {
    prints: LruCache<String, Arc<[u8]>>,
    bytes: usize,
}

impl Known {
    fn keep(&mut self, blob: &str, prints: &Arc<[u8]>) {
        if prints.len() > KNOWN_BYTES {
            return;
        }
        self.forget(blob);
        self.bytes += prints.len() + ENTRY_BYTES;
        self.prints.put(blob.to_owned(), Arc::clone(prints));
        while self.bytes > KNOWN_BYTES
            && let Some((_, oldest)) = self.prints.pop_lru()
        {
            self.bytes -= oldest.len() + ENTRY_BYTES;
        }
    }

    fn forget(&mut self, blob: &str) {
        if let Some(prints) = self.prints.pop(blob) {
            self.bytes -= prints.len() + ENTRY_BYTES;
        }
    }
}

impl Pack {
    /// Opens or makes the file in a folder.
    pub(super) fn open(root: &Path, reserve_bytes: u64) -> Result<Self> {
        let path = root.join(FILE);
        let connection = connect(&path, false)?;
        connection.execute_batch(SCHEMA)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let root = root.to_owned();
        let thread = std::thread::Builder::new()
            .name("objects-writer".into())
            .spawn(move || write_loop(&connection, receiver, &root, reserve_bytes))?;
        Ok(Self {
            path,
            writer: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            readers: Mutex::new(Vec::new()),
            known: Mutex::new(Known {
                prints: LruCache::unbounded(),
                bytes: 0,
            }),
        })
    }

    /// Writes something; once it returns, it is durable.
    pub(super) async fn write(&self, work: Work) -> Result<()> {
        if let Work::Remove { blob } = &work {
            self.known().forget(blob);
        }
        let writer = self.writer.lock().expect("no holder panics").clone();
        let (reply, answer) = oneshot::channel();
        let writer = writer.ok_or_else(closed)?;
        writer
            .send(Request { work, reply })
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// The bytes of a small blob. Errors when they are not the ones that were written.
    pub(super) fn small(&self, blob: &str) -> Result<Option<Vec<u8>>> {
        let found: Option<(Vec<u8>, Vec<u8>)> = self.with_reader(|reader| {
            let mut statement =
                reader.prepare_cached("select bytes, print from small where blob = ?1")?;
            let row = statement.query_row([blob], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok(row.optional()?)
        })?;
        match found {
            Some((bytes, print)) if blake3::hash(&bytes).as_bytes() == print.as_slice() => {
                Ok(Some(bytes))
            }
            Some(_) => Err(super::damaged(blob)),
            None => Ok(None),
        }
    }

    /// The length of a small blob and when it was written.
    pub(super) fn head(&self, blob: &str) -> Result<Option<Head>> {
        self.with_reader(|reader| {
            let mut statement = reader.prepare_cached(
                "select blob, length(bytes), written_at from small where blob = ?1",
            )?;
            Ok(statement.query_row([blob], head).optional()?)
        })
    }

    /// The small blobs whose names put them into a shard.
    pub(super) fn list(&self, shard: &str) -> Result<Vec<Head>> {
        self.with_reader(|reader| {
            let sql =
                "select blob, length(bytes), written_at from small where substr(blob, -4, 2) = ?1";
            let mut statement = reader.prepare_cached(sql)?;
            let rows = statement.query_map([shard], head)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Has the fingerprints of a blob read from the disk again.
    pub(super) fn forget(&self, blob: &str) {
        self.known().forget(blob);
    }

    /// Fingerprints of some blocks of a large blob; none where it was stored without.
    pub(super) fn prints(&self, blob: &str, blocks: Range<u64>) -> Result<Option<Prints>> {
        let known = self.known().prints.get(blob).cloned();
        let all = match known {
            Some(prints) => prints,
            None => {
                let found: Option<Vec<u8>> = self.with_reader(|reader| {
                    let sql = "select prints from large where blob = ?1";
                    let mut statement = reader.prepare_cached(sql)?;
                    Ok(statement.query_row([blob], |row| row.get(0)).optional()?)
                })?;
                let Some(found) = found else {
                    return Ok(None);
                };
                let prints: Arc<[u8]> = found.into();
                self.known().keep(blob, &prints);
                prints
            }
        };
        Ok(Some(Prints { all, blocks }))
    }

    fn with_reader<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => connect(&self.path, true)?,
        };
        let answer = work(&reader);
        let mut idle = self.idle();
        if idle.len() < READERS {
            idle.push(reader);
        }
        answer
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder panics")
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().expect("no holder panics")
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        if let Ok(mut writer) = self.writer.lock() {
            writer.take();
        }
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // What is queued is written first.
            let _ = thread.join();
        }
    }
}

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let size: i64 = row.get(1)?;
    Ok(Head {
        blob: row.get(0)?,
        size_bytes: u64::try_from(size).unwrap_or_default(),
        modified_at: row.get(2)?,
    })
}

fn closed() -> Error {
    Error::Busy("the station is shutting down; try again when it has started".into())
}

fn connect(path: &Path, read_only: bool) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    if !read_only {
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
    }
    Ok(connection)
}

fn write_loop(
    connection: &Connection,
    mut requests: mpsc::Receiver<Request>,
    root: &Path,
    reserve_bytes: u64,
) {
    let mut group = Vec::new();
    while let Some(first) = requests.blocking_recv() {
        group.push(first);
        while group.len() < GROUP {
            match requests.try_recv() {
                Ok(next) => group.push(next),
                Err(_) => break,
            }
        }
        let (works, replies): (Vec<Work>, Vec<_>) = group
            .drain(..)
            .map(|request| (request.work, request.reply))
            .unzip();
        let done = write_group(connection, &works, root, reserve_bytes);
        if done.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("rollback");
        }
        for reply in replies {
            let answer = match &done {
                Ok(()) => Ok(()),
                Err(Error::StorageFull(_)) => Err(storage_full()),
                Err(error) => Err(Error::internal("write to the store", error.to_string())),
            };
            let _ = reply.send(answer);
        }
    }
    if let Err(error) = connection.execute_batch("pragma wal_checkpoint(truncate)") {
        tracing::warn!(%error, "the store's last checkpoint failed; the next start repeats it");
    }
}

fn write_group(
    connection: &Connection,
    works: &[Work],
    root: &Path,
    reserve_bytes: u64,
) -> Result<()> {
    let grows = works.iter().any(|work| matches!(work, Work::Small { .. }));
    if grows {
        check_space(root, reserve_bytes)?;
    }
    connection.execute_batch("begin immediate")?;
    for work in works {
        match work {
            Work::Small { blob, bytes } => {
                let sql = "insert or replace into small (blob, bytes, print, written_at) values (?1, ?2, ?3, ?4)";
                let print = blake3::hash(bytes);
                let now = crate::time::now_ms();
                let mut statement = connection.prepare_cached(sql)?;
                statement.execute((blob, bytes, print.as_bytes().as_slice(), now))?;
            }
            Work::Large { blob, prints } => {
                let sql = "insert or replace into large (blob, prints) values (?1, ?2)";
                connection.prepare_cached(sql)?.execute((blob, prints))?;
            }
            Work::Remove { blob } => {
                for sql in [
                    "delete from small where blob = ?1",
                    "delete from large where blob = ?1",
                ] {
                    connection.prepare_cached(sql)?.execute([blob])?;
                }
            }
        }
    }
    connection.execute_batch("commit")?;
    Ok(())
}
