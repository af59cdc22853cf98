//! An open source: its index, its decoder, and how it is being looked at.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use transect_frame_client::{Flags, FrameIndex, Packet, WorkerError, stamp};

use crate::cache::Cache;
use crate::indexer::unreadable;
use crate::libav::{Frame, Parameters};
use crate::reader::{Place, Reader};
use crate::session::{Session, Travel};

/// Requests this near to one of the last few belong together: stepping, or a cluster of looks.
const NEAR_FRAMES: usize = 32;
const REMEMBERED: usize = 4;

/// An open source.
pub struct Source {
    number: u64,
    path: PathBuf,
    index_file: PathBuf,
    look: Look,
    pub index: Arc<FrameIndex>,
    reader: Reader,
    session: Option<Session>,
    recent: VecDeque<usize>,
}

/// What tells a changed file without reading it.
#[derive(PartialEq, Eq)]
struct Look {
    size_bytes: u64,
    modified_at: Option<SystemTime>,
}

impl Look {
    fn at(path: &Path) -> Result<Self, WorkerError> {
        let metadata = path
            .metadata()
            .map_err(|error| unreadable(path, &error.to_string()))?;
        Ok(Look {
            size_bytes: metadata.len(),
            modified_at: metadata.modified().ok(),
        })
    }
}

impl Source {
    /// Opens a source with its index; `number` tells it apart in the cache.
    ///
    /// Errors: `Unreadable`, also if the index is missing or of another file.
    pub fn open(number: u64, path: &Path, index_file: &Path) -> Result<Self, WorkerError> {
        let look = Look::at(path)?;
        let index = FrameIndex::read(index_file)
            .map_err(|error| unreadable(index_file, &error.to_string()))?;
        let stamp = stamp(path).map_err(|error| unreadable(path, &error.to_string()))?;
        if stamp != index.stamp {
            return Err(unreadable(
                path,
                "the file has changed since it was indexed",
            ));
        }
        let places = index.packets.iter().map(place).collect();
        let reader = Reader::open(path, &index.container, index.access, places)
            .map_err(|reason| unreadable(path, &reason))?;
        Ok(Source {
            number,
            path: path.to_owned(),
            index_file: index_file.to_owned(),
            look,
            index: Arc::new(index),
            reader,
            session: None,
            recent: VecDeque::new(),
        })
    }

    /// True if this still is the source of that path and index.
    pub fn is(&self, path: &Path, index_file: &Path) -> bool {
        self.path == path
            && self.index_file == index_file
            && Look::at(path).is_ok_and(|look| look == self.look)
    }

    /// Returns a frame as decoded.
    ///
    /// Errors: `OutOfRange`; `Unreadable` if it does not decode.
    pub fn frame(&mut self, ordinal: u64, cache: &mut Cache) -> Result<Frame, WorkerError> {
        let count = self.index.frame_count();
        let frame = usize::try_from(ordinal)
            .ok()
            .filter(|&frame| frame < count)
            .ok_or(WorkerError::OutOfRange {
                frame: ordinal,
                count: count as u64,
            })?;
        let near = self
            .recent
            .iter()
            .any(|&recent| recent.abs_diff(frame) <= NEAR_FRAMES);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
        if let Some(picture) = cache.get((self.number, frame)) {
            return Ok(picture);
        }
        let travel = if near { Travel::Walk } else { Travel::Jump };
        let decoded = self
            .decode(frame, travel, cache)
            .map_err(|reason| unreadable(&self.path, &reason))?;
        decoded.ok_or_else(|| unreadable(&self.path, &format!("frame {frame} does not decode")))
    }

    fn decode(
        &mut self,
        frame: usize,
        travel: Travel,
        cache: &mut Cache,
    ) -> Result<Option<Frame>, String> {
        if self.session.is_none() {
            let parameters =
                Parameters::from_index(&self.index).map_err(|error| error.to_string())?;
            self.session = Some(Session::open(&parameters)?);
        }
        let Some(session) = &mut self.session else {
            return Ok(None);
        };
        let Some(mut start) = self.index.random_access_at_or_before(frame) else {
            return Ok(None);
        };
        let mut travel = travel;
        loop {
            let mut wanted = None;
            let (number, room) = (self.number, cache.limit_bytes() / 2);
            let mut keep = |ordinal: usize, picture: Frame| {
                if ordinal == frame {
                    wanted = picture.share().ok();
                }
                let window = (room / picture.size_bytes().max(1)) as usize;
                if ordinal == frame || (travel == Travel::Walk && ordinal.abs_diff(frame) <= window)
                {
                    cache.put((number, ordinal), picture);
                }
            };
            let found = session.decode(
                &self.index,
                &mut self.reader,
                frame,
                start,
                travel,
                &mut keep,
            )?;
            if found && wanted.is_some() {
                return Ok(wanted);
            }
            // A damaged random access point: once more, from an earlier one, and leaving nothing out.
            let earlier = self.index.packets[..start]
                .iter()
                .rposition(|packet| packet.flags.contains(Flags::KEY));
            match earlier {
                _ if travel == Travel::Jump => travel = Travel::Walk,
                Some(earlier) => start = earlier,
                None => return Ok(None),
            }
            if start + 2000 < self.index.frames[frame].packet as usize {
                return Ok(None);
            }
        }
    }

    /// Reads the payload of a packet.
    ///
    /// Errors: `Unreadable`.
    pub fn payload(
        &mut self,
        ordinal: usize,
        packet: &mut crate::libav::Packet,
    ) -> Result<(), WorkerError> {
        self.reader
            .read(ordinal, packet)
            .map_err(|reason| unreadable(&self.path, &reason))
    }
}

fn place(packet: &Packet) -> Place {
    let key = packet.flags.contains(Flags::KEY);
    Place {
        position: packet.position,
        size: packet.size,
        dts: packet.dts,
        key,
    }
}
