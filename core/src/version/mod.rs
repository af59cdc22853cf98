//! Versions: the layers that annotations belong to.
//!
//! A version may name bases, the layers it lies over; what that means for what is shown is the
//! annotations' affair. Every project starts with the version "Baseline", number 0.

pub mod routes;
pub mod service;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use service::{default_for, of_project};
pub use store::SHAPE;
pub use types::Version;
