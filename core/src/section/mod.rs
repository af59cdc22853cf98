//! section.

pub mod routes;
