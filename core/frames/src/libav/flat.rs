//! MP4 files as players know them: an index in front, then everything else.

use std::path::Path;

use transect_frame_client::Fraction;

use super::container::{Container, Track};
use super::{Error, Packet, Result};

/// What a flat file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlatKind {
    /// Pictures, perhaps with sound.
    Mp4,
    /// Sound only.
    M4a,
}

/// A flat file that is being written.
pub struct FlatFile {
    container: Container,
    ticks: Vec<Fraction>,
}

impl FlatFile {
    /// Creates a file with these streams.
    ///
    /// Errors: MP4 does not take a codec; the file cannot be created.
    pub fn create(path: &Path, kind: FlatKind, tracks: &[Track]) -> Result<Self> {
        let path = path.to_str().ok_or_else(|| Error {
            what: "create the file",
            reason: "its name is not UTF-8".into(),
        })?;
        let format = match kind {
            FlatKind::Mp4 => "mp4",
            FlatKind::M4a => "ipod",
        };
        let mut container = Container::in_file(format, path)?;
        for track in tracks {
            container.add_stream(*track)?;
        }
        // FLAC is no experiment any more.
        container.begin(&[("movflags", "faststart"), ("strict", "experimental")])?;
        let ticks = tracks.iter().map(|track| track.ticks).collect();
        Ok(FlatFile { container, ticks })
    }

    /// Writes the next packet of a stream, with its stamps in ticks. Takes the payload.
    pub fn write(&mut self, packet: &mut Packet, stream: usize) -> Result<()> {
        self.container
            .interleave(packet, stream, self.ticks[stream])
    }

    /// Writes the index and closes the file.
    pub fn finish(mut self) -> Result<()> {
        self.container.end()
    }
}
