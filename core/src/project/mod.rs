//! Projects and memberships: what is annotated together, and by whom.
//!
//! Every row of a project is reached through [`access`], so that a deleted project is out of reach as
//! a whole but for the journal and undo; it can be brought back until its time is over. Then it takes
//! along everything it holds except its media, which stay behind without a project until they go, too.

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

pub use service::{access, count_media, is_deleted, level, level_also_deleted, purge_one};
pub use store::{MEMBERSHIP_SHAPE, SHAPE};
pub use types::{Level, Membership, NewProject, Project};
