//! file.

pub mod routes;
