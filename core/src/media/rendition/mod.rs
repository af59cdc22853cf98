//! The records of a media's files, one by one: videos, images, audio tracks, attachments.
//!
//! A record names a stored object by its key, or (with `reference_only`) a URL elsewhere. An object
//! goes with the last record that names it.

pub mod routes;
mod service;
mod types;
