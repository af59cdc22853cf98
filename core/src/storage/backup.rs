//! Backups: a second copy of every object of a project, in the bucket that the project names for it (`backup_bucket`).
//!
//! Copies are made behind the answers, as [`super::remote`] moves objects, and have the key that the object has here. A row
//! says of each object what its copy is in, or that it is still to be made. A copy is used as any blob is, so that it goes
//! when its object does. What of an object is lost or damaged is read from its copy and written anew (`objects::places`).
//!
//! Temporary uploads and files in place have no copies; nor has what is in the backup bucket already.

use std::collections::HashMap;

use futures::StreamExt;
use tokio::time::Instant;

use super::key::project_of;
use super::objects::places::{self, Twins};
use super::remote::{self, AT_ONCE, BATCH, REST, SETTLE_AFTER};
use super::service::lost;
use super::store;
use super::types::Place;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::{project, values};

/// How the copies in one backup bucket are.
#[derive(Debug)]
pub struct Backups {
    /// The bucket.
    pub bucket: i64,
    /// Objects that have a copy there.
    pub kept: i64,
    /// Objects that wait for theirs.
    pub waiting: i64,
    /// Why the last of them was not made; empty when none was tried in vain.
    pub message: String,
}

/// Plans a copy of an object that was just given these bytes; one of other bytes is let go of.
pub(super) async fn plan(tx: &mut Tx, key: &str, blob: &str, now_ms: i64) -> Result<()> {
    let Some((project, false)) = project_of(key) else {
        return Ok(());
    };
    let known = blob_of(tx, key).await?;
    if known.as_deref() == Some(blob) {
        return Ok(());
    }
    if known.is_some() {
        forget(tx, key).await?;
    }
    let Some(bucket) = project::service::backup_bucket_of(tx, project).await? else {
        return Ok(());
    };
    let sql = "insert into object_backup (key, blob, bucket, since) values ($1, $2, $3, $4)";
    tx.execute(sql, &values![key, blob, bucket, now_ms]).await?;
    Ok(())
}

/// Notes that the same bytes of an object are in another blob now.
pub(super) async fn moved(tx: &mut Tx, key: &str, blob: &str, now_ms: i64) -> Result<()> {
    let sql = "update object_backup set blob = $2 where key = $1";
    if tx.execute(sql, &values![key, blob]).await? == 0 {
        plan(tx, key, blob, now_ms).await?;
    }
    Ok(())
}

/// Lets go of the copy of an object that is no more.
pub(super) async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    let sql = "delete from object_backup where key = $1 returning copy";
    let copy: Option<Option<String>> = tx.scalar(sql, &values![key]).await?;
    match copy.flatten() {
        Some(copy) => store::release(tx, &copy).await,
        None => Ok(()),
    }
}

async fn blob_of(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    let sql = "select blob from object_backup where key = $1";
    tx.scalar(sql, &values![key]).await
}

/// Plans copies of everything that a project has stored, in the bucket that it names now; without one, its copies go.
/// A copy in another bucket stays until the new one is made.
pub async fn plan_project(tx: &mut Tx, project: i64, now_ms: i64) -> Result<()> {
    let bucket = project::service::backup_bucket_of(tx, project).await?;
    let organization = store::organization_of_project(tx, project).await?;
    let prefixes = [
        organization.map(|organization| format!("{organization}/{project}/")),
        Some(format!("_media/{project}/")),
    ];
    for prefix in prefixes.into_iter().flatten() {
        let below = format!("substr(key, 1, {}) = $1", prefix.len());
        let Some(bucket) = bucket else {
            let sql = format!(
                "update object_blob set uses = uses - 1 where blob in \
                 (select copy from object_backup where copy is not null and {below})"
            );
            tx.execute(&sql, &values![&prefix]).await?;
            let sql = format!("delete from object_backup where {below}");
            tx.execute(&sql, &values![&prefix]).await?;
            continue;
        };
        let sql = format!(
            "insert into object_backup (key, blob, bucket, since) select key, blob, $2, $3 from object \
             where bucket = 1 and blob is not null and {below} on conflict (key) do nothing"
        );
        tx.execute(&sql, &values![&prefix, bucket, now_ms]).await?;
        let sql = format!(
            "update object_backup set bucket = $2, pending = true, since = $3, message = '' \
             where bucket <> $2 and {below}"
        );
        tx.execute(&sql, &values![&prefix, bucket, now_ms]).await?;
    }
    Ok(())
}

/// The blobs that hold the same bytes as this one.
pub(super) async fn twins(tx: &mut Tx, blob: &str) -> Result<Twins> {
    let mut found = Twins::default();
    let sql = "select copy from object_backup where blob = $1 and copy is not null";
    for mut row in tx.rows(sql, &values![blob]).await? {
        found.backups.push(row.take()?);
    }
    let sql = "select blob from object_backup where copy = $1";
    for mut row in tx.rows(sql, &values![blob]).await? {
        found.originals.push(row.take()?);
    }
    Ok(found)
}

/// How the copies in every backup bucket are, by bucket.
pub async fn backups(tx: &mut Tx) -> Result<Vec<Backups>> {
    let sql = "select bucket, cast(sum(case when pending then 0 else 1 end) as bigint), \
               cast(sum(case when pending then 1 else 0 end) as bigint), max(message) \
               from object_backup group by bucket order by bucket";
    let mut found = Vec::new();
    for mut row in tx.rows(sql, &[]).await? {
        found.push(Backups {
            bucket: row.take()?,
            kept: row.take()?,
            waiting: row.take()?,
            message: row.take()?,
        });
    }
    Ok(found)
}

/// Makes the copies that are to be made, a moment after each transaction that may have planned such. What fails is
/// tried again.
pub async fn back_up_behind(cx: &Context) {
    let mut committed = cx.database.committed();
    let mut resting: HashMap<i64, Instant> = HashMap::new();
    loop {
        if let Err(error) = round(cx, &mut resting).await {
            tracing::warn!(error = %Chain(&error), "backups of stored files wait");
        }
        tokio::select! {
            changed = committed.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(REST), if !resting.is_empty() => {}
        }
        tokio::time::sleep(SETTLE_AFTER).await;
        committed.mark_unchanged();
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
    }
}

async fn round(cx: &Context, resting: &mut HashMap<i64, Instant>) -> Result<()> {
    let waiting: Vec<String> = resting.keys().map(i64::to_string).collect();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let others = match waiting.is_empty() {
                true => String::new(),
                false => format!("and bucket not in ({})", waiting.join(", ")),
            };
            let sql = format!(
                "select key, bucket from object_backup where pending {others} order by since, key limit {BATCH}"
            );
            let mut due: Vec<(String, i64)> = Vec::new();
            for mut row in tx.rows(&sql, &[]).await? {
                due.push((row.take()?, row.take()?));
            }
            Ok(due)
        })
    });
    let copying = reading.await?.into_iter().map(|(key, bucket)| async move {
        let failed = copy_or_note(cx, &key, bucket).await;
        (bucket, failed)
    });
    let mut copying = futures::stream::iter(copying).buffer_unordered(AT_ONCE);
    while let Some((bucket, failed)) = copying.next().await {
        if failed {
            resting.insert(bucket, Instant::now() + REST);
        }
    }
    Ok(())
}

/// Copies an object; says whether it failed, and notes why. It is the last to be tried again.
async fn copy_or_note(cx: &Context, key: &str, bucket: i64) -> bool {
    let Err(error) = copy(cx, key, bucket).await else {
        return false;
    };
    let message = Chain(&error).to_string();
    tracing::warn!(key, bucket, "an object waits for its backup: {message}");
    let (key, now) = (key.to_owned(), cx.now());
    let noting = cx.database.write(move |tx| {
        Box::pin(async move {
            let sql =
                "update object_backup set message = $2, since = $3 where key = $1 and pending";
            tx.execute(sql, &values![key, message, now]).await?;
            Ok(())
        })
    });
    if let Err(error) = noting.await {
        tracing::warn!(error = %Chain(&error), "why it waits could not be noted");
    }
    true
}

/// Copies the bytes of an object into a bucket.
async fn copy(cx: &Context, key: &str, bucket: i64) -> Result<()> {
    let (wanted, now) = (key.to_owned(), cx.now());
    let finding = cx.database.read(move |tx| {
        Box::pin(async move {
            if remote::is_in_doubt(tx, bucket, &wanted, now).await? {
                return Err(Error::Busy(
                    "its last write failed, and the bucket may still be at it: it is written again in a moment".into(),
                ));
            }
            store::find(tx, &wanted).await
        })
    });
    let found = finding.await?.and_then(|object| match &object.place {
        Place::Blob(blob) if places::split(blob).is_none_or(|(here, _)| here != bucket) => {
            let blob = blob.clone();
            Some((object, blob))
        }
        _ => None,
    });
    let Some((object, from)) = found else {
        return strike_off(cx, key, bucket).await;
    };
    let size = object.size_bytes;
    let bytes = cx.objects.get(&from, 0..size).await?;
    let bytes = bytes.ok_or_else(|| lost(key))?;
    let stored = remote::put_in(cx, bucket, key, bytes, Some(size)).await?;
    let whole = object.etag.contains('-') || object.etag.is_empty() || object.etag == stored.md5;
    let (wanted, copy) = (key.to_owned(), stored.blob.clone());
    let noting = cx.database.write(move |tx| {
        Box::pin(async move {
            if !whole {
                return Err(Error::internal(
                    "back up an object",
                    format!("its bytes changed on the way: {wanted}"),
                ));
            }
            note(tx, &wanted, &from, bucket, &copy).await
        })
    });
    match noting.await {
        Ok(true) => Ok(()),
        // It was replaced, moved or removed meanwhile, or is to be copied elsewhere.
        Ok(false) => remote::discard_any(cx, &stored.blob).await,
        Err(error) => {
            remote::discard_any(cx, &stored.blob).await?;
            Err(error)
        }
    }
}

/// Notes that an object has a copy, in place of the one it had; says whether it is still wanted.
async fn note(tx: &mut Tx, key: &str, blob: &str, bucket: i64, copy: &str) -> Result<bool> {
    let sql =
        "select copy from object_backup where key = $1 and blob = $2 and bucket = $3 and pending";
    let Some(mut row) = tx.row(sql, &values![key, blob, bucket]).await? else {
        return Ok(false);
    };
    if let Some(before) = row.take::<Option<String>>()? {
        store::release(tx, &before).await?;
    }
    store::retain(tx, copy).await?;
    let sql = "update object_backup set copy = $2, pending = false, message = '' where key = $1";
    tx.execute(sql, &values![key, copy]).await?;
    Ok(true)
}

/// Strikes off what needs no copy in a bucket, unless that has changed meanwhile.
async fn strike_off(cx: &Context, key: &str, bucket: i64) -> Result<()> {
    let key = key.to_owned();
    let striking = cx.database.write(move |tx| {
        Box::pin(async move {
            let found = store::find(tx, &key).await?.map(|object| object.place);
            match found {
                Some(Place::Blob(blob))
                    if places::split(&blob).is_none_or(|(here, _)| here != bucket) =>
                {
                    Ok(())
                }
                _ => forget(tx, &key).await,
            }
        })
    });
    striking.await
}
