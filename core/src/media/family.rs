//! Media that share stored objects: an original and its clones, whose records keep the original's keys.

use std::collections::{HashMap, HashSet};

use serde_json::Map;

use super::source;
use super::types::Media;
use super::{files, store};
use crate::database::Tx;
use crate::error::Result;
use crate::storage::{self, Owner};
use crate::values;

/// Which keys are whose in a family.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The beginnings of keys that each media may sign besides its own.
    prefixes: HashMap<i64, Vec<String>>,
}

impl Families {
    /// The families of those among some media that have one.
    pub(super) async fn of(tx: &mut Tx, media: &[i64]) -> Result<Self> {
        let mut prefixes: HashMap<i64, Vec<String>> = HashMap::new();
        for chunk in media.chunks(5000) {
            let list: Vec<String> = chunk.iter().map(i64::to_string).collect();
            let sql = format!(
                "select a.media, b.prefix from media_family a \
                 join media_family b on b.family = a.family where a.media in ({})",
                list.join(",")
            );
            for mut row in tx.rows(&sql, &[]).await? {
                prefixes.entry(row.take()?).or_default().push(row.take()?);
            }
        }
        Ok(Self { prefixes })
    }

    /// Whether a key belongs to a media or to another of its family.
    pub(super) fn holds(&self, owner: Owner, media: i64, key: &str) -> bool {
        owner.holds_media(media, key)
            || self
                .prefixes
                .get(&media)
                .is_some_and(|known| known.iter().any(|prefix| key.starts_with(prefix.as_str())))
    }
}

/// The other media of a family, deleted ones left out, by id.
pub(super) async fn others(tx: &mut Tx, media: i64) -> Result<Vec<i64>> {
    let sql = "select m.id from media_family a join media_family b on b.family = a.family \
               join media m on m.id = b.media \
               where a.media = $1 and b.media <> $1 and not m.deleted order by m.id";
    let rows = tx.rows(sql, &values![media]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Adds a clone to the family of what it was cloned from.
pub(super) async fn join(tx: &mut Tx, from: (Owner, i64), to: (Owner, i64)) -> Result<()> {
    let sql = "select family from media_family where media = $1";
    let family = tx.scalar(sql, &values![from.1]).await?.unwrap_or(from.1);
    for (owner, media) in [from, to] {
        let sql = "insert into media_family (media, family, prefix) values ($1, $2, $3) \
                   on conflict (media) do nothing";
        tx.execute(sql, &values![media, family, owner.media_prefix(media)])
            .await?;
    }
    Ok(())
}

/// Keys of other media that the records of a media may name: those that its family records.
pub(super) async fn shared(tx: &mut Tx, media: i64) -> Result<HashSet<String>> {
    let mut keys = HashSet::new();
    for other in others(tx, media).await? {
        if let Some(files) = store::find(tx, other)
            .await?
            .and_then(|other| other.media_files)
        {
            keys.extend(files::keys(&files));
        }
    }
    Ok(keys)
}

/// Whether another media of the family needs the object of a key.
pub(super) async fn is_needed(tx: &mut Tx, media: i64, key: &str) -> Result<bool> {
    for other in others(tx, media).await? {
        let Some(row) = store::find(tx, other).await? else {
            continue;
        };
        if records_or_reads(tx, &row, key).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn records_or_reads(tx: &mut Tx, row: &Media, key: &str) -> Result<bool> {
    let recorded = row.media_files.as_ref().is_some_and(|files| {
        let mut keys = files::keys(files);
        keys.any(|known| known == key)
    });
    let source = source::find(tx, row.id).await?;
    Ok(recorded || source.is_some_and(|source| source.object_key.as_deref() == Some(key)))
}

/// Removes the objects that a media recorded before and that nobody needs any more: neither a record
/// nor the source of it, nor of another of its family. Call it once row and source are written.
pub(super) async fn release(
    tx: &mut Tx,
    owner: Owner,
    before: Option<&Map<String, serde_json::Value>>,
    after: &Media,
) -> Result<()> {
    let dropped: HashSet<String> = before.into_iter().flat_map(files::keys).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let families = Families::of(tx, &[after.id]).await?;
    for key in dropped {
        let needed = !families.holds(owner, after.id, &key)
            || records_or_reads(tx, after, &key).await?
            || is_needed(tx, after.id, &key).await?;
        if !needed {
            storage::remove(tx, &key).await?;
        }
    }
    Ok(())
}

/// Whether a media of a project has a key in its family, so that its members may read it.
pub(super) async fn is_of_project(tx: &mut Tx, project: i64, key: &str) -> Result<bool> {
    let mut parts = key.splitn(4, '/');
    let media = parts.nth(2).and_then(|text| text.parse::<i64>().ok());
    let Some(media) = media else {
        return Ok(false);
    };
    let sql = "select b.prefix from media_family b where b.media = $1";
    let prefix: Option<String> = tx.scalar(sql, &values![media]).await?;
    if !prefix.is_some_and(|prefix| key.starts_with(&prefix)) {
        return Ok(false);
    }
    let sql = "select m.id from media_family a join media_family b on b.family = a.family \
               join media m on m.id = b.media \
               where a.media = $1 and m.project = $2 and not m.deleted";
    for mut row in tx.rows(sql, &values![media, project]).await? {
        let member = store::find(tx, row.take()?).await?;
        let files = member.and_then(|member| member.media_files);
        if files.is_some_and(|files| files::keys(&files).any(|known| known == key)) {
            return Ok(true);
        }
    }
    Ok(false)
}
