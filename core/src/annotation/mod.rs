//! annotation.

pub mod routes;
