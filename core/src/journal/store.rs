//! Rows of the journal.

use super::clock::Stamp;
use super::types::{Action, Changes, Entry, EntryFilter, Head, Recorded};
use crate::database::Tx;
use crate::error::{Error, Result};
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
        "insert into journal (seq, at_ms, clock, account, project, noun, action, first_id, last_id, count, changes) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &values![
            seq,
            stamp.at_ms,
            &stamp.clock,
            stamp.account,
            project,
            noun,
            changes.action.name(),
            *first,
            *last,
            ids.len() as i64,
            packed
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
        "select seq, at_ms, account, noun, action, changes from journal \
         where project = $1 and noun in ({})",
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
        let list: Vec<String> = seqs.iter().map(i64::to_string).collect();
        sql.push_str(&format!(" and seq in ({})", list.join(", ")));
    }
    sql.push_str(" order by seq");
    tx.each(&sql, &values, |mut row| {
        let (seq, at_ms, account) = (row.take()?, row.take()?, row.take()?);
        let (noun, action): (String, String) = (row.take()?, row.take()?);
        let packed: Vec<u8> = row.take()?;
        let unreadable = |why: String| Error::internal(format!("read journal entry {seq}"), why);
        visit(Entry {
            seq,
            at_ms,
            account,
            action: Action::from_name(&action).ok_or_else(|| unreadable(action))?,
            noun,
            changes: unpack(seq, &packed)?,
        })
    })
    .await
}

/// The number of the newest entry; 0 before the first.
pub async fn head(tx: &mut Tx) -> Result<i64> {
    let newest = tx.scalar("select max(seq) from journal", &[]).await?;
    Ok(newest.flatten().unwrap_or_default())
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
        "select seq, noun, action, first_id, last_id from journal where seq > $1 and +project = $2 \
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
        });
    }
    Ok((heads.len() <= most).then_some(heads))
}

/// The changes of an entry.
pub(super) async fn changes(tx: &mut Tx, seq: i64) -> Result<Vec<Recorded>> {
    let sql = "select changes from journal where seq = $1";
    match tx.scalar::<Vec<u8>>(sql, &values![seq]).await? {
        Some(packed) => unpack(seq, &packed),
        None => Ok(Vec::new()),
    }
}

fn unpack(seq: i64, packed: &[u8]) -> Result<Vec<Recorded>> {
    let document = zstd::stream::decode_all(packed)
        .map_err(|error| Error::internal(format!("read journal entry {seq}"), error))?;
    Ok(serde_json::from_slice(&document)?)
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
