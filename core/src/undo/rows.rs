//! Reading and writing rows by their shape.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::net::attributes;
use super::shape::{As, Shape};
use crate::attribute::{self, Indexing, Kind};
use crate::database::{Row as Stored, Tx, Value};
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
}

/// The rows of some ids that exist, also those marked as deleted.
pub(super) async fn read(tx: &mut Tx, shape: &Shape, ids: &[i64]) -> Result<BTreeMap<i64, Now>> {
    let mut columns = vec!["id"];
    columns.extend(shape.columns.iter().map(|(_, column, _)| *column));
    columns.extend(shape.attributes.map(|_| "attributes"));
    columns.extend(shape.kept.then_some("deleted"));
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "select {} from {} where {}",
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
    Ok(found)
}

fn one(shape: &Shape, mut stored: Stored) -> Result<(i64, Now)> {
    let id: i64 = stored.take()?;
    let mut row = Row::new();
    row.insert("id".into(), id.into());
    for (key, _, how) in shape.columns {
        row.insert((*key).into(), shown(*how, &mut stored)?);
    }
    if shape.attributes.is_some() {
        row.insert("attributes".into(), stored.take()?);
    }
    let deleted = if shape.kept { stored.take()? } else { false };
    Ok((id, Now { row, deleted }))
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

/// Who writes, and in whose project.
pub(super) struct Writing<'w> {
    pub shape: &'static Shape,
    pub stamp: &'w Stamp,
    pub project: i64,
}

impl Writing<'_> {
    /// Gives a row other values; `before` is the row as it is.
    pub async fn update(&self, tx: &mut Tx, id: i64, before: &Row, after: &Row) -> Result<()> {
        let (mut sets, mut given) = self.columns(after);
        if self.shape.kept {
            given.extend(values![self.stamp.at_ms, self.stamp.account]);
            sets.extend(["modified_at".to_owned(), "modified_by".to_owned()]);
        }
        let sets: Vec<String> = (1..)
            .zip(sets)
            .map(|(at, set)| format!("{set} = ${at}"))
            .collect();
        let sql = format!(
            "update {} set {} where id = ${}",
            self.shape.table,
            sets.join(", "),
            sets.len() + 1
        );
        given.push(id.into());
        tx.execute(&sql, &given).await?;
        self.write_lists(tx, id, after).await?;
        self.index(tx, id, Some(before), Some(after)).await
    }

    /// Takes a row away that is as `before` says.
    pub async fn remove(&self, tx: &mut Tx, id: i64, before: &Row) -> Result<()> {
        if self.shape.kept {
            self.mark(tx, id, true).await?;
        } else {
            for (_, table, own, _) in self.shape.lists {
                let sql = format!("delete from {table} where {own} = $1");
                tx.execute(&sql, &values![id]).await?;
            }
            let sql = format!("delete from {} where id = $1", self.shape.table);
            tx.execute(&sql, &values![id]).await?;
        }
        self.index(tx, id, Some(before), None).await
    }

    /// Brings a row back; `kept` is what is left of it.
    pub async fn bring_back(
        &self,
        tx: &mut Tx,
        id: i64,
        kept: Option<&Row>,
        row: &Row,
    ) -> Result<()> {
        match kept {
            Some(_) => self.mark(tx, id, false).await?,
            None => {
                let (columns, mut given) = self.columns(row);
                let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                columns.push("id");
                given.push(id.into());
                tx.insert_many(self.shape.table, &columns, vec![given])
                    .await?;
                self.write_lists(tx, id, row).await?;
            }
        }
        self.index(tx, id, None, Some(kept.unwrap_or(row))).await
    }

    async fn mark(&self, tx: &mut Tx, id: i64, deleted: bool) -> Result<()> {
        let sql = format!(
            "update {} set deleted = $2, modified_at = $3, modified_by = $4 where id = $1",
            self.shape.table
        );
        let given = values![id, deleted, self.stamp.at_ms, self.stamp.account];
        tx.execute(&sql, &given).await?;
        Ok(())
    }

    fn columns(&self, row: &Row) -> (Vec<String>, Vec<Value>) {
        let null = Json::Null;
        let mut columns = Vec::new();
        let mut given = Vec::new();
        for (key, column, how) in self.shape.columns {
            columns.push((*column).to_owned());
            given.push(stored(*how, row.get(*key).unwrap_or(&null)));
        }
        if self.shape.attributes.is_some() {
            columns.push("attributes".into());
            given.push(Value::from(&Json::Object(attributes(row))));
        }
        (columns, given)
    }

    async fn write_lists(&self, tx: &mut Tx, id: i64, row: &Row) -> Result<()> {
        for (key, table, own, other) in self.shape.lists {
            let sql = format!("delete from {table} where {own} = $1");
            tx.execute(&sql, &values![id]).await?;
            let ids = row.get(*key).and_then(Json::as_array);
            let mut ids: Vec<i64> = ids.into_iter().flatten().filter_map(Json::as_i64).collect();
            ids.sort_unstable();
            ids.dedup();
            let rows = ids.into_iter().map(|listed| values![id, listed].to_vec());
            tx.insert_many(table, &[own, other], rows.collect()).await?;
        }
        Ok(())
    }

    async fn index(
        &self,
        tx: &mut Tx,
        id: i64,
        before: Option<&Row>,
        after: Option<&Row>,
    ) -> Result<()> {
        let Some(kind) = self.shape.attributes else {
            return Ok(());
        };
        let of = |row: Option<&Row>| row.and_then(|row| row.get("type")).and_then(Json::as_i64);
        let type_id = match kind {
            Kind::Section => Some(self.project),
            _ => of(after).or(of(before)),
        };
        let Some(type_id) = type_id else {
            return Ok(());
        };
        let definitions = attribute::definitions_of_type(tx, kind, type_id).await?;
        let (before, after) = (before.map(attributes), after.map(attributes));
        let entity = Indexing {
            entity: id,
            definitions: &definitions,
            before: before.as_ref(),
            after: after.as_ref(),
        };
        attribute::index(tx, [entity]).await
    }
}
