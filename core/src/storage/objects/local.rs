//! Blobs in a folder: large ones as files `ab/cd/<uuid>`, written as a temporary file, fsynced, renamed;
//! small ones together in one file (`pack`), so that many written at once share an fsync.
//!
//! Every block of every blob has a BLAKE3 fingerprint, kept apart from the bytes and compared whenever
//! they are read: a byte that changed on the disk is an error, never an answer.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use md5::{Digest, Md5};

use super::pack::{Pack, Work};
use super::{ByteStream, Head, ObjectStore, Soundness, Stored, damaged};
use crate::error::{Error, Result, storage_full_message};
use crate::id;

/// Bytes gathered before they are handed to the disk.
const WRITE_BLOCK: usize = 1 << 20;
/// Bytes read from the disk at once, and bytes of one fingerprint.
pub const READ_BLOCK: usize = 256 << 10;
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
}

impl Local {
    /// Opens or makes the folder, and removes what writes left behind that did not finish.
    pub(super) fn open(root: PathBuf, reserve_bytes: u64) -> Result<Self> {
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
        })
    }

    fn file(&self, blob: &str) -> PathBuf {
        blob_file(&self.root, blob)
    }

    async fn begin(&self, expected_bytes: Option<u64>) -> Result<Writing> {
        let (root, reserve_bytes) = (self.root.clone(), self.reserve_bytes);
        blocking(move || Writing::begin(root, reserve_bytes, expected_bytes.unwrap_or(0))).await
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
            let mut writing: Option<Writing> = None;
            let mut block = BytesMut::new();
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk.map_err(|error| {
                    Error::invalid_because("the bytes did not arrive whole", error.to_string())
                })?;
                block.extend_from_slice(&chunk);
                if writing.is_none() && block.len() > SMALL {
                    writing = Some(self.begin(expected_bytes).await?);
                }
                if block.len() >= WRITE_BLOCK
                    && let Some(open) = writing.take()
                {
                    let full = std::mem::take(&mut block);
                    writing = Some(blocking(move || open.write(&full)).await?);
                }
            }
            let received = writing.as_ref().map_or(0, |open| open.size_bytes) + block.len() as u64;
            if expected_bytes.is_some_and(|expected| expected != received) {
                return Err(Error::invalid("the bytes did not arrive whole"));
            }
            match writing {
                None => self.put_small(block.to_vec()).await,
                Some(open) => {
                    let open = blocking(move || open.write(&block)).await?;
                    self.finish(open).await
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
            writing.md5 = None;
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
        let file = self.file(&blob);
        async move {
            let opened = blocking(move || Checked::open(&pack, blob, &file, range)).await?;
            let Some(mut reading) = opened else {
                return Ok(None);
            };
            // What is damaged at once is an answer, not a stream that breaks.
            let (first, reading) = blocking(move || {
                let first = reading.next()?;
                Ok((first, reading))
            })
            .await?;
            let rest = futures::stream::try_unfold(reading, |mut reading| async move {
                if reading.is_done() {
                    return Ok(None);
                }
                let read = tokio::task::spawn_blocking(move || {
                    let block = reading.next();
                    block.map(|block| (block, reading))
                });
                let (block, reading) = read
                    .await
                    .map_err(io::Error::other)?
                    .map_err(|error| io::Error::other(error.to_string()))?;
                Ok(block.map(|block| (block, reading)))
            });
            let first = futures::stream::iter(first.map(Ok));
            Ok(Some(first.chain(rest).boxed()))
        }
        .boxed()
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

    fn verify(&self, blob: &str) -> BoxFuture<'_, Result<Soundness>> {
        let (root, pack) = (self.root.clone(), Arc::clone(&self.pack));
        let blob = blob.to_owned();
        blocking(move || {
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
    let opened = Checked::open(pack, blob.to_owned(), &file, 0..length)?;
    let mut reading = opened.ok_or_else(|| missing(blob))?;
    while let Some(block) = reading.next()? {
        visit(&block)?;
    }
    Ok(())
}

/// A range of a file being read, whole blocks at a time, each compared with its fingerprint.
struct Checked {
    blob: String,
    file: File,
    /// Fingerprints from the first block on; none for a blob that was stored without.
    prints: Option<Vec<u8>>,
    first_block: u64,
    next_block: u64,
    wanted: Range<u64>,
}

impl Checked {
    /// None when there is no such file.
    fn open(pack: &Pack, blob: String, file: &Path, wanted: Range<u64>) -> Result<Option<Self>> {
        let mut file = match File::open(file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let size = READ_BLOCK as u64;
        let first = wanted.start / size;
        let blocks = first..wanted.end.div_ceil(size).max(first);
        let prints = pack.prints(&blob, blocks)?;
        let start = if prints.is_some() {
            first * size
        } else {
            wanted.start
        };
        file.seek(SeekFrom::Start(start))?;
        Ok(Some(Self {
            blob,
            file,
            prints,
            first_block: first,
            next_block: first,
            wanted,
        }))
    }

    fn is_done(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The next bytes that are wanted; none when all were read.
    fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done() {
            return Ok(None);
        }
        let size = READ_BLOCK as u64;
        let Some(prints) = &self.prints else {
            let most = (self.wanted.end - self.wanted.start).min(size) as usize;
            let mut block = vec![0; most];
            self.file.read_exact(&mut block)?;
            self.wanted.start += most as u64;
            return Ok(Some(block.into()));
        };
        let mut block = Vec::with_capacity(READ_BLOCK);
        (&mut self.file).take(size).read_to_end(&mut block)?;
        let at = (self.next_block - self.first_block) as usize * PRINT;
        let print = prints.get(at..at + PRINT);
        if print != Some(blake3::hash(&block).as_bytes().as_slice()) {
            return Err(damaged(&self.blob));
        }
        let begin = self.next_block * size;
        let from = (self.wanted.start - begin) as usize;
        let to = (self.wanted.end - begin).min(block.len() as u64) as usize;
        if from >= to {
            return Err(damaged(&self.blob));
        }
        self.next_block += 1;
        self.wanted.start = begin + to as u64;
        Ok(Some(Bytes::from(block).slice(from..to)))
    }
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

/// The bytes of a range of a file, in blocks; none when there is no such file.
pub async fn read_file(file: PathBuf, range: Range<u64>) -> Result<Option<ByteStream>> {
    let opened = blocking(move || match File::open(file) {
        Ok(mut file) => {
            file.seek(SeekFrom::Start(range.start))?;
            Ok(Some(file.take(range.end.saturating_sub(range.start))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    });
    let Some(file) = opened.await? else {
        return Ok(None);
    };
    let blocks = futures::stream::try_unfold(file, |mut file| async move {
        if file.limit() == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let most = file.limit().min(READ_BLOCK as u64) as usize;
            let mut block = vec![0; most];
            file.read_exact(&mut block)?;
            Ok((Bytes::from(block), file))
        });
        read.await.map_err(io::Error::other)?.map(Some)
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

/// A blob being written; dropped before [`Writing::finish`], it leaves nothing.
struct Writing {
    root: PathBuf,
    reserve_bytes: u64,
    blob: String,
    file: File,
    /// None where nobody asks for it.
    md5: Option<Md5>,
    /// Fingerprints of whole blocks, and the one of the block that is being written.
    prints: Vec<u8>,
    block: blake3::Hasher,
    block_bytes: usize,
    size_bytes: u64,
    unchecked_bytes: u64,
    finished: bool,
}

impl Writing {
    fn begin(root: PathBuf, reserve_bytes: u64, expected_bytes: u64) -> Result<Self> {
        check_space(&root, reserve_bytes.saturating_add(expected_bytes))?;
        let blob = id::uuid();
        let file = File::create_new(root.join(TEMPORARY).join(&blob)).map_err(full)?;
        Ok(Self {
            root,
            reserve_bytes,
            blob,
            file,
            md5: Some(Md5::new()),
            prints: Vec::new(),
            block: blake3::Hasher::new(),
            block_bytes: 0,
            size_bytes: 0,
            unchecked_bytes: 0,
            finished: false,
        })
    }

    fn write(mut self, bytes: &[u8]) -> Result<Self> {
        self.add(bytes)?;
        Ok(self)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
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
                let copied = io::copy(&mut file, &mut self.file).map_err(full)?;
                if copied != length {
                    return Err(damaged(blob));
                }
                self.prints.extend(prints);
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
        }
        Ok(())
    }

    /// Makes the file durable under its name; returns the blob and its fingerprints.
    fn finish(mut self) -> Result<(Stored, Vec<u8>)> {
        self.file.sync_all().map_err(full)?;
        let target = blob_file(&self.root, &self.blob);
        let folder = target.parent().expect("blobs lie in folders").to_owned();
        if !folder.exists() {
            fs::create_dir_all(&folder).map_err(full)?;
            let outer = folder.parent().expect("blobs lie two folders deep");
            sync_folder(outer)?;
            sync_folder(&self.root)?;
        }
        fs::rename(self.temporary(), &target).map_err(full)?;
        self.finished = true;
        sync_folder(&folder)?;
        if self.block_bytes > 0 {
            self.end_block();
        }
        let md5 = self.md5.take().map(|md5| hex::encode(md5.finalize()));
        let stored = Stored {
            blob: self.blob.clone(),
            size_bytes: self.size_bytes,
            md5: md5.unwrap_or_default(),
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

/// A rename is durable once its folder is.
fn sync_folder(folder: &Path) -> Result<()> {
    Ok(File::open(folder)?.sync_all()?)
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
