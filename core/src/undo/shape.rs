//! How the rows of a noun are found again in what the journal wrote down of them.

use std::borrow::Cow;

use futures::future::BoxFuture;
use serde_json::{Map, Value as Json};

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::journal::Stamp;
use crate::project::Level;
use crate::{
    annotation, bookmark, entity_type, file, leaf, media, project, recording, section, version,
};

/// How a value of a row looks on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// Text or an integer.
    Plain,
    /// A number that may have a fraction.
    Number,
    /// A truth value.
    Flag,
    /// UTC milliseconds, on the wire RFC 3339.
    Time,
    /// A JSON document, stored as text.
    Json,
}

/// Brings up to date what is worked out from rows; gets who writes, and each row as it was and as it is.
pub type Settle =
    for<'t> fn(&'t mut Tx, &'t Stamp, Vec<Map<String, Json>>) -> BoxFuture<'t, Result<()>>;

/// The rows of a noun.
pub struct Shape {
    /// The noun's name in the journal.
    pub noun: &'static str,
    /// Its table.
    pub table: &'static str,
    /// What a member may do who takes back their own changes.
    pub level: Level,
    /// The wire's keys and their columns, without `id`, `attributes`, and who changed it last.
    pub columns: &'static [(&'static str, &'static str, As)],
    /// Its attributes, if it has any: their kind, and whose type says which there are.
    pub attributes: Option<Kind>,
    /// Lists of ids in tables of their own: the wire's key, table, own column, the other column.
    pub lists: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Rows declare the attributes of instances of this kind, each by its name.
    pub declares: Option<Kind>,
    /// Texts that tell its rows from those of other nouns in the same table.
    pub fixed: &'static [(&'static str, &'static str)],
    /// A JSON column with every key that has no column of its own.
    pub rest: Option<&'static str>,
    /// Keys that the station fills in later by itself.
    pub found_out: &'static [&'static str],
    /// Rows that went away stay, marked as deleted; otherwise they are gone.
    pub kept: bool,
    /// Rows are revisions: a newer one supersedes an older one of the same identity.
    pub revised: bool,
    /// What follows when rows were written.
    pub settle: Settle,
}

impl Shape {
    /// A noun of which nothing is said yet.
    pub const PLAIN: Self = Self {
        noun: "",
        table: "",
        level: Level::Full,
        columns: &[],
        attributes: None,
        lists: &[],
        declares: None,
        fixed: &[],
        rest: None,
        found_out: &[],
        kept: false,
        revised: false,
        settle: settled,
    };

    /// The keys of a row that its JSON column holds.
    pub(super) fn others<'r>(
        &self,
        row: &'r Map<String, Json>,
    ) -> impl Iterator<Item = (&'r String, &'r Json)> {
        let known = |key: &str| {
            ["id", "attributes", "effective_permission"].contains(&key)
                || self.columns.iter().any(|(own, ..)| *own == key)
        };
        row.iter()
            .filter(move |(key, _)| self.rest.is_some() && !known(key))
    }

    /// A row as the journal has it, with what it declares as its attributes.
    pub(super) fn recorded(&self, mut row: Map<String, Json>) -> Map<String, Json> {
        if self.declares.is_some()
            && let Some(Json::Array(declared)) = row.shift_remove("attribute_types")
        {
            let named = declared.into_iter().filter_map(|one| {
                let name = one.get("name")?.as_str()?.to_owned();
                Some((name, one))
            });
            let named: Map<String, Json> = named.collect();
            row.insert("attributes".into(), Json::Object(named));
        }
        row
    }

    /// A row as the journal is to have it: the other way round.
    pub(super) fn for_journal<'r>(&self, row: &'r Map<String, Json>) -> Cow<'r, Map<String, Json>> {
        let Some(Json::Object(named)) = row.get("attributes").filter(|_| self.declares.is_some())
        else {
            return Cow::Borrowed(row);
        };
        let mut shown = row.clone();
        let declared = named.values().cloned().collect();
        shown.shift_remove("attributes");
        shown.insert("attribute_types".into(), Json::Array(declared));
        Cow::Owned(shown)
    }
}

/// For nouns of which nothing else is worked out.
fn settled<'t>(
    _: &'t mut Tx,
    _: &'t Stamp,
    _: Vec<Map<String, Json>>,
) -> BoxFuture<'t, Result<()>> {
    Box::pin(async { Ok(()) })
}

/// Every noun whose changes can be taken back; what declares comes before its instances.
pub(super) const SHAPES: [&Shape; 18] = [
    &project::SHAPE,
    &entity_type::MEDIA_TYPE,
    &entity_type::LOCALIZATION_TYPE,
    &entity_type::STATE_TYPE,
    &entity_type::LEAF_TYPE,
    &entity_type::FILE_TYPE,
    &annotation::LOCALIZATION,
    &annotation::STATE,
    &media::SHAPE,
    &leaf::SHAPE,
    &file::SHAPE,
    &section::SHAPE,
    &version::SHAPE,
    &bookmark::BOOKMARK_SHAPE,
    &bookmark::FAVORITE_SHAPE,
    &recording::SHAPE,
    &recording::EVENT_SHAPE,
    &project::MEMBERSHIP_SHAPE,
];

/// The shape of a noun.
pub(super) fn find(noun: &str) -> Option<&'static Shape> {
    SHAPES.into_iter().find(|shape| shape.noun == noun)
}
