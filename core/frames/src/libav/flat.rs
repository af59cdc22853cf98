//! MP4 files as players know them: an index in front, then everything else.

use std::path::Path;

use transect_frame_client::Fraction;

use super::container::Container;
use super::{Error, Packet, Parameters, Result};

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
    /// Creates a file with these streams, each with its seconds per tick.
    ///
    /// Errors: MP4 does not take a codec; the file cannot be created.
    pub fn create(
        path: &Path,
        kind: FlatKind,
        streams: &[(&Parameters, Fraction)],
    ) -> Result<Self> {
        let path = path.to_str().ok_or_else(|| Error {
            what: "create the file",
            reason: "its name is not UTF-8".into(),
        })?;
        let format = match kind {
            FlatKind::Mp4 => "mp4",
            FlatKind::M4a => "ipod",
        };
        let mut container = Container::in_file(format, path)?;
        for (parameters, ticks) in streams {
            container.add_stream(parameters, *ticks, parameters.mp4_tag())?;
        }
        container.begin(&[("movflags", "faststart")])?;
        let ticks = streams.iter().map(|&(_, ticks)| ticks).collect();
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
