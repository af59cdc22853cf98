//! Rows of objects, blobs and uploads: those of the station's own bucket, number 1. Other buckets are
//! below `s3`.

use std::path::PathBuf;

use super::backup;
use super::key::{UPLOADS, organization_of};
use super::objects::places;
use super::quota::Scope;
use super::remote;
use super::s3::OWN;
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
    let mut grown = match &before {
        Some(before) => -taken(tx, before).await?,
        None => 0,
    };
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
        backup::plan(tx, &object.key, blob, object.modified_at).await?;
    } else {
        backup::forget(tx, &object.key).await?;
    }
    if let Some(before) = before
        && let Place::Blob(blob) = before.place
    {
        release(tx, &blob).await?;
    }
    grown += taken(tx, object).await?;
    count(tx, OWN, &object.key, grown).await?;
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
    let taken = taken(tx, &before).await?;
    tx.execute(
        "delete from object \
               where bucket = 1 and key = $1",
        &values![key],
    )
    .await?;
    backup::forget(tx, key).await?;
    if let Place::Blob(blob) = before.place {
        release(tx, &blob).await?;
        count(tx, OWN, key, -taken).await?;
    }
    Ok(true)
}

/// Lets an object's bytes be those of another blob, where they have been moved to.
pub(super) async fn moved(tx: &mut Tx, object: &Object, blob: &str) -> Result<()> {
    let before = taken(tx, object).await?;
    if let Place::Blob(old) = &object.place {
        release(tx, old).await?;
    }
    retain(tx, blob).await?;
    let sql = "update object set blob = $2 where bucket = 1 and key = $1";
    tx.execute(sql, &values![&object.key, blob]).await?;
    remote::arrived(tx, &object.key).await?;
    backup::moved(tx, &object.key, blob, crate::time::now_ms()).await?;
    let object = Object {
        place: Place::Blob(blob.to_owned()),
        ..object.clone()
    };
    let grown = taken(tx, &object).await? - before;
    count(tx, OWN, &object.key, grown).await
}

/// Bytes of the station's disk that an object takes, whether or not it shares them: none where it is a file in place,
/// or in a bucket of another store and not on its way here.
pub(super) async fn taken(tx: &mut Tx, object: &Object) -> Result<i64> {
    let is_here = match &object.place {
        Place::File(_) => false,
        Place::Blob(blob) => {
            places::split(blob).is_none() || remote::is_coming(tx, &object.key).await?
        }
    };
    Ok(if is_here { object.size_bytes as i64 } else { 0 })
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
               join multipart_upload u on u.id = p.upload join store_bucket b on b.id = u.bucket where p.blob = $1 \
               union all select 'transect/' || key || ' (its backup)' from object_backup where copy = $1";
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
    let size = size_bytes as i64;
    let replaced = abandon_part(tx, upload, part.number).await?;
    count_parts(tx, upload, size - replaced).await?;
    let sql = "insert into multipart_part (upload, number, size_bytes, etag, blob) \
               values ($1, $2, $3, $4, $5) on conflict (upload, number) do update set \
               size_bytes = excluded.size_bytes, etag = excluded.etag, blob = excluded.blob";
    tx.execute(
        sql,
        &values![upload, part.number, size, &part.etag, &part.blob],
    )
    .await?;
    Ok(())
}

/// Lets go of the part that an upload has under a number; returns its length, 0 for none.
pub(super) async fn abandon_part(tx: &mut Tx, upload: &str, number: i64) -> Result<i64> {
    let sql = "select blob, size_bytes from multipart_part where upload = $1 and number = $2";
    let Some(mut before) = tx.row(sql, &values![upload, number]).await? else {
        return Ok(0);
    };
    abandon(tx, &before.take::<String>()?).await?;
    before.take()
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
    let sql =
        "select cast(coalesce(sum(size_bytes), 0) as bigint) from multipart_part where upload = $1";
    let size: Option<i64> = tx.scalar(sql, &values![id]).await?;
    count_parts(tx, id, -size.unwrap_or_default()).await?;
    for part in parts(tx, id).await? {
        abandon(tx, &part.blob).await?;
    }
    tx.execute("delete from multipart_part where upload = $1", &values![id])
        .await?;
    tx.execute("delete from multipart_upload where id = $1", &values![id])
        .await?;
    Ok(())
}

// ---------------------------------------------------------------- use and quotas

/// Counts bytes that came or went under a key of a bucket.
pub(super) async fn count(tx: &mut Tx, bucket: i64, key: &str, grown: i64) -> Result<()> {
    let Some(scope) = Scope::of(bucket, key).filter(|_| grown != 0) else {
        return Ok(());
    };
    count_of(tx, scope, grown).await?;
    let Scope::Project(project) = scope else {
        return Ok(());
    };
    // A key says whose it is, also when its project is gone; those that do not go with it.
    let organization = match organization_of(key) {
        Some(organization) => Some(organization),
        None => organization_of_project(tx, project).await?,
    };
    match organization {
        Some(organization) => count_of(tx, Scope::Organization(organization), grown).await,
        None => Ok(()),
    }
}

/// The organization of a project, deleted or not.
pub(super) async fn organization_of_project(tx: &mut Tx, project: i64) -> Result<Option<i64>> {
    let sql = "select organization from project where id = $1";
    tx.scalar(sql, &values![project]).await
}

/// Counts bytes of one scope that came or went.
pub(super) async fn count_of(tx: &mut Tx, scope: Scope, grown: i64) -> Result<()> {
    let sql = "insert into storage_use (kind, id, used_bytes) values ($1, $2, $3) \
               on conflict (kind, id) do update set used_bytes = storage_use.used_bytes + excluded.used_bytes";
    tx.execute(sql, &values![scope.kind(), scope.id(), grown])
        .await?;
    Ok(())
}

/// Counts bytes of parts that came or went.
pub(super) async fn count_parts(tx: &mut Tx, upload: &str, grown: i64) -> Result<()> {
    let sql = "select bucket, key from multipart_upload where id = $1";
    let Some(mut row) = tx.row(sql, &values![upload]).await? else {
        return Ok(());
    };
    let (bucket, key): (i64, String) = (row.take()?, row.take()?);
    count(tx, bucket, &key, grown).await
}

/// How many bytes are kept, and how many may be.
pub(super) async fn used_and_quota(tx: &mut Tx, scope: Scope) -> Result<(i64, Option<i64>)> {
    let sql = "select used_bytes, quota_bytes from storage_use where kind = $1 and id = $2";
    match tx.row(sql, &values![scope.kind(), scope.id()]).await? {
        Some(mut row) => Ok((row.take()?, row.take()?)),
        None => Ok((0, None)),
    }
}

/// Sets how many bytes may be kept.
pub(super) async fn set_quota(tx: &mut Tx, scope: Scope, quota: Option<i64>) -> Result<()> {
    let sql = "insert into storage_use (kind, id, quota_bytes) values ($1, $2, $3) \
               on conflict (kind, id) do update set quota_bytes = excluded.quota_bytes";
    tx.execute(sql, &values![scope.kind(), scope.id(), quota])
        .await?;
    Ok(())
}

/// Forgets what was counted of something that goes away.
pub(super) async fn forget_use(tx: &mut Tx, scope: Scope) -> Result<()> {
    let sql = "delete from storage_use where kind = $1 and id = $2";
    tx.execute(sql, &values![scope.kind(), scope.id()]).await?;
    Ok(())
}

/// The name of a bucket, project or organization.
pub(super) async fn name_of(tx: &mut Tx, scope: Scope) -> Result<Option<String>> {
    let sql = match scope {
        Scope::Bucket(_) => "select name from store_bucket where id = $1",
        Scope::Project(_) => "select name from project where id = $1",
        Scope::Organization(_) => "select name from organization where id = $1",
    };
    tx.scalar(sql, &values![scope.id()]).await
}

/// The projects of an organization, deleted ones too, as they hold bytes.
pub(super) async fn projects_of(tx: &mut Tx, organization: i64) -> Result<Vec<i64>> {
    let sql = "select id from project where organization = $1";
    let rows = tx.rows(sql, &values![organization]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Everything that is counted and still there.
pub(super) async fn counted(tx: &mut Tx) -> Result<Vec<Scope>> {
    let sql = "select u.kind, u.id from storage_use u \
               left join store_bucket b on u.kind = 'bucket' and b.id = u.id \
               left join project p on u.kind = 'project' and p.id = u.id \
               left join organization o on u.kind = 'organization' and o.id = u.id \
               where b.id is not null or p.id is not null or o.id is not null order by u.kind, u.id";
    let mut counted = Vec::new();
    for mut row in tx.rows(sql, &[]).await? {
        let (kind, id): (String, i64) = (row.take()?, row.take()?);
        counted.extend(Scope::from_kind(&kind, id));
    }
    Ok(counted)
}

/// Whether a project has this media.
pub async fn has_media(tx: &mut Tx, project: i64, media: i64) -> Result<bool> {
    let sql = "select id from media where id = $1 and project = $2 and not deleted";
    Ok(tx.row(sql, &values![media, project]).await?.is_some())
}

/// Every organization of a name.
pub(super) async fn organizations_named(tx: &mut Tx, name: &str) -> Result<Vec<i64>> {
    let sql = "select id from organization where name = $1 order by id";
    let rows = tx.rows(sql, &values![name]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
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
