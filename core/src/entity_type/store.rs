//! Rows of entity types.

use super::types::EntityType;
use std::collections::HashSet;

use crate::attribute::{self, Kind};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::journal::Stamp;
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

/// Removes the row, and the favorites that fill in annotations of the type.
pub async fn remove(tx: &mut Tx, kind: Kind, id: i64) -> Result<()> {
    let annotation = match kind {
        Kind::Localization => Some("Localization"),
        Kind::State => Some("State"),
        _ => None,
    };
    if let Some(name) = annotation {
        let sql = "delete from favorite where type = $1 and entity_type_name = $2";
        tx.execute(sql, &values![id, name]).await?;
    }
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

/// Marks every instance of a type as deleted and returns how many were not yet.
pub async fn remove_instances(tx: &mut Tx, kind: Kind, id: i64, stamp: &Stamp) -> Result<u64> {
    let sql = format!(
        "update {} set deleted = true, modified_at = $2, modified_by = $3 \
         where type = $1 and not deleted",
        kind.table()
    );
    tx.execute(&sql, &values![id, stamp.at_ms, stamp.account])
        .await
}

/// Marks the localizations on the media of a type as deleted, and the states whose every media is
/// deleted, and takes them out of the typed tables.
pub async fn remove_annotations_of_media_type(tx: &mut Tx, id: i64, stamp: &Stamp) -> Result<()> {
    const MEDIA: &str = "(select id from media where type = $1)";
    let localizations = format!(
        "update localization set deleted = true, modified_at = $2, modified_by = $3 \
         where media in {MEDIA} and not deleted"
    );
    let states = format!(
        "update state set deleted = true, modified_at = $2, modified_by = $3 \
         where id in (select state from state_media where media in {MEDIA}) and not deleted \
         and not exists (select 1 from state_media s join media m on m.id = s.media \
         where s.state = state.id and not m.deleted)"
    );
    let who = values![id, stamp.at_ms, stamp.account];
    let of_localizations = format!("select id, type from localization where media in {MEDIA}");
    let of_states = format!(
        "select id, type from state where deleted \
         and id in (select state from state_media where media in {MEDIA})"
    );
    for (update, gone, kind) in [
        (localizations, of_localizations, Kind::Localization),
        (states, of_states, Kind::State),
    ] {
        if tx.execute(&update, &who).await? == 0 {
            continue;
        }
        for table in attribute::TABLES {
            let sql = format!(
                "with gone as ({gone}) delete from {table} where attribute in \
                 (select id from attribute_type where kind = $2 and type in (select type from gone)) \
                 and entity in (select id from gone)"
            );
            tx.execute(&sql, &values![id, kind.name()]).await?;
        }
    }
    Ok(())
}
