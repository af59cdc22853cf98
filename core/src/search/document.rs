//! What the index holds of a row.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::attribute::{Dtype, Kind};
use crate::error::{Error, Result};
use crate::time;

/// The kinds that are searched, in the order of their numbers.
pub(super) const KINDS: [Kind; 5] = [
    Kind::Media,
    Kind::Localization,
    Kind::State,
    Kind::Leaf,
    Kind::File,
];

/// The number of a kind in keys of the index.
pub(super) fn number(kind: Kind) -> u64 {
    let place = KINDS.iter().position(|one| *one == kind);
    place.expect("only searched kinds come here") as u64
}

/// An id together with its kind, as one number.
pub(super) fn key(kind: Kind, id: i64) -> u64 {
    (id as u64) << 3 | number(kind)
}

/// The kind and the id of a key.
pub(super) fn from_key(key: u64) -> (Kind, i64) {
    let kind = KINDS.get((key & 7) as usize).copied();
    (kind.unwrap_or(Kind::File), (key >> 3) as i64)
}

/// What stays the same through the revisions of an annotation; of other rows it is their key.
pub(super) fn identity(kind: Kind, elemental_id: &str, version: i64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[number(kind) as u8]);
    hasher.update(&version.to_le_bytes());
    hasher.update(elemental_id.as_bytes());
    let mut start = [0; 8];
    start.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // Keys of other rows never have the highest bit.
    u64::from_le_bytes(start) | 1 << 63
}

/// A declared attribute, as documents need it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub dtype: Dtype,
}

/// One row that lists show.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: i64,
    /// Its key, or for annotations what all revisions share.
    pub identity: u64,
    /// Its project.
    pub project: i64,
    /// Its type.
    pub type_id: i64,
    /// The name; empty for annotations.
    pub name: String,
    /// The description of a file.
    pub description: String,
    /// The path of a leaf.
    pub path: String,
    /// The folder of a media.
    pub section: Option<i64>,
    /// The version of an annotation.
    pub version: Option<i64>,
    /// The media that it is, or is about.
    pub media: Vec<i64>,
    /// Who made it.
    pub created_by: Option<i64>,
    /// When it was made; UTC milliseconds.
    pub created_at: i64,
    /// When it was changed.
    pub modified_at: i64,
    /// The attributes as JSON.
    pub attributes: String,
    /// What its type declares.
    pub declared: Arc<Vec<Declared>>,
}

/// The value of an attribute, as it is searched.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Text whose words are found.
    Text(String),
    /// A truth value, found as `true` and `false`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// UTC milliseconds.
    Time(i64),
}

impl Document {
    /// The declared attributes that have a value.
    pub(super) fn scalars(&self) -> Result<Vec<(&str, Scalar)>> {
        if self.declared.is_empty() {
            return Ok(Vec::new());
        }
        let members: Map<String, Json> = serde_json::from_str(&self.attributes)
            .map_err(|error| Error::internal("read the attributes of a row", error))?;
        let declared = self.declared.iter();
        Ok(declared
            .filter_map(|one| {
                Some((
                    one.name.as_str(),
                    scalar(one.dtype, members.get(&one.name)?)?,
                ))
            })
            .collect())
    }
}

/// None for values that no words or bounds can name.
pub(super) fn scalar(dtype: Dtype, value: &Json) -> Option<Scalar> {
    Some(match (dtype, value) {
        (_, Json::Null) | (Dtype::Geopos | Dtype::FloatArray | Dtype::Blob, _) => return None,
        (Dtype::Bool, value) => Scalar::Flag(value.as_bool()?),
        (Dtype::Int | Dtype::Float, Json::String(text)) => {
            Scalar::Number(text.trim().parse().ok()?)
        }
        (Dtype::Int | Dtype::Float, value) => Scalar::Number(value.as_f64()?),
        (Dtype::Datetime, value) => Scalar::Time(time::parse(value.as_str()?)?),
        (Dtype::String | Dtype::Enum, Json::String(text)) => Scalar::Text(text.clone()),
        (Dtype::String | Dtype::Enum, other) => Scalar::Text(other.to_string()),
    })
}

/// What leaves the index before documents come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// A row, or every revision of an annotation.
    Identity(u64),
    /// Every row of a type.
    Type(Kind, i64),
    /// Every row of a project.
    Project(i64),
}

/// Changes to the index: removals first, then documents.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What leaves.
    pub removed: Vec<Removal>,
    /// What comes.
    pub documents: Vec<Document>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_kind_and_id() {
        for kind in KINDS {
            assert_eq!(from_key(key(kind, 1 << 40)), (kind, 1 << 40));
        }
        let one = identity(Kind::State, "e", 1);
        assert_ne!(one, identity(Kind::Localization, "e", 1));
        assert_ne!(one, identity(Kind::State, "e", 2));
        assert!(one > key(Kind::File, i64::MAX >> 3));
    }
}
