//! Revisions whose time is over go for good.

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::query::among;
use crate::values;

/// Removes revisions that were pruned before a time, at most so many; returns how many went.
pub async fn purge(tx: &mut Tx, before_ms: i64, most: usize) -> Result<usize> {
    let mut count = 0;
    for kind in [Kind::Localization, Kind::State] {
        let table = kind.table();
        let sql = format!(
            "select id from {table} where deleted and modified_at < $1 order by id limit {most}"
        );
        let rows = tx.rows(&sql, &values![before_ms]).await?;
        let ids = rows.into_iter().map(|mut row| row.take());
        let ids: Vec<i64> = ids.collect::<Result<_>>()?;
        if ids.is_empty() {
            continue;
        }
        if kind == Kind::State {
            for links in ["state_media", "state_localization"] {
                let sql = format!("delete from {links} where {}", among("state", &ids));
                tx.execute(&sql, &[]).await?;
            }
        }
        let sql = format!("delete from {table} where {}", among("id", &ids));
        tx.execute(&sql, &[]).await?;
        count += ids.len();
    }
    Ok(count)
}
