//! leaf.

pub mod routes;
