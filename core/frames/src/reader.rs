//! Packets by ordinal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transect_frame_client::{Access, Flags, FrameIndex};

use crate::libav::{Input, Packet};
use crate::supply::MediaFile;

/// Going on reading is cheaper than a seek up to here.
const READ_ON: usize = 64;
/// After a seek the wanted packet is among so many.
const SYNC_LIMIT: usize = 256;

/// What tells packets apart: payload position, size, and both time stamps, where the demuxer gives them.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub position: u64,
    pub size: u32,
    /// For containers that seek by time.
    pub dts: i64,
    pub key: bool,
}

/// Where all packets are.
pub enum Places {
    /// As a scan has just found them.
    Scanned(Vec<Place>),
    /// As an index has them.
    Indexed(Arc<FrameIndex>),
}

impl Places {
    fn at(&self, ordinal: usize) -> Place {
        match self {
            Places::Scanned(places) => places[ordinal],
            Places::Indexed(index) => {
                let packet = index.packet(ordinal);
                Place {
                    position: packet.position,
                    size: packet.size,
                    dts: packet.dts,
                    key: packet.flags.contains(Flags::KEY),
                }
            }
        }
    }

    fn is_key(&self, ordinal: usize) -> bool {
        match self {
            Places::Scanned(places) => places[ordinal].key,
            Places::Indexed(index) => index.packet_flags(ordinal).contains(Flags::KEY),
        }
    }

    /// Whether another packet looks the same to a demuxer that has just gone there.
    fn has_twin(&self, place: &Place) -> bool {
        let same = |position: u64, size: u32, dts: i64| {
            (position, size, dts) == (place.position, place.size, place.dts)
        };
        let count = match self {
            Places::Scanned(places) => {
                let twins = places.iter();
                twins
                    .filter(|at| same(at.position, at.size, at.dts))
                    .count()
            }
            Places::Indexed(index) => {
                let twins = index.packets();
                twins
                    .filter(|at| same(at.position, at.size, at.dts))
                    .count()
            }
        };
        count > 1
    }
}

/// Codec headers as a container states them, each with the packet from which on they are true; none where it states them once.
pub type Headers = Vec<(usize, Vec<u8>)>;

/// Those of an index.
pub fn headers(index: &FrameIndex) -> Headers {
    let changes = index.changes.iter();
    let stated = changes.map(|change| (change.packet as usize, change.extradata.clone()));
    restated(&index.decoder.extradata, stated)
}

/// Those that a file begins with, and those that follow.
pub fn restated(first: &[u8], later: impl Iterator<Item = (usize, Vec<u8>)>) -> Headers {
    let mut headers = vec![(0, first.to_vec())];
    headers.extend(later);
    headers.dedup_by(|later, earlier| later.1 == earlier.1);
    if headers.len() == 1 {
        headers.clear();
    }
    headers
}

/// Reads packets by ordinal, by the positions that were found when the file was scanned.
pub struct Reader {
    path: PathBuf,
    places: Places,
    headers: Headers,
    way: Way,
}

enum Way {
    Direct(MediaFile),
    Demuxer {
        input: Option<Box<Input>>,
        next: usize,
        seeks_bytes: bool,
    },
}

impl Reader {
    /// `container` is the name libav has for it.
    ///
    /// Errors: the file cannot be opened.
    pub fn open(
        path: &Path,
        container: &str,
        access: Access,
        places: Places,
        headers: Headers,
    ) -> Result<Self, String> {
        let way = match access {
            Access::Direct => {
                Way::Direct(MediaFile::open(path).map_err(|error| error.to_string())?)
            }
            Access::Demuxer => {
                let seeks_bytes = matches!(container, "mpegts" | "mpeg");
                Way::Demuxer {
                    input: None,
                    next: 0,
                    seeks_bytes,
                }
            }
        };
        Ok(Reader {
            path: path.to_owned(),
            places,
            headers,
            way,
        })
    }

    /// Reads a packet and labels it with its ordinal.
    ///
    /// Errors: the file ends early or is not the one that was indexed.
    pub fn read(&mut self, ordinal: usize, packet: &mut Packet) -> Result<(), String> {
        let place = self.places.at(ordinal);
        match &mut self.way {
            Way::Direct(file) => packet.fill(place.size, |bytes| {
                let short = |error: std::io::Error| {
                    Fault(format!(
                        "packet {ordinal} at byte {}: {error}",
                        place.position
                    ))
                };
                file.read_exact_at(bytes, place.position).map_err(short)
            })?,
            Way::Demuxer { .. } => self.demux(ordinal, packet)?,
        }
        packet.label(ordinal, place.key);
        if !self.headers.is_empty() {
            let headers = self.headers_for(ordinal, place.key);
            packet
                .set_headers(headers)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// What a decoder that may come from anywhere must be told before a packet.
    fn headers_for(&self, ordinal: usize, key: bool) -> Option<&[u8]> {
        let after = self.headers.partition_point(|(from, _)| *from <= ordinal);
        let (from, headers) = &self.headers[after.checked_sub(1)?];
        (key || *from == ordinal).then_some(headers)
    }

    fn demux(&mut self, ordinal: usize, packet: &mut Packet) -> Result<(), String> {
        let Way::Demuxer {
            input,
            next,
            seeks_bytes,
        } = &mut self.way
        else {
            return Ok(());
        };
        let open = || Input::open(&self.path).map_err(|error| error.to_string());
        let input = match input {
            Some(input) => input,
            None => {
                *next = 0;
                input.insert(Box::new(open()?))
            }
        };
        let mut sought = false;
        if !(*next..*next + READ_ON).contains(&ordinal) {
            let mut earlier = (0..=ordinal).rev();
            let key = earlier.find(|&at| self.places.is_key(at)).unwrap_or(0);
            if let Some(found) = seek(input, &self.places, key, *seeks_bytes, packet)? {
                (*next, sought) = (found + 1, true);
                if found == ordinal {
                    return Ok(());
                }
            } else {
                (**input, *next) = (open()?, 0);
            }
        }
        while *next <= ordinal {
            let more = input.read(packet).map_err(|error| error.to_string())?;
            if more && packet.bytes().len() == self.places.at(*next).size as usize {
                *next += 1;
            } else if sought {
                // What follows the seek is not what a reading from the beginning gives.
                (**input, *next, sought) = (open()?, 0, false);
            } else {
                let at = std::mem::replace(next, usize::MAX - READ_ON);
                return Err(format!("packet {at} is not the one that was indexed"));
            }
        }
        Ok(())
    }
}

/// Goes to a random access packet and reads it; none if the demuxer does not find it.
fn seek(
    input: &mut Input,
    places: &Places,
    key: usize,
    seeks_bytes: bool,
    packet: &mut Packet,
) -> Result<Option<usize>, String> {
    let place = places.at(key);
    let gone = if seeks_bytes {
        input.seek_byte(place.position)
    } else {
        input.seek_time(place.dts)
    };
    if gone.is_err() {
        return Ok(None);
    }
    if places.has_twin(&place) {
        return Ok(None);
    }
    for _ in 0..SYNC_LIMIT {
        if !input.read(packet).map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let same_time = seeks_bytes || packet.dts() == Some(place.dts);
        if packet.position() == Some(place.position)
            && packet.bytes().len() == place.size as usize
            && same_time
        {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// An error text that libav errors turn into, for closures that may fail either way.
struct Fault(String);

impl From<crate::libav::Error> for Fault {
    fn from(error: crate::libav::Error) -> Self {
        Fault(error.to_string())
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}
