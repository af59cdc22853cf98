//! Blobs as files of a folder: `ab/cd/<uuid>`, written as a temporary file, fsynced, renamed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use md5::{Digest, Md5};

use super::{ByteStream, Head, ObjectStore, Stored};
use crate::error::{Error, Result, storage_full_message};
use crate::id;

/// Bytes gathered before they are handed to the disk.
const WRITE_BLOCK: usize = 1 << 20;
/// Bytes read from the disk at once.
pub const READ_BLOCK: usize = 256 << 10;
/// Bytes written between two looks at the free space.
const CHECK_EVERY: u64 = 64 << 20;

/// The folder of temporary files, beside the blobs.
const TEMPORARY: &str = "tmp";

pub(super) struct Local {
    root: PathBuf,
    reserve_bytes: u64,
}

impl Local {
    /// Opens or makes the folder, and removes what writes left behind that did not finish.
    pub(super) fn open(root: PathBuf, reserve_bytes: u64) -> Result<Self> {
        let temporary = root.join(TEMPORARY);
        fs::create_dir_all(&temporary)?;
        for entry in fs::read_dir(&temporary)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(Self {
            root,
            reserve_bytes,
        })
    }

    fn file(&self, blob: &str) -> PathBuf {
        blob_file(&self.root, blob)
    }

    async fn begin(&self, expected_bytes: Option<u64>) -> Result<Writing> {
        let (root, reserve_bytes) = (self.root.clone(), self.reserve_bytes);
        blocking(move || Writing::begin(root, reserve_bytes, expected_bytes.unwrap_or(0))).await
    }
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
            let mut writing = self.begin(expected_bytes).await?;
            let mut block = BytesMut::new();
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk.map_err(|error| {
                    Error::invalid_because("the bytes did not arrive whole", error.to_string())
                })?;
                block.extend_from_slice(&chunk);
                if block.len() >= WRITE_BLOCK {
                    let full = std::mem::take(&mut block);
                    writing = blocking(move || writing.write(&full)).await?;
                }
            }
            let stored = blocking(move || writing.write(&block)?.finish()).await?;
            if expected_bytes.is_some_and(|expected| expected != stored.size_bytes) {
                self.delete(&stored.blob).await?;
                return Err(Error::invalid("the bytes did not arrive whole"));
            }
            Ok(stored)
        }
        .boxed()
    }

    fn join(&self, blobs: Vec<String>) -> BoxFuture<'_, Result<Head>> {
        async move {
            let root = self.root.clone();
            let total = blobs.iter().map(|blob| fs::metadata(self.file(blob)));
            let total = total
                .map(|found| Ok(found?.len()))
                .sum::<io::Result<u64>>()?;
            let mut writing = self.begin(Some(total)).await?;
            let head = blocking(move || {
                for blob in blobs {
                    writing.append(&blob_file(&root, &blob))?;
                }
                let stored = writing.finish()?;
                Ok(Head {
                    blob: stored.blob,
                    size_bytes: stored.size_bytes,
                    modified_at: crate::time::now_ms(),
                })
            });
            head.await
        }
        .boxed()
    }

    fn get(&self, blob: &str, range: Range<u64>) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        read_file(self.file(blob), range).boxed()
    }

    fn head(&self, blob: &str) -> BoxFuture<'_, Result<Option<Head>>> {
        let (file, blob) = (self.file(blob), blob.to_owned());
        blocking(move || match fs::metadata(file) {
            Ok(found) => Ok(Some(head_of(blob, &found))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Head>>> {
        let folder = self.root.join(format!("{shard:02x}"));
        blocking(move || {
            let mut heads = Vec::new();
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
        let file = self.file(blob);
        blocking(move || match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        })
        .boxed()
    }

    fn path(&self, blob: &str) -> Option<PathBuf> {
        Some(self.file(blob))
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
    md5: Md5,
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
            md5: Md5::new(),
            size_bytes: 0,
            unchecked_bytes: 0,
            finished: false,
        })
    }

    fn write(mut self, block: &[u8]) -> Result<Self> {
        self.md5.update(block);
        self.file.write_all(block).map_err(full)?;
        self.count(block.len() as u64)?;
        Ok(self)
    }

    /// Appends a file without looking at its bytes: where the file system can, it copies nothing.
    fn append(&mut self, file: &Path) -> Result<()> {
        let copied = io::copy(&mut File::open(file)?, &mut self.file).map_err(full)?;
        self.count(copied)
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

    fn finish(mut self) -> Result<Stored> {
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
        Ok(Stored {
            blob: self.blob.clone(),
            size_bytes: self.size_bytes,
            md5: hex::encode(std::mem::take(&mut self.md5).finalize()),
        })
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

fn check_space(folder: &Path, needed_bytes: u64) -> Result<()> {
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

    fn stream(parts: &[&'static [u8]]) -> ByteStream {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part)))
            .collect();
        futures::stream::iter(parts).boxed()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { files(&path) } else { 1 })
            .sum()
    }

    #[tokio::test]
    async fn a_blob_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Local::open(folder.path().into(), 0).unwrap();
        let stored = store.put(stream(&[b"hel", b"lo"]), Some(5)).await.unwrap();
        assert_eq!(stored.md5, "5d41402abc4b2a76b9719d911017c592");
        let mut bytes = store.get(&stored.blob, 1..4).await.unwrap().unwrap();
        assert_eq!(bytes.next().await.unwrap().unwrap().as_ref(), b"ell");
        assert!(bytes.next().await.is_none());

        let broken =
            futures::stream::iter([Ok(Bytes::from_static(b"x")), Err(io::Error::other("gone"))]);
        assert!(store.put(broken.boxed(), None).await.is_err());
        assert!(store.put(stream(&[b"short"]), Some(9)).await.is_err());
        assert_eq!(files(folder.path()), 1);

        let joined = store.join(vec![stored.blob.clone(); 2]).await.unwrap();
        assert_eq!(joined.size_bytes, 10);
        let end = &stored.blob[32..34];
        let listed = store.list(u8::from_str_radix(end, 16).unwrap()).await;
        assert!(listed.unwrap().iter().any(|head| head.blob == stored.blob));
        store.delete(&stored.blob).await.unwrap();
        store.delete(&stored.blob).await.unwrap();
        assert!(store.get(&stored.blob, 0..5).await.unwrap().is_none());
        assert!(store.head(&joined.blob).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_disk_below_its_reserve_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(TEMPORARY)).unwrap();
        fs::write(folder.path().join(TEMPORARY).join("left over"), "x").unwrap();
        let store = Local::open(folder.path().into(), u64::MAX).unwrap();
        let error = store.put(stream(&[b"x"]), None).await.unwrap_err();
        assert!(matches!(error, Error::StorageFull(_)));
        assert_eq!(files(folder.path()), 0);
    }
}
