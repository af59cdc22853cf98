//! Graphics: what a localization, or a track of them, looks like.
//!
//! A graphic is cut out of the media at its full size: `area` says which pixels, the frame service
//! draws them.

mod area;
pub(super) mod routes;
mod service;
