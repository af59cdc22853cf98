//! Leaves: forests of names in a project, such as a taxonomy, and suggestions out of them.
//!
//! A leaf's path is dotted: the project's name, the names of its ancestors, its own, each with
//! every character outside `[A-Za-z0-9_]` replaced by `_`. A path is made when a leaf is made or
//! moved; a new name does not change it. Names may repeat, so paths may too: subtrees follow
//! `parent`, never paths.

mod change;
mod filter;
mod path;
mod read;
pub mod routes;
mod store;
mod types;

pub(crate) use filter::select;

#[cfg(test)]
mod tests;

pub use store::{SHAPE, purge};
