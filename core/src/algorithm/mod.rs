//! Algorithms: workflows that a project can launch over its media.
//!
//! An algorithm is a manifest (saved before, or rendered from a hosted template) with what it is
//! launched with. A manifest that this station would run differently from what it says is refused
//! when it is registered; one for a job cluster is that cluster's affair.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::{Algorithm, AlgorithmParameter};
