//! Rows of entity types.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::types::EntityType;
use crate::attribute::{self, Kind};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::undo::{As, Shape};
use crate::values;

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

pub async fn insert(tx: &mut Tx, one: &EntityType) -> Result<()> {
    let sql =
        format!("insert into entity_type ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8)");
    tx.execute(
        &sql,
        &values![
            one.kind.name(),
            one.id,
            one.project,
            &one.name,
            &one.description,
            &one.dtype,
            &one.elemental_id,
            &Json::Object(one.detail.clone())
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, one: &EntityType) -> Result<()> {
    tx.execute(
        "update entity_type set name = $3, description = $4, elemental_id = $5, detail = $6 \
         where kind = $1 and id = $2",
        &values![
            one.kind.name(),
            one.id,
            &one.name,
            &one.description,
            &one.elemental_id,
            &Json::Object(one.detail.clone())
        ],
    )
    .await?;
    Ok(())
}

/// Removes the row.
pub async fn remove(tx: &mut Tx, kind: Kind, id: i64) -> Result<()> {
    let sql = "delete from entity_type where kind = $1 and id = $2";
    tx.execute(sql, &values![kind.name(), id]).await?;
    Ok(())
}

/// The types of these media; none when one of them is no media of the project.
pub async fn types_of_media(
    tx: &mut Tx,
    project: i64,
    media: &[i64],
) -> Result<Option<HashSet<i64>>> {
    let wanted: HashSet<i64> = media.iter().copied().collect();
    let ids: Vec<String> = wanted.iter().map(i64::to_string).collect();
    let sql = format!(
        "select type from media where id in ({}) and project = $1 and not deleted",
        ids.join(", ")
    );
    let rows = tx.rows(&sql, &values![project]).await?;
    if rows.len() < wanted.len() {
        return Ok(None);
    }
    let types = rows.into_iter().map(|mut row| row.take());
    types.collect::<Result<HashSet<i64>>>().map(Some)
}

/// How many instances a type has.
pub async fn count_instances(tx: &mut Tx, kind: Kind, id: i64) -> Result<i64> {
    let shown = attribute::shown(kind);
    let sql = format!(
        "select count(*) from {} where type = $1{shown}",
        kind.table()
    );
    Ok(tx.scalar(&sql, &values![id]).await?.unwrap_or_default())
}

/// How types of a kind stand in the journal.
const fn shape(
    noun: &'static str,
    kind: Kind,
    columns: &'static [(&'static str, &'static str, As)],
    fixed: &'static [(&'static str, &'static str)],
) -> Shape {
    Shape {
        noun,
        table: "entity_type",
        columns,
        fixed,
        rest: Some("detail"),
        declares: Some(kind),
        ..Shape::PLAIN
    }
}

const SHARED: [(&str, &str, As); 4] = [
    ("project", "project", As::Plain),
    ("name", "name", As::Plain),
    ("description", "description", As::Plain),
    ("elemental_id", "elemental_id", As::Plain),
];

const WITH_DTYPE: &[(&str, &str, As)] = &[
    SHARED[0],
    SHARED[1],
    SHARED[2],
    SHARED[3],
    ("dtype", "dtype", As::Plain),
];

/// How media types stand in the journal.
pub const MEDIA_TYPE: Shape = shape(
    "media_type",
    Kind::Media,
    WITH_DTYPE,
    &[("kind", "MediaType")],
);

/// How localization types stand in the journal.
pub const LOCALIZATION_TYPE: Shape = shape(
    "localization_type",
    Kind::Localization,
    WITH_DTYPE,
    &[("kind", "LocalizationType")],
);

/// How state types stand in the journal.
pub const STATE_TYPE: Shape = shape(
    "state_type",
    Kind::State,
    WITH_DTYPE,
    &[("kind", "StateType")],
);

/// How leaf types stand in the journal.
pub const LEAF_TYPE: Shape = shape("leaf_type", Kind::Leaf, WITH_DTYPE, &[("kind", "LeafType")]);

/// How file types stand in the journal, which does not say their dtype.
pub const FILE_TYPE: Shape = shape(
    "file_type",
    Kind::File,
    &SHARED,
    &[("kind", "FileType"), ("dtype", "file")],
);
