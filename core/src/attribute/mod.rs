//! Attributes: what types declare of their instances, and the values that instances hold.
//!
//! A value lives twice: in the JSON document beside its entity, which answers requests, and in a
//! typed table ordered by value, which filters. Both change in one transaction, and only the values
//! that changed are touched.

mod definition;
mod documents;
mod store;
mod value;

pub use definition::{Definition, Definitions, Dtype, Kind, check_name};
pub use documents::{
    adopt, count_given, give_back_all, is_set_aside, rename_all, set_all, set_aside_all, shown,
};
pub use store::{
    Indexing, TABLES, TEXT_PREFIX, definitions_of_kind, definitions_of_type, index, insert, lock,
    next_position, remove, remove_of_type, remove_values, replace, split_text,
};
pub(crate) use store::{Typed, typed};
pub use value::{AttributePatch, convert, for_create, for_patch};
