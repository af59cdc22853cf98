//! Applets: pages of a project that the user interface shows in a frame.
//!
//! An applet's page was saved before (and is served below `/media/`), or is rendered from a hosted
//! template each time it is read.

pub mod routes;
pub mod service;
mod store;
mod types;

pub use types::Applet;
