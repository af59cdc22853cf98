//! version.

pub mod routes;
