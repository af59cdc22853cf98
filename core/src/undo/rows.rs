//! Reading and writing rows by their shape.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value as Json};

use super::net::attributes;
use super::shape::{As, Shape};
use crate::attribute::{self, Indexing, Kind};
use crate::database::{Row as Stored, Tx, Value};
use crate::entity_type::{self, Redeclared};
use crate::error::Result;
use crate::journal::Stamp;
use crate::query::among;
use crate::{time, values};

type Row = Map<String, Json>;

const CHUNK: usize = 500;

/// A row as it is now.
#[derive(Debug)]
pub(super) struct Now {
    /// As the journal writes rows down.
    pub row: Row,
    /// Whether it is marked as deleted.
    pub deleted: bool,
    /// Whether a newer revision stands for what it was.
    pub superseded: bool,
}

/// The rows of some ids that exist, also those marked as deleted.
pub(super) async fn read(tx: &mut Tx, shape: &Shape, ids: &[i64]) -> Result<BTreeMap<i64, Now>> {
    let mut columns = vec!["id"];
    columns.extend(shape.columns.iter().map(|(_, column, _)| *column));
    columns.extend(shape.rest);
    columns.extend(shape.attributes.map(|_| "attributes"));
    columns.extend(shape.kept.then_some("deleted"));
    columns.extend(shape.revised.then_some("latest"));
    let fixed = shape.fixed.iter();
    let own: String = fixed
        .map(|(column, text)| format!(" and {column} = '{text}'"))
        .collect();
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "select {} from {} where {}{own}",
            columns.join(", "),
            shape.table,
            among("id", chunk)
        );
        for stored in tx.rows(&sql, &[]).await? {
            let (id, now) = one(shape, stored)?;
            found.insert(id, now);
        }
        for (key, table, own, other) in shape.lists {
            let mut listed: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            let sql = format!(
                "select {own}, {other} from {table} where {} order by {other}",
                among(own, chunk)
            );
            for mut stored in tx.rows(&sql, &[]).await? {
                listed
                    .entry(stored.take()?)
                    .or_default()
                    .push(stored.take()?);
            }
            for id in chunk {
                // A column that holds the list keeps its order.
                if let Some(now) = found.get_mut(id)
                    && !now.row.contains_key(*key)
                {
                    let ids = listed.remove(id).unwrap_or_default();
                    now.row.insert((*key).into(), Json::from(ids));
                }
            }
        }
    }
    if let Some(kind) = shape.declares {
        for (id, now) in &mut found {
            let definitions = attribute::definitions_of_type(tx, kind, *id).await?;
            let named = definitions
                .into_iter()
                .map(|one| (one.name, Json::Object(one.wire)));
            now.row
                .insert("attributes".into(), Json::Object(named.collect()));
        }
    }
    Ok(found)
}

fn one(shape: &Shape, mut stored: Stored) -> Result<(i64, Now)> {
    let id: i64 = stored.take()?;
    let mut row = Row::new();
    row.insert("id".into(), id.into());
    for (key, _, how) in shape.columns {
        row.insert((*key).into(), shown(*how, &mut stored)?);
    }
    if shape.rest.is_some()
        && let Json::Object(rest) = stored.take()?
    {
        row.extend(rest);
    }
    if shape.attributes.is_some() {
        row.insert("attributes".into(), stored.take()?);
    }
    let deleted = shape.kept && stored.take()?;
    let superseded = shape.revised && !stored.take::<bool>()?;
    let now = Now {
        row,
        deleted,
        superseded,
    };
    Ok((id, now))
}

fn shown(how: As, stored: &mut Stored) -> Result<Json> {
    Ok(match how {
        As::Plain => match stored.take::<Option<Plain>>()? {
            Some(Plain(value)) => value,
            None => Json::Null,
        },
        As::Number => stored.take::<Option<f64>>()?.into(),
        As::Flag => stored.take::<Option<bool>>()?.into(),
        As::Time => stored.take::<Option<i64>>()?.map(time::wire).into(),
        As::Json => stored.take()?,
    })
}

/// Text or an integer, whichever it is.
struct Plain(Json);

impl crate::database::FromValue for Plain {
    fn from_value(value: Value) -> Result<Self> {
        Ok(Self(match value {
            Value::Text(text) => text.into(),
            value => i64::from_value(value)?.into(),
        }))
    }
}

fn stored(how: As, shown: &Json) -> Value {
    match (how, shown) {
        (As::Json, shown) => Value::from(shown),
        (As::Time, shown) => Value::from(shown.as_str().and_then(time::parse)),
        (As::Number, shown) => Value::from(shown.as_f64()),
        (_, Json::String(text)) => Value::from(text),
        (_, Json::Bool(flag)) => Value::from(*flag),
        (_, shown) => Value::from(shown.as_i64()),
    }
}

/// Rows of a noun that are written together: by whom, to take which change back, and in whose
/// project.
pub(super) struct Writing<'w> {
    shape: &'static Shape,
    stamp: &'w Stamp,
    undone: &'w str,
    project: i64,
    /// Rows that get other values, or are made again: id and values.
    updated: Vec<Vec<Value>>,
    made: Vec<Vec<Value>>,
    /// Rows that are marked, or no longer marked, as deleted.
    marked: Vec<Vec<Value>>,
    /// Rows that go for good.
    gone: Vec<Vec<Value>>,
    /// For each list: its rows.
    listed: Vec<Vec<Vec<Value>>>,
    /// Each document as it was and as it is.
    documents: Vec<(i64, Option<Row>, Option<Row>)>,
}

impl<'w> Writing<'w> {
    pub fn new(shape: &'static Shape, stamp: &'w Stamp, undone: &'w str, project: i64) -> Self {
        Self {
            shape,
            stamp,
            undone,
            project,
            updated: Vec::new(),
            made: Vec::new(),
            marked: Vec::new(),
            gone: Vec::new(),
            listed: vec![Vec::new(); shape.lists.len()],
            documents: Vec::new(),
        }
    }

    /// Gives a row other values; `before` is the row as it is.
    pub fn update(&mut self, id: i64, before: &Row, after: &Row) {
        let mut values = self.values(id, after);
        if self.shape.kept {
            values.extend(values![self.stamp.at_ms, self.stamp.account]);
        }
        self.updated.push(values);
        self.list(id, after);
        self.document(id, Some(before), Some(after));
    }

    /// Takes a row away that is as `before` says.
    pub fn remove(&mut self, id: i64, before: &Row) {
        if self.shape.kept {
            self.mark(id, true);
        } else {
            self.gone.push(self.key(id));
        }
        if !self.keeps_declarations() {
            self.document(id, Some(before), None);
        }
    }

    /// Brings a row back; `kept` is what is left of it.
    pub fn bring_back(&mut self, id: i64, kept: Option<&Row>, row: &Row) {
        match kept {
            Some(_) => self.mark(id, false),
            None => {
                let values = self.values(id, row);
                self.made.push(values);
                self.list(id, row);
            }
        }
        if !self.keeps_declarations() {
            self.document(id, None, Some(kept.unwrap_or(row)));
        }
    }

    /// Rows that are only marked as deleted go on declaring what they did.
    fn keeps_declarations(&self) -> bool {
        self.shape.kept && self.shape.declares.is_some()
    }

    fn mark(&mut self, id: i64, deleted: bool) {
        let row = values![id, deleted, self.stamp.at_ms, self.stamp.account];
        self.marked.push(row.to_vec());
    }

    /// The columns that find a row.
    fn keys(&self) -> Vec<&'static str> {
        let fixed = self.shape.fixed.iter().map(|(column, _)| *column);
        std::iter::once("id").chain(fixed).collect()
    }

    fn key(&self, id: i64) -> Vec<Value> {
        let fixed = self.shape.fixed.iter().map(|(_, text)| Value::from(*text));
        std::iter::once(Value::from(id)).chain(fixed).collect()
    }

    /// The columns behind the key, in the order of [`Self::values`].
    fn columns(&self) -> Vec<&'static str> {
        let own = self.shape.columns.iter().map(|(_, column, _)| *column);
        own.chain(self.shape.rest)
            .chain(self.shape.attributes.map(|_| "attributes"))
            .collect()
    }

    fn values(&self, id: i64, row: &Row) -> Vec<Value> {
        let mut values = self.key(id);
        for (key, _, how) in self.shape.columns {
            values.push(stored(*how, row.get(*key).unwrap_or(&Json::Null)));
        }
        if self.shape.rest.is_some() {
            let others = self.shape.others(row);
            let rest = others.map(|(key, value)| (key.clone(), value.clone()));
            values.push(Value::from(&Json::Object(rest.collect())));
        }
        if self.shape.attributes.is_some() {
            values.push(Value::from(&Json::Object(attributes(row))));
        }
        values
    }

    fn list(&mut self, id: i64, row: &Row) {
        for ((key, ..), rows) in self.shape.lists.iter().zip(&mut self.listed) {
            let ids = row.get(*key).and_then(Json::as_array);
            let mut ids: Vec<i64> = ids.into_iter().flatten().filter_map(Json::as_i64).collect();
            ids.sort_unstable();
            ids.dedup();
            rows.extend(ids.into_iter().map(|listed| values![id, listed].to_vec()));
        }
    }

    fn document(&mut self, id: i64, before: Option<&Row>, after: Option<&Row>) {
        if self.shape.attributes.is_some() || self.shape.declares.is_some() {
            self.documents.push((id, before.cloned(), after.cloned()));
        }
    }

    /// Writes all of them.
    pub async fn finish(self, tx: &mut Tx) -> Result<()> {
        let (shape, table) = (self.shape, self.shape.table);
        let (keys, mut columns) = (self.keys(), self.columns());
        let ids = |rows: &[Vec<Value>]| -> Vec<Vec<Value>> {
            rows.iter().map(|row| row[..1].to_vec()).collect()
        };
        for ((_, list, own, other), rows) in shape.lists.iter().zip(self.listed) {
            for written in [&self.updated, &self.gone] {
                tx.delete_many(list, &[own], &ids(written)).await?;
            }
            tx.insert_many(list, &[own, other], rows).await?;
        }
        tx.delete_many(table, &keys, &self.gone).await?;
        let marks = ["deleted", "modified_at", "modified_by"];
        tx.update_many(table, &["id"], &marks, &self.marked).await?;
        let all = [&keys[..], &columns[..]].concat();
        tx.insert_many(table, &all, self.made).await?;
        if shape.kept {
            columns.extend(&marks[1..]);
        }
        tx.update_many(table, &keys, &columns, &self.updated)
            .await?;
        if let Some(kind) = shape.attributes {
            index(tx, kind, self.project, self.documents).await?;
        } else if let Some(kind) = shape.declares {
            for (id, before, after) in self.documents {
                let (before, after) = (before.as_ref(), after.as_ref());
                let declared = Redeclared {
                    kind,
                    id,
                    before: before.map(attributes),
                    after: after.map(attributes),
                };
                entity_type::redeclare(tx, self.stamp, self.undone, declared).await?;
            }
        }
        Ok(())
    }
}

/// Brings the typed values of rows in step with their documents.
async fn index(
    tx: &mut Tx,
    kind: Kind,
    project: i64,
    rows: Vec<(i64, Option<Row>, Option<Row>)>,
) -> Result<()> {
    let type_of = |row: &Option<Row>| row.as_ref()?.get("type")?.as_i64();
    let mut definitions = BTreeMap::new();
    let mut documents = Vec::with_capacity(rows.len());
    for (id, before, after) in rows {
        let type_id = match kind {
            Kind::Section => Some(project),
            _ => type_of(&after).or(type_of(&before)),
        };
        let Some(type_id) = type_id else { continue };
        if let Entry::Vacant(place) = definitions.entry(type_id) {
            place.insert(attribute::definitions_of_type(tx, kind, type_id).await?);
        }
        let (before, after) = (
            before.map(|row| attributes(&row)),
            after.map(|row| attributes(&row)),
        );
        documents.push((id, type_id, before, after));
    }
    let indexing = documents
        .iter()
        .map(|(entity, type_id, before, after)| Indexing {
            entity: *entity,
            definitions: &definitions[type_id],
            before: before.as_ref(),
            after: after.as_ref(),
        });
    attribute::index(tx, indexing.collect::<Vec<_>>()).await
}
