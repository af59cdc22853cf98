//! Filters and searches, compiled to SQL conditions over one table.
//!
//! A [`Selection`] collects conditions on the alias `t`, an order and a page. Conditions on
//! attributes, and an attribute that leads the order, read the typed tables (ordered by value);
//! documents are read to test rows that something else has found, to order such rows, and for null
//! tests of untyped attributes.

mod attribute;
mod builtin;
mod folder;
pub mod geo;
mod listing;
mod page;
mod plan;
mod related;
mod schema;
mod search;
mod selection;
mod similarity;
#[cfg(test)]
mod tests;
pub mod value;

pub use attribute::{ATTRIBUTE_PARAMETERS, AttributeFilters, RELATED_PARAMETERS, RelatedFilters};
pub(crate) use builtin::{Scalar, column as builtin_column};
pub use listing::{Batch, Batches, Column, Form, Key, Listing, push_row, rows_of};
pub use page::{PAGE_PARAMETERS, Page};
pub use related::incident;
pub use schema::Schema;
pub use search::{Node, check_searches, decode};
pub use selection::{Selection, among, check_count};
pub use similarity::{FloatArrayQuery, each_vector};
