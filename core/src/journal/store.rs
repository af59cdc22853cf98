//! Rows of the journal.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::clock::Stamp;
use super::types::{Action, Changes, Entry, EntryFilter, Head, Page, Recorded, Summary};
use crate::database::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::query::among;
use crate::values;

/// zstd level: fast, and bulk creations still shrink about tenfold.
const COMPRESSION: i32 = 1;

/// Writes changes into the journal, in the transaction that makes them.
///
/// Creations of one call must have consecutive ids; entities that did not change need no entry.
pub async fn record(
    tx: &mut Tx,
    stamp: &Stamp,
    project: Option<i64>,
    noun: &str,
    changes: Changes,
) -> Result<()> {
    let ids: Vec<i64> = changes.entities.iter().map(|change| change.id).collect();
    let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else {
        return Ok(());
    };
    let document = serde_json::to_vec(&changes.entities)?;
    let packed = zstd::bulk::compress(&document, COMPRESSION)
        .map_err(|error| Error::internal("compress a journal entry", error))?;
    let seq = tx.allocate("journal", 1).await?;
    tx.execute(
        "insert into journal (seq, at_ms, clock, account, project, noun, action, meaning, first_id, last_id, count, changes, by_job) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &values![
            seq,
            stamp.at_ms,
            &stamp.clock,
            stamp.account,
            project,
            noun,
            changes.action.name(),
            meaning(noun, &changes)?.map(Action::name),
            *first,
            *last,
            ids.len() as i64,
            packed,
            stamp.by_job
        ],
    )
    .await?;
    // A creation is found by its range of ids; everything else by its entities.
    if changes.action != Action::Create {
        let links = ids
            .into_iter()
            .map(|id| values![noun, id, seq].to_vec())
            .collect();
        tx.insert_many("journal_entity", &["noun", "entity", "seq"], links)
            .await?;
    }
    Ok(())
}

/// What a change of revisions means to people: a new revision is an edit of what was there before, a
/// tombstone deletes it, and to take either away again is the opposite.
fn meaning(noun: &str, changes: &Changes) -> Result<Option<Action>> {
    #[derive(Deserialize)]
    struct Revision {
        #[serde(default)]
        mark: i64,
        #[serde(default)]
        variant_deleted: Option<bool>,
    }
    let Some(change) = changes.entities.first() else {
        return Ok(None);
    };
    let row = change.after.as_ref().or(change.before.as_ref());
    let (Some(row), "localization" | "state") = (row, noun) else {
        return Ok(None);
    };
    let revision: Revision = serde_json::from_str(row.get())?;
    let tombstone = revision.variant_deleted == Some(true);
    Ok(match changes.action {
        Action::Create | Action::Restore if tombstone => Some(Action::Delete),
        Action::Delete if tombstone => Some(Action::Restore),
        Action::Create | Action::Restore | Action::Delete if revision.mark > 0 => {
            Some(Action::Update)
        }
        _ => None,
    })
}

/// The newest entry: its number and its clock; 0 and an empty text while there is none.
pub async fn newest(tx: &mut Tx) -> Result<(i64, String)> {
    let sql = "select seq, clock from journal order by seq desc limit 1";
    match tx.row(sql, &[]).await? {
        Some(mut row) => Ok((row.take()?, row.take()?)),
        None => Ok((0, String::new())),
    }
}

/// The clock of an entry, if the journal has it.
pub async fn clock_of(tx: &mut Tx, seq: i64) -> Result<Option<String>> {
    tx.scalar("select clock from journal where seq = $1", &values![seq])
        .await
}

/// How many entities each of the next entries is about, as (number, count) in their order.
pub async fn sizes_after(tx: &mut Tx, seq: i64, most: usize) -> Result<Vec<(i64, i64)>> {
    let sql = "select seq, count from journal where seq > $1 order by seq limit $2";
    let rows = tx.rows(sql, &values![seq, most as i64]).await?;
    rows.into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

/// An entry without the documents of a creation, whose ids follow each other.
pub struct Outline {
    /// In whose project.
    pub project: Option<i64>,
    /// What kind of thing changed.
    pub noun: String,
    /// What happened.
    pub action: Action,
    /// The least id that the entry is about.
    pub first_id: i64,
    /// The greatest.
    pub last_id: i64,
    changes: Option<Vec<u8>>,
}

impl Outline {
    /// The changes, read as far as `T` wants: an object of `id`, `before` and `after`. Empty for a
    /// creation.
    pub fn changes<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        match &self.changes {
            Some(packed) => unpack(packed),
            None => Ok(Vec::new()),
        }
    }
}

/// The entries after one, up to another, in their order.
pub async fn outlines(tx: &mut Tx, after: i64, upto: i64) -> Result<Vec<Outline>> {
    let sql = "select project, noun, action, first_id, last_id, \
               case when action = 'create' then null else changes end \
               from journal where seq > $1 and seq <= $2 order by seq";
    let rows = tx.rows(sql, &values![after, upto]).await?;
    let read = |mut row: crate::database::Row| {
        let project = row.take()?;
        let (noun, action): (String, String) = (row.take()?, row.take()?);
        Ok(Outline {
            project,
            noun,
            action: Action::from_name(&action)
                .ok_or_else(|| Error::internal("read the journal", action))?,
            first_id: row.take()?,
            last_id: row.take()?,
            changes: row.take()?,
        })
    };
    rows.into_iter().map(read).collect()
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    let document = zstd::stream::decode_all(packed)
        .map_err(|error| Error::internal("unpack a journal entry", error))?;
    Ok(serde_json::from_slice(&document)?)
}

/// Hands each entry of a project that fits the filter to `visit`, oldest first.
pub async fn each(
    tx: &mut Tx,
    project: i64,
    filter: &EntryFilter,
    mut visit: impl FnMut(Entry) -> Result<()> + Send,
) -> Result<()> {
    let nouns: Vec<String> = filter
        .nouns
        .iter()
        .map(|noun| format!("'{noun}'"))
        .collect();
    let mut sql = format!(
        "select {ENTRY} from journal where project = $1 and noun in ({})",
        nouns.join(", ")
    );
    let mut values = values![project].to_vec();
    if let Some(account) = filter.account {
        sql.push_str(" and account = $2");
        values.push(account.into());
    }
    if let Some(entity) = filter.entity {
        let seqs = of_entity(tx, &filter.nouns, entity).await?;
        if seqs.is_empty() {
            return Ok(());
        }
        sql.push_str(&format!(" and {}", among("seq", &seqs)));
    }
    sql.push_str(" order by seq");
    tx.each(&sql, &values, |row| visit(entry(row)?)).await
}

const ENTRY: &str = "seq, at_ms, clock, account, noun, action, changes";

fn entry(mut row: Row) -> Result<Entry> {
    let seq = row.take()?;
    let (at_ms, clock, account) = (row.take()?, row.take()?, row.take()?);
    let (noun, action): (String, String) = (row.take()?, row.take()?);
    let unknown = || Error::internal(format!("read journal entry {seq}"), action.clone());
    Ok(Entry {
        seq,
        at_ms,
        clock,
        account,
        action: Action::from_name(&action).ok_or_else(unknown)?,
        noun,
        changes: unpack(&row.take::<Vec<u8>>()?)?,
    })
}

/// Entries of one request that lie between one of them and any other of them, at most.
const REACH: i64 = 64;

/// All entries of the request that wrote this one, oldest first, and their project; none when there
/// is no such entry.
pub async fn change(tx: &mut Tx, seq: i64) -> Result<Option<(Option<i64>, Vec<Entry>)>> {
    let sql = "select clock, project from journal where seq = $1";
    let Some(mut found) = tx.row(sql, &values![seq]).await? else {
        return Ok(None);
    };
    let (clock, project): (String, _) = (found.take()?, found.take()?);
    let sql = format!(
        "select {ENTRY} from journal where seq between $1 and $2 and clock = $3 order by seq"
    );
    let rows = tx
        .rows(&sql, &values![seq - REACH, seq + REACH, clock])
        .await?;
    let entries = rows.into_iter().map(entry).collect::<Result<_>>()?;
    Ok(Some((project, entries)))
}

/// The first entry that a request wrote.
pub async fn seq_of(tx: &mut Tx, clock: &str, near: i64) -> Result<Option<i64>> {
    let sql = "select min(seq) from journal where seq between $1 and $2 and clock = $3";
    let found = tx
        .row(sql, &values![near - REACH, near + REACH, clock])
        .await?;
    found.map_or(Ok(None), |mut row| row.take())
}

/// A page of a project's entries.
pub async fn page(tx: &mut Tx, project: i64, page: &Page) -> Result<Vec<Summary>> {
    let mut sql = format!(
        "select seq, at_ms, clock, account, noun, coalesce(meaning, action), first_id, last_id, count{} \
         from journal where project = $1",
        if page.detail { ", changes" } else { "" }
    );
    let mut values = values![project].to_vec();
    let mut given = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" and {condition} ${}", values.len()));
        }
    };
    given("seq >", page.after.map(Value::from));
    given("seq <", page.before.map(Value::from));
    given("account =", page.account.map(Value::from));
    given("by_job =", page.by_job.map(Value::from));
    given("noun =", page.noun.as_deref().map(Value::from));
    if let (Some(noun), Some(entity)) = (&page.noun, page.entity) {
        let seqs = of_entity(tx, &[noun.as_str()], entity).await?;
        sql.push_str(&format!(" and {}", among("seq", &seqs)));
    }
    let order = if page.newest { " desc" } else { "" };
    sql.push_str(&format!(" order by seq{order} limit {}", page.limit));
    let mut found = Vec::new();
    for mut row in tx.rows(&sql, &values).await? {
        let mut summary = Summary {
            seq: row.take()?,
            at_ms: row.take()?,
            clock: row.take()?,
            account: row.take()?,
            noun: row.take()?,
            action: row.take()?,
            first_id: row.take()?,
            last_id: row.take()?,
            count: row.take()?,
            rows: None,
        };
        if page.detail {
            summary.rows = Some(unpack(&row.take::<Vec<u8>>()?)?);
        }
        found.push(summary);
    }
    Ok(found)
}

/// Entries of a project after one of them, oldest first, without their changes; none when there are
/// more than `most`.
pub(super) async fn heads_after(
    tx: &mut Tx,
    project: i64,
    seq: i64,
    most: usize,
) -> Result<Option<Vec<Head>>> {
    // The sign keeps the index of projects out of it: the newest entries are few, a project's are not.
    let sql = format!(
        "select seq, noun, action, first_id, last_id, count from journal where seq > $1 and +project = $2 \
         order by seq limit {}",
        most + 1
    );
    let mut heads = Vec::new();
    for mut row in tx.rows(&sql, &values![seq, project]).await? {
        let (seq, noun, action): (i64, String, String) = (row.take()?, row.take()?, row.take()?);
        heads.push(Head {
            seq,
            noun,
            action: Action::from_name(&action)
                .ok_or_else(|| Error::internal("read the journal", action))?,
            first_id: row.take()?,
            last_id: row.take()?,
            count: row.take()?,
        });
    }
    Ok((heads.len() <= most).then_some(heads))
}

/// The changes of an entry.
pub(super) async fn changes(tx: &mut Tx, seq: i64) -> Result<Vec<Recorded>> {
    let sql = "select changes from journal where seq = $1";
    match tx.scalar::<Vec<u8>>(sql, &values![seq]).await? {
        Some(packed) => unpack(&packed),
        None => Ok(Vec::new()),
    }
}

/// The entries about an entity: its creation by the range of ids, the others by their links.
async fn of_entity(tx: &mut Tx, nouns: &[&str], entity: i64) -> Result<Vec<i64>> {
    let mut seqs = Vec::new();
    for noun in nouns {
        // Ranges of one noun do not overlap: the last to begin before an id is the only candidate.
        let sql = "select seq, last_id from journal \
                   where action = 'create' and noun = $1 and first_id <= $2 \
                   order by first_id desc limit 1";
        if let Some(mut row) = tx.row(sql, &values![*noun, entity]).await? {
            let (seq, last): (i64, i64) = (row.take()?, row.take()?);
            if entity <= last {
                seqs.push(seq);
            }
        }
        let sql = "select seq from journal_entity where noun = $1 and entity = $2";
        for mut row in tx.rows(sql, &values![*noun, entity]).await? {
            seqs.push(row.take()?);
        }
    }
    Ok(seqs)
}
