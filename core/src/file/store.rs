//! Rows of files.

use serde_json::{Map, Value as Json};

use super::types::File;
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::journal::Stamp;
use crate::project::Level;
use crate::undo::{As, Shape};
use crate::{storage, values};

const COLUMNS: &str = "t.id, t.project, t.created_at, t.created_by, t.modified_at, t.modified_by, \
                       t.path, t.name, t.description, t.attributes, t.elemental_id, t.type";

/// How files stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "file",
    table: "file",
    level: Level::Execute,
    columns: &[
        ("project", "project", As::Plain),
        ("created_datetime", "created_at", As::Time),
        ("created_by", "created_by", As::Plain),
        ("path", "path", As::Plain),
        ("name", "name", As::Plain),
        ("description", "description", As::Plain),
        ("elemental_id", "elemental_id", As::Plain),
        ("type", "type", As::Plain),
    ],
    attributes: Some(Kind::File),
    kept: true,
    ..Shape::PLAIN
};

fn file(mut row: Row) -> Result<File> {
    Ok(File {
        id: row.take()?,
        project: row.take()?,
        created_at: row.take()?,
        created_by: row.take()?,
        modified_at: row.take()?,
        modified_by: row.take()?,
        path: row.take()?,
        name: row.take()?,
        description: row.take()?,
        attributes: match row.take()? {
            Json::Object(document) => document,
            _ => Map::new(),
        },
        elemental_id: row.take()?,
        r#type: row.take()?,
    })
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<File>> {
    let sql = format!("select {COLUMNS} from file t where t.id = $1 and not t.deleted");
    tx.row(&sql, &values![id]).await?.map(file).transpose()
}

pub async fn insert(tx: &mut Tx, file: &File) -> Result<()> {
    tx.execute(
        "insert into file (id, project, created_at, created_by, modified_at, modified_by, path, \
         name, description, attributes, elemental_id, type, deleted) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false)",
        &values![
            file.id,
            file.project,
            file.created_at,
            file.created_by,
            file.modified_at,
            file.modified_by,
            file.path.clone(),
            &file.name,
            &file.description,
            &Json::Object(file.attributes.clone()),
            &file.elemental_id,
            file.r#type
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, file: &File) -> Result<()> {
    tx.execute(
        "update file set modified_at = $2, modified_by = $3, path = $4, name = $5, \
         description = $6, attributes = $7, elemental_id = $8, type = $9 where id = $1",
        &values![
            file.id,
            file.modified_at,
            file.modified_by,
            file.path.clone(),
            &file.name,
            &file.description,
            &Json::Object(file.attributes.clone()),
            &file.elemental_id,
            file.r#type
        ],
    )
    .await?;
    Ok(())
}

pub async fn set_deleted(tx: &mut Tx, id: i64, stamp: &Stamp) -> Result<()> {
    tx.execute(
        "update file set deleted = true, modified_at = $2, modified_by = $3 where id = $1",
        &values![id, stamp.at_ms, stamp.account],
    )
    .await?;
    Ok(())
}

/// Removes files, and their bytes, that were deleted before a time for good, at most so many; returns how many went.
pub async fn purge(tx: &mut Tx, before_ms: i64, most: usize) -> Result<usize> {
    let sql = format!(
        "select id, path from file where deleted and modified_at < $1 order by id limit {most}"
    );
    let rows = tx.rows(&sql, &values![before_ms]).await?;
    let count = rows.len();
    for mut row in rows {
        let id: i64 = row.take()?;
        let path: Option<String> = row.take()?;
        if let Some(key) = path {
            storage::remove(tx, &key).await?;
        }
        tx.execute("delete from file where id = $1", &values![id])
            .await?;
    }
    Ok(count)
}
