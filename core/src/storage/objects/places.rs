//! The places that bytes are in, as one store: the station's own, and buckets of other stores.
//!
//! A blob's name says where it is: `@7/1/2/3/clip.mp4` is the object `1/2/3/clip.mp4` of bucket 7, and
//! every other name is one of the station's own store. So whoever reads, shares or lets go of a blob
//! need not know where it is; only who stores one chooses the place.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use md5::{Digest, Md5};

use super::fetched::Fetched;
use super::partial::Supplier;
use super::remote::{self, Connection, Remote, Tiering, Trouble, Unwritten};
use super::{
    ByteStream, Copies, Head, Mended, ObjectStore, Soundness, Stored, damaged, looked_at, rescued,
};
use crate::client::{self, Origin};
use crate::config;
use crate::error::{Chain, Error, Result};
use crate::storage::direct::Outlet;
use transect_frame_client::Supply;

/// What the names of blobs in buckets begin with.
pub const REMOTE: char = '@';

/// The name of the blob that is this object of a bucket.
pub fn name(bucket: i64, key: &str) -> String {
    format!("{REMOTE}{bucket}/{key}")
}

/// The bucket and the key there of a blob; none for one of the station's own store.
pub fn split(blob: &str) -> Option<(i64, &str)> {
    let (bucket, key) = blob.strip_prefix(REMOTE)?.split_once('/')?;
    Some((bucket.parse().ok()?, key))
}

/// What is known of a blob in a bucket.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its length.
    pub size_bytes: u64,
    /// The MD5 of its bytes, in hexadecimal digits.
    pub md5: String,
}

/// Blobs that hold the same bytes as another one.
#[derive(Debug, Default, Clone)]
pub struct Twins {
    /// Those that are its backups.
    pub backups: Vec<String>,
    /// Those that it is the backup of.
    pub originals: Vec<String>,
}

/// Knows the buckets, and what was stored in them.
pub trait Directory: Send + Sync {
    /// Where a bucket is; none when there is no such bucket.
    fn connection(&self, bucket: i64) -> BoxFuture<'_, Result<Option<Connection>>>;

    /// What is known of a blob; none when it was never stored.
    fn facts(&self, blob: &str) -> BoxFuture<'_, Result<Option<Facts>>>;

    /// What holds the same bytes as a blob.
    fn twins(&self, blob: &str) -> BoxFuture<'_, Result<Twins>>;
}

/// What keeps a file where it is.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// The station's own store together with the buckets.
pub struct Places {
    own: Arc<dyn ObjectStore>,
    directory: Box<dyn Directory>,
    fetched: Arc<Fetched>,
    origins: Vec<Origin>,
    largest_copy_bytes: u64,
    opened: Mutex<HashMap<i64, Arc<Remote>>>,
    anywhere: OnceLock<reqwest::Client>,
    public_only: OnceLock<reqwest::Client>,
    in_use: AtomicBool,
    /// Blobs that are being written anew from their backups.
    healing: Mutex<HashSet<String>>,
    this: Weak<Self>,
}

impl Places {
    /// `origins` are those of the setting `server.request_origins`.
    pub fn open(
        own: Arc<dyn ObjectStore>,
        directory: Box<dyn Directory>,
        settings: &config::Objects,
        origins: Vec<Origin>,
        data: &Path,
    ) -> Result<Arc<Self>> {
        let fetched = Fetched::open(folder(data), settings.cache_bytes, settings.reserve_bytes)?;
        Ok(Arc::new_cyclic(|this| Self {
            own,
            directory,
            fetched: Arc::new(fetched),
            origins,
            largest_copy_bytes: settings.largest_copy_bytes,
            opened: Mutex::default(),
            anywhere: OnceLock::new(),
            public_only: OnceLock::new(),
            in_use: AtomicBool::new(false),
            healing: Mutex::default(),
            this: this.clone(),
        }))
    }

    /// Whether anything was ever stored in a bucket, as far as this station knows.
    pub fn in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Remembers that something is stored in a bucket.
    pub fn now_in_use(&self) {
        self.in_use.store(true, Ordering::Relaxed);
    }

    fn client(&self, connection: &Connection) -> Result<&reqwest::Client> {
        let endpoint = connection.access.endpoint();
        match client::bucket_is_public_only(&self.origins, connection.trusted, endpoint) {
            Some(true) => Ok(self.public_only.get_or_init(|| client::of_buckets(true))),
            Some(false) => Ok(self.anywhere.get_or_init(|| client::of_buckets(false))),
            None => Err(Error::Busy(format!(
                "bucket {0} ({1}) leads into the station's own network, and was not registered by an administrator of the \
                 station: let one set its config again (PATCH /rest/Bucket/{0}), or let the operator name its address in \
                 server.request_origins",
                connection.bucket, connection.name
            ))),
        }
    }

    /// A bucket as it is configured now. Errors: `Busy` when it is gone or may not be used.
    async fn bucket(&self, id: i64) -> Result<Arc<Remote>> {
        let connection = self.directory.connection(id).await?.ok_or_else(|| {
            Error::Busy(format!(
                "the object is in bucket {id}, which is not registered any more"
            ))
        })?;
        let mut opened = self.opened.lock().expect("no holder panics");
        if let Some(known) = opened.get(&id)
            && known.connection == connection
        {
            return Ok(Arc::clone(known));
        }
        let client = self.client(&connection)?;
        let remote = Arc::new(Remote::open(connection, client)?);
        opened.insert(id, Arc::clone(&remote));
        Ok(remote)
    }

    /// A file with the bytes of a blob, for a frame worker that reads parts of it: what is in a bucket may have holes, which
    /// [`Self::supplier`] fills. None when there is no such blob, or the store has no files to give.
    ///
    /// Errors: `Busy` when the bucket does not give what was written, `StorageFull`.
    pub async fn readable(&self, blob: &str) -> Result<Option<PathBuf>> {
        let Some((bucket, key)) = split(blob) else {
            return self.own_path(blob).await;
        };
        if let Some(path) = self.fetched.at_hand(blob) {
            return Ok(Some(path));
        }
        let Some(facts) = self.directory.facts(blob).await? else {
            return Ok(None);
        };
        let remote = self.bucket(bucket).await?;
        let first = Arc::clone(&remote);
        match self.fetched.readable(blob, first, key, facts.clone()).await {
            Ok(Some(path)) => Ok(Some(path)),
            failed => match self.was_brought_back(blob, &remote, key).await {
                true => self.fetched.readable(blob, remote, key, facts).await,
                false => failed,
            },
        }
    }

    /// Keeps a file that may have holes from making room for others, for as long as what it gives lives. None for any other
    /// file.
    pub fn hold(&self, path: &Path) -> Option<Hold> {
        let partial = self.fetched.partial_at(path)?;
        Some(partial)
    }

    /// Fills the holes of files that [`Self::readable`] gives.
    pub fn supplier(&self) -> Arc<dyn Supply> {
        Arc::new(Supplier {
            fetched: Arc::clone(&self.fetched),
            folder: self.fetched.parts(),
        })
    }

    /// Whether a file may have holes.
    pub fn is_partial(&self, path: &Path) -> bool {
        path.starts_with(self.fetched.parts())
    }

    /// Whether all bytes of a blob are on this machine.
    pub fn is_here(&self, blob: &str) -> bool {
        split(blob).is_none() || self.fetched.at_hand(blob).is_some()
    }

    /// Waits until a file has no holes. Errors: as of [`Self::readable`].
    pub async fn complete(&self, path: &Path) -> Result<()> {
        match self.fetched.partial_at(path) {
            Some(partial) => partial.complete(&self.fetched).await,
            None => Ok(()),
        }
    }

    /// Stores a stream under a name of [`name`] that nothing is stored under.
    ///
    /// Errors: `Invalid` when the stream breaks off; `Busy` when the bucket does not take it, and whether it may still.
    pub async fn put_as(
        &self,
        blob: &str,
        bytes: ByteStream,
        expected_bytes: Option<u64>,
    ) -> Result<Stored, Unwritten> {
        let (bucket, key) = split(blob).ok_or_else(|| no_bucket(blob))?;
        let remote = self.bucket(bucket).await?;
        let (size_bytes, md5) = remote.put(key, bytes, expected_bytes, None).await?;
        Ok(Stored {
            blob: blob.to_owned(),
            size_bytes,
            md5,
        })
    }

    /// Gives a blob in a bucket another storage class.
    pub async fn set_class(&self, blob: &str, class: &str) -> Result<Tiering> {
        let (bucket, key) = split(blob).ok_or_else(|| no_bucket(blob))?;
        let Some(facts) = self.directory.facts(blob).await? else {
            return Ok(Tiering::Unsupported);
        };
        let remote = self.bucket(bucket).await?;
        remote
            .set_class(key, &facts, class, self.largest_copy_bytes)
            .await
    }

    /// Looks whether a bucket lets the station in.
    pub async fn check(&self, connection: Connection) -> Result<(), Trouble> {
        let open = |connection: Connection| {
            let client = self.client(&connection)?;
            Remote::open(connection, client)
        };
        match open(connection) {
            Ok(remote) => remote.check().await,
            Err(error) => Err(Trouble::Unreachable(error.to_string())),
        }
    }

    /// Keeps the file of one blob, where there is one, as that of another blob with the same bytes.
    pub async fn keep(&self, from: &str, to: &str) {
        let file = match split(from) {
            Some(_) => self.fetched.at_hand(from),
            None => self.own.path(from).await.ok().flatten(),
        };
        if let Some(file) = file.filter(|_| split(to).is_some()) {
            self.fetched.adopt(&file, to);
        }
    }

    /// A link that reads a blob straight from its bucket under the address `external`; none where
    /// there is no such thing.
    pub async fn direct_link(
        &self,
        blob: &str,
        external: &str,
        expires_secs: i64,
    ) -> Option<String> {
        let (bucket, key) = split(blob)?;
        let remote = self.bucket(bucket).await.ok()?;
        let client = self.client(&remote.connection).ok()?;
        let expires = Duration::from_secs(expires_secs.unsigned_abs());
        remote::direct_link(&remote.connection, external, client, key, expires).await
    }
}

/// The folder of fetched files.
pub fn folder(data: &Path) -> PathBuf {
    data.join("fetched")
}

fn no_bucket(blob: &str) -> Error {
    Error::internal("store bytes", format!("the name says no bucket: {blob}"))
}

impl Places {
    /// The bytes of a range of a blob in a bucket, or of the copy of it that is at hand.
    fn read(
        &self,
        blob: &str,
        range: Range<u64>,
        outlet: Option<Outlet>,
    ) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        let at_hand = self.fetched.at_hand(blob);
        let place = split(blob).map(|(bucket, key)| (bucket, key.to_owned()));
        async move {
            if let Some(file) = at_hand
                && let Some(bytes) = super::local::read_file(file, range.clone(), outlet).await?
            {
                return Ok(Some(bytes));
            }
            let Some((bucket, key)) = place else {
                return Ok(None);
            };
            self.bucket(bucket).await?.get(&key, range).await
        }
        .boxed()
    }
}

// What has a backup is read from it and written anew where it is lost or damaged.
impl Places {
    /// The bytes of a range from a backup of a blob, which is mended behind it; none when there is no backup.
    async fn rescue(&self, blob: &str, range: Range<u64>) -> Result<Option<ByteStream>> {
        for backup in self.directory.twins(blob).await?.backups {
            match self.read(&backup, range.clone(), None).await {
                Ok(Some(bytes)) => {
                    self.heal_behind(blob);
                    return Ok(Some(bytes));
                }
                Ok(None) => tracing::warn!(backup, "a backup is missing"),
                Err(error) => {
                    tracing::warn!(backup, error = %Chain(&error), "a backup cannot be read");
                }
            }
        }
        Ok(None)
    }

    fn with_rescue(&self, blob: String, range: Range<u64>, bytes: ByteStream) -> ByteStream {
        let places = self.this.clone();
        let other = |left| {
            async move {
                match places.upgrade() {
                    Some(places) => places.rescue(&blob, left).await,
                    None => Ok(None),
                }
            }
            .boxed()
        };
        rescued(bytes, range, Box::new(other))
    }

    /// Gives what was found of a blob, or what its backup has.
    async fn or_rescue(
        &self,
        blob: String,
        range: Range<u64>,
        found: Result<Option<ByteStream>>,
    ) -> Result<Option<ByteStream>> {
        match found {
            Ok(Some(bytes)) => Ok(Some(self.with_rescue(blob, range, bytes))),
            failed => match self.rescue(&blob, range).await {
                Ok(Some(bytes)) => Ok(Some(bytes)),
                _ => failed,
            },
        }
    }

    /// Mends a blob behind the answer, once at a time.
    fn heal_behind(&self, blob: &str) {
        let Some(places) = self.this.upgrade() else {
            return;
        };
        let blob = blob.to_owned();
        let mut healing = self.healing.lock().expect("no holder panics");
        if !healing.insert(blob.clone()) {
            return;
        }
        drop(healing);
        tokio::spawn(async move {
            match places.mend(&blob).await {
                Ok(Mended::First) => {
                    tracing::warn!(blob, "stored bytes were mended from their backup")
                }
                Ok(Mended::Lost) => {
                    tracing::error!(blob, "stored bytes and their backups are damaged")
                }
                Ok(Mended::Nothing | Mended::Second) => {}
                Err(error) => {
                    tracing::warn!(blob, error = %Chain(&error), "stored bytes could not be mended from their backup");
                }
            }
            let mut healing = places.healing.lock().expect("no holder panics");
            healing.remove(&blob);
        });
    }

    /// Mends a blob that was lost or damaged from what holds the same bytes.
    async fn mend_lost(&self, blob: &str) -> Result<Mended> {
        let twins = self.directory.twins(blob).await?;
        let mended = match twins.originals.is_empty() {
            true => Mended::First,
            false => Mended::Second,
        };
        for twin in twins.originals.iter().chain(&twins.backups) {
            let found = self.verify(twin).await;
            if matches!(found, Ok(Soundness::Sound | Soundness::Unmarked)) {
                self.restore_from(blob, twin).await?;
                return Ok(mended);
            }
        }
        Ok(Mended::Lost)
    }

    async fn restore_from(&self, blob: &str, twin: &str) -> Result<()> {
        let head = self.plain_head(twin).await?.ok_or_else(|| damaged(twin))?;
        let size = head.size_bytes;
        let bytes = match split(twin) {
            None => self.own.get(twin, 0..size).await?,
            Some(_) => self.read(twin, 0..size, None).await?,
        };
        self.restore(blob, bytes.ok_or_else(|| damaged(twin))?, size)
            .await
    }

    async fn plain_head(&self, blob: &str) -> Result<Option<Head>> {
        let Some((bucket, key)) = split(blob) else {
            return self.own.head(blob).await;
        };
        let found = self.bucket(bucket).await?.head(key).await?;
        Ok(found.map(|(size_bytes, modified_at)| Head {
            blob: blob.to_owned(),
            size_bytes,
            modified_at,
        }))
    }

    /// Whether a blob was missing in its bucket, and is there again.
    async fn was_brought_back(&self, blob: &str, remote: &Remote, key: &str) -> bool {
        let is_missing = matches!(remote.head(key).await, Ok(None));
        is_missing && matches!(self.mend_lost(blob).await, Ok(Mended::First))
    }

    /// The file of a blob of the station's own store.
    async fn own_path(&self, blob: &str) -> Result<Option<PathBuf>> {
        let found = self.own.path(blob).await;
        let is_there = match &found {
            Ok(Some(path)) => tokio::fs::try_exists(path).await.unwrap_or(true),
            _ => false,
        };
        match is_there {
            true => found,
            false => match self.mend_lost(blob).await {
                Ok(Mended::First) => self.own.path(blob).await,
                _ => found,
            },
        }
    }
}

impl ObjectStore for Places {
    fn put(&self, bytes: ByteStream, expected_bytes: Option<u64>) -> BoxFuture<'_, Result<Stored>> {
        self.own.put(bytes, expected_bytes)
    }

    fn join(&self, blobs: Vec<String>) -> BoxFuture<'_, Result<Head>> {
        if blobs.iter().all(|blob| split(blob).is_none()) {
            return self.own.join(blobs);
        }
        async move {
            let mut streams = Vec::new();
            for blob in blobs {
                let missing = || Error::NotFound(format!("stored bytes are missing: {blob}"));
                let head = self.head(&blob).await?.ok_or_else(missing)?;
                let bytes = self.get(&blob, 0..head.size_bytes).await?;
                streams.push(bytes.ok_or_else(missing)?);
            }
            let stored = self
                .own
                .put(futures::stream::iter(streams).flatten().boxed(), None);
            let stored = stored.await?;
            Ok(Head {
                blob: stored.blob,
                size_bytes: stored.size_bytes,
                modified_at: crate::time::now_ms(),
            })
        }
        .boxed()
    }

    fn get(&self, blob: &str, range: Range<u64>) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        let finding = match split(blob) {
            None => self.own.get(blob, range.clone()),
            Some(_) => self.read(blob, range.clone(), None),
        };
        let blob = blob.to_owned();
        async move { self.or_rescue(blob, range, finding.await).await }.boxed()
    }

    fn send(
        &self,
        blob: &str,
        range: Range<u64>,
        outlet: &Outlet,
    ) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        let finding = match split(blob) {
            None => self.own.send(blob, range.clone(), outlet),
            Some(_) => self.read(blob, range.clone(), Some(outlet.clone())),
        };
        let blob = blob.to_owned();
        async move { self.or_rescue(blob, range, finding.await).await }.boxed()
    }

    fn head(&self, blob: &str) -> BoxFuture<'_, Result<Option<Head>>> {
        let blob = blob.to_owned();
        async move {
            let found = self.plain_head(&blob).await;
            if matches!(found, Ok(Some(_))) {
                return found;
            }
            for backup in self.directory.twins(&blob).await?.backups {
                if let Ok(Some(head)) = self.plain_head(&backup).await {
                    return Ok(Some(Head { blob, ..head }));
                }
            }
            found
        }
        .boxed()
    }

    /// Those of the station's own store: what else is in a bucket is none of the station's business.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Head>>> {
        self.own.list(shard)
    }

    fn delete(&self, blob: &str) -> BoxFuture<'_, Result<()>> {
        let Some((bucket, key)) = split(blob) else {
            return self.own.delete(blob);
        };
        self.fetched.forget(blob);
        let (blob, key) = (blob.to_owned(), key.to_owned());
        async move {
            if self.directory.connection(bucket).await?.is_none() {
                tracing::warn!(
                    bucket,
                    key,
                    "an object stays in a bucket that is not registered any more"
                );
                return Ok(());
            }
            let deleted = self.bucket(bucket).await?.delete(&key).await;
            // What was fetched while it went is nobody's.
            self.fetched.forget(&blob);
            deleted
        }
        .boxed()
    }

    fn path(&self, blob: &str) -> BoxFuture<'_, Result<Option<PathBuf>>> {
        let Some((bucket, key)) = split(blob) else {
            let blob = blob.to_owned();
            return async move { self.own_path(&blob).await }.boxed();
        };
        if let Some(path) = self.fetched.at_hand(blob) {
            return async move { Ok(Some(path)) }.boxed();
        }
        let (key, blob) = (key.to_owned(), blob.to_owned());
        async move {
            let Some(facts) = self.directory.facts(&blob).await? else {
                return Ok(None);
            };
            let remote = self.bucket(bucket).await?;
            let first = Arc::clone(&remote);
            match self
                .fetched
                .file_of(&blob, first, &key, facts.clone())
                .await
            {
                Ok(Some(path)) => Ok(Some(path)),
                failed => match self.was_brought_back(&blob, &remote, &key).await {
                    true => self.fetched.file_of(&blob, remote, &key, facts).await,
                    false => failed,
                },
            }
        }
        .boxed()
    }

    /// Reads what the bucket has, whatever was fetched of it.
    fn mend(&self, blob: &str) -> BoxFuture<'_, Result<Mended>> {
        let mending = match split(blob) {
            None => self.own.mend(blob),
            Some(_) => looked_at(self.verify(blob)),
        };
        let blob = blob.to_owned();
        async move {
            match mending.await? {
                Mended::Lost => self.mend_lost(&blob).await,
                found => Ok(found),
            }
        }
        .boxed()
    }

    fn restore(&self, blob: &str, bytes: ByteStream, size_bytes: u64) -> BoxFuture<'_, Result<()>> {
        let Some((bucket, key)) = split(blob) else {
            return self.own.restore(blob, bytes, size_bytes);
        };
        let (key, blob) = (key.to_owned(), blob.to_owned());
        async move {
            let facts = self.directory.facts(&blob).await?;
            let remote = self.bucket(bucket).await?;
            let written = remote.put(&key, bytes, Some(size_bytes), None).await;
            let (_, md5) = written.map_err(|unwritten| unwritten.error)?;
            self.fetched.forget(&blob);
            match facts.is_none_or(|facts| facts.md5 == md5) {
                true => Ok(()),
                false => Err(damaged(&blob)),
            }
        }
        .boxed()
    }

    fn copies(&self) -> Option<Copies> {
        self.own.copies()
    }

    fn verify(&self, blob: &str) -> BoxFuture<'_, Result<Soundness>> {
        let Some((bucket, key)) = split(blob) else {
            return self.own.verify(blob);
        };
        let (key, blob) = (key.to_owned(), blob.to_owned());
        async move {
            let Some(facts) = self.directory.facts(&blob).await? else {
                return Ok(Soundness::Unmarked);
            };
            let remote = self.bucket(bucket).await?;
            match remote.head(&key).await? {
                None => return Ok(Soundness::Missing),
                Some((size_bytes, _)) if size_bytes != facts.size_bytes => {
                    return Ok(Soundness::Damaged);
                }
                Some(_) => {}
            }
            let Some(mut bytes) = remote.get(&key, 0..facts.size_bytes).await? else {
                return Ok(Soundness::Missing);
            };
            let mut md5 = Md5::new();
            while let Some(chunk) = bytes.try_next().await? {
                md5.update(&chunk);
            }
            Ok(match hex::encode(md5.finalize()) == facts.md5 {
                true => Soundness::Sound,
                false => Soundness::Damaged,
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::{name, split};

    #[test]
    fn a_name_says_where_a_blob_is() {
        let blob = name(7, "1/2/3/clip.mp4");
        assert_eq!(split(&blob), Some((7, "1/2/3/clip.mp4")));
        for own in ["0192-ab", "p0192-ab", "@x/y", "@7", ""] {
            assert_eq!(split(own), None, "{own}");
        }
    }
}
