//! Rows that say which change took which back.

use crate::database::Tx;
use crate::error::Result;
use crate::values;

/// Notes that a change was taken back.
pub(super) async fn note(tx: &mut Tx, undone: &str, by: &str, by_first: i64) -> Result<()> {
    let sql = "insert into journal_undo (undone, by_clock, by_entry) values ($1, $2, $3) \
               on conflict (undone) do update set by_clock = $2, by_entry = $3";
    tx.execute(sql, &values![undone, by, by_first]).await?;
    Ok(())
}

/// Which change took this one back: its first entry.
pub(super) async fn undone_by(tx: &mut Tx, clock: &str) -> Result<Option<i64>> {
    let sql = "select by_entry from journal_undo where undone = $1";
    tx.scalar(sql, &values![clock]).await
}

/// What a change took back, if it was an undo.
pub(super) async fn undid(tx: &mut Tx, clock: &str) -> Result<Vec<String>> {
    let sql = "select undone from journal_undo where by_clock = $1 order by undone";
    let rows = tx.rows(sql, &values![clock]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// What a change took back stands again.
pub(super) async fn forget(tx: &mut Tx, undone: &str) -> Result<()> {
    let sql = "delete from journal_undo where undone = $1";
    tx.execute(sql, &values![undone]).await?;
    Ok(())
}
