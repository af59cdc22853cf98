//! Buckets: object stores that an organization keeps its media in, and how to sign in there.
//!
//! A project names its buckets; one without uses the station's own store. What signs in (`config`)
//! is written once and never leaves again: not over the API, not into the journal. Who registers a bucket, or
//! changes where it leads, hears at once when the store refuses; one that does not answer may do so later.

mod config;
pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Bucket;
