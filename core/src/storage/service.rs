//! Rules of uploads, downloads and objects.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use md5::{Digest, Md5};

use super::key::Owner;
use super::objects::{ByteStream, SHARDS, Stored, local};
use super::types::{
    DownloadInfo, DownloadRequest, Object, Part, Place, UploadCompletion, UploadInfo, UploadQuery,
};
use super::{links, store};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::project::{self, Level};

const DAY_MS: i64 = 24 * 3_600_000;

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
    if let Place::File(path) = &object.place {
        let facts = tokio::fs::metadata(path).await.map_err(|error| {
            tracing::warn!(key = object.key, %error, "a file in place is missing: {}", path.display());
            Error::NotFound("the file that this object stands for is missing".into())
        })?;
        object.size_bytes = facts.len();
        object.modified_at = local::modified_ms(&facts);
        object.etag = format!("{:x}-{:x}", object.modified_at, object.size_bytes);
    }
    Ok(Some(object))
}

/// The bytes of a range of an object; none when it was replaced or removed since it was found.
pub(super) async fn read(
    cx: &Context,
    object: &Object,
    range: std::ops::Range<u64>,
) -> Result<Option<ByteStream>> {
    match &object.place {
        Place::Blob(blob) => cx.objects.get(blob, range).await,
        Place::File(path) => local::read_file(path.clone(), range).await,
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
    let object = find(cx, key).await?;
    Ok(object.and_then(|object| match object.place {
        Place::Blob(blob) => cx.objects.path(&blob),
        Place::File(path) => Some(path),
    }))
}

/// Stores bytes that are at hand under a key, in place of what it stood for.
pub async fn put_bytes(cx: &Context, key: &str, bytes: impl Into<Bytes>) -> Result<Object> {
    let bytes = bytes.into();
    let length = bytes.len() as u64;
    let stream = futures::stream::iter([Ok(bytes)]).boxed();
    put(cx, key, stream, Some(length)).await
}

/// Stores a stream under a key, in place of what it stood for.
///
/// Errors: `StorageFull`, `Forbidden` when the key stands for a file in place, `Invalid` when the
/// stream breaks off. Then the key is as it was.
pub(super) async fn put(
    cx: &Context,
    key: &str,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<Object> {
    let Stored {
        blob,
        size_bytes,
        md5,
    } = cx.objects.put(bytes, expected_bytes).await?;
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
        .write(move |tx| Box::pin(async move { replace(tx, &stored).await }))
        .await;
    keep_or_delete(cx, &blob, written).await?;
    collect(cx).await?;
    Ok(object)
}

/// Copies a file of this machine into the store; [`adopt`] gives the copy its key.
pub async fn put_file(cx: &Context, path: &Path) -> Result<Stored> {
    let length = tokio::fs::metadata(path).await?.len();
    let bytes = local::read_file(path.to_owned(), 0..length).await?;
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

async fn replace(tx: &mut Tx, object: &Object) -> Result<()> {
    let before = store::find(tx, &object.key).await?;
    if let Some(Place::File(_)) = before.map(|before| before.place) {
        return Err(Error::Forbidden(format!(
            "the object stands for a file in place and is read-only: {}",
            object.key
        )));
    }
    store::put(tx, object).await
}

/// Deletes a blob that the database did not take.
async fn keep_or_delete<T>(cx: &Context, blob: &str, written: Result<T>) -> Result<T> {
    if written.is_err()
        && let Err(error) = cx.objects.delete(blob).await
    {
        tracing::warn!(%error, blob, "an unused blob stays until the next sweep");
    }
    written
}

/// Stores one part of a multipart upload; returns its ETag.
///
/// Errors: as [`put`], and `NotFound` when the upload is over or never was.
pub(super) async fn put_part(
    cx: &Context,
    key: &str,
    upload: &str,
    number: i64,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<String> {
    let (wanted, id) = (key.to_owned(), upload.to_owned());
    let check = cx
        .database
        .read(move |tx| Box::pin(async move { is_under_way(tx, &id, &wanted).await }));
    check.await?;
    let stored = cx.objects.put(bytes, expected_bytes).await?;
    let part = Part {
        number,
        etag: stored.md5.clone(),
        blob: stored.blob.clone(),
    };
    let (wanted, id) = (key.to_owned(), upload.to_owned());
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            is_under_way(tx, &id, &wanted).await?;
            store::put_part(tx, &id, &part, stored.size_bytes).await
        })
    });
    let written = written.await;
    keep_or_delete(cx, &stored.blob, written).await?;
    Ok(stored.md5)
}

async fn is_under_way(tx: &mut Tx, upload: &str, key: &str) -> Result<()> {
    if store::multipart_key(tx, upload).await?.as_deref() == Some(key) {
        Ok(())
    } else {
        Err(no_upload())
    }
}

fn no_upload() -> Error {
    Error::NotFound(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
         been aborted or completed."
            .into(),
    )
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
/// Errors: `NotFound` when there is no such key.
pub async fn copy_link(tx: &mut Tx, from_key: &str, to_key: &str) -> Result<()> {
    let mut object = store::find(tx, from_key)
        .await?
        .ok_or_else(|| Error::NotFound(format!("there is no object: {from_key}")))?;
    to_key.clone_into(&mut object.key);
    store::put(tx, &object).await
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
    store::owner(tx, project)
        .await?
        .ok_or_else(|| Error::no_match("Project"))
}

/// Deletes the bytes that no key stands for any more. Call it after the transaction that removed keys.
pub async fn collect(cx: &Context) -> Result<()> {
    loop {
        let blobs = cx.database.read(|tx| Box::pin(store::unused(tx))).await?;
        if blobs.is_empty() {
            return Ok(());
        }
        for blob in &blobs {
            cx.objects.delete(blob).await?;
        }
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

/// Where to put an upload: a temporary one, a media's or a file's.
pub(super) async fn upload_info(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    project: i64,
    query: UploadQuery,
) -> Result<UploadInfo> {
    let (actor, now, wanted) = (actor.clone(), cx.now(), query.clone());
    let naming = cx.database.read(move |tx| {
        Box::pin(async move {
            project::access(tx, &actor, project, Level::View).await?;
            name_upload(tx, &actor, project, wanted, now).await
        })
    });
    let key = naming.await?;
    let expires = query.expiration;
    if query.num_parts <= 1 {
        let url = links::presign_put(cx, origin, &key, None, expires);
        return Ok(UploadInfo {
            urls: vec![url],
            key,
            upload_id: String::new(),
        });
    }
    let upload_id = id::uuid();
    let (upload, uploaded) = (upload_id.clone(), key.clone());
    // The last part may end, and the completion come, after the links have expired.
    let expires_at = now + expires * 1000 + DAY_MS;
    cx.database
        .write(move |tx| {
            Box::pin(
                async move { store::insert_multipart(tx, &upload, &uploaded, expires_at).await },
            )
        })
        .await?;
    let urls = (1..=query.num_parts)
        .map(|number| links::presign_put(cx, origin, &key, Some((&upload_id, number)), expires))
        .collect();
    Ok(UploadInfo {
        urls,
        key,
        upload_id,
    })
}

async fn name_upload(
    tx: &mut Tx,
    actor: &Actor,
    project: i64,
    query: UploadQuery,
    now_ms: i64,
) -> Result<String> {
    let owner = owner(tx, project).await?;
    let filename = query.filename.as_deref();
    if query.media_id.is_some() && query.file_id.is_some() {
        return Err(Error::invalid(
            "Both media_id and file_id are specified! Only one of them may be.",
        ));
    }
    if let Some(bucket) = query.bucket_id {
        if query.media_id.is_none() {
            return Err(Error::invalid(
                "A bucket_id may be specified only together with a media_id!",
            ));
        }
        if !store::has_bucket(tx, owner.organization, bucket).await? {
            return Err(Error::invalid(format!(
                "Bucket ID {bucket} does not exist in organization {}!",
                owner.organization
            )));
        }
    }
    if let Some(media) = query.media_id {
        if !store::has_media(tx, project, media).await? {
            return Err(Error::invalid(format!(
                "Media ID {media} does not exist in project {project}!"
            )));
        }
        return Ok(owner.rendition(media, filename));
    }
    if let Some(file) = query.file_id {
        let name = store::file_name(tx, project, file).await?;
        let name = name.ok_or_else(|| {
            Error::invalid(format!(
                "File ID {file} does not exist in project {project}!"
            ))
        })?;
        return Ok(owner.file(file, Some(filename.unwrap_or(&name))));
    }
    Ok(owner.upload(actor.id, now_ms))
}

/// Puts the parts of a multipart upload together. A completion that is sent again succeeds again.
pub(super) async fn complete(
    cx: &Context,
    actor: &Actor,
    project: i64,
    completion: UploadCompletion,
) -> Result<String> {
    let missing = |name: &str| {
        Error::invalid_because(
            "Request body validation error",
            format!("body: '{name}' is a required property"),
        )
    };
    let key = completion.key.ok_or_else(|| missing("key"))?;
    let upload = completion.upload_id.ok_or_else(|| missing("upload_id"))?;
    let mut wanted = completion
        .parts
        .into_iter()
        .map(|part| {
            let number = part.number.ok_or_else(|| missing("PartNumber"))?;
            let etag = part.etag.ok_or_else(|| missing("ETag"))?;
            Ok((number, etag.trim_matches('"').to_lowercase()))
        })
        .collect::<Result<Vec<_>>>()?;
    wanted.sort();
    let etag = etag_of_parts(&wanted)?;

    let (reader, id, object_key) = (actor.clone(), upload.clone(), key.clone());
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            project::access(tx, &reader, project, Level::Transfer).await?;
            check_key(owner(tx, project).await?, &object_key)?;
            let current = store::find(tx, &object_key).await?;
            if store::multipart_key(tx, &id).await?.as_deref() == Some(&object_key) {
                return Ok((store::parts(tx, &id).await?, current));
            }
            Ok((Vec::new(), current))
        })
    });
    let (sent, current) = reading.await?;
    if sent.is_empty() {
        return match current {
            Some(object) if object.etag == etag => Ok(key),
            _ => Err(Error::invalid(no_upload().to_string())),
        };
    }
    let blobs = choose(&sent, &wanted)?;
    let head = cx.objects.join(blobs).await?;
    let object = Object {
        key: key.clone(),
        size_bytes: head.size_bytes,
        etag,
        modified_at: cx.now(),
        place: Place::Blob(head.blob.clone()),
    };
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            // A twin of this request may have been faster.
            if store::multipart_key(tx, &upload).await?.is_none() {
                return Err(Error::invalid(no_upload().to_string()));
            }
            replace(tx, &object).await?;
            store::remove_multipart(tx, &upload).await
        })
    });
    let written = written.await;
    keep_or_delete(cx, &head.blob, written).await?;
    collect(cx).await?;
    Ok(key)
}

/// The blobs of the wanted parts, in order.
fn choose(sent: &[Part], wanted: &[(i64, String)]) -> Result<Vec<String>> {
    wanted
        .iter()
        .map(|(number, etag)| {
            sent.iter()
                .find(|part| part.number == *number && part.etag == *etag)
                .map(|part| part.blob.clone())
                .ok_or_else(|| {
                    Error::invalid(format!(
                        "One or more of the specified parts could not be found: part {number} was \
                         not uploaded, or its ETag is another one."
                    ))
                })
        })
        .collect()
}

/// S3's entity tag of an object uploaded in parts: the MD5 of the parts' MD5s, and their number.
fn etag_of_parts(parts: &[(i64, String)]) -> Result<String> {
    if parts.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::invalid("a part is named twice"));
    }
    let mut md5 = Md5::new();
    for (number, etag) in parts {
        let digest = super::signature::unhex(etag)
            .ok_or_else(|| Error::invalid(format!("the ETag of part {number} is no MD5")))?;
        md5.update(&digest);
    }
    let digest = super::signature::hex(&md5.finalize());
    Ok(format!("{digest}-{}", parts.len()))
}

fn check_key(owner: Owner, key: &str) -> Result<()> {
    if owner.holds(key) {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "Key {key} does not belong to project {}!",
        owner.project
    )))
}

/// Links that read objects of a project, in the order of the keys.
pub(super) async fn download_info(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    project: i64,
    expires_secs: i64,
    request: DownloadRequest,
) -> Result<Vec<DownloadInfo>> {
    let (reader, keys) = (actor.clone(), request.keys);
    let checking = cx.database.read(move |tx| {
        Box::pin(async move {
            project::access(tx, &reader, project, Level::Transfer).await?;
            let owner = owner(tx, project).await?;
            keys.iter().try_for_each(|key| check_key(owner, key))?;
            Ok(keys)
        })
    });
    let mut links = Vec::new();
    for key in checking.await? {
        let url = super::presign(cx, actor, origin, &key, expires_secs, false).await;
        links.push(DownloadInfo { key, url });
    }
    Ok(links)
}
