//! Sections: what media of a project are sorted into.
//!
//! A *folder* holds the media whose primary section it is, a *playlist* the media it lists, a
//! *saved search* those that its search objects match. A path places a section in a tree. Sections
//! of a project are few: lists are filtered in memory, by pure functions, the same on every engine.

mod bulk;
mod filter;
pub mod path;
pub mod pattern;
pub mod routes;
pub mod search;
pub mod service;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use service::{create_folder, find, find_by_user_sections, find_folder_by_name};
pub use store::SHAPE;
pub use types::{Dtype, Section};
