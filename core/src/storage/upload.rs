//! Uploads and downloads over the API: where bytes go, and how parts become an object.

use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};

use super::key::Owner;
use super::links::presign_put;
use super::objects::ByteStream;
use super::service::{DAY_MS, collect, keep_or_delete, owner, replace, store_checked};
use super::types::{
    DownloadInfo, DownloadRequest, Object, Part, Place, UploadCompletion, UploadInfo, UploadQuery,
};
use super::{picture, quota, remote, store};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::{id, media};

/// Where to put an upload: a temporary one, a media's or a file's. Always under a new key, so that
/// the links overwrite nothing; whoever records the key makes the bytes those of the media or file.
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
            // Any member may leave something for a day; what is kept takes more.
            let level = match (wanted.media_id, wanted.file_id) {
                (_, Some(_)) => Level::Execute,
                (Some(_), None) => Level::Transfer,
                (None, None) => Level::View,
            };
            project::access(tx, &actor, project, level).await?;
            name_upload(tx, &actor, project, wanted, now).await
        })
    });
    let key = naming.await?;
    let (parts, secs) = (query.num_parts, query.expiration);
    links(cx, origin, key, query.bucket_id, parts, secs).await
}

/// Links that write a key, in one piece or in parts; in this bucket, or in the one that the key belongs in.
pub(super) async fn links(
    cx: &Context,
    origin: &str,
    key: String,
    bucket: Option<i64>,
    num_parts: i64,
    expires_secs: i64,
) -> Result<UploadInfo> {
    if num_parts <= 1 {
        let url = presign_put(cx, origin, &key, bucket, None, expires_secs);
        return Ok(UploadInfo {
            urls: vec![url],
            key,
            upload_id: String::new(),
        });
    }
    let upload_id = id::uuid();
    let (upload, uploaded) = (upload_id.clone(), key.clone());
    // The last part may end, and the completion come, after the links have expired.
    let expires_at = cx.now() + expires_secs * 1000 + DAY_MS;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                store::insert_multipart(tx, &upload, &uploaded, expires_at, bucket).await
            })
        })
        .await?;
    let urls = (1..=num_parts)
        .map(|number| {
            presign_put(
                cx,
                origin,
                &key,
                None,
                Some((&upload_id, number)),
                expires_secs,
            )
        })
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
        check_bucket(tx, owner, bucket).await?;
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

/// Checks that a bucket is one of a project's organization. Errors: `Invalid`.
pub async fn check_bucket(tx: &mut Tx, owner: Owner, bucket: i64) -> Result<()> {
    if store::has_bucket(tx, owner.organization, bucket).await? {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Bucket ID {bucket} does not exist in organization {}!",
        owner.organization
    )))
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
            let owner = owner(tx, project).await?;
            if !picture::is_organization_upload(&object_key, owner.organization, reader.id) {
                check_key(owner, &object_key)?;
            }
            let current = store::find(tx, &object_key).await?;
            if store::multipart_key(tx, &id).await?.as_deref() == Some(&object_key) {
                let bucket = match store::multipart_remote(tx, &id).await? {
                    Some(bucket) => Some(bucket),
                    None => remote::home(tx, &object_key).await?,
                };
                return Ok((store::parts(tx, &id).await?, current, bucket));
            }
            Ok((Vec::new(), current, None))
        })
    });
    let (sent, current, bucket) = reading.await?;
    if sent.is_empty() {
        return match current {
            Some(object) if object.etag == etag => Ok(key),
            _ => Err(Error::invalid(no_upload().to_string())),
        };
    }
    let blobs = choose(&sent, &wanted)?;
    let (blob, size_bytes) = match bucket {
        Some(bucket) => {
            let (length, bytes) = joined(cx, blobs).await?;
            let stored = remote::put_in(cx, bucket, &key, bytes, Some(length)).await?;
            (stored.blob, stored.size_bytes)
        }
        None => {
            let head = cx.objects.join(blobs).await?;
            (head.blob, head.size_bytes)
        }
    };
    let object = Object {
        key: key.clone(),
        size_bytes,
        etag,
        modified_at: cx.now(),
        place: Place::Blob(blob.clone()),
    };
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            // A twin of this request may have been faster.
            if store::multipart_key(tx, &upload).await?.is_none() {
                return Err(Error::invalid(no_upload().to_string()));
            }
            replace(tx, &object).await?;
            store::remove_multipart(tx, &upload).await?;
            quota::check_kept(tx, &object.key).await
        })
    });
    let written = written.await;
    keep_or_delete(cx, &blob, written).await?;
    collect(cx).await?;
    Ok(key)
}

/// The length in bytes and the bytes of blobs, one after another.
async fn joined(cx: &Context, blobs: Vec<String>) -> Result<(u64, ByteStream)> {
    let missing = |blob: &str| Error::internal("join the parts", format!("one is missing: {blob}"));
    let mut parts = Vec::new();
    for blob in blobs {
        let head = cx.objects.head(&blob).await?;
        parts.push((head.ok_or_else(|| missing(&blob))?.size_bytes, blob));
    }
    let length = parts.iter().map(|(bytes, _)| bytes).sum();
    let objects = std::sync::Arc::clone(&cx.objects);
    let streams = futures::stream::iter(parts).then(move |(bytes, blob)| {
        let objects = std::sync::Arc::clone(&objects);
        async move {
            let opened = objects.get(&blob, 0..bytes).await;
            match opened.map_err(std::io::Error::other)? {
                Some(stream) => Ok(stream),
                None => Err(std::io::Error::other("a part is missing")),
            }
        }
    });
    Ok((length, streams.try_flatten().boxed()))
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
        let digest = hex::decode(etag)
            .ok()
            .ok_or_else(|| Error::invalid(format!("the ETag of part {number} is no MD5")))?;
        md5.update(&digest);
    }
    let digest = hex::encode(md5.finalize());
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
            for key in &keys {
                if !owner.holds(key) && !media::service::shares_key(tx, project, key).await? {
                    check_key(owner, key)?;
                }
            }
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

/// Stores one part of a multipart upload; returns its ETag.
///
/// Errors: as `service::put_checked`, and `NotFound` when the upload is over or never was.
pub(super) async fn put_part(
    cx: &Context,
    key: &str,
    upload: &str,
    number: i64,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
    expected_md5: Option<&str>,
) -> Result<String> {
    let (wanted, id) = (key.to_owned(), upload.to_owned());
    let check = cx
        .database
        .read(move |tx| Box::pin(async move { is_under_way(tx, &id, &wanted).await }));
    check.await?;
    quota::check_room(cx, key, expected_bytes.unwrap_or_default()).await?;
    let stored = store_checked(cx, bytes, expected_bytes, expected_md5).await?;
    let part = Part {
        number,
        etag: stored.md5.clone(),
        blob: stored.blob.clone(),
    };
    let (wanted, id) = (key.to_owned(), upload.to_owned());
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            is_under_way(tx, &id, &wanted).await?;
            store::put_part(tx, &id, &part, stored.size_bytes).await?;
            quota::check_part(tx, &wanted, stored.size_bytes).await
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
