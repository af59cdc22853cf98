//! Invitations: a link that lets somebody into an organization.
//!
//! Whoever has no account yet registers with what the link carries; whoever has one accepts. Either
//! way the e-mail address must be the invited one, and the invitation neither used nor expired.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Invitation;
