//! Projects and memberships: what is annotated together, and by whom.
//!
//! Every row of a project is reached through [`access`]; a project that is removed takes along
//! everything it holds except its media, which stay behind without a project.

mod members;
mod picture;
mod removal;
pub mod routes;
pub mod service;
mod statistics;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use service::{access, level};
pub use store::SHAPE;
pub use types::{Level, Membership, NewProject, Project};
