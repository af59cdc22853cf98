//! Transcodes: an uploaded video becomes a media with renditions; an uploaded archive becomes many.
//!
//! Annotation waits for nothing but the frame index: pictures come from the file as it was uploaded,
//! which stays the media's source, whatever its archival copies are. Renditions follow in the
//! background. They are made by one decode of the source, have exactly the pictures of its frame
//! index, and are recorded one by one: what is recorded is whole. A job that a crash cut short
//! goes on with what it had made.

mod archive;
mod folder;
mod import;
mod jobs;
mod produce;
mod progress;
mod proxy;
pub mod recipe;
mod report;
pub mod routes;
mod service;
mod types;

pub use folder::sweep;
pub use import::WORK as IMPORT;
pub use jobs::WORK as TRANSCODE;
pub use proxy::{WORK as PROXY, run as make_proxies};
pub use service::add_renditions;
