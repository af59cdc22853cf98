//! Rows of buckets, versions, uploads in parts and access keys.

use std::path::PathBuf;

use super::super::quota::Scope;
use super::super::store::{abandon_part, count, count_parts, forget_use, release, retain};
use super::super::types::Place;
use super::types::{AccessKey, Bucket, Entry, Upload, UploadedPart, Versioning};
use crate::database::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::id;
use crate::secret::{self, Secret};
use crate::values;

const HEXADECIMAL: &[u8] = b"0123456789abcdef";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const BUCKET: &str = "id, name, owner, versioning, created_at, about";
const CURRENT: &str = "key, version, number, size_bytes, etag, blob, source, created_at, about";

// ---------------------------------------------------------------- buckets

fn bucket(mut row: Row) -> Result<Bucket> {
    Ok(Bucket {
        id: row.take()?,
        name: row.take()?,
        owner: row.take()?,
        versioning: Versioning::from_name(&row.take::<String>()?),
        created_at: row.take()?,
        about: serde_json::from_str(&row.take::<String>()?)?,
    })
}

pub async fn find_bucket(tx: &mut Tx, name: &str) -> Result<Option<Bucket>> {
    let sql = format!("select {BUCKET} from store_bucket where name = $1");
    tx.row(&sql, &values![name]).await?.map(bucket).transpose()
}

/// The buckets of an owner, by name; of everybody for none.
pub async fn buckets(tx: &mut Tx, owner: Option<&str>) -> Result<Vec<Bucket>> {
    let rows = match owner {
        Some(owner) => {
            let sql = format!("select {BUCKET} from store_bucket where owner = $1 order by name");
            tx.rows(&sql, &values![owner]).await?
        }
        None => {
            let sql = format!("select {BUCKET} from store_bucket order by name");
            tx.rows(&sql, &[]).await?
        }
    };
    rows.into_iter().map(bucket).collect()
}

/// Writes a new bucket and gives it its number.
pub async fn insert_bucket(tx: &mut Tx, bucket: &mut Bucket) -> Result<()> {
    bucket.id = tx.allocate("store_bucket", 1).await?;
    let sql = "insert into store_bucket (id, name, owner, versioning, created_at, about) \
               values ($1, $2, $3, $4, $5, $6)";
    let about = serde_json::to_string(&bucket.about)?;
    let row = values![
        bucket.id,
        &bucket.name,
        &bucket.owner,
        bucket.versioning.name(),
        bucket.created_at,
        about
    ];
    tx.execute(sql, &row).await?;
    Ok(())
}

/// Writes what was configured.
pub async fn update_bucket(tx: &mut Tx, bucket: &Bucket) -> Result<()> {
    let sql = "update store_bucket set versioning = $2, about = $3 where id = $1";
    let about = serde_json::to_string(&bucket.about)?;
    tx.execute(sql, &values![bucket.id, bucket.versioning.name(), about])
        .await?;
    Ok(())
}

/// Whether a bucket holds any version.
pub async fn is_empty(tx: &mut Tx, bucket: i64) -> Result<bool> {
    let sql = "select key from object where bucket = $1 \
               union all select key from object_version where bucket = $1 limit 1";
    Ok(tx.row(sql, &values![bucket]).await?.is_none())
}

/// Removes an empty bucket, with the uploads that were not finished.
pub async fn remove_bucket(tx: &mut Tx, bucket: i64) -> Result<()> {
    let sql = "select id from multipart_upload where bucket = $1";
    for mut row in tx.rows(sql, &values![bucket]).await? {
        super::super::store::remove_multipart(tx, &row.take::<String>()?).await?;
    }
    forget_use(tx, Scope::Bucket(bucket)).await?;
    tx.execute("delete from store_bucket where id = $1", &values![bucket])
        .await?;
    Ok(())
}

// ---------------------------------------------------------------- versions

fn entry(mut row: Row) -> Result<Entry> {
    let (key, version, number) = (row.take()?, row.take()?, row.take()?);
    let (size, etag): (i64, String) = (row.take()?, row.take()?);
    let (blob, source) = (row.take::<Option<String>>()?, row.take::<Option<String>>()?);
    let place = match (blob, source) {
        (_, Some(source)) => Some(Place::File(PathBuf::from(source))),
        (blob, None) => blob.map(Place::Blob),
    };
    Ok(Entry {
        key,
        version,
        number,
        size_bytes: u64::try_from(size).unwrap_or_default(),
        etag,
        place,
        created_at: row.take()?,
        about: serde_json::from_str(&row.take::<String>()?)?,
    })
}

/// The current version of a key.
pub async fn find(tx: &mut Tx, bucket: i64, key: &str) -> Result<Option<Entry>> {
    let sql = format!("select {CURRENT} from object where bucket = $1 and key = $2");
    let found = tx.row(&sql, &values![bucket, key]).await?;
    found.map(entry).transpose()
}

/// A version that is not current, or a marker.
pub async fn find_old(tx: &mut Tx, bucket: i64, key: &str, version: &str) -> Result<Option<Entry>> {
    let sql = format!(
        "select {CURRENT} from object_version where bucket = $1 and key = $2 and version = $3"
    );
    let found = tx.row(&sql, &values![bucket, key, version]).await?;
    found.map(entry).transpose()
}

/// The newest row of a key that is not current: where nothing is, the marker that says so.
pub async fn newest_old(tx: &mut Tx, bucket: i64, key: &str) -> Result<Option<Entry>> {
    let sql = format!(
        "select {CURRENT} from object_version where bucket = $1 and key = $2 order by number desc limit 1"
    );
    let found = tx.row(&sql, &values![bucket, key]).await?;
    found.map(entry).transpose()
}

fn place_values(entry: &Entry) -> (Option<&str>, Option<&str>) {
    let source = entry.source().and_then(|path| path.to_str());
    (entry.blob(), source)
}

/// Writes the current version of a key that has none. Its blob keeps the uses that it has.
async fn insert_current(tx: &mut Tx, bucket: i64, entry: &Entry) -> Result<()> {
    let sql = "insert into object (bucket, key, version, number, size_bytes, etag, blob, source, created_at, about) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (blob, source) = place_values(entry);
    let row = values![
        bucket,
        &entry.key,
        &entry.version,
        entry.number,
        entry.size_bytes as i64,
        &entry.etag,
        blob,
        source,
        entry.created_at,
        serde_json::to_string(&entry.about)?
    ];
    tx.execute(sql, &row).await?;
    count(tx, bucket, &entry.key, kept_bytes(entry)).await
}

async fn insert_old(tx: &mut Tx, bucket: i64, entry: &Entry, now_ms: i64) -> Result<()> {
    let sql = "insert into object_version (bucket, key, version, number, marker, size_bytes, etag, blob, source, \
               created_at, replaced_at, about) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let (blob, source) = place_values(entry);
    let row = values![
        bucket,
        &entry.key,
        &entry.version,
        entry.number,
        entry.place.is_none(),
        entry.size_bytes as i64,
        &entry.etag,
        blob,
        source,
        entry.created_at,
        now_ms,
        serde_json::to_string(&entry.about)?
    ];
    tx.execute(sql, &row).await?;
    count(tx, bucket, &entry.key, kept_bytes(entry)).await
}

async fn remove_current(tx: &mut Tx, bucket: i64, entry: &Entry) -> Result<()> {
    let sql = "delete from object where bucket = $1 and key = $2";
    tx.execute(sql, &values![bucket, &entry.key]).await?;
    count(tx, bucket, &entry.key, -kept_bytes(entry)).await
}

async fn remove_old(tx: &mut Tx, bucket: i64, entry: &Entry) -> Result<()> {
    let sql = "delete from object_version where bucket = $1 and key = $2 and version = $3";
    tx.execute(sql, &values![bucket, &entry.key, &entry.version])
        .await?;
    count(tx, bucket, &entry.key, -kept_bytes(entry)).await
}

/// Bytes of the store that a version takes, whether or not it shares them.
fn kept_bytes(entry: &Entry) -> i64 {
    entry.blob().map_or(0, |_| entry.size_bytes as i64)
}

async fn let_go(tx: &mut Tx, entry: &Entry) -> Result<()> {
    match entry.blob() {
        Some(blob) => release(tx, blob).await,
        None => Ok(()),
    }
}

/// Makes room for a new newest version: what is current becomes old, or goes where nothing is kept.
async fn give_way(tx: &mut Tx, bucket: &Bucket, key: &str, now_ms: i64) -> Result<()> {
    let suspended = bucket.versioning == Versioning::Suspended;
    if let Some(current) = find(tx, bucket.id, key).await? {
        remove_current(tx, bucket.id, &current).await?;
        let goes = match bucket.versioning {
            Versioning::Never => true,
            Versioning::Enabled => false,
            Versioning::Suspended => current.version.is_empty(),
        };
        if goes {
            let_go(tx, &current).await?;
        } else {
            insert_old(tx, bucket.id, &current, now_ms).await?;
        }
    }
    if suspended && let Some(old) = find_old(tx, bucket.id, key, "").await? {
        remove_old(tx, bucket.id, &old).await?;
        let_go(tx, &old).await?;
    }
    Ok(())
}

/// Numbers and names a version that is about to be written.
async fn stamp(tx: &mut Tx, bucket: &Bucket, entry: &mut Entry) -> Result<()> {
    entry.version = String::new();
    entry.number = match bucket.versioning {
        Versioning::Never => 0,
        _ => tx.allocate("object_version", 1).await?,
    };
    if bucket.versioning == Versioning::Enabled {
        entry.version = format!("{:016x}{}", entry.number, id::random_text(HEXADECIMAL, 16));
    }
    Ok(())
}

/// Whether a version uses a blob, so that its bytes are certainly there.
pub async fn is_used(tx: &mut Tx, blob: &str) -> Result<bool> {
    let sql = "select blob from object_blob where blob = $1 and uses > 0";
    Ok(tx.row(sql, &values![blob]).await?.is_some())
}

/// Writes a new current version; its blob gains a use.
pub async fn put(tx: &mut Tx, bucket: &Bucket, entry: &mut Entry, now_ms: i64) -> Result<()> {
    if let Some(blob) = entry.blob() {
        retain(tx, blob).await?;
    }
    give_way(tx, bucket, &entry.key, now_ms).await?;
    stamp(tx, bucket, entry).await?;
    insert_current(tx, bucket.id, entry).await
}

/// Deletes a key as a client without a version id does: the object goes, or a marker hides it.
/// Returns the marker, if one was made.
pub async fn delete(
    tx: &mut Tx,
    bucket: &Bucket,
    key: &str,
    owner: &str,
    now_ms: i64,
) -> Result<Option<Entry>> {
    give_way(tx, bucket, key, now_ms).await?;
    if bucket.versioning == Versioning::Never {
        return Ok(None);
    }
    let mut marker = Entry {
        key: key.to_owned(),
        version: String::new(),
        number: 0,
        size_bytes: 0,
        etag: String::new(),
        place: None,
        created_at: now_ms,
        about: super::types::About {
            owner: owner.to_owned(),
            ..Default::default()
        },
    };
    stamp(tx, bucket, &mut marker).await?;
    insert_old(tx, bucket.id, &marker, now_ms).await?;
    Ok(Some(marker))
}

/// Removes one version for good; the one before it becomes current. Returns it, if it was there.
pub async fn delete_version(
    tx: &mut Tx,
    bucket: i64,
    key: &str,
    version: &str,
) -> Result<Option<Entry>> {
    let current = find(tx, bucket, key).await?;
    let gone = match current {
        Some(current) if current.version == version => {
            remove_current(tx, bucket, &current).await?;
            current
        }
        _ => match find_old(tx, bucket, key, version).await? {
            Some(old) => {
                remove_old(tx, bucket, &old).await?;
                old
            }
            None => return Ok(None),
        },
    };
    let_go(tx, &gone).await?;
    if find(tx, bucket, key).await?.is_none()
        && let Some(newest) = newest_old(tx, bucket, key).await?
        && newest.place.is_some()
    {
        remove_old(tx, bucket, &newest).await?;
        insert_current(tx, bucket, &newest).await?;
    }
    Ok(Some(gone))
}

/// Writes what is known of a version beside its bytes.
pub async fn update_about(tx: &mut Tx, bucket: i64, entry: &Entry) -> Result<()> {
    let about = serde_json::to_string(&entry.about)?;
    let row = values![bucket, &entry.key, &entry.version, about];
    for table in ["object", "object_version"] {
        let sql = format!(
            "update {table} set about = $4 where bucket = $1 and key = $2 and version = $3"
        );
        tx.execute(&sql, &row).await?;
    }
    Ok(())
}

// ---------------------------------------------------------------- listings

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Behind this key.
    After(String),
    /// At this key, which need not be there.
    At(String),
}

impl Start {
    fn key(&self) -> (&str, &'static str) {
        match self {
            Self::After(key) => (key, ">"),
            Self::At(key) => (key, ">="),
        }
    }
}

/// Current versions by key, from some key on and before `end`.
pub async fn page(
    tx: &mut Tx,
    bucket: i64,
    from: &Start,
    end: Option<&str>,
    most: usize,
) -> Result<Vec<Entry>> {
    let (key, comparison) = from.key();
    let before = if end.is_some() { "and key < $3" } else { "" };
    let sql = format!(
        "select {CURRENT} from object where bucket = $1 and key {comparison} $2 {before} order by key limit {most}"
    );
    let mut values = values![bucket, key].to_vec();
    values.extend(end.map(Value::from));
    let rows = tx.rows(&sql, &values).await?;
    rows.into_iter().map(entry).collect()
}

/// All versions and markers by key, newest first, from some key on and before `end`; of the key
/// `within.0`, which comes before `from`, only what is older than the number `within.1`.
pub async fn version_page(
    tx: &mut Tx,
    bucket: i64,
    from: &Start,
    within: Option<(&str, i64)>,
    end: Option<&str>,
    most: usize,
) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    if let Some((key, number)) = within {
        let sql = format!(
            "select {CURRENT} from object_version where bucket = $1 and key = $2 and number < $3 \
             order by number desc limit {most}"
        );
        for row in tx.rows(&sql, &values![bucket, key, number]).await? {
            found.push(entry(row)?);
        }
    }
    let (key, comparison) = from.key();
    let before = if end.is_some() { "and key < $3" } else { "" };
    let left = most - found.len().min(most);
    let part = |table: &str| {
        format!(
            "select * from (select {CURRENT} from {table} where bucket = $1 and key {comparison} $2 {before} \
             order by key, number desc limit {left}) as {table}_page"
        )
    };
    let sql = format!(
        "{} union all {} order by key, number desc limit {left}",
        part("object"),
        part("object_version")
    );
    let mut values = values![bucket, key].to_vec();
    values.extend(end.map(Value::from));
    for row in tx.rows(&sql, &values).await? {
        found.push(entry(row)?);
    }
    Ok(found)
}

/// Old versions of a bucket that took up their place before a time, with that time.
pub async fn replaced_before(
    tx: &mut Tx,
    bucket: i64,
    before_ms: i64,
    after: (&str, i64),
    most: usize,
) -> Result<Vec<Entry>> {
    let sql = format!(
        "select {CURRENT} from object_version where bucket = $1 and replaced_at < $2 and \
         (key > $3 or (key = $3 and number > $4)) order by key, number limit {most}"
    );
    let rows = tx
        .rows(&sql, &values![bucket, before_ms, after.0, after.1])
        .await?;
    rows.into_iter().map(entry).collect()
}

/// How many old versions of a key (no markers) are newer than a number.
pub async fn newer_old(tx: &mut Tx, bucket: i64, key: &str, number: i64) -> Result<i64> {
    let sql = "select count(*) from object_version where bucket = $1 and key = $2 and number > $3 and not marker";
    let count = tx.scalar(sql, &values![bucket, key, number]).await?;
    Ok(count.unwrap_or_default())
}

/// How many old versions and markers a key has.
pub async fn count_old(tx: &mut Tx, bucket: i64, key: &str) -> Result<i64> {
    let sql = "select count(*) from object_version where bucket = $1 and key = $2";
    let count = tx.scalar(sql, &values![bucket, key]).await?;
    Ok(count.unwrap_or_default())
}

/// Keys whose newest row is a marker, behind a key.
pub async fn markers(tx: &mut Tx, bucket: i64, after: &str, most: usize) -> Result<Vec<Entry>> {
    let sql = format!(
        "select {CURRENT} from object_version where bucket = $1 and key > $2 and marker order by key, number limit {most}"
    );
    let rows = tx.rows(&sql, &values![bucket, after]).await?;
    rows.into_iter().map(entry).collect()
}

// ---------------------------------------------------------------- uploads in parts

fn upload(mut row: Row) -> Result<Upload> {
    Ok(Upload {
        id: row.take()?,
        key: row.take()?,
        owner: row.take()?,
        created_at: row.take()?,
        about: serde_json::from_str(&row.take::<String>()?)?,
    })
}

pub async fn insert_upload(tx: &mut Tx, bucket: i64, upload: &Upload) -> Result<()> {
    let sql = "insert into multipart_upload (id, key, expires_at, bucket, owner, created_at, about) \
               values ($1, $2, $3, $4, $5, $6, $7)";
    let about = serde_json::to_string(&upload.about)?;
    let row = values![
        &upload.id,
        &upload.key,
        i64::MAX,
        bucket,
        &upload.owner,
        upload.created_at,
        about
    ];
    tx.execute(sql, &row).await?;
    Ok(())
}

pub async fn find_upload(tx: &mut Tx, bucket: i64, key: &str, id: &str) -> Result<Option<Upload>> {
    let sql = "select id, key, owner, created_at, about from multipart_upload \
               where id = $1 and bucket = $2 and key = $3";
    let found = tx.row(sql, &values![id, bucket, key]).await?;
    found.map(upload).transpose()
}

/// Uploads of a bucket by key and id, behind a key, or behind an id of it.
pub async fn upload_page(
    tx: &mut Tx,
    bucket: i64,
    from: &Start,
    within: Option<(&str, &str)>,
    end: Option<&str>,
    most: usize,
) -> Result<Vec<Upload>> {
    let (key, comparison) = from.key();
    let mut values = values![bucket, key].to_vec();
    let mut also = String::new();
    if let Some((key, id)) = within {
        also = "or (key = $3 and id > $4)".into();
        values.extend([Value::from(key), Value::from(id)]);
    }
    let before = match end {
        Some(end) => {
            values.push(Value::from(end));
            format!("and key < ${}", values.len())
        }
        None => String::new(),
    };
    let sql = format!(
        "select id, key, owner, created_at, about from multipart_upload \
         where bucket = $1 and (key {comparison} $2 {also}) {before} order by key, id limit {most}"
    );
    let rows = tx.rows(&sql, &values).await?;
    rows.into_iter().map(upload).collect()
}

/// Writes a part; one sent before under the same number goes.
pub async fn put_part(tx: &mut Tx, upload: &str, part: &UploadedPart) -> Result<()> {
    let number = i64::from(part.number);
    let replaced = abandon_part(tx, upload, number).await?;
    count_parts(tx, upload, part.size_bytes as i64 - replaced).await?;
    let sql = "insert into multipart_part (upload, number, size_bytes, etag, blob, created_at, about) \
               values ($1, $2, $3, $4, $5, $6, $7) on conflict (upload, number) do update set \
               size_bytes = excluded.size_bytes, etag = excluded.etag, blob = excluded.blob, \
               created_at = excluded.created_at, about = excluded.about";
    let row = values![
        upload,
        number,
        part.size_bytes as i64,
        &part.etag,
        &part.blob,
        part.created_at,
        serde_json::to_string(&part.sums)?
    ];
    tx.execute(sql, &row).await?;
    Ok(())
}

/// The parts of an upload behind a number, by number.
pub async fn parts(
    tx: &mut Tx,
    upload: &str,
    after: i32,
    most: usize,
) -> Result<Vec<UploadedPart>> {
    let sql = format!(
        "select number, size_bytes, etag, blob, created_at, about from multipart_part \
         where upload = $1 and number > $2 order by number limit {most}"
    );
    let rows = tx.rows(&sql, &values![upload, i64::from(after)]).await?;
    rows.into_iter()
        .map(|mut row| {
            let number: i64 = row.take()?;
            let size: i64 = row.take()?;
            Ok(UploadedPart {
                number: i32::try_from(number).unwrap_or(i32::MAX),
                size_bytes: u64::try_from(size).unwrap_or_default(),
                etag: row.take()?,
                blob: row.take()?,
                created_at: row.take()?,
                sums: serde_json::from_str(&row.take::<String>()?)?,
            })
        })
        .collect()
}

// ---------------------------------------------------------------- people and their keys

/// Whether a canonical id is this account's.
pub async fn is_canonical(tx: &mut Tx, account: i64, id: &str) -> Result<bool> {
    let sql = "select id from canonical_user where account = $1 and id = $2";
    Ok(tx.row(sql, &values![account, id]).await?.is_some())
}

/// The canonical id of an account; made when it is first asked for, the same ever after.
pub async fn canonical(tx: &mut Tx, account: i64) -> Result<String> {
    let sql =
        "insert into canonical_user (id, account) values ($1, $2) on conflict (account) do nothing";
    let fresh = id::random_text(HEXADECIMAL, 64);
    tx.execute(sql, &values![fresh, account]).await?;
    let sql = "select id from canonical_user where account = $1";
    let id = tx.scalar(sql, &values![account]).await?;
    id.ok_or_else(|| Error::internal("name an owner", "the row that was just made is missing"))
}

/// The name of the account that a canonical id stands for.
pub async fn display_name(tx: &mut Tx, canonical: &str) -> Result<Option<String>> {
    let sql = "select a.username from canonical_user c join account a on a.id = c.account where c.id = $1";
    tx.scalar(sql, &values![canonical]).await
}

/// The canonical id of the one account with an e-mail address.
pub async fn canonical_of_email(tx: &mut Tx, email: &str) -> Result<Option<String>> {
    if email.is_empty() {
        return Ok(None);
    }
    let sql = "select c.id from canonical_user c join account a on a.id = c.account where a.email = $1 order by a.id";
    tx.scalar(sql, &values![email]).await
}

const KEY: &str = "k.access_key, k.secret, c.id, a.username, a.is_staff, k.bucket, k.read_only, k.created_at \
    from access_key k join account a on a.id = k.account join canonical_user c on c.account = k.account";

/// What the station's secret seals the secrets of keys for.
const SEAL: &str = "s3 key";

fn access_key(mut row: Row, seal: &Secret) -> Result<AccessKey> {
    Ok(AccessKey {
        access_key: row.take()?,
        secret: seal.open(SEAL, &row.take::<String>()?)?,
        owner: row.take()?,
        name: row.take()?,
        staff: row.take()?,
        bucket: row.take()?,
        read_only: row.take()?,
        created_at: row.take()?,
    })
}

/// A key, if its account may still come in.
pub async fn find_key(tx: &mut Tx, access: &str) -> Result<Option<AccessKey>> {
    let sql = format!("select {KEY} where k.access_key = $1 and a.status = 'active'");
    let seal = secret::at_hand(tx)?;
    let found = tx.row(&sql, &values![access]).await?;
    found.map(|row| access_key(row, &seal)).transpose()
}

/// Every key, oldest first.
pub async fn keys(tx: &mut Tx) -> Result<Vec<AccessKey>> {
    let sql = format!("select {KEY} order by k.created_at, k.access_key");
    let seal = secret::at_hand(tx)?;
    let rows = tx.rows(&sql, &[]).await?;
    rows.into_iter().map(|row| access_key(row, &seal)).collect()
}

/// Makes a key for an account.
pub async fn insert_key(
    tx: &mut Tx,
    account: i64,
    bucket: Option<&str>,
    read_only: bool,
    now_ms: i64,
) -> Result<AccessKey> {
    canonical(tx, account).await?;
    let access = format!("TSCT{}", id::random_text(LETTERS, 16));
    let secret = secret::at_hand(tx)?.seal(SEAL, &id::random_text(SIGNS, 40));
    let sql = "insert into access_key (access_key, secret, account, bucket, read_only, created_at) \
               values ($1, $2, $3, $4, $5, $6)";
    let row = values![&access, secret, account, bucket, read_only, now_ms];
    tx.execute(sql, &row).await?;
    let made = find_key(tx, &access).await?;
    made.ok_or_else(|| Error::invalid("the account may not come in; enable it first"))
}

/// Removes a key; says whether it was there.
pub async fn remove_key(tx: &mut Tx, access: &str) -> Result<bool> {
    let sql = "delete from access_key where access_key = $1";
    Ok(tx.execute(sql, &values![access]).await? > 0)
}

/// Removes the keys of an account that goes away.
pub async fn remove_keys_of(tx: &mut Tx, account: i64) -> Result<()> {
    tx.execute(
        "delete from access_key where account = $1",
        &values![account],
    )
    .await?;
    Ok(())
}

/// The account that looks after the station: the first administrator.
pub async fn first_admin(tx: &mut Tx) -> Result<Option<i64>> {
    let sql = "select id from account where is_staff and status = 'active' order by id limit 1";
    tx.scalar(sql, &[]).await
}
