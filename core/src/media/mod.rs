//! Media: videos and images, what they are and where their files are.
//!
//! A media's pictures come from one *source*: a file in place, or a stored object. The source is
//! indexed in the background; until then the media is listed with the state `indexing`, and a file
//! that cannot be read leaves a media with the state `failed` and a message.

pub mod archive;
mod by_name;
mod change;
mod chapters;
mod clone;
mod composite;
mod convert;
mod create;
mod family;
pub mod fetch;
mod files;
mod filter;
pub mod import;
pub mod indexer;
pub mod inspector;
mod join;
mod permalink;
pub mod present;
mod purge;
mod queue;
mod read;
pub mod rendition;
pub mod routes;
pub mod service;
pub mod source;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use convert::sweep;
pub use create::Upload;
pub use fetch::Origin;
pub use filter::{Filter, IdQuery, select};
pub use purge::purge;
pub use queue::Queue;
pub use store::SHAPE;
pub use types::Media;
