//! Jobs: work that goes on in the background, as rows.
//!
//! A job is enqueued in the transaction that wants it, claimed by a runner of its pool, and done at
//! least once: a body is safe to run twice and to be dropped at any await. A killed station's jobs
//! are claimed again at its next start, and go on from what they remembered. What can be done is
//! listed on one page, [`registry`].

mod queue;
pub mod registry;
mod runner;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use queue::{
    Bell, add_media, call_off, call_off_project, cancel, enqueue, find, heed, is_busy, is_running,
    list, remember, unfinished, was,
};
pub use runner::{Run, run};
pub use types::{Filter, Job, NewJob, Pool, Status};
