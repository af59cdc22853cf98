//! The journal: the ordered record of every change, written in the change's own transaction.
//!
//! Who, when, what before and after, under a hybrid logical clock. The change log of the API,
//! undo, sync, search and live updates read it; there is no second history.

mod change_log;
mod clock;
mod ledger;
pub mod routes;
mod service;
mod store;
mod types;

pub use clock::{Clock, Stamp};
pub use ledger::Ledger;
pub use service::{concerned, moved_media, touched, unchanged};
pub use store::{Outline, change, clock_of, newest, outlines, page, record, seq_of, sizes_after};
pub use types::{Action, Change, Changes, Entry, Page, Recorded, Summary, Touched};

#[cfg(test)]
mod tests;
