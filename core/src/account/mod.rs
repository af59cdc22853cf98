//! Accounts: people, their tokens and sessions: who is asking.
//!
//! What they may do in a project is `project::access`, in an organization `organization::access`.

mod avatar;
pub mod lockout;
pub mod password;
mod registration;
mod removal;
mod reset;
pub mod routes;
pub mod service;
pub mod session;
mod store;
mod types;

pub use types::{Account, Actor, NewUser, Status, User};
