//! Blobs in a folder: large ones as files `ab/cd/<uuid>`, written as a temporary file, fsynced, renamed;
//! small ones together in one file (`pack`), so that many written at once share an fsync.
//!
//! Every block of every blob has a BLAKE3 fingerprint, kept apart from the bytes and compared when they
//! are read: a byte that changed on the disk is an error, never an answer. Blocks that were compared
//! lately may go straight from the file to a connection (`lately`).

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use md5::{Digest, Md5};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lately::Lately;
use super::pack::{Pack, Work};
use super::sink::Sink;
use super::{ByteStream, Head, ObjectStore, Soundness, Stored, damaged};
use crate::durable::{Shards, sync_folder};
use crate::error::{Error, Result, storage_full_message};
use crate::id;
use crate::storage::direct::{self, Outlet};

/// Bytes gathered before they are handed to the disk.
const WRITE_BLOCK: usize = 1 << 20;
/// Chunks below this size are copied together: each costs memory of its own.
const SMALL_CHUNK: usize = 4 << 10;
/// Blocks of an upload that may be under way.
const LOADS: usize = 8;
/// Bytes read from the disk at once, and bytes of one fingerprint.
pub const READ_BLOCK: usize = 256 << 10;
/// Bytes that are read before they are sent: each time, threads change. Whole blocks.
const READ_AHEAD: u64 = 1 << 20;
/// Bytes written between two looks at the free space.
const CHECK_EVERY: u64 = 64 << 20;
/// The largest blob that is packed with others.
const SMALL: usize = 32 << 10;
/// What the names of packed blobs begin with.
const PACKED: char = 'p';
/// Bytes of one fingerprint.
const PRINT: usize = blake3::OUT_LEN;

/// The folder of temporary files, beside the blobs.
const TEMPORARY: &str = "tmp";
/// The folder of packed blobs that somebody needs as files; emptied at every start.
const UNPACKED: &str = "unpacked";

pub(super) struct Local {
    root: PathBuf,
    reserve_bytes: u64,
    pack: Arc<Pack>,
    lately: Arc<Lately>,
    shards: Arc<Shards>,
}

impl Local {
    /// Opens or makes the folder, and removes what writes left behind that did not finish.
    pub(super) fn open(root: PathBuf, reserve_bytes: u64) -> Result<Self> {
        let shards = Arc::new(Shards::open(root.clone())?);
        for folder in [TEMPORARY, UNPACKED] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                fs::remove_file(entry?.path())?;
            }
        }
        let pack = Arc::new(Pack::open(&root, reserve_bytes)?);
        Ok(Self {
            root,
            reserve_bytes,
            pack,
            lately: Arc::new(Lately::new()),
            shards,
        })
    }

    fn file(&self, blob: &str) -> PathBuf {
        blob_file(&self.root, blob)
    }

    /// Stores bytes under a name that another store has minted, in place of what is there.
    ///
    /// Errors: `StorageFull`; `Invalid` when they are not as many as they should be.
    pub(super) async fn keep(&self, blob: &str, mut bytes: ByteStream, size: u64) -> Result<()> {
        if is_packed(blob) {
            let mut all = Vec::new();
            while let Some(chunk) = bytes.next().await {
                all.extend_from_slice(&chunk?);
            }
            let blob = blob.to_owned();
            return self.pack.write(Work::Small { blob, bytes: all }).await;
        }
        let mut writing = self.begin(Some(size)).await?;
        writing.name = Some(blob.to_owned());
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            writing = blocking(move || {
                writing.add(&chunk)?;
                Ok(writing)
            })
            .await?;
        }
        if writing.size_bytes != size {
            return Err(damaged(blob));
        }
        self.pack.forget(blob);
        self.finish(writing).await?;
        self.pack.forget(blob);
        Ok(())
    }

    async fn begin(&self, expected_bytes: Option<u64>) -> Result<Writing> {
        let (root, reserve_bytes) = (self.root.clone(), self.reserve_bytes);
        let shards = Arc::clone(&self.shards);
        let expected_bytes = expected_bytes.unwrap_or(0);
        blocking(move || Writing::begin(root, shards, reserve_bytes, expected_bytes)).await
    }

    /// Takes a stream to its end. Errors: `Invalid` when it breaks off, those of writing.
    async fn receive(
        &self,
        receiving: &mut Receiving,
        bytes: &mut ByteStream,
        expected_bytes: Option<u64>,
    ) -> Result<()> {
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| {
                Error::invalid_because("the bytes did not arrive whole", error.to_string())
            })?;
            receiving.push(chunk);
            if receiving.flow.is_none() && receiving.size_bytes > SMALL as u64 {
                receiving.flow = Some(Flow::of(self.begin(expected_bytes).await?));
            }
            if receiving.waiting_bytes >= WRITE_BLOCK {
                receiving.pass_on().await?;
            }
        }
        if expected_bytes.is_some_and(|expected| expected != receiving.size_bytes) {
            return Err(Error::invalid("the bytes did not arrive whole"));
        }
        receiving.pass_on().await
    }

    /// The bytes of a range of a blob; with an outlet, pieces of files that were compared lately go there.
    fn read(
        &self,
        blob: &str,
        range: Range<u64>,
        outlet: Option<Outlet>,
    ) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        let (pack, blob) = (Arc::clone(&self.pack), blob.to_owned());
        if is_packed(&blob) {
            return async move {
                let found = blocking(move || pack.small(&blob)).await?;
                Ok(found.map(|bytes| {
                    let bytes = Bytes::from(bytes);
                    let end = (range.end).min(bytes.len() as u64) as usize;
                    let start = (range.start as usize).min(end);
                    let piece = bytes.slice(start..end);
                    futures::stream::iter([Ok(piece)]).boxed()
                }))
            }
            .boxed();
        }
        let path = self.file(&blob);
        async move {
            let file = match self.lately.file(&blob) {
                Some(file) => file,
                None => match blocking(move || open(&path)).await? {
                    Some(file) => {
                        self.lately.opened(&blob, &file);
                        file
                    }
                    None => return Ok(None),
                },
            };
            let mut reading = Reading {
                pack,
                lately: Arc::clone(&self.lately),
                outlet,
                blob,
                file,
                wanted: range,
            };
            // What is damaged at once is an answer, not a stream that breaks.
            let first = reading.next().await?;
            let rest = futures::stream::try_unfold(reading, |mut reading| async move {
                let next = reading.next().await;
                let next = next.map_err(|error| io::Error::other(error.to_string()))?;
                Ok(next.map(|chunk| (chunk, reading)))
            });
            let first = futures::stream::iter(first.into_iter().map(Ok));
            Ok(Some(first.chain(rest).boxed()))
        }
        .boxed()
    }

    async fn put_small(&self, bytes: Vec<u8>) -> Result<Stored> {
        let stored = Stored {
            blob: format!("{PACKED}{}", id::uuid()),
            size_bytes: bytes.len() as u64,
            md5: hex::encode(Md5::digest(&bytes)),
        };
        let blob = stored.blob.clone();
        self.pack.write(Work::Small { blob, bytes }).await?;
        Ok(stored)
    }

    /// Makes a blob that is on the disk known with its fingerprints.
    async fn finish(&self, writing: Writing) -> Result<Stored> {
        let (stored, prints) = blocking(move || writing.finish()).await?;
        let blob = stored.blob.clone();
        if let Err(error) = self.pack.write(Work::Large { blob, prints }).await {
            self.delete(&stored.blob).await?;
            return Err(error);
        }
        Ok(stored)
    }
}

/// Whether a blob is packed with others.
fn is_packed(blob: &str) -> bool {
    blob.starts_with(PACKED)
}

/// The random end of a UUIDv7 names the folders: its beginning is the time.
fn blob_file(root: &Path, blob: &str) -> PathBuf {
    let end = blob.len().saturating_sub(4);
    let (first, second) = blob[end..].split_at((blob.len() - end) / 2);
    root.join(first).join(second).join(blob)
}

impl ObjectStore for Local {
    fn put(
        &self,
        mut bytes: ByteStream,
        expected_bytes: Option<u64>,
    ) -> BoxFuture<'_, Result<Stored>> {
        async move {
            let mut receiving = Receiving::default();
            let received = self.receive(&mut receiving, &mut bytes, expected_bytes);
            if let Err(error) = received.await {
                if let Some(flow) = receiving.flow {
                    // What was written of it is gone once nothing writes any more.
                    drop(flow.end().await);
                }
                return Err(error);
            }
            match receiving.flow {
                None => self.put_small(receiving.waiting.concat()).await,
                Some(flow) => {
                    let (writing, md5) = flow.end().await?;
                    let mut stored = self.finish(writing).await?;
                    stored.md5 = hex::encode(md5.finalize());
                    Ok(stored)
                }
            }
        }
        .boxed()
    }

    fn join(&self, blobs: Vec<String>) -> BoxFuture<'_, Result<Head>> {
        async move {
            let mut total = 0;
            for blob in &blobs {
                let found = self.head(blob).await?;
                total += found.ok_or_else(|| missing(blob))?.size_bytes;
            }
            let (root, pack) = (self.root.clone(), Arc::clone(&self.pack));
            if total <= SMALL as u64 {
                let joined = blocking(move || {
                    let mut joined = Vec::new();
                    for blob in blobs {
                        each_block(&root, &pack, &blob, |block| {
                            joined.extend_from_slice(block);
                            Ok(())
                        })?;
                    }
                    Ok(joined)
                });
                let stored = self.put_small(joined.await?).await?;
                return Ok(Head {
                    blob: stored.blob,
                    size_bytes: stored.size_bytes,
                    modified_at: crate::time::now_ms(),
                });
            }
            let mut writing = self.begin(Some(total)).await?;
            let writing = blocking(move || {
                for blob in blobs {
                    writing.append(&root, &pack, &blob)?;
                }
                Ok(writing)
            });
            let stored = self.finish(writing.await?).await?;
            Ok(Head {
                blob: stored.blob,
                size_bytes: stored.size_bytes,
                modified_at: crate::time::now_ms(),
            })
        }
        .boxed()
    }

    fn get(&self, blob: &str, range: Range<u64>) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        self.read(blob, range, None)
    }

    fn send(
        &self,
        blob: &str,
        range: Range<u64>,
        outlet: &Outlet,
    ) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        self.read(blob, range, Some(outlet.clone()))
    }

    fn head(&self, blob: &str) -> BoxFuture<'_, Result<Option<Head>>> {
        let (file, blob) = (self.file(blob), blob.to_owned());
        let pack = Arc::clone(&self.pack);
        blocking(move || {
            if is_packed(&blob) {
                return pack.head(&blob);
            }
            match fs::metadata(file) {
                Ok(found) => Ok(Some(head_of(blob, &found))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Head>>> {
        let name = format!("{shard:02x}");
        let folder = self.root.join(&name);
        let pack = Arc::clone(&self.pack);
        blocking(move || {
            let mut heads = pack.list(&name)?;
            if !folder.exists() {
                return Ok(heads);
            }
            for inner in fs::read_dir(folder)? {
                for entry in fs::read_dir(inner?.path())? {
                    let entry = entry?;
                    // Deleted meanwhile is as good as never listed.
                    if let (Ok(blob), Ok(found)) =
                        (entry.file_name().into_string(), entry.metadata())
                    {
                        heads.push(head_of(blob, &found));
                    }
                }
            }
            Ok(heads)
        })
        .boxed()
    }

    fn delete(&self, blob: &str) -> BoxFuture<'_, Result<()>> {
        let mut files = vec![self.root.join(UNPACKED).join(blob)];
        if !is_packed(blob) {
            files = vec![self.file(blob)];
        }
        let blob = blob.to_owned();
        async move {
            blocking(move || {
                for file in files {
                    match fs::remove_file(file) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(error.into());
                        }
                        _ => {}
                    }
                }
                Ok(())
            })
            .await?;
            self.lately.forget(&blob);
            self.pack.write(Work::Remove { blob }).await
        }
        .boxed()
    }

    fn path(&self, blob: &str) -> BoxFuture<'_, Result<Option<PathBuf>>> {
        let (file, blob) = (self.file(blob), blob.to_owned());
        if !is_packed(&blob) {
            return async move { Ok(Some(file)) }.boxed();
        }
        let (root, pack) = (self.root.clone(), Arc::clone(&self.pack));
        blocking(move || {
            let file = root.join(UNPACKED).join(&blob);
            if file.exists() {
                return Ok(Some(file));
            }
            let Some(bytes) = pack.small(&blob)? else {
                return Ok(None);
            };
            let temporary = root.join(TEMPORARY).join(id::uuid());
            fs::write(&temporary, bytes).map_err(full)?;
            fs::rename(&temporary, &file)?;
            Ok(Some(file))
        })
        .boxed()
    }

    fn restore(&self, blob: &str, bytes: ByteStream, size_bytes: u64) -> BoxFuture<'_, Result<()>> {
        let blob = blob.to_owned();
        async move { self.keep(&blob, bytes, size_bytes).await }.boxed()
    }

    fn verify(&self, blob: &str) -> BoxFuture<'_, Result<Soundness>> {
        let (root, pack) = (self.root.clone(), Arc::clone(&self.pack));
        self.lately.forget(blob);
        let blob = blob.to_owned();
        blocking(move || {
            pack.forget(&blob);
            let marked = is_packed(&blob) || pack.prints(&blob, 0..1)?.is_some();
            match each_block(&root, &pack, &blob, |_| Ok(())) {
                Ok(()) if marked => Ok(Soundness::Sound),
                Ok(()) => Ok(Soundness::Unmarked),
                Err(Error::NotFound(_)) => Ok(Soundness::Missing),
                Err(Error::Internal { .. }) => Ok(Soundness::Damaged),
                Err(other) => Err(other),
            }
        })
        .boxed()
    }
}

fn missing(blob: &str) -> Error {
    Error::NotFound(format!("stored bytes are missing: {blob}"))
}

/// Hands every block of a blob to `visit`, compared with its fingerprint.
fn each_block(
    root: &Path,
    pack: &Pack,
    blob: &str,
    mut visit: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    if is_packed(blob) {
        return visit(&pack.small(blob)?.ok_or_else(|| missing(blob))?);
    }
    let file = blob_file(root, blob);
    let length = match fs::metadata(&file) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(blob)),
        Err(error) => return Err(error.into()),
    };
    let blocks = length.div_ceil(READ_BLOCK as u64);
    // One block more than the file has: there must be no print of it.
    let prints = pack.prints(blob, 0..blocks + 1)?;
    if prints.is_some_and(|prints| prints.len() as u64 != blocks * PRINT as u64) {
        return Err(damaged(blob));
    }
    let file = open(&file)?.ok_or_else(|| missing(blob))?;
    for start in (0..length).step_by(READ_BLOCK) {
        let end = length.min(start + READ_BLOCK as u64);
        visit(&compared(pack, blob, &file, start..end)?.0)?;
    }
    Ok(())
}

/// A file; none when there is none.
fn open(path: &Path) -> Result<Option<Arc<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(Arc::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A range of a blob that is being read.
struct Reading {
    pack: Arc<Pack>,
    lately: Arc<Lately>,
    outlet: Option<Outlet>,
    blob: String,
    file: Arc<File>,
    wanted: Range<u64>,
}

impl Reading {
    /// The next bytes, or what stands for them; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.wanted.is_empty() {
            return Ok(None);
        }
        let piece = self.upto_a_multiple_of(direct::MOST);
        if let Some(outlet) = &self.outlet
            && self
                .lately
                .is_sound(&self.blob, &self.file, blocks_of(&piece))
            && outlet.takes(&self.file, &piece)
        {
            self.wanted.start = piece.end;
            return Ok(Some(outlet.token(Arc::clone(&self.file), piece)));
        }
        let piece = self.upto_a_multiple_of(READ_AHEAD);
        self.wanted.start = piece.end;
        let (pack, lately) = (Arc::clone(&self.pack), Arc::clone(&self.lately));
        let (blob, file) = (self.blob.clone(), Arc::clone(&self.file));
        let bytes = blocking(move || {
            let (bytes, marked) = compared(&pack, &blob, &file, piece.clone())?;
            if marked {
                lately.compared(&blob, &file, blocks_of(&piece));
            }
            Ok(bytes)
        });
        bytes.await.map(Some)
    }

    fn upto_a_multiple_of(&self, bytes: u64) -> Range<u64> {
        let Range { start, end } = self.wanted;
        start..end.min((start / bytes + 1) * bytes)
    }
}

/// The blocks that a range has bytes of.
fn blocks_of(range: &Range<u64>) -> Range<u64> {
    let size = READ_BLOCK as u64;
    range.start / size..range.end.div_ceil(size)
}

/// A range of a blob's file, whose blocks were compared with their fingerprints, and whether there are
/// fingerprints of them.
///
/// Errors when the bytes are not those that were written.
fn compared(pack: &Pack, blob: &str, file: &File, wanted: Range<u64>) -> Result<(Bytes, bool)> {
    let (size, blocks) = (READ_BLOCK as u64, blocks_of(&wanted));
    let Some(prints) = pack.prints(blob, blocks.clone())? else {
        return Ok((direct::read_range(file, wanted)?.into(), false));
    };
    let length = file.metadata()?.len();
    let begin = blocks.start * size;
    let whole = begin..length.min(blocks.end * size);
    if whole.end < wanted.end {
        return Err(damaged(blob));
    }
    let bytes = direct::read_range(file, whole)?;
    let mut prints = prints.chunks_exact(PRINT);
    for block in bytes.chunks(READ_BLOCK) {
        if prints.next() != Some(blake3::hash(block).as_bytes().as_slice()) {
            return Err(damaged(blob));
        }
    }
    let (from, to) = (wanted.start - begin, wanted.end - begin);
    Ok((Bytes::from(bytes).slice(from as usize..to as usize), true))
}

fn head_of(blob: String, found: &fs::Metadata) -> Head {
    Head {
        blob,
        size_bytes: found.len(),
        modified_at: modified_ms(found),
    }
}

/// When a file was changed last, in UTC milliseconds.
pub fn modified_ms(found: &fs::Metadata) -> i64 {
    let since = found
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// The bytes of a range of a file, in blocks; none when there is no such file. With an outlet, what the
/// kernel has in memory goes there.
pub async fn read_file(
    path: PathBuf,
    range: Range<u64>,
    outlet: Option<Outlet>,
) -> Result<Option<ByteStream>> {
    let Some(file) = blocking(move || open(&path)).await? else {
        return Ok(None);
    };
    let blocks = futures::stream::try_unfold((file, range), move |(file, mut wanted)| {
        let outlet = outlet.clone();
        async move {
            if wanted.is_empty() {
                return Ok(None);
            }
            let most = if outlet.is_some() {
                direct::MOST
            } else {
                READ_BLOCK as u64
            };
            let piece = wanted.start..wanted.end.min(wanted.start + most);
            wanted.start = piece.end;
            if let Some(outlet) = outlet
                && outlet.takes(&file, &piece)
            {
                return Ok(Some((
                    outlet.token(Arc::clone(&file), piece),
                    (file, wanted),
                )));
            }
            let read = tokio::task::spawn_blocking(move || {
                let bytes = direct::read_range(&file, piece)?;
                Ok((Bytes::from(bytes), (file, wanted)))
            });
            read.await.map_err(io::Error::other)?.map(Some)
        }
    });
    Ok(Some(blocks.boxed()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("read or write stored bytes", error))?
}

/// Bytes that have come, and where they go.
#[derive(Default)]
struct Receiving {
    waiting: Vec<Bytes>,
    /// Small chunks that came one after another, as one.
    small: BytesMut,
    waiting_bytes: usize,
    size_bytes: u64,
    flow: Option<Flow>,
}

impl Receiving {
    fn push(&mut self, chunk: Bytes) {
        self.waiting_bytes += chunk.len();
        self.size_bytes += chunk.len() as u64;
        if chunk.len() < SMALL_CHUNK {
            self.small.extend_from_slice(&chunk);
        } else {
            self.gather();
            self.waiting.push(chunk);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.waiting.push(self.small.split().freeze());
        }
    }

    /// Gives what waits to the flow, if it has begun.
    async fn pass_on(&mut self) -> Result<()> {
        self.gather();
        if let Some(flow) = self.flow.take() {
            self.waiting_bytes = 0;
            self.flow = Some(flow.add(std::mem::take(&mut self.waiting)).await?);
        }
        Ok(())
    }
}

/// Bytes on their way to the disk and through MD5: both go on at their own pace while the next bytes
/// come in.
struct Flow {
    writing: Step<Writing>,
    hashing: Step<Md5>,
    room: Arc<Semaphore>,
}

type Step<T> = tokio::task::JoinHandle<Result<T>>;

/// Chunks, and the room that they take until nobody needs them any more.
type Load = Arc<(Vec<Bytes>, OwnedSemaphorePermit)>;

impl Flow {
    fn of(writing: Writing) -> Self {
        Self {
            writing: tokio::spawn(async { Ok(writing) }),
            hashing: tokio::spawn(async { Ok(Md5::new()) }),
            room: Arc::new(Semaphore::new(LOADS)),
        }
    }

    /// Takes bytes on; waits while too many are under way.
    async fn add(mut self, chunks: Vec<Bytes>) -> Result<Self> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(|error| Error::internal("write stored bytes", error))?;
        if self.writing.is_finished() {
            // What the disk refused is told at once, not when everything has come.
            let writing = done(self.writing).await?;
            self.writing = tokio::spawn(async { Ok(writing) });
        }
        let load = Arc::new((chunks, room));
        Ok(Self {
            writing: then(self.writing, &load, |writing, chunk| writing.add(chunk)),
            hashing: then(self.hashing, &load, |md5, chunk| {
                md5.update(chunk);
                Ok(())
            }),
            room: self.room,
        })
    }

    /// What came of it, once every byte is through.
    async fn end(self) -> Result<(Writing, Md5)> {
        tokio::try_join!(done(self.writing), done(self.hashing))
    }
}

/// Goes on with a load once a step is done.
fn then<T: Send + 'static>(
    step: Step<T>,
    load: &Load,
    each: fn(&mut T, &[u8]) -> Result<()>,
) -> Step<T> {
    let load = Arc::clone(load);
    tokio::spawn(async move {
        let mut state = done(step).await?;
        blocking(move || {
            load.0
                .iter()
                .try_for_each(|chunk| each(&mut state, chunk))?;
            Ok(state)
        })
        .await
    })
}

async fn done<T>(step: Step<T>) -> Result<T> {
    step.await
        .map_err(|error| Error::internal("write stored bytes", error))?
}

/// A blob being written; dropped before [`Writing::finish`], it leaves nothing.
struct Writing {
    root: PathBuf,
    shards: Arc<Shards>,
    reserve_bytes: u64,
    blob: String,
    /// The name that it gets, if that is another one.
    name: Option<String>,
    file: Sink,
    /// Fingerprints of whole blocks, and the one of the block that is being written.
    prints: Vec<u8>,
    block: blake3::Hasher,
    block_bytes: usize,
    size_bytes: u64,
    unchecked_bytes: u64,
    /// The disk at work on what was written so far.
    flushing: Option<JoinHandle<io::Result<()>>>,
    finished: bool,
}

impl Writing {
    fn begin(
        root: PathBuf,
        shards: Arc<Shards>,
        reserve_bytes: u64,
        expected_bytes: u64,
    ) -> Result<Self> {
        check_space(&root, reserve_bytes.saturating_add(expected_bytes))?;
        let blob = id::uuid();
        let path = root.join(TEMPORARY).join(&blob);
        let file = Sink::create(&path, expected_bytes).map_err(full)?;
        Ok(Self {
            root,
            shards,
            reserve_bytes,
            blob,
            name: None,
            file,
            prints: Vec::new(),
            block: blake3::Hasher::new(),
            block_bytes: 0,
            size_bytes: 0,
            unchecked_bytes: 0,
            flushing: None,
            finished: false,
        })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.print(bytes);
        self.file.write_all(bytes).map_err(full)?;
        self.count(bytes.len() as u64)
    }

    fn print(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(READ_BLOCK - self.block_bytes));
            self.block.update(piece);
            self.block_bytes += piece.len();
            if self.block_bytes == READ_BLOCK {
                self.end_block();
            }
            bytes = rest;
        }
    }

    fn end_block(&mut self) {
        self.prints.extend(self.block.finalize().as_bytes());
        self.block.reset();
        self.block_bytes = 0;
    }

    /// Appends another blob. Where its blocks fall onto ours, its fingerprints hold, and no byte is
    /// looked at: where the file system can, it copies nothing.
    fn append(&mut self, root: &Path, pack: &Pack, blob: &str) -> Result<()> {
        let whole = self.block_bytes == 0 && !is_packed(blob);
        if whole {
            let mut file = File::open(blob_file(root, blob))?;
            let length = file.metadata()?.len();
            let blocks = length.div_ceil(READ_BLOCK as u64);
            let known = pack.prints(blob, 0..blocks)?;
            let known = known.filter(|prints| prints.len() as u64 == blocks * PRINT as u64);
            if let Some(prints) = known
                && length % READ_BLOCK as u64 == 0
            {
                let copied = io::copy(&mut file, self.file.plain().map_err(full)?);
                let copied = copied.map_err(full)?;
                if copied != length {
                    return Err(damaged(blob));
                }
                self.prints.extend_from_slice(&prints);
                return self.count(copied);
            }
        }
        each_block(root, pack, blob, |block| self.add(block))
    }

    fn count(&mut self, bytes: u64) -> Result<()> {
        self.size_bytes += bytes;
        self.unchecked_bytes += bytes;
        if self.unchecked_bytes >= CHECK_EVERY {
            self.unchecked_bytes = 0;
            check_space(&self.root, self.reserve_bytes)?;
            self.begin_flush()?;
        }
        Ok(())
    }

    /// Lets the disk begin with what it has, so that the end waits for little.
    fn begin_flush(&mut self) -> Result<()> {
        let is_idle = self.flushing.as_ref().is_none_or(JoinHandle::is_finished);
        if is_idle && !self.file.is_direct() {
            self.end_flush()?;
            let file = self.file.plain()?.try_clone()?;
            let thread = std::thread::Builder::new().name("objects-flush".into());
            // Where no thread is to be had, the end waits for the disk.
            self.flushing = thread.spawn(move || file.sync_data()).ok();
        }
        Ok(())
    }

    /// Whoever flushes first is told of what the disk refused; nobody is told again.
    fn end_flush(&mut self) -> Result<()> {
        if let Some(flushing) = self.flushing.take() {
            let flushed = flushing.join();
            let flushed =
                flushed.map_err(|_| Error::internal("write stored bytes", "a flush failed"))?;
            flushed.map_err(full)?;
        }
        Ok(())
    }

    /// Makes the file durable under its name; returns the blob and its fingerprints.
    fn finish(mut self) -> Result<(Stored, Vec<u8>)> {
        self.end_flush()?;
        let flushed = self.file.plain().and_then(|file| file.sync_all());
        flushed.map_err(full)?;
        let name = self.name.clone().unwrap_or_else(|| self.blob.clone());
        let target = blob_file(&self.root, &name);
        let folder = target.parent().expect("blobs lie in folders").to_owned();
        self.shards.ready(&folder).map_err(full)?;
        fs::rename(self.temporary(), &target).map_err(full)?;
        self.finished = true;
        sync_folder(&folder)?;
        if self.block_bytes > 0 {
            self.end_block();
        }
        let stored = Stored {
            blob: name,
            size_bytes: self.size_bytes,
            md5: String::new(),
        };
        Ok((stored, std::mem::take(&mut self.prints)))
    }

    fn temporary(&self) -> PathBuf {
        self.root.join(TEMPORARY).join(&self.blob)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_file(self.temporary())
        {
            tracing::warn!(%error, "a temporary file stays until the next start");
        }
    }
}

pub(super) fn check_space(folder: &Path, needed_bytes: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < needed_bytes {
        return Err(Error::StorageFull(storage_full_message()));
    }
    Ok(())
}

fn full(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::StorageFull(storage_full_message())
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(parts: &[&[u8]]) -> ByteStream {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Ok(Bytes::copy_from_slice(part)))
            .collect();
        futures::stream::iter(parts).boxed()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| {
                if path.is_dir() {
                    files(&path)
                } else {
                    vec![path]
                }
            })
            .filter(|path| !path.to_string_lossy().contains("pack.sqlite"))
            .collect()
    }

    async fn read(store: &Local, blob: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut bytes = store.get(blob, range).await?.unwrap();
        while let Some(block) = bytes.next().await {
            all.extend_from_slice(&block?);
        }
        Ok(all)
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_blob_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Local::open(folder.path().into(), 0).unwrap();
        let stored = store.put(stream(&[b"hel", b"lo"]), Some(5)).await.unwrap();
        assert_eq!(stored.md5, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(read(&store, &stored.blob, 1..4).await.unwrap(), b"ell");

        for length in [0, 100_000] {
            let lead = Ok(Bytes::from(pattern(length)));
            let broken = futures::stream::iter([lead, Err(io::Error::other("gone"))]);
            assert!(store.put(broken.boxed(), None).await.is_err());
        }
        assert!(store.put(stream(&[b"short"]), Some(9)).await.is_err());
        let long = pattern(100_000);
        assert!(store.put(stream(&[&long]), Some(99_999)).await.is_err());
        assert!(files(folder.path()).is_empty());

        let joined = store.join(vec![stored.blob.clone(); 2]).await.unwrap();
        assert_eq!(joined.size_bytes, 10);
        let end = &stored.blob[33..35];
        let listed = store.list(u8::from_str_radix(end, 16).unwrap()).await;
        assert!(listed.unwrap().iter().any(|head| head.blob == stored.blob));
        store.delete(&stored.blob).await.unwrap();
        store.delete(&stored.blob).await.unwrap();
        assert!(store.get(&stored.blob, 0..5).await.unwrap().is_none());
        assert!(store.head(&joined.blob).await.unwrap().is_some());
        let file = store.path(&joined.blob).await.unwrap().unwrap();
        assert_eq!(fs::read(file).unwrap(), b"hellohello");
    }

    #[tokio::test]
    async fn every_size_and_range_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Local::open(folder.path().into(), 0).unwrap();
        let block = READ_BLOCK;
        for length in [
            0,
            1,
            SMALL,
            SMALL + 1,
            block - 1,
            block,
            block + 1,
            5 * block + 3,
        ] {
            let bytes = pattern(length);
            let (head, tail) = bytes.split_at(length / 3);
            let stored = store.put(stream(&[head, tail]), None).await.unwrap();
            assert_eq!(stored.size_bytes, length as u64);
            assert_eq!(stored.md5, hex::encode(Md5::digest(&bytes)));
            for (start, end) in [(0, length), (length / 2, length), (length / 3, length / 2)] {
                let range = start as u64..end as u64;
                let found = read(&store, &stored.blob, range).await.unwrap();
                assert!(found == bytes[start..end], "{length} {start}..{end}");
            }
            assert_eq!(store.verify(&stored.blob).await.unwrap(), Soundness::Sound);
        }
        let (even, odd) = (pattern(2 * block), pattern(block + 5));
        let first = store.put(stream(&[&even]), None).await.unwrap().blob;
        let second = store.put(stream(&[&odd]), None).await.unwrap().blob;
        let third = store.put(stream(&[b"end"]), None).await.unwrap().blob;
        let all = [even, odd.clone(), odd, b"end".to_vec()].concat();
        let joined = store
            .join(vec![first, second.clone(), second, third])
            .await
            .unwrap();
        let found = read(&store, &joined.blob, 0..all.len() as u64)
            .await
            .unwrap();
        assert!(found == all);
        assert_eq!(store.verify(&joined.blob).await.unwrap(), Soundness::Sound);
    }

    #[tokio::test]
    async fn a_flipped_byte_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Local::open(folder.path().into(), 0).unwrap();
        let bytes = pattern(3 * READ_BLOCK);
        let stored = store.put(stream(&[&bytes]), None).await.unwrap();
        let file = files(folder.path()).pop().unwrap();
        let mut flipped = bytes.clone();
        flipped[READ_BLOCK + 17] ^= 1;
        fs::write(&file, &flipped).unwrap();
        let block = READ_BLOCK as u64;
        assert!(read(&store, &stored.blob, 0..block).await.is_ok());
        assert!(read(&store, &stored.blob, 0..2 * block).await.is_err());
        assert!(store.get(&stored.blob, block + 1..block + 2).await.is_err());
        assert_eq!(
            store.verify(&stored.blob).await.unwrap(),
            Soundness::Damaged
        );
        fs::write(&file, &bytes[..READ_BLOCK]).unwrap();
        assert_eq!(
            store.verify(&stored.blob).await.unwrap(),
            Soundness::Damaged
        );
        fs::remove_file(&file).unwrap();
        assert_eq!(
            store.verify(&stored.blob).await.unwrap(),
            Soundness::Missing
        );
    }

    #[tokio::test]
    async fn a_disk_below_its_reserve_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(TEMPORARY)).unwrap();
        fs::write(folder.path().join(TEMPORARY).join("left over"), "x").unwrap();
        let store = Local::open(folder.path().into(), u64::MAX).unwrap();
        for length in [1, 100_000] {
            let bytes = pattern(length);
            let error = store.put(stream(&[&bytes]), None).await.unwrap_err();
            assert!(matches!(error, Error::StorageFull(_)));
        }
        assert!(files(folder.path()).is_empty());
    }
}
