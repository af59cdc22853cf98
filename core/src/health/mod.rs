//! Health: whether the station and its parts work, for whoever watches it from outside.

mod checks;
pub mod routes;

pub use checks::{Check, Latest};
