//! Groups: accounts of an organization under one name, as row protections may mean them.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Group;
