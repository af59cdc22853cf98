//! What localizations and states have in common: they are revisions of an annotation.

use std::future::Future;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::attribute::Kind;
use crate::database::{FromValue, Row, Tx, Value};
use crate::entity_type::EntityType;
use crate::error::{Error, Result};
use crate::query::Key;
use crate::values;

/// A JSON document that is passed on as it is stored, and read only where it must be.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Document(Box<RawValue>);

impl Document {
    /// The document of an object.
    pub fn of(map: &Map<String, Json>) -> Result<Self> {
        Ok(Self(serde_json::value::to_raw_value(map)?))
    }

    /// The document of any JSON.
    pub fn of_json(json: &Json) -> Result<Self> {
        Ok(Self(serde_json::value::to_raw_value(json)?))
    }

    /// Its members; empty when it is no object.
    pub fn members(&self) -> Result<Map<String, Json>> {
        match serde_json::from_str(self.0.get())? {
            Json::Object(map) => Ok(map),
            _ => Ok(Map::new()),
        }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<Box<RawValue>> for Document {
    fn from(json: Box<RawValue>) -> Self {
        Self(json)
    }
}

impl FromValue for Document {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(Self(RawValue::from_string(text)?)),
            other => Err(Error::internal(
                "read a document",
                format!("found {other:?}"),
            )),
        }
    }
}

/// The part of a row that says which revision of which annotation it is.
///
/// Within (version, elemental id), revisions are numbered by `mark`; `latest` is true on the highest
/// that remains. An edit adds a revision with a new id, a deletion adds a tombstone.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The id of this revision.
    pub id: i64,
    /// The project.
    pub project: i64,
    /// The localization or state type.
    pub type_id: i64,
    /// The layer.
    pub version: i64,
    /// The identity that travels between stations.
    pub elemental_id: String,
    /// The number of the revision.
    pub mark: i64,
    /// Whether it is the highest revision that remains.
    pub latest: bool,
    /// Whether it is a tombstone.
    pub variant_deleted: bool,
    /// Whether it was pruned.
    pub deleted: bool,
    /// The annotation of another layer that this one replaces.
    pub parent: Option<i64>,
    /// The attribute values.
    pub attributes: Document,
    /// When the annotation was made, in UTC milliseconds.
    pub created_at: i64,
    /// By whom.
    pub created_by: Option<i64>,
    /// When this revision was made, in UTC milliseconds.
    pub modified_at: i64,
    /// By whom.
    pub modified_by: Option<i64>,
}

impl Revision {
    /// Columns of a revision, in the order of [`Revision::values`] and [`Revision::read`].
    pub const COLUMNS: [&'static str; 15] = [
        "id",
        "project",
        "type",
        "version",
        "elemental_id",
        "mark",
        "latest",
        "variant_deleted",
        "deleted",
        "parent",
        "attributes",
        "created_at",
        "created_by",
        "modified_at",
        "modified_by",
    ];

    /// The row's values.
    pub fn values(&self) -> Vec<Value> {
        values![
            self.id,
            self.project,
            self.type_id,
            self.version,
            &self.elemental_id,
            self.mark,
            self.latest,
            self.variant_deleted,
            self.deleted,
            self.parent,
            self.attributes.text(),
            self.created_at,
            self.created_by,
            self.modified_at,
            self.modified_by
        ]
        .to_vec()
    }

    /// Takes the columns from a row.
    pub fn read(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            project: row.take()?,
            type_id: row.take()?,
            version: row.take()?,
            elemental_id: row.take()?,
            mark: row.take()?,
            latest: row.take()?,
            variant_deleted: row.take()?,
            deleted: row.take()?,
            parent: row.take()?,
            attributes: row.take()?,
            created_at: row.take()?,
            created_by: row.take()?,
            modified_at: row.take()?,
            modified_by: row.take()?,
        })
    }
}

/// An annotation as the wire shows it: the row, and what its media say of it.
#[derive(Debug)]
pub struct Shown<T> {
    /// The row.
    pub row: T,
    /// The master section of its media: kept and shown, and decides nothing.
    pub master_section: Option<i64>,
}

impl<T: Annotation> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<W> {
            #[serde(flatten)]
            row: W,
            master_section: Option<i64>,
        }
        let wire = Wire {
            row: self.row.wire(),
            master_section: self.master_section,
        };
        wire.serialize(serializer)
    }
}

/// What a localization and a state give to the rules that they share.
pub trait Annotation: Clone + Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;
    /// The wire's class name.
    const NAME: &'static str;
    /// The plural in messages.
    const PLURAL: &'static str;
    /// Columns beyond those of a revision.
    const COLUMNS: &'static [&'static str];
    /// The keys of a row on the wire, which are those of [`Shown`].
    const KEYS: &'static [Key];
    /// The master section of a row's media, as SQL of the row `t`.
    const MASTER_SECTION: &'static str;
    /// Keys that are there whatever `fields=` asks for.
    const ALWAYS: &'static [&'static str] = &[];

    /// The revision.
    fn revision(&self) -> &Revision;
    /// The revision, to be changed.
    fn revision_mut(&mut self) -> &mut Revision;
    /// What it is a revision of: version and elemental id.
    fn identity(&self) -> (i64, &str) {
        let revision = self.revision();
        (revision.version, &revision.elemental_id)
    }
    /// Values of [`Annotation::COLUMNS`].
    fn values(&self) -> Vec<Value>;
    /// Takes a whole row: the revision's columns, then one's own.
    fn read(row: Row) -> Result<Self>;
    /// The row as the wire shows it, without what other rows say of it: so it stands in the journal.
    fn wire(&self) -> impl Serialize + '_;
    /// Makes a new row fit its type. Errors: `Invalid` when it lacks what the type asks for.
    fn fit(&mut self, of: &EntityType) -> Result<()>;

    /// Drops what rows of its type do not have.
    fn trim(&mut self, _of: &EntityType) {}

    /// Media and localizations that the row refers to through link tables.
    fn links(&self) -> (&[i64], &[i64]) {
        (&[], &[])
    }

    /// Brings what is derived from other rows up to date, after a change of `before`.
    fn settle(
        &mut self,
        _tx: &mut Tx,
        _before: Option<&Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
