//! Media that share stored objects: an original and its clones, whose records keep the original's keys.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::types::Media;
use super::{files, source, store};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::query::among;
use crate::storage::{self, Owner};
use crate::values;

/// Ids that one statement lists.
const CHUNK: usize = 5000;

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
        for chunk in media.chunks(CHUNK) {
            let sql = format!(
                "select a.media, b.prefix from media_family a \
                 join media_family b on b.family = a.family where {}",
                among("a.media", chunk)
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

/// The other media of a family, by id; deleted ones and those of deleted projects are left out.
pub(super) async fn others(tx: &mut Tx, media: i64) -> Result<Vec<i64>> {
    let sql = "select m.id from media_family a join media_family b on b.family = a.family \
               join media m on m.id = b.media \
               where a.media = $1 and b.media <> $1 and not m.deleted \
               and m.project in (select id from project where not deleted) order by m.id";
    let rows = tx.rows(sql, &values![media]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// The newest clone in a project of each of some media that has one there.
pub(super) async fn clones(tx: &mut Tx, media: &[i64], project: i64) -> Result<HashMap<i64, i64>> {
    let mut clones = HashMap::new();
    for chunk in media.chunks(CHUNK) {
        let sql = format!(
            "select a.media, max(m.id) from media_family a join media_family b on b.family = a.family \
             join media m on m.id = b.media where {} and m.project = $1 and not m.deleted group by a.media",
            among("a.media", chunk)
        );
        for mut row in tx.rows(&sql, &values![project]).await? {
            clones.insert(row.take()?, row.take()?);
        }
    }
    Ok(clones)
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

/// Forgets the family of a media that was removed, once no other of it is left: clones are read under
/// the keys of those that went before them.
pub(super) async fn leave(tx: &mut Tx, media: i64) -> Result<()> {
    let sql = "select family from media_family where media = $1";
    let Some(family) = tx.scalar::<i64>(sql, &values![media]).await? else {
        return Ok(());
    };
    let sql = "delete from media_family where family = $1 and not exists \
               (select 1 from media_family b join media m on m.id = b.media where b.family = $1)";
    tx.execute(sql, &values![family]).await?;
    Ok(())
}

/// What another media of a family names.
struct Relative {
    deleted: bool,
    files: Option<Map<String, Json>>,
    /// The key of its source.
    source: Option<String>,
}

async fn relatives(tx: &mut Tx, media: i64) -> Result<Vec<Relative>> {
    let sql = "select m.deleted, m.media_files, s.object_key from media_family a \
               join media_family b on b.family = a.family join media m on m.id = b.media \
               left join media_source s on s.media = m.id where a.media = $1 and b.media <> $1";
    let rows = tx.rows(sql, &values![media]).await?;
    let relative = |mut row: Row| {
        Ok(Relative {
            deleted: row.take()?,
            files: match row.take::<Json>()? {
                Json::Object(files) => Some(files),
                _ => None,
            },
            source: row.take()?,
        })
    };
    rows.into_iter().map(relative).collect()
}

/// Keys of other media that the records of a media may name: those that its family records.
pub(super) async fn shared(tx: &mut Tx, media: i64) -> Result<HashSet<String>> {
    let relatives = relatives(tx, media).await?;
    let living = relatives.iter().filter(|relative| !relative.deleted);
    let recorded = living.filter_map(|relative| relative.files.as_ref());
    Ok(recorded.flat_map(files::keys).collect())
}

/// Keys of objects that others of the family record or read. A deleted one counts until it is gone
/// for good, for it may come back.
pub(super) async fn needed(tx: &mut Tx, media: i64) -> Result<HashSet<String>> {
    let mut keys = HashSet::new();
    for relative in relatives(tx, media).await? {
        keys.extend(relative.files.iter().flat_map(files::keys));
        keys.extend(relative.source);
    }
    Ok(keys)
}

/// Removes the objects that a media recorded before and that nobody needs any more: neither a record
/// nor the source of it, nor of another of its family. Call it once row and source are written.
pub(super) async fn release(
    tx: &mut Tx,
    owner: Owner,
    before: Option<&Map<String, Json>>,
    after: &Media,
) -> Result<()> {
    let dropped: HashSet<String> = before.into_iter().flat_map(files::keys).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let families = Families::of(tx, &[after.id]).await?;
    let mut needed = needed(tx, after.id).await?;
    needed.extend(after.media_files.iter().flat_map(files::keys));
    let source = source::find(tx, after.id).await?;
    needed.extend(source.and_then(|source| source.object_key));
    for key in dropped {
        if families.holds(owner, after.id, &key) && !needed.contains(&key) {
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
