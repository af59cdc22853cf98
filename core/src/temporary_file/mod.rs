//! Temporary files: scratch files of a project that go after some hours.
//!
//! Clips, exports and whatever scripts leave for each other. Their bytes are objects below
//! `/media/{project}/`, where members of the project read them.

pub mod routes;
mod service;
mod store;
mod types;

pub use service::{create, create_from_bytes, expire};
pub use types::{TemporaryFile, Wire};

#[cfg(test)]
mod tests;
