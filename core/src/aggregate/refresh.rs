//! Bringing a table up to date with the journal.

use std::collections::BTreeSet;

use super::load::{condition, of_whole, whole};
use super::table::Table;
use crate::database::Tx;
use crate::error::Result;
use crate::journal::{self, Touched};
use crate::query::{Selection, among};

/// Rows that changed beyond which a table is read again.
pub(super) const MOST_ROWS: usize = 20_000;
/// Ids that one statement lists.
const CHUNK: usize = 2_000;

/// Reads what changed into a table; says whether it could, or the table must be read again.
pub(super) async fn refresh(
    tx: &mut Tx,
    selection: &Selection,
    table: &mut Table,
    touched: &Touched,
) -> Result<bool> {
    let Some(ids) = journal::concerned(tx, selection.kind, touched, MOST_ROWS).await? else {
        return Ok(false);
    };
    let ids: Vec<i64> = ids.into_iter().collect();
    for chunk in ids.chunks(CHUNK) {
        read_again(tx, selection, table, chunk).await?;
    }
    Ok(!table.is_worn())
}

async fn read_again(
    tx: &mut Tx,
    selection: &Selection,
    table: &mut Table,
    ids: &[i64],
) -> Result<()> {
    let keys = table.keys();
    let (visible, values) = condition(selection);
    let sql = format!(
        "select {} from {} t where {visible} and {}",
        whole(&keys),
        selection.kind.table(),
        among("t.id", ids)
    );
    let mut gone: BTreeSet<i64> = ids.iter().copied().collect();
    for row in tx.rows(&sql, &values).await? {
        let (id, cells) = of_whole(&keys, row)?;
        table.put(id, cells);
        gone.remove(&id);
    }
    for id in gone {
        table.hide(id);
    }
    Ok(())
}
