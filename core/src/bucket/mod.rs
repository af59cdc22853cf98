//! Buckets: object stores that an organization keeps its media in, and how to sign in there.
//!
//! A project names its buckets; one without uses the station's own store. What signs in (`config`)
//! is written once and never leaves again: not over the API, not into the journal.

mod config;
pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Bucket;
