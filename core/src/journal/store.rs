//! Rows of the journal.

use super::clock::Stamp;
use super::types::{Action, Changes};
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
