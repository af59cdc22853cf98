//! Rules of objects: finding, reading, storing, sharing, removing them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;

use super::direct::Outlet;
use super::key::Owner;
use super::objects::{ByteStream, SHARDS, Stored, local};
use super::types::{Object, Place};
use super::{quota, remote, store};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::{media, project};

/// How long after a transaction the bytes go that it left unused.
const COLLECT_AFTER: Duration = Duration::from_millis(300);
pub(super) const DAY_MS: i64 = 24 * 3_600_000;

/// Looks an object up; for a file in place, looks at the file too.
///
/// Errors: `NotFound` when the file in place is missing.
pub async fn find(cx: &Context, key: &str) -> Result<Option<Object>> {
    let key = key.to_owned();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { store::find(tx, &key).await }))
        .await?;
    let Some(mut object) = found else {
        return Ok(None);
    };
    look(&mut object).await?;
    Ok(Some(object))
}

/// Looks at the file of an object in place, for its length and time are what the file has now.
///
/// Errors: `NotFound` when the file is missing.
pub(super) async fn look(object: &mut Object) -> Result<()> {
    if let Place::File(path) = &object.place {
        let facts = tokio::fs::metadata(path).await.map_err(|error| {
            tracing::warn!(key = object.key, %error, "a file in place is missing: {}", path.display());
            Error::NotFound("the file that this object stands for is missing".into())
        })?;
        object.size_bytes = facts.len();
        object.modified_at = local::modified_ms(&facts);
        object.etag = format!("{:x}-{:x}", object.modified_at, object.size_bytes);
    }
    Ok(())
}

/// The bytes of a range of an object; none when it was replaced or removed since it was found.
pub(super) async fn read(
    cx: &Context,
    object: &Object,
    range: Range<u64>,
) -> Result<Option<ByteStream>> {
    match &object.place {
        Place::Blob(blob) => cx.objects.get(blob, range).await,
        Place::File(path) => local::read_file(path.clone(), range, None).await,
    }
}

/// As [`read`], for a connection: pieces of files may go there directly.
pub(super) async fn send(
    cx: &Context,
    object: &Object,
    range: Range<u64>,
    outlet: Option<&Outlet>,
) -> Result<Option<ByteStream>> {
    let Some(outlet) = outlet else {
        return read(cx, object, range).await;
    };
    match &object.place {
        Place::Blob(blob) => cx.objects.send(blob, range, outlet).await,
        Place::File(path) => local::read_file(path.clone(), range, Some(outlet.clone())).await,
    }
}

/// An object and all of its bytes; none when there is no such key.
pub async fn open(cx: &Context, key: &str) -> Result<Option<(Object, ByteStream)>> {
    for _ in 0..RETRIES {
        let Some(object) = find(cx, key).await? else {
            return Ok(None);
        };
        if let Some(bytes) = read(cx, &object, 0..object.size_bytes).await? {
            return Ok(Some((object, bytes)));
        }
    }
    Err(lost(key))
}

/// How often a key is looked up again when its blob went between look-up and reading.
pub(super) const RETRIES: usize = 5;

pub(super) fn lost(key: &str) -> Error {
    Error::internal("read an object", format!("its bytes are missing: {key}"))
}

/// The file that holds an object's bytes, for programs that read files; none when there is no such
/// key, or the store keeps no files.
pub async fn path(cx: &Context, key: &str) -> Result<Option<PathBuf>> {
    match find(cx, key).await?.map(|object| object.place) {
        Some(Place::Blob(blob)) => cx.objects.path(&blob).await,
        Some(Place::File(path)) => Ok(Some(path)),
        None => Ok(None),
    }
}

/// As [`path`], for the frame workers, which read parts of it: a file in a bucket may have holes that are filled as they read.
pub async fn readable(cx: &Context, key: &str) -> Result<Option<PathBuf>> {
    match find(cx, key).await?.map(|object| object.place) {
        Some(Place::Blob(blob)) => cx.places.readable(&blob).await,
        Some(Place::File(path)) => Ok(Some(path)),
        None => Ok(None),
    }
}

/// Whether all bytes of an object are on this machine.
pub async fn is_here(cx: &Context, key: &str) -> Result<bool> {
    Ok(match find(cx, key).await?.map(|object| object.place) {
        Some(Place::Blob(blob)) => cx.places.is_here(&blob),
        _ => true,
    })
}

/// Stores bytes that are at hand under a key, in place of what it stood for. They are the station's own (a thumbnail),
/// and no quota keeps them out.
pub async fn put_bytes(cx: &Context, key: &str, bytes: impl Into<Bytes>) -> Result<Object> {
    let bytes = bytes.into();
    let length = bytes.len() as u64;
    let stream = futures::stream::iter([Ok(bytes)]).boxed();
    let stored = cx.objects.put(stream, Some(length)).await?;
    keep(cx, key, stored, false).await
}

/// Stores a stream under a key, in place of what it stood for.
///
/// Errors: `StorageFull`, `QuotaExceeded`, `Forbidden` when the key stands for a file in place or is recorded, `Invalid`
/// when the stream breaks off. Then the key is as it was.
pub(super) async fn put(
    cx: &Context,
    key: &str,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<Object> {
    put_checked(cx, key, None, bytes, expected_bytes, None).await
}

/// Stores a stream under a key, as [`put`], if its MD5 is what the sender says; in a bucket, or in the station's own
/// store. Errors: as [`put`], and `Invalid` with [`BAD_DIGEST`].
pub(super) async fn put_checked(
    cx: &Context,
    key: &str,
    bucket: Option<i64>,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
    expected_md5: Option<&str>,
) -> Result<Object> {
    if bucket.is_none() {
        quota::check_room(cx, key, expected_bytes.unwrap_or_default()).await?;
    }
    let stored = match bucket {
        Some(bucket) => {
            let stored = remote::put_in(cx, bucket, key, bytes, expected_bytes).await?;
            let stored = check_digest(cx, stored, expected_md5).await?;
            if let Some(object) = remote::sent_before(cx, key, bucket, &stored, &stored.md5).await?
            {
                return Ok(object);
            }
            stored
        }
        None => store_checked(cx, bytes, expected_bytes, expected_md5).await?,
    };
    keep(cx, key, stored, true).await
}

/// Makes a key stand for bytes that were just stored, in place of what it stood for; within the quota of its
/// project, where it is `limited`.
async fn keep(cx: &Context, key: &str, stored: Stored, limited: bool) -> Result<Object> {
    let Stored {
        blob,
        size_bytes,
        md5,
    } = stored;
    let object = Object {
        key: key.to_owned(),
        size_bytes,
        etag: md5,
        modified_at: cx.now(),
        place: Place::Blob(blob.clone()),
    };
    let stored = object.clone();
    let written = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                replace(tx, &stored).await?;
                if limited {
                    quota::check_kept(tx, &stored.key).await?;
                }
                Ok(())
            })
        })
        .await;
    keep_or_delete(cx, &blob, written).await?;
    collect(cx).await?;
    Ok(object)
}

/// What is said of bytes that are not those which were announced.
pub(super) const BAD_DIGEST: &str = "The Content-MD5 you specified did not match what we received.";

/// Stores a stream that no key stands for yet. Errors: as [`put_checked`]; then nothing is kept.
pub(super) async fn store_checked(
    cx: &Context,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
    expected_md5: Option<&str>,
) -> Result<Stored> {
    let stored = cx.objects.put(bytes, expected_bytes).await?;
    check_digest(cx, stored, expected_md5).await
}

async fn check_digest(cx: &Context, stored: Stored, expected_md5: Option<&str>) -> Result<Stored> {
    if expected_md5.is_none_or(|expected| expected == stored.md5) {
        return Ok(stored);
    }
    keep_or_delete(cx, &stored.blob, Err(Error::invalid(BAD_DIGEST))).await
}

/// The bucket that a key's bytes belong in; none for the station's own store.
pub(super) async fn home(cx: &Context, key: &str) -> Result<Option<i64>> {
    let key = key.to_owned();
    cx.database
        .read(move |tx| Box::pin(async move { remote::home(tx, &key).await }))
        .await
}

/// Copies a file of this machine into the store; [`adopt`] gives the copy its key.
pub async fn put_file(cx: &Context, path: &Path) -> Result<Stored> {
    let length = tokio::fs::metadata(path).await?.len();
    let bytes = local::read_file(path.to_owned(), 0..length, None).await?;
    let gone = || Error::NotFound(format!("the file is gone: {}", path.display()));
    cx.objects.put(bytes.ok_or_else(gone)?, Some(length)).await
}

/// Makes a key stand for bytes that were just stored.
pub async fn adopt(tx: &mut Tx, key: &str, stored: Stored, now_ms: i64) -> Result<()> {
    let object = Object {
        key: key.to_owned(),
        size_bytes: stored.size_bytes,
        etag: stored.md5,
        modified_at: now_ms,
        place: Place::Blob(stored.blob),
    };
    store::put(tx, &object).await
}

/// Writes an object in place of what its key stood for.
///
/// Errors: `Forbidden` when that is a file in place, or recorded as a media's or a file's.
pub(super) async fn replace(tx: &mut Tx, object: &Object) -> Result<()> {
    let Some(before) = store::find(tx, &object.key).await? else {
        return store::put(tx, object).await;
    };
    if let Place::File(_) = before.place {
        return Err(Error::Forbidden(format!(
            "the object stands for a file in place and is read-only: {}",
            object.key
        )));
    }
    // Who sends the same bytes again has missed the answer.
    if before.etag != object.etag && is_recorded(tx, &object.key).await? {
        return Err(Error::Forbidden(format!(
            "the object is recorded and stays as it is; upload under a new key, and record that: {}",
            object.key
        )));
    }
    store::put(tx, object).await
}

/// Whether a media or a file names an object.
async fn is_recorded(tx: &mut Tx, key: &str) -> Result<bool> {
    let parts: Vec<&str> = key.splitn(5, '/').collect();
    match parts[..] {
        [_, _, "files", file, _] => match file.parse() {
            Ok(file) => Ok(store::file_path(tx, file).await?.as_deref() == Some(key)),
            Err(_) => Ok(false),
        },
        [_, _, media, ..] => match media.parse() {
            Ok(media) => media::service::needs_key(tx, media, key).await,
            Err(_) => Ok(false),
        },
        _ => Ok(false),
    }
}

/// Deletes a blob that the database certainly did not take. When the transaction may have been
/// committed all the same (the connection broke meanwhile), the blob is left to the sweep.
pub(super) async fn keep_or_delete<T>(cx: &Context, blob: &str, written: Result<T>) -> Result<T> {
    let undone = match &written {
        Ok(_) | Err(Error::Internal { .. } | Error::Busy(_)) => false,
        Err(_) => true,
    };
    if undone && let Err(error) = cx.objects.delete(blob).await {
        tracing::warn!(%error, blob, "an unused blob stays until the next sweep");
    }
    written
}

/// Makes a key stand for a file in place, which is read and never written.
pub async fn put_in_place(
    tx: &mut Tx,
    key: &str,
    path: &Path,
    size_bytes: u64,
    now_ms: i64,
) -> Result<()> {
    let object = Object {
        key: key.to_owned(),
        size_bytes,
        etag: String::new(),
        modified_at: now_ms,
        place: Place::File(path.to_owned()),
    };
    store::put(tx, &object).await
}

/// Makes a second key stand for the bytes of a first one; nothing is copied.
///
/// Errors: `NotFound` when there is no such key, `QuotaExceeded`.
pub async fn copy_link(tx: &mut Tx, from_key: &str, to_key: &str) -> Result<()> {
    let mut object = store::find(tx, from_key)
        .await?
        .ok_or_else(|| Error::NotFound(format!("there is no object: {from_key}")))?;
    to_key.clone_into(&mut object.key);
    store::put(tx, &object).await?;
    quota::check_kept(tx, to_key).await
}

/// Removes a key; says whether it was there. Its bytes go with the last key that shares them, once
/// [`collect`] runs; a file in place stays.
pub async fn remove(tx: &mut Tx, key: &str) -> Result<bool> {
    store::remove(tx, key).await
}

/// The length of an object in bytes; none when there is no such key.
pub async fn size(tx: &mut Tx, key: &str) -> Result<Option<i64>> {
    let object = store::find(tx, key).await?;
    Ok(object.map(|object| i64::try_from(object.size_bytes).unwrap_or(i64::MAX)))
}

/// Whose keys a project's are. Errors: `NotFound`.
pub async fn owner(tx: &mut Tx, project: i64) -> Result<Owner> {
    let organization = project::service::organization_of(tx, project).await?;
    Ok(Owner {
        organization,
        project,
    })
}

/// Deletes the bytes that no key stands for any more. Call it after the transaction that removed keys.
pub async fn collect(cx: &Context) -> Result<()> {
    loop {
        let blobs = cx.database.read(|tx| Box::pin(store::unused(tx))).await?;
        if blobs.is_empty() {
            return Ok(());
        }
        // All at once, so that they share what their deletion costs.
        let deleting = blobs.iter().map(|blob| cx.objects.delete(blob));
        futures::future::try_join_all(deleting).await?;
        cx.database
            .write(move |tx| {
                Box::pin(async move {
                    for blob in &blobs {
                        store::forget(tx, blob).await?;
                    }
                    Ok(())
                })
            })
            .await?;
    }
}

/// Deletes the bytes that no key stands for any more, a moment after each transaction that may have
/// removed keys; so that clients who overwrite and delete need not wait for it.
pub async fn collect_behind(cx: &Context) {
    let mut committed = cx.database.committed();
    while committed.changed().await.is_ok() {
        tokio::time::sleep(COLLECT_AFTER).await;
        committed.mark_unchanged();
        if let Err(error) = collect(cx).await {
            tracing::warn!(error = %Chain(&error), "unused bytes stay until the next sweep");
        }
    }
}

/// Ends what was abandoned: temporary uploads older than a day, multipart uploads whose links
/// expired, and blobs that a crash left without an owner. The station calls it every hour; each
/// call looks through one of the store's shards, another one every hour.
pub async fn expire(cx: &Context) -> Result<()> {
    let now = cx.now();
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                for key in store::old_uploads(tx, now - DAY_MS).await? {
                    store::remove(tx, &key).await?;
                }
                remote::abandon_old(tx, now).await?;
                for upload in store::expired_multiparts(tx, now).await? {
                    store::remove_multipart(tx, &upload).await?;
                }
                Ok(())
            })
        })
        .await?;
    collect(cx).await?;
    let shard = u8::try_from((now / 3_600_000).rem_euclid(SHARDS)).expect("shards fit a byte");
    sweep(cx, shard).await
}

async fn sweep(cx: &Context, shard: u8) -> Result<()> {
    let now = cx.now();
    let mut blobs = cx.objects.list(shard).await?;
    // A younger one may be waiting for its row.
    blobs.retain(|head| head.modified_at < now - DAY_MS);
    let orphans = cx.database.read(move |tx| {
        Box::pin(async move {
            let mut orphans = Vec::new();
            for head in blobs {
                if !store::is_known(tx, &head.blob).await? {
                    orphans.push(head.blob);
                }
            }
            Ok(orphans)
        })
    });
    for blob in orphans.await? {
        tracing::info!(blob, "deleting a blob that a crash left without an owner");
        cx.objects.delete(&blob).await?;
    }
    Ok(())
}
