//! Rows of entity types.

use super::types::EntityType;
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::values;
use serde_json::Value as Json;

const COLUMNS: &str = "kind, id, project, name, description, dtype, elemental_id, detail";

fn entity_type(mut row: Row) -> Result<EntityType> {
    let kind = Kind::from_name(&row.take::<String>()?)
        .ok_or_else(|| Error::internal("read an entity type", "unknown kind"))?;
    Ok(EntityType {
        kind,
        id: row.take()?,
        project: row.take()?,
        name: row.take()?,
        description: row.take()?,
        dtype: row.take()?,
        elemental_id: row.take()?,
        detail: match row.take()? {
            Json::Object(detail) => detail,
            _ => {
                return Err(Error::internal(
                    "read an entity type",
                    "its detail is no object",
                ));
            }
        },
    })
}

pub async fn find(tx: &mut Tx, kind: Kind, id: i64) -> Result<Option<EntityType>> {
    let sql = format!("select {COLUMNS} from entity_type where kind = $1 and id = $2");
    tx.row(&sql, &values![kind.name(), id])
        .await?
        .map(entity_type)
        .transpose()
}

/// The types of a kind in a project, in the order of ids.
pub async fn list(tx: &mut Tx, kind: Kind, project: i64) -> Result<Vec<EntityType>> {
    let sql =
        format!("select {COLUMNS} from entity_type where project = $1 and kind = $2 order by id");
    tx.rows(&sql, &values![project, kind.name()])
        .await?
        .into_iter()
        .map(entity_type)
        .collect()
}
