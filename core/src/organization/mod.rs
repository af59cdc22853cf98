//! Organizations and affiliations: who belongs together, and who administers it.

mod affiliations;
pub mod routes;
pub mod service;
mod store;
mod types;

pub use service::access;
pub use types::{Affiliation, Organization, Role};
