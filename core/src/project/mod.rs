//! Projects and memberships: what is annotated together, and by whom.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use service::access;
pub use types::Level;
