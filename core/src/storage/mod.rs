//! storage.

pub mod objects;
pub mod routes;
