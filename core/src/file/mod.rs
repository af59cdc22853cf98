//! Files: what a project keeps besides its media, such as tables, models and reports.
//!
//! A file is a record first, with `path` null; its bytes are uploaded for it, and then `path` is
//! set to the key of the upload.

mod change;
mod filter;
mod read;
pub mod routes;
mod store;
mod types;

pub(crate) use filter::select;

#[cfg(test)]
mod tests;

pub use store::{SHAPE, purge};
