//! Clips: parts of a video as a file of their own.
//!
//! A clip consists of whole segments of 25 frames. Where the media has a streaming rendition with a
//! segment index they are copied out of it byte by byte; otherwise they are encoded anew.

mod parts;
pub(super) mod service;
