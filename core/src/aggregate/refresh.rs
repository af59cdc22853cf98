//! Bringing a table up to date with the journal.

use std::collections::BTreeSet;

use super::load::{condition, of_whole, whole};
use super::table::Table;
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::journal::Touched;
use crate::query::{Selection, among};

/// Rows that changed beyond which a table is read again.
const MOST_ROWS: usize = 20_000;
/// Ids that one statement lists.
const CHUNK: usize = 2_000;

/// Reads what changed into a table; says whether it could, or the table must be read again.
pub(super) async fn refresh(
    tx: &mut Tx,
    selection: &Selection,
    table: &mut Table,
    touched: &Touched,
) -> Result<bool> {
    let Some(ids) = concerned(tx, selection.kind, touched).await? else {
        return Ok(false);
    };
    let ids: Vec<i64> = ids.into_iter().collect();
    for chunk in ids.chunks(CHUNK) {
        read_again(tx, selection, table, chunk).await?;
    }
    Ok(!table.is_worn())
}

/// Ids of the rows that may have changed; none when they are too many.
///
/// A change of one revision shows or hides others of the same annotation, so that all of them count.
async fn concerned(tx: &mut Tx, kind: Kind, touched: &Touched) -> Result<Option<BTreeSet<i64>>> {
    let table = kind.table();
    let mut ids: BTreeSet<i64> = touched.ids.iter().copied().collect();
    for (first, last) in &touched.created {
        if last.saturating_sub(*first) > MOST_ROWS as i64 {
            return Ok(None);
        }
        ids.extend(*first..=*last);
    }
    if ids.len() > MOST_ROWS {
        return Ok(None);
    }
    if !matches!(kind, Kind::Localization | Kind::State) {
        return Ok(Some(ids));
    }
    let mut others: Vec<i64> = Vec::new();
    let known: Vec<i64> = ids.iter().copied().collect();
    for chunk in known.chunks(CHUNK) {
        let sql = format!(
            "select other.id from {table} t join {table} other \
             on other.elemental_id = t.elemental_id and other.version = t.version where {}",
            among("t.id", chunk)
        );
        for mut row in tx.rows(&sql, &[]).await? {
            others.push(row.take()?);
        }
    }
    for elemental_id in &touched.elemental_ids {
        let sql = format!("select id from {table} where elemental_id = $1");
        for mut row in tx.rows(&sql, &crate::values![elemental_id]).await? {
            others.push(row.take()?);
        }
    }
    ids.extend(others);
    Ok((ids.len() <= MOST_ROWS).then_some(ids))
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
