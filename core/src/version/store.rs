//! Rows of versions.

use super::types::Version;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::project::Level;
use crate::undo::{As, Shape};
use crate::values;

const COLUMNS: &str =
    "id, name, description, show_empty, bases, elemental_id, number, project, created_by";

/// How versions stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "version",
    table: "version",
    level: Level::Edit,
    columns: &[
        ("name", "name", As::Plain),
        ("description", "description", As::Plain),
        ("show_empty", "show_empty", As::Flag),
        ("bases", "bases", As::Json),
        ("elemental_id", "elemental_id", As::Plain),
        ("number", "number", As::Plain),
        ("project", "project", As::Plain),
        ("created_by", "created_by", As::Plain),
    ],
    ..Shape::PLAIN
};

fn version(mut row: Row) -> Result<Version> {
    Ok(Version {
        id: row.take()?,
        name: row.take()?,
        description: row.take()?,
        show_empty: row.take()?,
        bases: serde_json::from_str(&row.take::<String>()?)?,
        elemental_id: row.take()?,
        number: row.take()?,
        project: row.take()?,
        created_by: row.take()?,
        effective_permission: 0,
    })
}

/// Versions of a project, by number.
pub async fn list(tx: &mut Tx, project: i64) -> Result<Vec<Version>> {
    let sql = format!("select {COLUMNS} from version where project = $1 order by number, id");
    tx.rows(&sql, &values![project])
        .await?
        .into_iter()
        .map(version)
        .collect()
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Version>> {
    let sql = format!("select {COLUMNS} from version where id = $1");
    tx.row(&sql, &values![id]).await?.map(version).transpose()
}

/// Ids of the versions of a project, by number.
pub async fn ids(tx: &mut Tx, project: i64) -> Result<Vec<i64>> {
    tx.rows(
        "select id from version where project = $1 order by number, id",
        &values![project],
    )
    .await?
    .into_iter()
    .map(|mut row| row.take())
    .collect()
}

/// The version with the lowest number that is not negative.
pub async fn first(tx: &mut Tx, project: i64) -> Result<Option<i64>> {
    let sql =
        "select id from version where project = $1 and number >= 0 order by number, id limit 1";
    tx.scalar(sql, &values![project]).await
}

/// The number that the next version of a project gets.
pub async fn next_number(tx: &mut Tx, project: i64) -> Result<i64> {
    let sql = "select coalesce(max(number), -1) + 1 from version where project = $1";
    Ok(tx.scalar(sql, &values![project]).await?.unwrap_or_default())
}

pub async fn insert(tx: &mut Tx, version: &Version) -> Result<()> {
    tx.execute(
        "insert into version (id, project, number, name, description, show_empty, bases, elemental_id, created_by) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &values![
            version.id,
            version.project,
            version.number,
            &version.name,
            &version.description,
            version.show_empty,
            serde_json::to_string(&version.bases)?,
            &version.elemental_id,
            version.created_by
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, version: &Version) -> Result<()> {
    tx.execute(
        "update version set name = $2, description = $3, show_empty = $4, bases = $5, elemental_id = $6 where id = $1",
        &values![
            version.id,
            &version.name,
            &version.description,
            version.show_empty,
            serde_json::to_string(&version.bases)?,
            &version.elemental_id
        ],
    )
    .await?;
    Ok(())
}

/// How many annotations of a `table` a reader would see in a version.
pub async fn visible(tx: &mut Tx, table: &'static str, project: i64, version: i64) -> Result<i64> {
    let sql = format!(
        "select count(*) from {table} where project = $1 and version = $2 \
         and latest and not variant_deleted and not deleted"
    );
    Ok(tx
        .scalar(&sql, &values![project, version])
        .await?
        .unwrap_or_default())
}

/// Removes a version; what history it still has (revisions, tombstones) is deleted with it.
pub async fn remove(tx: &mut Tx, project: i64, id: i64) -> Result<()> {
    for table in ["localization", "state"] {
        let sql = format!(
            "update {table} set deleted = true where project = $1 and version = $2 and not deleted"
        );
        tx.execute(&sql, &values![project, id]).await?;
    }
    tx.execute("delete from version where id = $1", &values![id])
        .await?;
    Ok(())
}

/// The name of this station, as the journal's clock carries it.
pub async fn station(tx: &mut Tx) -> Result<String> {
    let sql = "select value from station where name = 'station'";
    Ok(tx.scalar(sql, &[]).await?.unwrap_or_default())
}
