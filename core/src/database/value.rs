//! Values that travel between Rust and SQL, the same on both engines.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// One value of a statement or of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null.
    Null,
    /// A truth value (0 or 1 in SQLite).
    Bool(bool),
    /// A 64-bit integer; times are UTC milliseconds.
    Int(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text; JSON documents are text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => $variant:ident $(as $cast:ty)?),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value $(as $cast)?)
            }
        }
    )*};
}
from!(bool => Bool, i64 => Int, i32 => Int as i64, u32 => Int as i64, f64 => Real, String => Text, Vec<u8> => Blob);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&serde_json::Value> for Value {
    /// A JSON document as text; JSON null becomes SQL null.
    fn from(value: &serde_json::Value) -> Self {
        if value.is_null() {
            Self::Null
        } else {
            Self::Text(value.to_string())
        }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A Rust type that a column can be read as.
pub trait FromValue: Sized {
    /// Converts, or says why the column does not fit.
    fn from_value(value: Value) -> Result<Self>;
}

macro_rules! from_value {
    ($($type:ty, $name:literal: $($pattern:pat => $result:expr),+;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                match value {
                    $($pattern => Ok($result),)+
                    other => Err(mismatch($name, &other)),
                }
            }
        }
    )*};
}
from_value! {
    i64, "integer": Value::Int(v) => v, Value::Bool(v) => i64::from(v);
    f64, "number": Value::Real(v) => v, Value::Int(v) => v as f64;
    bool, "boolean": Value::Bool(v) => v, Value::Int(v) => v != 0;
    String, "text": Value::Text(v) => v;
    Vec<u8>, "bytes": Value::Blob(v) => v;
    serde_json::Value, "JSON": Value::Null => serde_json::Value::Null, Value::Text(v) => serde_json::from_str(&v)?;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

fn mismatch(expected: &str, found: &Value) -> Error {
    Error::internal(
        "a column did not have its type",
        format!("expected {expected}, found {found:?}"),
    )
}

/// One row of a query; its columns are taken from left to right.
#[derive(Debug)]
pub struct Row {
    values: std::vec::IntoIter<Value>,
}

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self {
            values: values.into_iter(),
        }
    }

    /// Copies the first columns of a row that is looked at.
    pub fn of(columns: &dyn Columns, count: usize) -> Result<Self> {
        let values = (0..count).map(|place| Ok(columns.field(place)?.to_value()));
        Ok(Self::new(values.collect::<Result<_>>()?))
    }

    /// Takes the next column.
    pub fn take<T: FromValue>(&mut self) -> Result<T> {
        let value = self.values.next();
        T::from_value(value.ok_or_else(|| Error::internal("read a row", "it has fewer columns"))?)
    }
}

/// One column of a row, as it lies in the engine's memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'r> {
    /// SQL null.
    Null,
    /// A truth value; SQLite has integers 0 and 1 instead.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text.
    Text(Cow<'r, str>),
    /// Bytes.
    Blob(&'r [u8]),
}

impl Field<'_> {
    /// The value, on its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Real(value) => Value::Real(value),
            Self::Text(text) => Value::Text(text.into_owned()),
            Self::Blob(bytes) => Value::Blob(bytes.to_vec()),
        }
    }
}

/// A row that is looked at where it lies; see [`crate::database::Tx::scan`].
pub trait Columns {
    /// The column at a place, counted from zero.
    fn field(&self, place: usize) -> Result<Field<'_>>;
}
