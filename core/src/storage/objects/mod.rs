//! Stored bytes behind one small trait.
//!
//! An engine keeps *blobs*: runs of bytes under names that it mints, written once and never
//! changed. What a key means, and which blob it stands for at the moment, is the database's to say;
//! so an overwritten key gives its readers the old bytes or the new ones, never a mixture.

mod copied;
mod fetched;
mod lately;
pub(super) mod local;
mod pack;
mod partial;
pub mod places;
pub mod remote;
mod sink;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::direct::Outlet;
use crate::config;
use crate::error::{Error, Result, storage_full_message};

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// A blob that was just written.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name.
    pub blob: String,
    /// Its length.
    pub size_bytes: u64,
    /// MD5 of its bytes, 32 lower-case hexadecimal characters.
    pub md5: String,
}

/// A blob that is there.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its name.
    pub blob: String,
    /// Its length.
    pub size_bytes: u64,
    /// When it was written, in UTC milliseconds.
    pub modified_at: i64,
}

/// How the bytes of a blob are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soundness {
    /// As they were written.
    Sound,
    /// There, but stored by a version that kept no fingerprints.
    Unmarked,
    /// Others than were written, or fewer.
    Damaged,
    /// Not there.
    Missing,
}

/// What an engine of stored bytes does. None of it holds a whole blob in memory.
pub trait ObjectStore: Send + Sync {
    /// Stores a stream; once it returns, the blob is durable. A stream that fails, or a future that
    /// is dropped, leaves nothing. `expected_bytes` is the announced length, if there is one.
    ///
    /// Errors: `StorageFull`; `Invalid` when the stream breaks off.
    fn put(&self, bytes: ByteStream, expected_bytes: Option<u64>) -> BoxFuture<'_, Result<Stored>>;

    /// Stores the bytes of other blobs, one after another, as a new blob.
    fn join(&self, blobs: Vec<String>) -> BoxFuture<'_, Result<Head>>;

    /// The bytes of a range within the blob; none when there is no such blob. A stream that was
    /// begun ends well even when the blob is deleted meanwhile.
    fn get(&self, blob: &str, range: Range<u64>) -> BoxFuture<'_, Result<Option<ByteStream>>>;

    /// As [`Self::get`], for a connection: where the bytes are in a file, some may go there directly,
    /// and the stream has what stands for them.
    fn send(
        &self,
        blob: &str,
        range: Range<u64>,
        _outlet: &Outlet,
    ) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        self.get(blob, range)
    }

    /// Says how large a blob is; none when there is no such blob.
    fn head(&self, blob: &str) -> BoxFuture<'_, Result<Option<Head>>>;

    /// The blobs of one of the store's [`SHARDS`], in no particular order.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Head>>>;

    /// Deletes a blob; twice is fine.
    fn delete(&self, blob: &str) -> BoxFuture<'_, Result<()>>;

    /// A file with the bytes of a blob, for programs that read files; none when there is no such blob,
    /// or the store has no files to give.
    fn path(&self, blob: &str) -> BoxFuture<'_, Result<Option<PathBuf>>>;

    /// Reads a blob from end to end and says whether its bytes are those that were written.
    fn verify(&self, blob: &str) -> BoxFuture<'_, Result<Soundness>>;

    /// Reads all copies of a blob, and writes those anew that are not what was written. A store without a second copy
    /// can only look.
    fn mend(&self, blob: &str) -> BoxFuture<'_, Result<Mended>> {
        looked_at(self.verify(blob))
    }

    /// Writes a blob anew, under its name, that was lost or damaged.
    fn restore(&self, blob: &str, bytes: ByteStream, size_bytes: u64) -> BoxFuture<'_, Result<()>>;

    /// How the second copies are; none for a store that keeps none.
    fn copies(&self) -> Option<Copies> {
        None
    }
}

/// Gives the bytes of a range from elsewhere.
type Rescue = Box<dyn FnOnce(Range<u64>) -> BoxFuture<'static, Result<Option<ByteStream>>> + Send>;

/// The bytes of a range, which go on from elsewhere where they break off.
fn rescued(bytes: ByteStream, range: Range<u64>, rescue: Rescue) -> ByteStream {
    let stream = futures::stream::unfold(
        (bytes, range, Some(rescue)),
        |(mut bytes, mut left, mut rescue)| async move {
            let mut chunk = bytes.next().await?;
            if chunk.is_err()
                && let Some(rescue) = rescue.take()
                && let Ok(Some(mut other)) = rescue(left.clone()).await
            {
                chunk = other.next().await?;
                bytes = other;
            }
            if let Ok(chunk) = &chunk {
                left.start += chunk.len() as u64;
            }
            Some((chunk, (bytes, left, rescue)))
        },
    );
    stream.boxed()
}

/// What looking at the only copy of a blob comes to.
fn looked_at(verifying: BoxFuture<'_, Result<Soundness>>) -> BoxFuture<'_, Result<Mended>> {
    Box::pin(async move {
        match verifying.await? {
            Soundness::Sound | Soundness::Unmarked => Ok(Mended::Nothing),
            Soundness::Damaged | Soundness::Missing => Ok(Mended::Lost),
        }
    })
}

/// What mending a blob came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// Every copy is what was written.
    Nothing,
    /// The blob was damaged or missing, and was written anew from its second copy.
    First,
    /// The second copy was damaged or missing, and was written anew.
    Second,
    /// No copy is what was written.
    Lost,
}

/// How the second copies of a store are.
#[derive(Debug, Clone)]
pub struct Copies {
    /// Where they are.
    pub folder: PathBuf,
    /// How many blobs are known to be copied or deleted there, still.
    pub behind: u64,
    /// Whether both folders were compared, so that there are no more.
    pub compared: bool,
    /// Why nothing is copied at the moment.
    pub problem: Option<String>,
}

/// The error of bytes that are not those that were written.
fn damaged(blob: &str) -> Error {
    Error::internal(
        "read stored bytes",
        format!(
            "they are not what was written: {blob}; run transect doctor --scrub to see whose they are"
        ),
    )
}

fn storage_full() -> Error {
    Error::StorageFull(storage_full_message())
}

/// How many parts of about equal size [`ObjectStore::list`] divides a store into.
pub const SHARDS: i64 = 256;

/// Opens the engine that the URL names.
pub fn open(settings: &config::Objects, data: &Path) -> Result<Arc<dyn ObjectStore>> {
    let Some(folder) = folder(settings, data) else {
        return Err(Error::invalid(
            "the objects URL names no known engine; use file: or file:/an/absolute/folder",
        ));
    };
    let reserve = settings.reserve_bytes;
    if settings.copy.is_empty() {
        return Ok(Arc::new(local::Local::open(folder, reserve)?));
    }
    let copy = &settings.copy;
    let second = Path::new(copy.strip_prefix("file:").unwrap_or(copy));
    if !second.is_absolute() {
        return Err(Error::invalid(format!(
            "objects.copy must be the absolute path of a folder, on another disk: {copy}"
        )));
    }
    if second.starts_with(&folder) || folder.starts_with(second) {
        return Err(Error::invalid(
            "objects.copy must name a folder apart from objects.url, on another disk",
        ));
    }
    Ok(Arc::new(copied::Copied::open(
        folder,
        second.to_owned(),
        reserve,
    )?))
}

/// The folder that objects lie in, where they are files of this machine.
pub fn folder(settings: &config::Objects, data: &Path) -> Option<PathBuf> {
    let path = settings.url.strip_prefix("file:")?;
    Some(data.join(if path.is_empty() { "objects" } else { path }))
}
