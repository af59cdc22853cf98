//! bookmark.

pub mod routes;
