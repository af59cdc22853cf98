//! media.

pub mod routes;
