//! Objects in buckets of other stores: which bucket a key's bytes belong in, storing them there, and moving
//! what was stored elsewhere first.
//!
//! What comes through a link of an upload goes to its bucket at once, and is acknowledged when the store
//! has acknowledged it. What the station makes itself (renditions, thumbnails), and what it takes over from
//! a temporary upload, is stored here first, which neither a slow nor an absent bucket holds up; a row says
//! that it is to move, and it moves a moment later, as often tried as it takes. In the bucket it has the key that it has
//! here. Deletions follow the same way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::backup;
use super::key::{UPLOADS, is_generic, project_of};
use super::objects::places::{self, Directory, Facts, Places, Twins};
use super::objects::remote::{Connection, Tiering, Unwritten};
use super::objects::{ByteStream, ObjectStore, Stored};
use super::service::{self, DAY_MS, lost};
use super::store;
use super::types::{Object, Place};
use crate::context::Context;
use crate::database::{Database, Dialect, Tx};
use crate::error::{Chain, Error, Result};
use crate::{bucket, id, project, values};

/// How long after a transaction what it left to do begins.
pub(super) const SETTLE_AFTER: Duration = Duration::from_millis(200);
/// How long a bucket that failed is left alone.
pub(super) const REST: Duration = Duration::from_secs(15);
/// Objects that move at once.
pub(super) const AT_ONCE: usize = 3;
/// How often a write whose bytes flow says that it goes on.
const RENEW: Duration = Duration::from_secs(600);
/// The time of a pending write that ended with its station. One that failed, where its store did not even say whether
/// anything of it is there, has the time of that, below zero.
const FAILED: i64 = 0;
/// How long a store may still be about to do a write that failed, in milliseconds: longer than one is tried again.
const IN_DOUBT_MS: i64 = 30_000;
/// Rows that are looked at in one round.
pub(super) const BATCH: i64 = 200;

/// What the engine asks about buckets.
pub struct Known {
    database: Database,
}

impl Known {
    /// Reads from this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

impl Directory for Known {
    fn connection(&self, bucket: i64) -> BoxFuture<'_, Result<Option<Connection>>> {
        let job = self
            .database
            .read(move |tx| Box::pin(async move { bucket::service::connection(tx, bucket).await }));
        job.boxed()
    }

    fn facts(&self, blob: &str) -> BoxFuture<'_, Result<Option<Facts>>> {
        let blob = blob.to_owned();
        let job = self
            .database
            .read(move |tx| Box::pin(async move { facts(tx, &blob).await }));
        job.boxed()
    }

    fn twins(&self, blob: &str) -> BoxFuture<'_, Result<Twins>> {
        let blob = blob.to_owned();
        let job = self
            .database
            .read(move |tx| Box::pin(async move { backup::twins(tx, &blob).await }));
        job.boxed()
    }
}

async fn facts(tx: &mut Tx, blob: &str) -> Result<Option<Facts>> {
    let sql = "select size_bytes, md5 from remote_blob where blob = $1 and md5 <> ''";
    let row = tx.row(sql, &values![blob]).await?;
    row.map(|mut row| {
        let size: i64 = row.take()?;
        Ok(Facts {
            size_bytes: size.unsigned_abs(),
            md5: row.take()?,
        })
    })
    .transpose()
}

/// Whether anything is stored in a bucket.
pub async fn is_bucket_in_use(tx: &mut Tx, bucket: i64) -> Result<bool> {
    let sql = "select blob from remote_blob where bucket = $1 \
               union all select key from object_move where bucket = $1 \
               union all select key from object_backup where bucket = $1 limit 1";
    Ok(tx.row(sql, &values![bucket]).await?.is_some())
}

/// Whether anything is stored in any bucket.
pub async fn is_any_in_use(tx: &mut Tx) -> Result<bool> {
    let sql = "select blob from remote_blob limit 1";
    Ok(tx.row(sql, &[]).await?.is_some())
}

/// The bucket that a key's bytes belong in; none for the station's own store.
pub(super) async fn home(tx: &mut Tx, key: &str) -> Result<Option<i64>> {
    let Some((project, temporary)) = project_of(key).filter(|_| !is_generic(key)) else {
        return Ok(None);
    };
    let (live, upload) = project::service::buckets_of(tx, project).await?;
    Ok(if temporary { upload } else { live })
}

/// Notes that the bytes which a key was just given are to move, if they are not where they belong. What an
/// upload put into a bucket that it named stays there.
pub(super) async fn plan(tx: &mut Tx, key: &str, blob: &str, now_ms: i64) -> Result<()> {
    let home = home(tx, key).await?;
    let here = places::split(blob);
    let is_home = match here {
        None => home.is_none(),
        Some((bucket, at)) => {
            Some(bucket) == home && at == key
                || !at.starts_with(UPLOADS)
                || key.starts_with(UPLOADS)
        }
    };
    if is_home {
        return arrived(tx, key).await;
    }
    let sql = "insert into object_move (key, bucket, since) values ($1, $2, $3) \
               on conflict (key) do update set bucket = excluded.bucket, since = excluded.since, message = ''";
    tx.execute(sql, &values![key, home, now_ms]).await?;
    Ok(())
}

/// Whether an object's bytes are to move into the station's own store.
pub(super) async fn is_coming(tx: &mut Tx, key: &str) -> Result<bool> {
    let sql = "select key from object_move where key = $1 and bucket is null";
    Ok(tx.row(sql, &values![key]).await?.is_some())
}

/// Notes that an object's bytes are where they belong.
pub(super) async fn arrived(tx: &mut Tx, key: &str) -> Result<()> {
    let sql = "delete from object_move where key = $1";
    tx.execute(sql, &values![key]).await?;
    Ok(())
}

/// Notes that an object uses a blob.
pub(super) async fn retained(tx: &mut Tx, blob: &str) -> Result<()> {
    if places::split(blob).is_some() {
        let sql = "update remote_blob set pending_since = null where blob = $1 and pending_since is not null";
        tx.execute(sql, &values![blob]).await?;
    }
    Ok(())
}

/// Forgets a blob whose bytes are gone.
pub(super) async fn forget(tx: &mut Tx, blob: &str) -> Result<()> {
    if places::split(blob).is_some() {
        tx.execute("delete from remote_blob where blob = $1", &values![blob])
            .await?;
    }
    Ok(())
}

/// Takes a name in a bucket that nothing is stored under: the key itself, or one beside it. A name whose write has
/// failed a moment ago is not taken again: the bucket may still be about to do that write.
async fn claim(tx: &mut Tx, bucket: i64, key: &str, now_ms: i64) -> Result<String> {
    let mut blob = places::name(bucket, key);
    let again = "update remote_blob set pending_since = $2 where blob = $1 and pending_since between $3 and 0 \
                 and not exists (select 1 from object_blob u where u.blob = remote_blob.blob)";
    let settled = IN_DOUBT_MS - now_ms;
    if tx.execute(again, &values![&blob, now_ms, settled]).await? > 0 {
        return Ok(blob);
    }
    let known = "select blob from remote_blob where blob = $1 \
                 union all select blob from object_blob where blob = $1";
    if tx.row(known, &values![&blob]).await?.is_some() {
        blob = places::name(bucket, &format!("{key}.{}", id::uuid()));
    }
    let sql = "insert into remote_blob (blob, bucket, pending_since) values ($1, $2, $3)";
    tx.execute(sql, &values![&blob, bucket, now_ms]).await?;
    Ok(blob)
}

/// Whether a write of a key failed a moment ago, and may still be done.
pub(super) async fn is_in_doubt(tx: &mut Tx, bucket: i64, key: &str, now_ms: i64) -> Result<bool> {
    let sql = "select blob from remote_blob where blob = $1 and pending_since < $2";
    let blob = places::name(bucket, key);
    let row = tx.row(sql, &values![blob, IN_DOUBT_MS - now_ms]).await?;
    Ok(row.is_some())
}

/// Stores a stream in a bucket, under the key if nothing is there yet. Once it returns, the bucket has it.
///
/// Errors: `Invalid` when the stream breaks off, `Busy` when the bucket does not take it; then nothing of it stays.
pub(super) async fn put_in(
    cx: &Context,
    bucket: i64,
    key: &str,
    bytes: ByteStream,
    expected_bytes: Option<u64>,
) -> Result<Stored> {
    cx.places.now_in_use();
    let (wanted, now) = (key.to_owned(), cx.now());
    let claiming = cx
        .database
        .write(move |tx| Box::pin(async move { claim(tx, bucket, &wanted, now).await }));
    let mut claim = Claim {
        places: Arc::clone(&cx.places),
        database: cx.database.clone(),
        blob: Some(claiming.await?),
    };
    let blob = claim.blob.clone().expect("it was just claimed");
    let bytes = renewing(cx.database.clone(), blob.clone(), bytes, RENEW);
    let stored = match cx.places.put_as(&blob, bytes, expected_bytes).await {
        Ok(stored) => stored,
        Err(Unwritten { error, in_doubt }) => {
            claim.blob = None;
            match in_doubt {
                true => discard(&cx.places, &cx.database, &blob).await,
                false => give_back(&cx.database, &blob).await,
            }
            return Err(error);
        }
    };
    let (written, now) = (stored.clone(), cx.now());
    let noting = cx
        .database
        .write(move |tx| Box::pin(async move { note(tx, &written, now).await }));
    noting.await?;
    claim.blob = None;
    Ok(stored)
}

/// Notes what was written under a name that was claimed.
///
/// Errors: `Busy` when the name was given up meanwhile, as what stands still for a day is: then its bytes go.
async fn note(tx: &mut Tx, written: &Stored, now_ms: i64) -> Result<()> {
    let sql = "update remote_blob set size_bytes = $2, md5 = $3, pending_since = $4 where blob = $1 \
               and not exists (select 1 from object_blob u where u.blob = remote_blob.blob)";
    let (size, md5) = (written.size_bytes as i64, &written.md5);
    let noted = tx
        .execute(sql, &values![&written.blob, size, md5, now_ms])
        .await?;
    if noted == 0 {
        return Err(Error::Busy(
            "nothing came of this upload for a day, so that it was given up: send it again".into(),
        ));
    }
    Ok(())
}

/// Passes bytes on. While they flow, the name that they are written under is claimed anew every now and then, so that
/// only what stands still is taken for dead.
fn renewing(database: Database, blob: String, bytes: ByteStream, every: Duration) -> ByteStream {
    let begun = (bytes, Instant::now());
    let passing = futures::stream::unfold(begun, move |(mut bytes, mut renewed)| {
        let (database, blob) = (database.clone(), blob.clone());
        async move {
            let chunk = bytes.next().await?;
            if renewed.elapsed() >= every {
                renewed = Instant::now();
                renew(&database, blob).await;
            }
            Some((chunk, (bytes, renewed)))
        }
    });
    passing.boxed()
}

async fn renew(database: &Database, blob: String) {
    let renewing = database.write(move |tx| {
        Box::pin(async move {
            let sql = "update remote_blob set pending_since = $2 where blob = $1 and pending_since is not null";
            tx.execute(sql, &values![blob, crate::time::now_ms()])
                .await?;
            Ok(())
        })
    });
    if let Err(error) = renewing.await {
        tracing::warn!(error = %Chain(&error), "that a write goes on could not be noted");
    }
}

/// A name that is being written; whoever drops it (the sender has gone away) lets go of what was written.
struct Claim {
    places: Arc<Places>,
    database: Database,
    blob: Option<String>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let (Some(blob), Ok(runtime)) = (self.blob.take(), Handle::try_current()) {
            let (places, database) = (Arc::clone(&self.places), self.database.clone());
            runtime.spawn(async move { discard(&places, &database, &blob).await });
        }
    }
}

/// Gives a name back that certainly nothing is stored under.
async fn give_back(database: &Database, blob: &str) {
    let free = blob.to_owned();
    let noting = database.write(move |tx| Box::pin(async move { forget(tx, &free).await }));
    if let Err(error) = noting.await {
        tracing::warn!(error = %Chain(&error), blob, "a later sweep frees this name");
    }
}

/// Lets go of a blob in a bucket that no object uses; where its store does not answer, a later sweep does it.
async fn discard(places: &Places, database: &Database, blob: &str) {
    let deleted = places.delete(blob).await;
    let is_gone = deleted.is_ok();
    if let Err(error) = deleted {
        tracing::warn!(error = %Chain(&error), blob, "what was stored of it stays in its bucket until a later sweep");
    }
    let gone = blob.to_owned();
    let noting = database.write(move |tx| {
        Box::pin(async move {
            if is_gone {
                return forget(tx, &gone).await;
            }
            let sql = "update remote_blob set pending_since = $2 where blob = $1 and pending_since is not null";
            tx.execute(sql, &values![gone, -crate::time::now_ms()])
                .await?;
            Ok(())
        })
    });
    if let Err(error) = noting.await {
        tracing::warn!(error = %Chain(&error), blob, "a later sweep forgets it");
    }
}

/// What a sender has sent before: the object as it is, if it has these bytes and is in this bucket. The second copy goes.
pub(super) async fn sent_before(
    cx: &Context,
    key: &str,
    bucket: i64,
    stored: &Stored,
    etag: &str,
) -> Result<Option<Object>> {
    let wanted = key.to_owned();
    let finding = cx
        .database
        .read(move |tx| Box::pin(async move { store::find(tx, &wanted).await }));
    let known = finding.await?.filter(|object| match &object.place {
        Place::Blob(blob) => {
            let here = places::split(blob).is_some_and(|(at, _)| at == bucket);
            here && object.etag == etag && object.size_bytes == stored.size_bytes
        }
        Place::File(_) => false,
    });
    if known.is_some() {
        discard(&cx.places, &cx.database, &stored.blob).await;
    }
    Ok(known)
}

/// Puts what crashed writes left in buckets on the list of unused bytes.
pub(super) async fn abandon_old(tx: &mut Tx, now_ms: i64) -> Result<()> {
    let sql = "select blob from remote_blob where pending_since < $1";
    for mut row in tx.rows(sql, &values![now_ms - DAY_MS]).await? {
        let blob: String = row.take()?;
        store::abandon(tx, &blob).await?;
    }
    Ok(())
}

/// Moves what is to move, and deletes what no object uses any more from its bucket, a moment after each
/// transaction that may have left such. What fails is tried again.
pub async fn settle_behind(cx: &Context) {
    let mut committed = cx.database.committed();
    let mut resting: HashMap<i64, Instant> = HashMap::new();
    let mut first = true;
    loop {
        if !first {
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(REST), if !resting.is_empty() => {}
            }
            tokio::time::sleep(SETTLE_AFTER).await;
            committed.mark_unchanged();
        }
        first = false;
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        if let Err(error) = settle(cx, &mut resting).await {
            tracing::warn!(error = %Chain(&error), "what is to move between buckets waits");
        }
    }
}

/// Frees the names that were being written when this station ended; call it before anything is written. Other stations
/// on the same database may be at theirs; SQLite has one station only.
pub async fn free_names(cx: &Context) {
    if cx.database.dialect() != Dialect::Sqlite {
        return;
    }
    let freeing = cx.database.write(|tx| {
        Box::pin(async move {
            let sql = "update remote_blob set pending_since = $1 where pending_since > $1";
            tx.execute(sql, &values![FAILED]).await?;
            Ok(())
        })
    });
    if let Err(error) = freeing.await {
        tracing::warn!(error = %Chain(&error), "names that ended writes held stay taken for a day");
    }
}

async fn settle(cx: &Context, resting: &mut HashMap<i64, Instant>) -> Result<()> {
    // Those that rest hold up nobody else.
    let waiting: Vec<String> = resting.keys().map(i64::to_string).collect();
    let left = cx.database.read(move |tx| {
        Box::pin(async move {
            let others = match waiting.is_empty() {
                true => String::new(),
                false => format!("and coalesce(m.bucket, 0) not in ({})", waiting.join(", ")),
            };
            // The path of what is being indexed is in somebody's hands.
            let sql = format!(
                "select m.key, m.bucket from object_move m where not exists \
                 (select 1 from media_source s where s.object_key = m.key and s.state = 'indexing') {others} \
                 order by m.since limit {BATCH}"
            );
            let mut moves: Vec<(String, Option<i64>)> = Vec::new();
            for mut row in tx.rows(&sql, &[]).await? {
                moves.push((row.take()?, row.take()?));
            }
            let others: String = waiting
                .iter()
                .map(|bucket| format!(" and blob not like '@{bucket}/%'"))
                .collect();
            let sql = format!(
                "select blob from object_blob where uses <= 0 and substr(blob, 1, 1) = '@'{others} limit {BATCH}"
            );
            let mut unused: Vec<String> = Vec::new();
            for mut row in tx.rows(&sql, &[]).await? {
                unused.push(row.take()?);
            }
            Ok((moves, unused))
        })
    });
    let (moves, unused) = left.await?;
    for blob in unused {
        let bucket = places::split(&blob).map_or(0, |(bucket, _)| bucket);
        if resting.contains_key(&bucket) {
            continue;
        }
        if let Err(error) = delete(cx, &blob).await {
            tracing::warn!(error = %Chain(&error), blob, "an object that nothing uses stays in its bucket for now");
            resting.insert(bucket, Instant::now() + REST);
        }
    }
    let due = moves.into_iter().filter(|(_, to)| {
        let to = to.unwrap_or_default();
        !resting.contains_key(&to)
    });
    let due: Vec<_> = due.collect();
    // Each does all of its own, the note of its failure too: whoever awaited anything else here would leave the others
    // unpolled, and one of them may hold the writers' turn.
    let moving = due.into_iter().map(|(key, to)| async move {
        let failed = move_or_note(cx, &key, to).await;
        (to, failed)
    });
    let mut moving = futures::stream::iter(moving).buffer_unordered(AT_ONCE);
    while let Some((to, failed)) = moving.next().await {
        if failed {
            resting.insert(to.unwrap_or_default(), Instant::now() + REST);
        }
    }
    Ok(())
}

/// Moves an object; says whether it failed, and notes why.
async fn move_or_note(cx: &Context, key: &str, to: Option<i64>) -> bool {
    let Err(error) = move_object(cx, key, to).await else {
        return false;
    };
    let message = Chain(&error).to_string();
    tracing::warn!(key, "an object waits to move to its bucket: {message}");
    let key = key.to_owned();
    let noting = cx.database.write(move |tx| {
        Box::pin(async move {
            let sql = "update object_move set message = $2 where key = $1";
            tx.execute(sql, &values![key, message]).await?;
            Ok(())
        })
    });
    if let Err(error) = noting.await {
        tracing::warn!(error = %Chain(&error), "why it waits could not be noted");
    }
    true
}

async fn delete(cx: &Context, blob: &str) -> Result<()> {
    cx.objects.delete(blob).await?;
    let blob = blob.to_owned();
    let forgetting = cx
        .database
        .write(move |tx| Box::pin(async move { store::forget(tx, &blob).await }));
    forgetting.await
}

/// Moves the bytes of an object to where they belong; what is no object any more, or there already, is struck off.
async fn move_object(cx: &Context, key: &str, to: Option<i64>) -> Result<()> {
    let (wanted, now) = (key.to_owned(), cx.now());
    let finding = cx.database.read(move |tx| {
        Box::pin(async move {
            if let Some(bucket) = to
                && is_in_doubt(tx, bucket, &wanted, now).await?
            {
                return Err(Error::Busy(
                    "its last write failed, and the bucket may still be at it: it is written again in a moment".into(),
                ));
            }
            store::find(tx, &wanted).await
        })
    });
    let found = finding.await?;
    let (object, from) = match found {
        Some(object) => match &object.place {
            Place::Blob(blob) => {
                let blob = blob.clone();
                (object, blob)
            }
            Place::File(_) => return strike_off(cx, key).await,
        },
        None => return strike_off(cx, key).await,
    };
    let size = object.size_bytes;
    let bytes = cx.objects.get(&from, 0..size).await?;
    let bytes = bytes.ok_or_else(|| lost(key))?;
    let stored = match to {
        Some(bucket) => put_in(cx, bucket, key, bytes, Some(size)).await?,
        None => cx.objects.put(bytes, Some(size)).await?,
    };
    let whole = object.etag.contains('-') || object.etag.is_empty() || object.etag == stored.md5;
    cx.places.keep(&from, &stored.blob).await;
    let (wanted, blob, old) = (key.to_owned(), stored.blob.clone(), from.clone());
    let switching = cx.database.write(move |tx| {
        Box::pin(async move {
            if !whole {
                return Err(Error::internal(
                    "move an object",
                    format!("its bytes changed on the way: {wanted}"),
                ));
            }
            let current = store::find(tx, &wanted).await?;
            let Some(current) = current.filter(|now| now.place == Place::Blob(old)) else {
                return Ok(false);
            };
            store::moved(tx, &current, &blob).await?;
            Ok(true)
        })
    });
    match switching.await {
        Ok(true) => {}
        // It was replaced or removed meanwhile.
        Ok(false) => discard_any(cx, &stored.blob).await?,
        Err(error) => {
            discard_any(cx, &stored.blob).await?;
            return Err(error);
        }
    }
    service::collect(cx).await
}

/// Lets go of a blob that was just stored, unless an object uses it all the same.
pub(super) async fn discard_any(cx: &Context, blob: &str) -> Result<()> {
    let known = blob.to_owned();
    let known = cx
        .database
        .read(move |tx| Box::pin(async move { store::is_known(tx, &known).await }));
    if known.await? {
        // The transaction was committed all the same.
        return Ok(());
    }
    match places::split(blob) {
        Some(_) => discard(&cx.places, &cx.database, blob).await,
        None => cx.objects.delete(blob).await?,
    }
    Ok(())
}

/// Strikes off what has no bytes to move, unless it was given some meanwhile.
async fn strike_off(cx: &Context, key: &str) -> Result<()> {
    let key = key.to_owned();
    let striking = cx.database.write(move |tx| {
        Box::pin(async move {
            let found = store::find(tx, &key).await?;
            match found.map(|object| object.place) {
                Some(Place::Blob(_)) => Ok(()),
                Some(Place::File(_)) | None => arrived(tx, &key).await,
            }
        })
    });
    striking.await
}

/// Which of its storage classes an object is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// That of what is in use.
    Live,
    /// That of what is archived.
    Archive,
}

/// Whether any of these objects is in a bucket, or on its way to one, that has another storage class for what is
/// archived.
pub async fn has_tiers(tx: &mut Tx, keys: &[String]) -> Result<bool> {
    for key in keys {
        let sql = "select o.blob, m.bucket from object o left join object_move m on m.key = o.key \
                   where o.bucket = 1 and o.key = $1";
        let Some(mut row) = tx.row(sql, &values![key]).await? else {
            continue;
        };
        let (blob, moving): (Option<String>, Option<i64>) = (row.take()?, row.take()?);
        let here = blob
            .as_deref()
            .and_then(places::split)
            .map(|(bucket, _)| bucket);
        for bucket in here.into_iter().chain(moving) {
            if let Some(found) = bucket::service::find(tx, bucket).await?
                && found.archive_sc != found.live_sc
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Gives the bytes of a key the storage class of a tier, where its bucket has such. Says whether they have it (or never
/// will): else ask again later.
///
/// Errors: `Busy` when the bucket does not do it now.
pub async fn set_tier(cx: &Context, key: &str, tier: Tier) -> Result<bool> {
    let wanted = key.to_owned();
    let finding = cx.database.read(move |tx| {
        Box::pin(async move {
            let sql = "select key from object_move where key = $1";
            let is_moving = tx.row(sql, &values![&wanted]).await?.is_some();
            let place = store::find(tx, &wanted).await?.map(|object| object.place);
            let Some(Place::Blob(blob)) = place else {
                return Ok((is_moving, None));
            };
            let found = match places::split(&blob) {
                Some((bucket, _)) => bucket::service::find(tx, bucket).await?,
                None => None,
            };
            Ok((is_moving, found.map(|bucket| (blob, bucket))))
        })
    });
    let (is_moving, found) = finding.await?;
    let Some((blob, bucket)) = found.filter(|(_, bucket)| bucket.archive_sc != bucket.live_sc)
    else {
        return Ok(!is_moving);
    };
    let class = match tier {
        Tier::Live => &bucket.live_sc,
        Tier::Archive => &bucket.archive_sc,
    };
    Ok(match cx.places.set_class(&blob, class).await? {
        Tiering::Done => true,
        Tiering::Waiting => false,
        Tiering::Unsupported => {
            let (bucket, class) = (bucket.id, class.as_str());
            tracing::warn!(
                key,
                bucket,
                class,
                "the bucket has no such storage class: the object stays as it is"
            );
            true
        }
    })
}

/// How many objects wait to move to a bucket, and why the last of them did not; bucket 0 is the station's own store.
pub async fn waiting(tx: &mut Tx, bucket: i64) -> Result<(i64, String)> {
    let sql = "select count(*), coalesce(max(message), '') from object_move where coalesce(bucket, 0) = $1";
    match tx.row(sql, &values![bucket]).await? {
        Some(mut row) => Ok((row.take()?, row.take()?)),
        None => Ok((0, String::new())),
    }
}

/// Where a link to an object leads: the name of its bucket, the blob, and the host that its links have instead of this
/// station's, if there is one.
pub(super) struct Signpost {
    pub bucket: String,
    pub blob: String,
    pub external_host: Option<String>,
}

/// Where a link to a key leads; none for what is in the station's own store.
pub(super) async fn signpost(cx: &Context, key: &str) -> Option<Signpost> {
    if !cx.places.in_use() {
        return None;
    }
    let key = key.to_owned();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let Some(object) = store::find(tx, &key).await? else {
                return Ok(None);
            };
            let Place::Blob(blob) = object.place else {
                return Ok(None);
            };
            let Some((id, _)) = places::split(&blob) else {
                return Ok(None);
            };
            let found = bucket::service::find(tx, id).await?;
            Ok(found.map(|found| Signpost {
                bucket: found.name,
                external_host: found.external_host,
                blob,
            }))
        })
    });
    match reading.await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "a link leads through the station, as its bucket could not be looked up");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::testing::Station;

    const BUCKET: i64 = 5;

    async fn begun(cx: &Context, key: &str, at_ms: i64) -> String {
        let key = key.to_owned();
        let claiming = cx
            .database
            .write(move |tx| Box::pin(async move { claim(tx, BUCKET, &key, at_ms).await }));
        claiming.await.unwrap()
    }

    async fn end(cx: &Context, blob: &str) -> Result<()> {
        let (blob, now) = (blob.to_owned(), cx.now());
        let written = Stored {
            blob,
            size_bytes: 8,
            md5: "0".repeat(32),
        };
        let noting = cx
            .database
            .write(move |tx| Box::pin(async move { note(tx, &written, now).await }));
        noting.await
    }

    #[tokio::test]
    async fn only_a_write_that_stands_still_is_given_up() {
        let station = Station::start().await;
        let cx = &station.cx;
        let long_ago = cx.now() - 2 * DAY_MS;
        let (flows, stands) = (
            begun(cx, "flows", long_ago).await,
            begun(cx, "stands", long_ago).await,
        );
        let bytes = || {
            let pieces = [Bytes::from_static(b"four"), Bytes::from_static(b"more")];
            futures::stream::iter(pieces.map(Ok)).boxed()
        };
        let passing =
            |blob: &String, every| renewing(cx.database.clone(), blob.clone(), bytes(), every);
        let mut flowing = passing(&flows, Duration::ZERO);
        assert_eq!(flowing.next().await.unwrap().unwrap().as_ref(), b"four");
        // The time to say so again has not come here.
        let mut standing = passing(&stands, RENEW);
        assert_eq!(standing.next().await.unwrap().unwrap().as_ref(), b"four");
        let now = cx.now();
        let sweeping = cx
            .database
            .write(move |tx| Box::pin(async move { abandon_old(tx, now).await }));
        sweeping.await.unwrap();
        let listing = cx.database.read(|tx| {
            Box::pin(async move {
                let sql = "select blob from object_blob where uses <= 0";
                let rows = tx.rows(sql, &[]).await?;
                rows.into_iter()
                    .map(|mut row| row.take::<String>())
                    .collect::<Result<Vec<_>>>()
            })
        });
        assert_eq!(listing.await.unwrap(), std::slice::from_ref(&stands));
        assert_eq!(flowing.next().await.unwrap().unwrap().as_ref(), b"more");
        end(cx, &flows).await.unwrap();
        // What was given up is never acknowledged: its bytes are about to go.
        assert!(matches!(end(cx, &stands).await, Err(Error::Busy(_))));
    }

    #[tokio::test]
    async fn a_name_is_taken_again_once_its_failed_write_is_over() {
        let station = Station::start().await;
        let cx = &station.cx;
        let plain = places::name(BUCKET, "k");
        assert_eq!(begun(cx, "k", cx.now()).await, plain);
        // Somebody is at it.
        assert_ne!(begun(cx, "k", cx.now()).await, plain);
        let failed = |at_ms: i64| {
            let blob = plain.clone();
            cx.database.write(move |tx| {
                Box::pin(async move {
                    let sql = "update remote_blob set pending_since = $2 where blob = $1";
                    tx.execute(sql, &values![blob, at_ms]).await
                })
            })
        };
        failed(-cx.now()).await.unwrap();
        assert_ne!(begun(cx, "k", cx.now()).await, plain);
        failed(-cx.now()).await.unwrap();
        assert_eq!(begun(cx, "k", cx.now() + IN_DOUBT_MS).await, plain);
        failed(FAILED).await.unwrap();
        assert_eq!(begun(cx, "k", cx.now()).await, plain);
        // What was never begun is free at once.
        give_back(&cx.database, &plain).await;
        assert_eq!(begun(cx, "k", cx.now()).await, plain);
    }
}
