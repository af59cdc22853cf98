//! How the rows of a noun are found again in what the journal wrote down of them.

use futures::future::BoxFuture;
use serde_json::{Map, Value as Json};

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::project::Level;
use crate::{annotation, bookmark, file, leaf, media, project, section, version};

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

/// Brings up to date what is worked out from rows; gets each as it was and as it is.
pub type Settle = for<'t> fn(&'t mut Tx, Vec<Map<String, Json>>) -> BoxFuture<'t, Result<()>>;

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
    /// Rows that went away stay, marked as deleted; otherwise they are gone.
    pub kept: bool,
    /// Rows are revisions: a newer one supersedes an older one of the same identity.
    pub revised: bool,
    /// What follows when rows were written.
    pub settle: Settle,
}

/// For nouns of which nothing else is worked out.
pub fn settled(_: &mut Tx, _: Vec<Map<String, Json>>) -> BoxFuture<'_, Result<()>> {
    Box::pin(async { Ok(()) })
}

/// Every noun whose changes can be taken back.
pub(super) const SHAPES: [&Shape; 10] = [
    &annotation::LOCALIZATION,
    &annotation::STATE,
    &media::SHAPE,
    &leaf::SHAPE,
    &file::SHAPE,
    &section::SHAPE,
    &version::SHAPE,
    &bookmark::BOOKMARK_SHAPE,
    &bookmark::FAVORITE_SHAPE,
    &project::SHAPE,
];

/// The shape of a noun.
pub(super) fn find(noun: &str) -> Option<&'static Shape> {
    SHAPES.into_iter().find(|shape| shape.noun == noun)
}
