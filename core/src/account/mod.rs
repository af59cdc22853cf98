//! Accounts: people, their tokens and sessions: who is asking.
//!
//! What they may do in a project is `project::access`, in an organization `organization::access`.

pub mod lockout;
pub mod password;
pub mod routes;
pub mod service;
pub mod session;
mod store;
mod types;

pub use types::{Actor, NewUser, User};
