//! Rows of entity types.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value as Json};

use super::types::EntityType;
use crate::attribute::{self, Kind};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::journal::Stamp;
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

/// What is deleted with media of a type: localizations on them, and states none of whose media are left.
pub const ON_MEDIA_OF_TYPE: [(Kind, &str); 2] = [
    (
        Kind::Localization,
        "media in (select id from media where type = $1)",
    ),
    (
        Kind::State,
        "id in (select state from state_media where media in (select id from media where type = $1)) \
         and not exists (select 1 from state_media s join media m on m.id = s.media \
         where s.state = state.id and not m.deleted)",
    ),
];

/// Marks instances as deleted and sets them aside under a change; returns how many.
pub async fn set_aside(
    tx: &mut Tx,
    stamp: &Stamp,
    kind: Kind,
    which: &str,
    id: i64,
) -> Result<u64> {
    let table = kind.table();
    let sql = format!(
        "insert into set_aside (clock, noun, name, entity) \
         select cast($2 as text), '{table}', '', id from {table} where {which} and not deleted order by id"
    );
    tx.execute(&sql, &values![id, &stamp.clock]).await?;
    let sql = format!(
        "update {table} set deleted = true, modified_at = $2, modified_by = $3 where {which} and not deleted"
    );
    tx.execute(&sql, &values![id, stamp.at_ms, stamp.account])
        .await
}

/// Instances that a change set aside.
const SET_ASIDE: &str =
    "select entity from set_aside where clock = $1 and noun = $2 and name = ''";

/// Removes the typed values of annotations that a change set aside.
pub async fn forget_values_on_media(tx: &mut Tx, stamp: &Stamp, kind: Kind) -> Result<()> {
    let of = kind.table();
    for table in attribute::TABLES {
        let sql = format!(
            "delete from {table} where entity in ({SET_ASIDE}) and attribute in (select id from attribute_type \
             where kind = $3 and type in (select type from {of} where id in ({SET_ASIDE})))"
        );
        tx.execute(&sql, &values![&stamp.clock, of, kind.name()])
            .await?;
    }
    Ok(())
}

/// The documents of instances that a change set aside, by type.
pub async fn set_aside_documents(
    tx: &mut Tx,
    clock: &str,
    kind: Kind,
) -> Result<BTreeMap<i64, Vec<(i64, Map<String, Json>)>>> {
    let table = kind.table();
    let sql =
        format!("select type, id, attributes from {table} where id in ({SET_ASIDE}) order by id");
    let mut found: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    tx.each(&sql, &values![clock, table], |mut row| {
        let (type_id, id) = (row.take()?, row.take()?);
        if let Json::Object(document) = row.take()? {
            found.entry(type_id).or_default().push((id, document));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Takes the mark from instances that a change set aside, of one type if given.
pub async fn give_back(
    tx: &mut Tx,
    stamp: &Stamp,
    clock: &str,
    kind: Kind,
    type_id: Option<i64>,
) -> Result<()> {
    let table = kind.table();
    let sql = format!(
        "update {table} set deleted = false, modified_at = $3, modified_by = $4 \
         where id in ({SET_ASIDE}) and (cast($5 as bigint) is null or type = $5)"
    );
    let given = values![clock, table, stamp.at_ms, stamp.account, type_id];
    tx.execute(&sql, &given).await?;
    let sql = format!(
        "delete from set_aside where clock = $1 and noun = $2 and name = '' \
         and entity in (select id from {table} where not deleted)"
    );
    tx.execute(&sql, &values![clock, table]).await?;
    Ok(())
}

/// How many instances a type has.
pub async fn count_instances(tx: &mut Tx, kind: Kind, id: i64) -> Result<i64> {
    let sql = format!(
        "select count(*) from {} where type = $1 and not deleted",
        kind.table()
    );
    Ok(tx.scalar(&sql, &values![id]).await?.unwrap_or_default())
}

/// Forgets what changes before a time set aside.
pub async fn purge_set_aside(tx: &mut Tx, before_ms: i64) -> Result<()> {
    let sql = "delete from set_aside where clock < $1";
    tx.execute(sql, &values![format!("{:013}", before_ms.max(0))])
        .await?;
    Ok(())
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
pub const LEAF_TYPE: Shape = shape(
    "leaf_type",
    Kind::Leaf,
    WITH_DTYPE,
    &[("kind", "LeafType")],
);

/// How file types stand in the journal, which does not say their dtype.
pub const FILE_TYPE: Shape = shape(
    "file_type",
    Kind::File,
    &SHARED,
    &[("kind", "FileType"), ("dtype", "file")],
);
