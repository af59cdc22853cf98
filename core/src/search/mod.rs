//! Search: free text over media, annotations, leaves and files, and what is near in vector space.
//!
//! The database is the truth. An [`indexer`] follows the journal and keeps an index of words behind
//! it; what the index does not have yet is read from the journal when somebody asks, so that a write
//! is found by the next request. The index may be lost at any moment: it is built again from the
//! rows. Hits are checked against the rows before anybody sees them.
//!
//! Others may use [`matching`], which turns words into ids inside a query of their own, and the
//! [`Search`] of the context. What is deliberately absent: text that only old revisions, deleted
//! rows or other projects hold.

mod compare;
mod document;
mod hits;
pub mod index;
pub mod indexer;
mod lookup;
mod plan;
mod recent;
pub mod routes;
mod service;
mod snippet;
mod station;
mod store;
mod syntax;
#[cfg(test)]
mod tests;
mod touched;
mod types;
mod words;

pub use compare::{Comparison, compare, rebuild};
pub use document::{Batch, Declared, Document, Removal, Scalar};
pub use service::matching;
pub use station::Search;
pub use words::{Word, words};
