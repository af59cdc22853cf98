//! Recordings: live feeds that are kept, and what people note while they watch.
//!
//! A recording follows an HLS feed of a `live` media and keeps every segment on the disk before it
//! looks for the next, so that nothing fetched is lost to a crash; what the feed no longer had is
//! listed as a gap. When it ends, each stretch of the feed whose times run on becomes a video of the
//! project, byte for byte as it was sent, with an index and renditions as any other. Every segment
//! keeps the UTC time that the feed stated for it, or that of its arrival, and so every frame has one.
//! Events are noted by UTC time. Which frame they mean is worked out whenever it is asked for, from the
//! index; states are made of them on the frames that were on the screen.
//! A deleted recording keeps its rows and files until its time is over: its deletion can be taken back.

mod assemble;
mod bind;
mod events;
mod follow;
mod jobs;
mod keep;
mod playlist;
pub mod routes;
mod service;
mod store;
mod timeline;
mod types;

pub use jobs::WORK;
pub use keep::sweep;
pub use service::{held_bytes, resume};
pub use store::{EVENT_SHAPE, SHAPE, purge};
