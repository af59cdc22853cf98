//! Annotations: localizations (shapes on frames) and states (facts, events, tracks).
//!
//! Both are *revisions*: an edit adds a row with a new id and the next mark, a deletion adds a
//! tombstone, and only pruning takes rows away. Stable identity is (version, elemental id).
//! Rules that both share are written once, over [`Annotation`].

mod bulk;
mod create;
mod delete;
mod edit;
mod filter;
mod graphic;
mod localization;
mod patch;
mod purge;
mod read;
pub mod routes;
pub mod service;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod track;
mod types;

pub use filter::{Filter, IdQuery, select};
pub use localization::Localization;
pub use purge::purge;
pub use state::State;
pub use store::{LOCALIZATION, STATE};
pub use types::{Annotation, Document, Revision};
