//! Row protections: grants of a bit mask on one thing to a user, a group or an organization.
//!
//! They belong to the original's second permission model. This station decides by memberships and
//! affiliations; it keeps the grants, for whoever brings them along, and follows none of them.

pub mod routes;
pub mod service;
mod store;
mod target;
mod types;

pub use types::{RowProtection, TargetKind};
