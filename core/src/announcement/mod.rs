//! Announcements: what administrators tell everybody, until it expires or is dismissed.
//!
//! They are made on the command line only; over the API people read them and put them away.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Announcement;
