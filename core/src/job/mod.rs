//! Jobs: launched algorithms, as the wire shows them.
//!
//! One launch makes a workflow for each batch of media; the workflow itself is a job of the station's
//! queue (see [`crate::jobs`]), run by [`crate::workflow`].

mod launch;
pub mod routes;
pub mod service;
mod types;

pub use types::Job;
