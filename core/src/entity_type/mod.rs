//! Entity types: what media, localizations, states, leaves and files of a project may be, and the
//! attributes that each declares.
//!
//! The five kinds share one table; the fields that only one kind has are in its `detail` document.

mod attributes;
mod preset;
mod recovery;
pub mod routes;
pub mod service;
pub mod set_aside;
mod store;
mod types;

pub use preset::ensure as ensure_defaults;
pub use recovery::{Redeclared, count_instances, count_values, redeclare};
pub use store::{FILE_TYPE, LEAF_TYPE, LOCALIZATION_TYPE, MEDIA_TYPE, STATE_TYPE};
pub use types::EntityType;

#[cfg(test)]
mod tests;
