//! Filters and searches, compiled to SQL.

pub mod geo;
