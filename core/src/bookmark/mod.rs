//! Bookmarks and favorites: places and attribute presets that an account keeps for itself.
//!
//! Everybody sees only their own.

mod favorites;
pub mod routes;
mod service;
mod store;
mod types;

pub use service::{forget_account, forget_type};
pub use store::{BOOKMARK_SHAPE, FAVORITE_SHAPE};
