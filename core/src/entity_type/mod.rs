//! entity_type.

pub mod routes;
