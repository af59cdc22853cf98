//! Rows of objects, blobs and uploads: those of the station's own bucket, number 1. Other buckets are
//! below `s3`.

use std::path::PathBuf;

use super::key::UPLOADS;
use super::remote;
use super::types::{Object, Part, Place};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::values;

fn object(mut row: Row) -> Result<Object> {
    let (key, size): (String, i64) = (row.take()?, row.take()?);
    let (etag, blob, source) = (
        row.take()?,
        row.take::<Option<String>>()?,
        row.take::<Option<String>>()?,
    );
    let place = match (blob, source) {
        (_, Some(source)) => Place::File(PathBuf::from(source)),
        (Some(blob), None) => Place::Blob(blob),
        (None, None) => return Err(Error::internal("read an object", "it has no bytes")),
    };
    Ok(Object {
        key,
        size_bytes: u64::try_from(size).unwrap_or_default(),
        etag,
        modified_at: row.take()?,
        place,
    })
}

pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<Object>> {
    let sql = "select key, size_bytes, etag, blob, source, created_at from object \
               where bucket = 1 and key = $1";
    tx.row(sql, &values![key]).await?.map(object).transpose()
}

/// Writes an object; the blob that its key stood for so far loses a use.
pub async fn put(tx: &mut Tx, object: &Object) -> Result<()> {
    let before = find(tx, &object.key).await?;
    let (blob, source) = match &object.place {
        Place::Blob(blob) => (Some(blob.as_str()), None),
        Place::File(path) => {
            let path = path.to_str().ok_or_else(|| {
                Error::invalid(format!(
                    "the path is not UTF-8, rename the file: {}",
                    path.display()
                ))
            })?;
            (None, Some(path))
        }
    };
    if let Some(blob) = blob {
        retain(tx, blob).await?;
        remote::plan(tx, &object.key, blob, object.modified_at).await?;
    }
    if let Some(Place::Blob(blob)) = before.map(|before| before.place) {
        release(tx, &blob).await?;
    }
    let sql = "insert into object (bucket, key, size_bytes, etag, blob, source, created_at) \
               values (1, $1, $2, $3, $4, $5, $6) on conflict (bucket, key) do update set \
               size_bytes = excluded.size_bytes, etag = excluded.etag, blob = excluded.blob, \
               source = excluded.source, created_at = excluded.created_at";
    tx.execute(
        sql,
        &values![
            &object.key,
            object.size_bytes as i64,
            &object.etag,
            blob,
            source,
            object.modified_at
        ],
    )
    .await?;
    Ok(())
}

/// Removes an object; says whether it was there.
pub async fn remove(tx: &mut Tx, key: &str) -> Result<bool> {
    let Some(before) = find(tx, key).await? else {
        return Ok(false);
    };
    tx.execute(
        "delete from object \
               where bucket = 1 and key = $1",
        &values![key],
    )
    .await?;
    if let Place::Blob(blob) = before.place {
        release(tx, &blob).await?;
    }
    Ok(true)
}

/// A blob gains a use.
pub(super) async fn retain(tx: &mut Tx, blob: &str) -> Result<()> {
    let sql = "insert into object_blob (blob, uses) values ($1, 1) \
               on conflict (blob) do update set uses = object_blob.uses + 1";
    tx.execute(sql, &values![blob]).await?;
    remote::retained(tx, blob).await
}

/// A blob loses a use; without any it goes with the next [`unused`].
pub(super) async fn release(tx: &mut Tx, blob: &str) -> Result<()> {
    let sql = "update object_blob set uses = uses - 1 where blob = $1";
    tx.execute(sql, &values![blob]).await?;
    Ok(())
}

/// Puts a blob that never was an object's on the list of unused ones.
pub(super) async fn abandon(tx: &mut Tx, blob: &str) -> Result<()> {
    let sql = "insert into object_blob (blob, uses) values ($1, 0) on conflict (blob) do nothing";
    tx.execute(sql, &values![blob]).await?;
    Ok(())
}

/// Some blobs of the station's own store that no object uses.
pub async fn unused(tx: &mut Tx) -> Result<Vec<String>> {
    let sql =
        "select blob from object_blob where uses <= 0 and substr(blob, 1, 1) <> '@' limit 500";
    tx.rows(sql, &[])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Forgets a blob whose bytes are gone.
pub async fn forget(tx: &mut Tx, blob: &str) -> Result<()> {
    let sql = "delete from object_blob where blob = $1 and uses <= 0";
    if tx.execute(sql, &values![blob]).await? > 0 {
        remote::forget(tx, blob).await?;
    }
    Ok(())
}

/// Whether an object, the list of unused blobs or an upload knows a blob.
pub async fn is_known(tx: &mut Tx, blob: &str) -> Result<bool> {
    let sql = "select blob from object_blob where blob = $1 \
               union all select blob from multipart_part where blob = $1";
    Ok(tx.row(sql, &values![blob]).await?.is_some())
}

/// Blobs that objects or uploads in parts use, by name, behind a name.
pub async fn used(tx: &mut Tx, after: &str, most: usize) -> Result<Vec<String>> {
    let sql = format!(
        "select blob from (select blob from object_blob where uses > 0 and blob > $1 \
         union select blob from multipart_part where blob > $1) as used order by blob limit {most}"
    );
    tx.rows(&sql, &values![after])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Whose bytes a blob holds: `bucket/key`, with the version where it is not the current one.
pub async fn users(tx: &mut Tx, blob: &str) -> Result<Vec<String>> {
    let sql = "select b.name || '/' || o.key from object o join store_bucket b on b.id = o.bucket where o.blob = $1 \
               union all select b.name || '/' || v.key || ' (version ' || v.version || ')' from object_version v \
               join store_bucket b on b.id = v.bucket where v.blob = $1 \
               union all select b.name || '/' || u.key || ' (part of an upload)' from multipart_part p \
               join multipart_upload u on u.id = p.upload join store_bucket b on b.id = u.bucket where p.blob = $1";
    tx.rows(sql, &values![blob])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Every key that begins so.
pub async fn keys_below(tx: &mut Tx, prefix: &str) -> Result<Vec<String>> {
    let length = prefix.chars().count() as i64;
    let sql =
        "select key from object where bucket = 1 and substr(key, 1, cast($2 as integer)) = $1";
    tx.rows(sql, &values![prefix, length])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Keys of temporary uploads older than a time.
pub async fn old_uploads(tx: &mut Tx, before_ms: i64) -> Result<Vec<String>> {
    // The condition repeats the index's own.
    let sql = format!(
        "select key from object where bucket = 1 and substr(key, 1, 9) = '{UPLOADS}' and created_at < $1"
    );
    tx.rows(&sql, &values![before_ms])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

pub async fn insert_multipart(
    tx: &mut Tx,
    id: &str,
    key: &str,
    expires_at: i64,
    remote: Option<i64>,
) -> Result<()> {
    let sql = "insert into multipart_upload (id, key, expires_at, remote) values ($1, $2, $3, $4)";
    tx.execute(sql, &values![id, key, expires_at, remote])
        .await?;
    Ok(())
}

/// The bucket that an upload in parts goes to, if it names one.
pub async fn multipart_remote(tx: &mut Tx, id: &str) -> Result<Option<i64>> {
    let sql = "select remote from multipart_upload where id = $1 and bucket = 1";
    Ok(tx.scalar::<Option<i64>>(sql, &values![id]).await?.flatten())
}

/// The key of a multipart upload that is under way.
pub async fn multipart_key(tx: &mut Tx, id: &str) -> Result<Option<String>> {
    let sql = "select key from multipart_upload where id = $1 and bucket = 1";
    tx.scalar(sql, &values![id]).await
}

/// Multipart uploads whose time is over.
pub async fn expired_multiparts(tx: &mut Tx, now_ms: i64) -> Result<Vec<String>> {
    let sql = "select id from multipart_upload where expires_at < $1";
    tx.rows(sql, &values![now_ms])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Writes a part; one sent before under the same number goes.
pub async fn put_part(tx: &mut Tx, upload: &str, part: &Part, size_bytes: u64) -> Result<()> {
    let sql = "select blob from multipart_part where upload = $1 and number = $2";
    let before: Option<String> = tx.scalar(sql, &values![upload, part.number]).await?;
    if let Some(before) = before {
        abandon(tx, &before).await?;
    }
    let sql = "insert into multipart_part (upload, number, size_bytes, etag, blob) \
               values ($1, $2, $3, $4, $5) on conflict (upload, number) do update set \
               size_bytes = excluded.size_bytes, etag = excluded.etag, blob = excluded.blob";
    let size = size_bytes as i64;
    tx.execute(
        sql,
        &values![upload, part.number, size, &part.etag, &part.blob],
    )
    .await?;
    Ok(())
}

/// The parts of an upload, by number.
pub async fn parts(tx: &mut Tx, upload: &str) -> Result<Vec<Part>> {
    let sql = "select number, etag, blob from multipart_part where upload = $1 order by number";
    tx.rows(sql, &values![upload])
        .await?
        .into_iter()
        .map(|mut row| {
            Ok(Part {
                number: row.take()?,
                etag: row.take()?,
                blob: row.take()?,
            })
        })
        .collect()
}

/// Ends a multipart upload: its parts go.
pub async fn remove_multipart(tx: &mut Tx, id: &str) -> Result<()> {
    for part in parts(tx, id).await? {
        abandon(tx, &part.blob).await?;
    }
    tx.execute("delete from multipart_part where upload = $1", &values![id])
        .await?;
    tx.execute("delete from multipart_upload where id = $1", &values![id])
        .await?;
    Ok(())
}

/// Whether a project has this media.
pub async fn has_media(tx: &mut Tx, project: i64, media: i64) -> Result<bool> {
    let sql = "select id from media where id = $1 and project = $2 and not deleted";
    Ok(tx.row(sql, &values![media, project]).await?.is_some())
}

/// The name of a file of a project.
pub async fn file_name(tx: &mut Tx, project: i64, file: i64) -> Result<Option<String>> {
    let sql = "select name from file where id = $1 and project = $2 and not deleted";
    tx.scalar(sql, &values![file, project]).await
}

/// The key that a file's record names.
pub async fn file_path(tx: &mut Tx, file: i64) -> Result<Option<String>> {
    let sql = "select path from file where id = $1";
    let path: Option<Option<String>> = tx.scalar(sql, &values![file]).await?;
    Ok(path.flatten())
}

/// Whether an organization has this bucket.
pub async fn has_bucket(tx: &mut Tx, organization: i64, bucket: i64) -> Result<bool> {
    let sql = "select id from bucket where id = $1 and organization = $2";
    Ok(tx.row(sql, &values![bucket, organization]).await?.is_some())
}
