//! Job clusters: other machines' workflow engines that an organization may run algorithms on.
//!
//! A row says where one is and how to sign in there. Its token goes out to Admins of the
//! organization only, and into no journal.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::JobCluster;
