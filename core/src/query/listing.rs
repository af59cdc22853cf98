//! Lists: the rows of a selection as JSON, written as they come from the database.
//!
//! Each row follows a comma and a line break, so that what is sent most, a JSON array, is made by
//! changing one byte; the other forms take the rows apart again.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::selection::Selection;
use crate::database::{Columns, Field, Sink, Tx};
use crate::error::{Error, Result};
use crate::time;

/// Bytes of rows that go on together.
const BATCH: usize = 128 << 10;
/// What comes before each row.
const BEFORE: &[u8] = b",\n";

/// Some rows of a list, in the list's order.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows as JSON, each after a comma and a line break.
    pub bytes: Bytes,
    /// The id of each row, and where what stands for it begins.
    pub rows: Arc<[(i64, usize)]>,
}

impl Batch {
    /// Bytes of memory that it takes.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<(i64, usize)>()
    }

    /// Whether it is so short that it is better part of another.
    pub fn is_short(&self) -> bool {
        self.bytes.len() < BATCH / 4
    }

    /// Each row's id and bytes, with what comes before it.
    pub fn each(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let ends = self.rows.iter().skip(1).map(|(_, start)| *start);
        let ends = ends.chain([self.bytes.len()]);
        let rows = self.rows.iter().zip(ends);
        rows.map(|((id, start), end)| (*id, &self.bytes[*start..end]))
    }
}

/// Batches in the making.
#[derive(Default)]
pub struct Batches {
    bytes: Vec<u8>,
    rows: Vec<(i64, usize)>,
}

impl Batches {
    /// Adds a row; returns a batch when it is full.
    pub fn push(&mut self, id: i64, row: &[u8]) -> Option<Batch> {
        self.rows.push((id, self.bytes.len()));
        self.bytes.extend_from_slice(row);
        (self.bytes.len() >= BATCH).then(|| self.take())
    }

    /// What is not a full batch yet.
    pub fn rest(mut self) -> Option<Batch> {
        self.bytes.shrink_to_fit();
        (!self.rows.is_empty()).then(|| Batch {
            bytes: Bytes::from(self.bytes),
            rows: self.rows.into(),
        })
    }

    fn take(&mut self) -> Batch {
        let next = Vec::with_capacity(BATCH + BATCH / 8);
        Batch {
            bytes: Bytes::from(std::mem::replace(&mut self.bytes, next)),
            rows: std::mem::take(&mut self.rows).into(),
        }
    }
}

/// The rows of a batch, each a JSON object.
pub fn rows_of(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    batch
        .split(|byte| *byte == b'\n')
        .map(|row| row.strip_suffix(b",").unwrap_or(row))
        .filter(|row| !row.is_empty())
}

/// Appends a row to a batch.
pub fn push_row(batch: &mut Vec<u8>, row: &impl serde::Serialize) -> Result<()> {
    batch.extend_from_slice(BEFORE);
    write(batch, row)
}

/// How a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the number or text that it is.
    Plain,
    /// As true or false.
    Flag,
    /// UTC milliseconds, as a time.
    Time,
    /// A JSON document, as it stands.
    Document,
    /// Always this JSON, whatever the row.
    Always(&'static str),
    /// As the number or text that this SQL makes of the row `t`: what other rows say of it.
    Worked(&'static str),
}

/// One key of a row on the wire, and the column behind it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// The column, without its table.
    pub column: &'static str,
    /// How it is written.
    pub form: Form,
}

impl Key {
    /// A column written as it is, under its own name.
    pub const fn plain(name: &'static str) -> Self {
        Self::of(name, name, Form::Plain)
    }

    /// A column written in some form under a name.
    pub const fn of(name: &'static str, column: &'static str, form: Form) -> Self {
        Self { name, column, form }
    }
}

/// A column of a table of values separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A key of the rows.
    Key(String),
    /// A name in the rows' `attributes`.
    Attribute(String),
}

/// What of each row is written.
#[derive(Debug, Clone)]
pub struct Listing {
    keys: Vec<Key>,
    /// Attributes that stand for `attributes`, where single ones were asked for.
    picked: Vec<String>,
    /// What stands before each value: a comma, the key, a colon.
    starts: Vec<Vec<u8>>,
    /// What a statement selects, each thing once.
    selected: Vec<String>,
    /// Where in it each key's value is; the constants have no place.
    places: Vec<Option<usize>>,
    /// Where in it the id is.
    id: usize,
}

impl Listing {
    /// Whether rows have a key.
    pub fn shows(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// Every key.
    pub fn of(keys: &[Key]) -> Self {
        Self::new(keys.to_vec(), Vec::new())
    }

    /// The keys that `fields=` names; `attributes.Name` picks single attributes. Keys in `always`
    /// are there in any case.
    ///
    /// Errors: `Invalid` for a name that is no key.
    pub fn fields(keys: &[Key], text: &str, always: &[&str]) -> Result<Self> {
        let (mut chosen, mut picked) = (Vec::<Key>::new(), Vec::new());
        let named = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        for name in named.chain(always.iter().copied()) {
            if let Some(attribute) = name.strip_prefix("attributes.") {
                picked.push(attribute.to_owned());
                continue;
            }
            let key = keys.iter().find(|key| key.name == name).ok_or_else(|| {
                let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
                Error::invalid_because(
                    "Query parameter error: fields",
                    format!("there is no field '{name}'; known are {}", known.join(", ")),
                )
            })?;
            if !chosen.iter().any(|known| known.name == name) {
                chosen.push(*key);
            }
        }
        if chosen.iter().any(|key| key.name == "attributes") {
            picked.clear();
        } else if !picked.is_empty() {
            chosen.push(Key::of("attributes", "attributes", Form::Document));
        }
        Ok(Self::new(chosen, picked))
    }

    fn new(keys: Vec<Key>, picked: Vec<String>) -> Self {
        let starts = keys.iter().enumerate().map(|(number, key)| {
            let comma = if number == 0 { "{" } else { "," };
            format!("{comma}\"{}\":", key.name).into_bytes()
        });
        let mut selected: Vec<String> = Vec::new();
        let mut place_of = |sql: String| {
            let known = selected.iter().position(|known| *known == sql);
            known.unwrap_or_else(|| {
                selected.push(sql);
                selected.len() - 1
            })
        };
        let places = keys.iter().map(|key| match key.form {
            Form::Always(_) => None,
            Form::Worked(sql) => Some(place_of(sql.to_owned())),
            _ => Some(place_of(format!("t.{}", key.column))),
        });
        let places = places.collect();
        let id = place_of("t.id".to_owned());
        Self {
            starts: starts.collect(),
            keys,
            picked,
            selected,
            places,
            id,
        }
    }

    /// The columns of a table of these rows, whose documents have these attributes.
    pub fn table<'a>(&self, attributes: impl IntoIterator<Item = &'a str> + Clone) -> Vec<Column> {
        let mut columns = Vec::new();
        for key in &self.keys {
            if key.name != "attributes" {
                columns.push(Column::Key(key.name.to_owned()));
                continue;
            }
            let names: Vec<&str> = match self.picked.is_empty() {
                true => attributes.clone().into_iter().collect(),
                false => self.picked.iter().map(String::as_str).collect(),
            };
            for name in names {
                let column = Column::Attribute(name.to_owned());
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
        columns
    }

    /// What a statement selects.
    fn columns(&self) -> String {
        self.selected.join(", ")
    }

    /// Appends a row to a batch; returns its id.
    fn write(&self, row: &dyn Columns, times: &mut Times, line: &mut Vec<u8>) -> Result<i64> {
        line.extend_from_slice(BEFORE);
        if self.keys.is_empty() {
            line.push(b'{');
        }
        for ((key, start), place) in self.keys.iter().zip(&self.starts).zip(&self.places) {
            line.extend_from_slice(start);
            let field = match place {
                Some(place) => row.field(*place)?,
                None => Field::Null,
            };
            match (key.form, field) {
                (Form::Always(json), _) => line.extend_from_slice(json.as_bytes()),
                (_, Field::Null) => line.extend_from_slice(b"null"),
                (Form::Document, Field::Text(text)) => self.document(key, &text, line)?,
                (Form::Flag, Field::Int(flag)) => write(line, &(flag != 0))?,
                (Form::Time, Field::Int(at_ms)) => times.write(at_ms, line),
                (_, Field::Bool(flag)) => write(line, &flag)?,
                (_, Field::Int(number)) => write(line, &number)?,
                (_, Field::Real(number)) => write(line, &number)?,
                (_, Field::Text(text)) => write(line, &text)?,
                (_, Field::Blob(_)) => {
                    let what = format!("{} holds bytes", key.column);
                    return Err(Error::internal("write a row", what));
                }
            }
        }
        line.push(b'}');
        match row.field(self.id)? {
            Field::Int(id) => Ok(id),
            _ => Err(Error::internal("write a row", "it has no id")),
        }
    }

    /// Appends a row that is already whole to a batch.
    pub fn write_json(&self, row: &Json, line: &mut Vec<u8>) -> Result<()> {
        line.extend_from_slice(BEFORE);
        if self.keys.is_empty() {
            line.push(b'{');
        }
        for (key, start) in self.keys.iter().zip(&self.starts) {
            line.extend_from_slice(start);
            let value = &row[key.name];
            match key.name == "attributes" && !self.picked.is_empty() {
                true => self.document(key, &value.to_string(), line)?,
                false => write(line, value)?,
            }
        }
        line.push(b'}');
        Ok(())
    }

    fn document(&self, key: &Key, text: &str, line: &mut Vec<u8>) -> Result<()> {
        if self.picked.is_empty() || key.name != "attributes" {
            // Line breaks part the rows; JSON has none but between its tokens.
            match text.contains('\n') {
                true => line.extend(text.bytes().filter(|byte| *byte != b'\n')),
                false => line.extend_from_slice(text.as_bytes()),
            }
            return Ok(());
        }
        let all: std::collections::HashMap<String, &RawValue> = serde_json::from_str(text)?;
        line.push(b'{');
        for (number, name) in self.picked.iter().enumerate() {
            if number > 0 {
                line.push(b',');
            }
            write(line, name)?;
            line.push(b':');
            line.extend_from_slice(all.get(name).map_or("null", |value| value.get()).as_bytes());
        }
        line.push(b'}');
        Ok(())
    }
}

fn write(line: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) -> Result<()> {
    Ok(serde_json::to_writer(line, value)?)
}

/// Writes times; neighbouring rows mostly have the same.
#[derive(Default)]
struct Times {
    last: Option<(i64, String)>,
}

impl Times {
    fn write(&mut self, at_ms: i64, line: &mut Vec<u8>) {
        if self.last.as_ref().is_none_or(|(last, _)| *last != at_ms) {
            self.last = Some((at_ms, format!("\"{}\"", time::wire(at_ms))));
        }
        if let Some((_, text)) = &self.last {
            line.extend_from_slice(text.as_bytes());
        }
    }
}

impl Selection {
    /// Shows some columns of each row to `visit`, in order, and hands on the batches it returns.
    pub async fn flow<T: Send + 'static>(
        &self,
        tx: &mut Tx,
        columns: &str,
        sink: &mut Sink<T>,
        mut visit: impl FnMut(&dyn Columns) -> Result<Option<T>> + Send,
    ) -> Result<()> {
        let mut turns = self.turns(tx, columns).await?;
        let mut found = 0;
        while let Some((sql, values)) = turns.next(tx, found).await? {
            found = 0;
            tx.flow(&sql, &values, sink, |row| {
                found += 1;
                visit(row)
            })
            .await?;
        }
        Ok(())
    }

    /// Hands on the rows as batches of JSON, in order; each goes to `copies`, too.
    pub async fn lines(
        &self,
        tx: &mut Tx,
        listing: &Listing,
        sink: &mut Sink<Bytes>,
        copies: &mut (impl FnMut(&Batch) + Send),
    ) -> Result<()> {
        let (mut times, mut batches) = (Times::default(), Batches::default());
        self.flow(tx, &listing.columns(), sink, |row| {
            let full = batches.write(listing, row, &mut times)?;
            full.as_ref().inspect(|batch| copies(batch));
            Ok(full.map(|batch| batch.bytes))
        })
        .await?;
        let Some(batch) = batches.rest() else {
            return Ok(());
        };
        copies(&batch);
        sink.send(batch.bytes).await
    }

    /// The rows as batches of JSON, in order, all at once.
    pub async fn batches(&self, tx: &mut Tx, listing: &Listing) -> Result<Vec<Batch>> {
        let (mut times, mut batches) = (Times::default(), Batches::default());
        let (columns, mut found) = (listing.columns(), Vec::new());
        let mut turns = self.turns(tx, &columns).await?;
        let mut seen = 0;
        while let Some((sql, values)) = turns.next(tx, seen).await? {
            seen = 0;
            tx.scan(&sql, &values, |row| {
                seen += 1;
                found.extend(batches.write(listing, row, &mut times)?);
                Ok(())
            })
            .await?;
        }
        found.extend(batches.rest());
        Ok(found)
    }
}

impl Batches {
    fn write(
        &mut self,
        listing: &Listing,
        row: &dyn Columns,
        times: &mut Times,
    ) -> Result<Option<Batch>> {
        let start = self.bytes.len();
        let id = listing.write(row, times, &mut self.bytes)?;
        self.rows.push((id, start));
        Ok((self.bytes.len() >= BATCH).then(|| self.take()))
    }
}
