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
pub mod vectors;
mod words;

pub use compare::{Comparison, compare, rebuild};
pub use document::{Batch, Declared, Document, Removal, Scalar};
pub use service::{matching, near};
pub use station::Search;
pub use words::{Word, words};

/// Lets threads that answer people run before this one; threads that it starts inherit that.
fn give_way() {
    /// About a tenth of a contended core is left for this one.
    #[cfg(target_os = "linux")]
    const NICENESS: i32 = 10;
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread of search cannot give way to others");
    }
}
