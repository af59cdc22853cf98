//! Rows of definitions and of typed values.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::definition::{Definition, Definitions, Dtype, Kind};
use crate::database::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::{time, values};

/// Characters of a text that the typed table orders by; the rest stands beside them.
pub const TEXT_PREFIX: usize = 200;

/// The tables that know which entity has which value, or none.
pub const TABLES: [&str; 4] = [
    "attribute_number",
    "attribute_text",
    "attribute_place",
    "attribute_absent",
];

const COLUMNS: &str = "id, kind, type, definition";

fn definition(mut row: Row) -> Result<Definition> {
    let (id, kind, type_id): (i64, String, i64) = (row.take()?, row.take()?, row.take()?);
    let kind = Kind::from_name(&kind)
        .ok_or_else(|| Error::internal("read an attribute", "unknown kind"))?;
    let Json::Object(wire) = row.take::<Json>()? else {
        return Err(Error::internal(
            "read an attribute",
            "its definition is no object",
        ));
    };
    Definition::from_wire(id, kind, type_id, wire)
}

/// The attributes of one type, in their order; for sections, `type_id` is the project.
pub async fn definitions_of_type(tx: &mut Tx, kind: Kind, type_id: i64) -> Result<Definitions> {
    let sql = format!(
        "select {COLUMNS} from attribute_type where kind = $1 and type = $2 order by position, id"
    );
    tx.rows(&sql, &values![kind.name(), type_id])
        .await?
        .into_iter()
        .map(definition)
        .collect()
}

/// The attributes of every type of a kind in a project, by type.
pub async fn definitions_of_kind(
    tx: &mut Tx,
    kind: Kind,
    project: i64,
) -> Result<HashMap<i64, Definitions>> {
    let of_project = if kind == Kind::Section {
        "a.type = $2"
    } else {
        "exists (select 1 from entity_type t where t.kind = a.kind and t.id = a.type and t.project = $2)"
    };
    let sql = format!(
        "select {COLUMNS} from attribute_type a where a.kind = $1 and {of_project} order by position, id"
    );
    let mut by_type: HashMap<i64, Definitions> = HashMap::new();
    for row in tx.rows(&sql, &values![kind.name(), project]).await? {
        let definition = definition(row)?;
        by_type
            .entry(definition.type_id)
            .or_default()
            .push(definition);
    }
    Ok(by_type)
}

/// The position after the last attribute of a type.
pub async fn next_position(tx: &mut Tx, kind: Kind, type_id: i64) -> Result<i64> {
    let sql =
        "select coalesce(max(position), -1) + 1 from attribute_type where kind = $1 and type = $2";
    Ok(tx
        .scalar(sql, &values![kind.name(), type_id])
        .await?
        .unwrap_or_default())
}

/// Adds a definition at a position and returns it with its id.
pub async fn insert(
    tx: &mut Tx,
    kind: Kind,
    type_id: i64,
    position: i64,
    wire: Map<String, Json>,
) -> Result<Definition> {
    let id = tx.allocate("attribute_type", 1).await?;
    let definition = Definition::from_wire(id, kind, type_id, wire)?;
    tx.execute(
        "insert into attribute_type (id, kind, type, position, name, dtype, definition) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        &values![
            id,
            kind.name(),
            type_id,
            position,
            &definition.name,
            definition.dtype.name(),
            &Json::Object(definition.wire.clone())
        ],
    )
    .await?;
    Ok(definition)
}

/// Replaces the definition that has the same id.
pub async fn replace(tx: &mut Tx, definition: &Definition) -> Result<()> {
    tx.execute(
        "update attribute_type set name = $2, dtype = $3, definition = $4 where id = $1",
        &values![
            definition.id,
            &definition.name,
            definition.dtype.name(),
            &Json::Object(definition.wire.clone())
        ],
    )
    .await?;
    Ok(())
}

/// Removes a definition and its typed values.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    remove_values(tx, id).await?;
    tx.execute("delete from attribute_type where id = $1", &values![id])
        .await?;
    Ok(())
}

/// Removes every definition of a type, and their typed values.
pub async fn remove_of_type(tx: &mut Tx, kind: Kind, type_id: i64) -> Result<()> {
    for definition in definitions_of_type(tx, kind, type_id).await? {
        remove(tx, definition.id).await?;
    }
    Ok(())
}

/// Keeps others from changing definitions until the transaction ends: a check of names then holds.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    tx.allocate("attribute_type", 0).await?;
    Ok(())
}

/// Removes every typed value of an attribute.
pub async fn remove_values(tx: &mut Tx, id: i64) -> Result<()> {
    for table in TABLES {
        tx.execute(
            &format!("delete from {table} where attribute = $1"),
            &values![id],
        )
        .await?;
    }
    Ok(())
}

/// How a value stands in its typed table.
#[derive(Debug, PartialEq)]
pub(crate) enum Typed {
    Number(f64),
    Text(String),
    Place(f64, f64),
    Absent,
}

/// The value of a document's member as it stands in the typed table; none where it stands in none.
pub(crate) fn typed(dtype: Dtype, value: Option<&Json>) -> Option<Typed> {
    let value = value?;
    match (dtype, value) {
        (Dtype::Bool, Json::Bool(flag)) => Some(Typed::Number(f64::from(u8::from(*flag)))),
        (Dtype::Int | Dtype::Float, value) => match value {
            Json::String(text) => text.trim().parse().ok().map(Typed::Number),
            value => value.as_f64().map(Typed::Number),
        },
        (Dtype::String | Dtype::Enum, Json::String(text)) => Some(Typed::Text(text.clone())),
        (Dtype::String | Dtype::Enum, Json::Null) => None,
        // A string attribute takes anything and keeps it as given.
        (Dtype::String | Dtype::Enum, other) => Some(Typed::Text(other.to_string())),
        (Dtype::Datetime, Json::String(text)) => {
            time::parse(text).map(|at_ms| Typed::Number(at_ms as f64))
        }
        (Dtype::Geopos, Json::Array(parts)) => Some(Typed::Place(
            parts.get(1)?.as_f64()?,
            parts.first()?.as_f64()?,
        )),
        _ => None,
    }
}

/// An entity whose document changes: absent before for a new one, absent after for a removed one.
pub struct Indexing<'d> {
    /// Its id.
    pub entity: i64,
    /// The attributes of its type.
    pub definitions: &'d [Definition],
    /// The document so far.
    pub before: Option<&'d Map<String, Json>>,
    /// The document from now on.
    pub after: Option<&'d Map<String, Json>>,
}

/// Brings the typed tables in step with documents; touches only values that changed.
pub async fn index(tx: &mut Tx, entities: impl IntoIterator<Item = Indexing<'_>>) -> Result<()> {
    let (mut gone, mut come) = (Rows::default(), Rows::default());
    for one in entities {
        let indexed = one.definitions.iter().filter(|one| one.dtype.is_indexed());
        for definition in indexed {
            let of = |document: Option<&Map<String, Json>>| {
                let value = document?.get(&definition.name);
                Some(typed(definition.dtype, value).unwrap_or(Typed::Absent))
            };
            let (before, after) = (of(one.before), of(one.after));
            if before == after {
                continue;
            }
            if let Some(value) = before {
                gone.push(definition.id, &value, one.entity);
            }
            if let Some(value) = after {
                come.push(definition.id, &value, one.entity);
            }
        }
    }
    gone.delete(tx).await?;
    come.insert(tx).await
}

/// Rows of the typed tables.
#[derive(Default)]
struct Rows {
    numbers: Vec<Vec<Value>>,
    texts: Vec<Vec<Value>>,
    places: Vec<Vec<Value>>,
    absent: Vec<Vec<Value>>,
}

const NUMBER: [&str; 3] = ["attribute", "value", "entity"];
const TEXT: [&str; 4] = ["attribute", "value", "entity", "rest"];
/// The part of a row of texts that finds it.
const TEXT_KEY: usize = 3;
const PLACE: [&str; 4] = ["attribute", "latitude", "longitude", "entity"];
const ABSENT: [&str; 2] = ["attribute", "entity"];

impl Rows {
    fn push(&mut self, attribute: i64, value: &Typed, entity: i64) {
        match value {
            Typed::Number(number) => {
                let row = values![attribute, *number, entity];
                self.numbers.push(row.to_vec());
            }
            Typed::Text(text) => {
                let (value, rest) = split_text(text);
                let row = values![attribute, value, entity, rest];
                self.texts.push(row.to_vec());
            }
            Typed::Place(latitude, longitude) => {
                let row = values![attribute, *latitude, *longitude, entity];
                self.places.push(row.to_vec());
            }
            Typed::Absent => self.absent.push(values![attribute, entity].to_vec()),
        }
    }

    async fn insert(self, tx: &mut Tx) -> Result<()> {
        tx.insert_many("attribute_number", &NUMBER, self.numbers)
            .await?;
        tx.insert_many("attribute_text", &TEXT, self.texts).await?;
        tx.insert_many("attribute_place", &PLACE, self.places)
            .await?;
        tx.insert_many("attribute_absent", &ABSENT, self.absent)
            .await
    }

    async fn delete(mut self, tx: &mut Tx) -> Result<()> {
        self.texts.iter_mut().for_each(|row| row.truncate(TEXT_KEY));
        tx.delete_many("attribute_number", &NUMBER, &self.numbers)
            .await?;
        tx.delete_many("attribute_text", &TEXT[..TEXT_KEY], &self.texts)
            .await?;
        tx.delete_many("attribute_place", &PLACE, &self.places)
            .await?;
        tx.delete_many("attribute_absent", &ABSENT, &self.absent)
            .await
    }
}

/// The part of a text that the typed table orders by, and what is beyond it.
pub fn split_text(text: &str) -> (&str, Option<&str>) {
    match text.char_indices().nth(TEXT_PREFIX) {
        Some((at, _)) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    }
}
