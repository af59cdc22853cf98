//! Filters and searches, compiled to SQL conditions over one table.
//!
//! A [`Selection`] collects conditions on the alias `t`, an order and a page. Attribute conditions
//! read the typed tables (ordered by value), never the JSON documents; only sorting by an attribute
//! and null tests of untyped attributes read documents.

mod attribute;
mod builtin;
mod folder;
pub mod geo;
mod page;
mod related;
mod schema;
mod search;
mod selection;
mod similarity;
#[cfg(test)]
mod tests;

pub use attribute::{ATTRIBUTE_PARAMETERS, AttributeFilters, RELATED_PARAMETERS, RelatedFilters};
pub use page::{PAGE_PARAMETERS, Page};
pub use related::incident;
pub use schema::Schema;
pub use search::{Node, decode};
pub use selection::{Selection, among, check_count};
pub use similarity::{FloatArrayQuery, each_vector};
