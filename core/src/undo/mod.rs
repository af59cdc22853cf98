//! Undo: takes back what a request did, as the journal wrote it down.
//!
//! A *change* is everything that one request wrote. Taking it back sets exactly the fields that it
//! changed to what they were, takes away what it made, and brings back what it removed; what others
//! did to other fields meanwhile stays. Where somebody changed the same field since, nothing is
//! touched and the answer says where. Undoing is a change of its own: it is in the journal, survives
//! a restart, and can be undone.
//!
//! A noun takes part by describing its rows in a [`Shape`].

mod net;
pub mod routes;
mod rows;
mod service;
mod shape;
mod store;
mod types;

pub use shape::{As, Settle, Shape};
