//! Reading tables.

use serde_json::Value as Json;

use super::cell::Cell;
use super::column::Column;
use super::key::{Key, Origin};
use super::table::Table;
use crate::attribute::{Definition, Dtype, Typed};
use crate::database::{Row, Tx, Value};
use crate::error::Result;
use crate::query::{Scalar, Selection};
use crate::values;

/// Reads the selected rows and the columns of some keys. The selection is ordered by id.
pub(super) async fn load(tx: &mut Tx, selection: &Selection, keys: &[Key]) -> Result<Table> {
    let mut table = Table::default();
    let of_rows: Vec<&Key> = keys.iter().filter(|key| column_of(key).is_some()).collect();
    let mut columns: Vec<Column> = of_rows
        .iter()
        .map(|key| Column::empty(0, key.numbers()))
        .collect();
    let names: Vec<String> = of_rows.iter().filter_map(|key| column_of(key)).collect();
    let (sql, values) = selection.select(&listed(&names));
    tx.each(&sql, &values, |mut row| {
        let at = table.ids.len();
        table.ids.push(row.take()?);
        for (key, column) in of_rows.iter().zip(&mut columns) {
            column.insert(at);
            column.set(at, of_row(key, &mut row)?);
        }
        Ok(())
    })
    .await?;
    for (key, column) in of_rows.into_iter().zip(columns) {
        table.columns.insert(key.identity(), (key.clone(), column));
    }
    for key in keys {
        add_attributes(tx, &mut table, key).await?;
    }
    Ok(table)
}

/// Adds the columns of keys that a table of the selected rows lacks.
pub(super) async fn add(
    tx: &mut Tx,
    selection: &Selection,
    table: &mut Table,
    keys: &[Key],
) -> Result<()> {
    for key in keys {
        if table.columns.contains_key(&key.identity()) {
            continue;
        }
        let Some(name) = column_of(key) else {
            add_attributes(tx, table, key).await?;
            continue;
        };
        let mut column = Column::empty(table.ids.len(), key.numbers());
        let (sql, values) = selection.select(&listed(&[name]));
        tx.each(&sql, &values, |mut row| {
            if let Some(place) = table.place(row.take()?) {
                column.set(place, of_row(key, &mut row)?);
            }
            Ok(())
        })
        .await?;
        table.columns.insert(key.identity(), (key.clone(), column));
    }
    Ok(())
}

fn listed(columns: &[String]) -> String {
    let mut list = String::from("t.id");
    for column in columns {
        list.push_str(", ");
        list.push_str(column);
    }
    list
}

/// What to select for a key whose values stand in the rows themselves.
fn column_of(key: &Key) -> Option<String> {
    match &key.origin {
        Origin::Column(column, _) => Some(format!("t.{column}")),
        Origin::StateMedia => Some("t.media".into()),
        Origin::SectionOfMedia | Origin::Attribute(_) => None,
    }
}

/// The next column of a row, as [`column_of`] selected it.
fn of_row(key: &Key, row: &mut Row) -> Result<Option<Cell>> {
    Ok(match &key.origin {
        Origin::Column(_, Scalar::Int) => row.take::<Option<i64>>()?.map(Cell::Int),
        Origin::Column(_, Scalar::Real) => row.take::<Option<f64>>()?.map(Cell::Real),
        Origin::Column(_, Scalar::Time) => row.take::<Option<i64>>()?.map(Cell::Time),
        Origin::Column(_, Scalar::Text) => row.take::<Option<String>>()?.map(Cell::Text),
        Origin::StateMedia => {
            let media: Json = row.take()?;
            Some(Cell::Many(serde_json::from_value(media)?))
        }
        Origin::SectionOfMedia | Origin::Attribute(_) => None,
    })
}

/// Reads the values of attributes from their typed tables, ordered by value.
async fn add_attributes(tx: &mut Tx, table: &mut Table, key: &Key) -> Result<()> {
    let Origin::Attribute(definitions) = &key.origin else {
        return Ok(());
    };
    let mut column = Column::empty(table.ids.len(), key.numbers());
    for definition in definitions {
        let text = matches!(definition.dtype, Dtype::String | Dtype::Enum);
        let sql = match text {
            true => "select entity, value, rest from attribute_text where attribute = $1",
            false => "select entity, value from attribute_number where attribute = $1",
        };
        let table = &*table;
        tx.each(sql, &values![definition.id], |mut row| {
            let Some(place) = table.place(row.take()?) else {
                return Ok(());
            };
            let cell = match text {
                true => {
                    let (mut value, rest): (String, Option<String>) = (row.take()?, row.take()?);
                    value.push_str(&rest.unwrap_or_default());
                    Cell::Text(value)
                }
                false => of_number(definition.dtype, row.take()?),
            };
            column.set(place, Some(cell));
            Ok(())
        })
        .await?;
    }
    table.columns.insert(key.identity(), (key.clone(), column));
    Ok(())
}

/// Reads the selected rows in any order and the columns of some keys, attributes from documents:
/// rows that lists do not show may be missing from the typed tables.
pub(super) async fn load_hidden(tx: &mut Tx, selection: &Selection, keys: &[Key]) -> Result<Table> {
    let mut table = Table::default();
    for key in keys {
        let column = Column::empty(0, key.numbers());
        table.columns.insert(key.identity(), (key.clone(), column));
    }
    let keys = table.keys();
    let (sql, values) = selection.select(&whole(&keys));
    let mut rows = Vec::new();
    tx.each(&sql, &values, |row| {
        rows.push(of_whole(&keys, row)?);
        Ok(())
    })
    .await?;
    rows.sort_unstable_by_key(|(id, _)| *id);
    for (id, cells) in rows {
        table.put(id, cells);
    }
    Ok(table)
}

/// What to select for [`of_whole`].
pub(super) fn whole(keys: &[Key]) -> String {
    let mut columns = vec!["t.type".to_owned(), "t.attributes".to_owned()];
    columns.extend(keys.iter().filter_map(column_of));
    listed(&columns)
}

/// The id of a row and its values for some keys.
pub(super) fn of_whole(keys: &[Key], mut row: Row) -> Result<(i64, Vec<Option<Cell>>)> {
    let (id, type_id, document): (i64, i64, Json) = (row.take()?, row.take()?, row.take()?);
    let mut cells = Vec::with_capacity(keys.len());
    for key in keys {
        cells.push(match &key.origin {
            Origin::Attribute(definitions) => of_document(definitions, type_id, &document),
            _ => of_row(key, &mut row)?,
        });
    }
    Ok((id, cells))
}

fn of_document(definitions: &[Definition], type_id: i64, document: &Json) -> Option<Cell> {
    let definition = definitions
        .iter()
        .find(|definition| definition.type_id == type_id)?;
    match crate::attribute::typed(definition.dtype, document.get(&definition.name))? {
        Typed::Number(number) => Some(of_number(definition.dtype, number)),
        Typed::Text(text) => Some(Cell::Text(text)),
        Typed::Place(..) | Typed::Absent => None,
    }
}

fn of_number(dtype: Dtype, number: f64) -> Cell {
    match dtype {
        Dtype::Bool => Cell::Bool(number != 0.0),
        Dtype::Int => Cell::Int(number as i64),
        Dtype::Datetime => Cell::Time(number as i64),
        _ => Cell::Real(number),
    }
}

/// The conditions of a selection and their values.
pub(super) fn condition(selection: &Selection) -> (String, Vec<Value>) {
    (selection.condition(), selection.select("t.id").1)
}
