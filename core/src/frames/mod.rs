//! The frame service: (media, frame) → picture, packets.

pub mod routes;

use std::path::Path;

use crate::config;
use crate::error::Result;

/// The frame service.
pub struct Frames {}

impl Frames {
    /// A service whose workers start at first use.
    pub fn new(_settings: &config::Frames, _data: &Path) -> Result<Self> {
        Ok(Self {})
    }
}
