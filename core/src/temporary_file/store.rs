//! Rows of temporary files.

use super::types::TemporaryFile;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::values;

const COLUMNS: &str = "id, project, account, key, name, lookup, created_at, eol_at";

fn file(mut row: Row) -> Result<TemporaryFile> {
    Ok(TemporaryFile {
        id: row.take()?,
        project: row.take()?,
        account: row.take()?,
        key: row.take()?,
        name: row.take()?,
        lookup: row.take()?,
        created_at: row.take()?,
        eol_at: row.take()?,
    })
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<TemporaryFile>> {
    let sql = format!("select {COLUMNS} from temporary_file where id = $1");
    tx.row(&sql, &values![id]).await?.map(file).transpose()
}

/// Files of a project, by id; only those over before a time, if one is given.
pub async fn list(tx: &mut Tx, project: i64, over_at: Option<i64>) -> Result<Vec<TemporaryFile>> {
    let sql = format!(
        "select {COLUMNS} from temporary_file where project = $1 and eol_at <= $2 order by id"
    );
    let over_at = over_at.unwrap_or(i64::MAX);
    let rows = tx.rows(&sql, &values![project, over_at]).await?;
    rows.into_iter().map(file).collect()
}

/// Some files of any project whose time is over.
pub async fn over(tx: &mut Tx, now_ms: i64) -> Result<Vec<TemporaryFile>> {
    let sql = format!(
        "select {COLUMNS} from temporary_file where eol_at <= $1 order by eol_at limit 500"
    );
    let rows = tx.rows(&sql, &values![now_ms]).await?;
    rows.into_iter().map(file).collect()
}

pub async fn insert(tx: &mut Tx, file: &TemporaryFile) -> Result<()> {
    let sql =
        format!("insert into temporary_file ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8)");
    tx.execute(
        &sql,
        &values![
            file.id,
            file.project,
            file.account,
            &file.key,
            &file.name,
            &file.lookup,
            file.created_at,
            file.eol_at
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from temporary_file where id = $1", &values![id])
        .await?;
    Ok(())
}
