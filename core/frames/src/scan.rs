//! Reading every packet of a file once.

use std::path::Path;

use transect_frame_client::{Access, Flags};

use crate::bitstream;
use crate::libav::{Input, Packet, Parameters, Result};
use crate::supply::MediaFile;

/// Containers put at most this much before a payload.
const HEADER_LIMIT: usize = 64;
/// Every packet that is a random access point, and every n-th, is compared with the file.
const COMPARE_EVERY: usize = 16;

/// A packet as the demuxer gives it.
#[derive(Debug, Clone, Copy)]
pub struct Scanned {
    /// Of the payload with direct access, else as the demuxer counts.
    pub position: Option<u64>,
    /// What the container puts before the payload.
    header_bytes: u64,
    pub size: u32,
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub duration: i64,
    pub flags: Flags,
    /// The demuxer noticed that bytes are missing.
    pub corrupt: bool,
}

impl Scanned {
    /// A packet whose payload begins where the demuxer says.
    pub fn of(packet: &Packet, mut flags: Flags) -> Self {
        if packet.edited_out() {
            flags.insert(Flags::EDITED_OUT);
        }
        Scanned {
            position: packet.position(),
            header_bytes: 0,
            size: packet.bytes().len() as u32,
            pts: packet.pts(),
            dts: packet.dts(),
            duration: packet.duration(),
            flags,
            corrupt: packet.corrupt(),
        }
    }

    /// A packet of one byte without anything special, for tests.
    #[cfg(test)]
    pub fn sample(pts: Option<i64>, dts: i64, flags: Flags) -> Self {
        let (position, dts) = (Some(0), Some(dts));
        Scanned {
            position,
            header_bytes: 0,
            size: 1,
            pts,
            dts,
            duration: 0,
            flags,
            corrupt: false,
        }
    }
}

/// A packet from which on the stream may be coded in another way than before.
pub struct Turn {
    pub packet: usize,
    /// Codec headers as the container has them from here on.
    pub headers: Vec<u8>,
    /// What the packet itself says; see [`bitstream::parameter_sets`].
    pub sets: Vec<u8>,
}

/// All packets of a stream.
pub struct Scan {
    pub packets: Vec<Scanned>,
    /// Rising.
    pub turns: Vec<Turn>,
    pub access: Access,
    /// Payload of the first packet, for its headers.
    pub first: Vec<u8>,
}

/// Reads packets up to the end, or only the first one of an image. `progress` is called for every packet.
///
/// Positions become those of the payload as long as the payloads are found unchanged in the file.
pub fn scan(
    path: &Path,
    input: &mut Input,
    image: bool,
    progress: &mut dyn FnMut(),
) -> Result<Scan> {
    let parameters = input.parameters()?;
    let codec = parameters.codec();
    let mut stream = Stream::of(&parameters);
    let file = MediaFile::open(path).ok();
    let mut scan = Scan {
        packets: Vec::new(),
        turns: Vec::new(),
        access: Access::Direct,
        first: Vec::new(),
    };
    let mut header_bytes = 0;
    let mut clock = input.clock_ticks().map(Clock::new);
    let mut packet = Packet::new()?;
    while input.read(&mut packet)? {
        progress();
        let bytes = packet.bytes();
        let restated = stream.restate(&packet);
        let key = random_access(&parameters, &codec, &stream.headers, &packet);
        let says_otherwise = key && stream.says_otherwise(&codec, &packet);
        // With the first packet the stream does not change, it begins.
        if (restated || says_otherwise) && !scan.packets.is_empty() {
            scan.turns.push(stream.turn(scan.packets.len()));
        }
        if scan.packets.is_empty() {
            scan.first = bytes.to_vec();
        }
        if scan.access == Access::Direct {
            let whole = key || scan.packets.len().is_multiple_of(COMPARE_EVERY);
            let found = match (packet.position(), &file) {
                (Some(position), Some(file))
                    if packet.headers().is_none()
                        && !packet.reconfigures()
                        && !bytes.is_empty() =>
                {
                    payload_offset(file, position, bytes, header_bytes, whole)
                }
                _ => None,
            };
            match found {
                Some(offset) => header_bytes = offset,
                None => scan.access = Access::Demuxer,
            }
        }
        let flags = if key { Flags::KEY } else { Flags::default() };
        let mut scanned = Scanned {
            header_bytes: header_bytes as u64,
            ..Scanned::of(&packet, flags)
        };
        if let Some(clock) = &mut clock {
            clock.unwind(&mut scanned);
        }
        scan.packets.push(scanned);
        if image {
            break;
        }
    }
    if scan.access == Access::Direct {
        for packet in &mut scan.packets {
            packet.position = packet
                .position
                .map(|position| position + packet.header_bytes);
        }
    }
    Ok(scan)
}

/// A clock that begins again after so many ticks, as that of MPEG-TS does after 26.5 hours. The demuxer makes up for that as
/// long as a file has no more than that of it.
struct Clock {
    ticks: i64,
    last: Option<i64>,
}

impl Clock {
    fn new(ticks: i64) -> Self {
        Clock { ticks, last: None }
    }

    /// Lets the times of a packet go on from those of the packet before it.
    fn unwind(&mut self, packet: &mut Scanned) {
        packet.dts = packet.dts.map(|dts| self.near(dts));
        self.last = packet.dts.or(self.last);
        packet.pts = packet.pts.map(|pts| self.near(pts));
    }

    /// The time that a reading of the clock means. One that the clock's beginning again does not explain is left alone.
    fn near(&self, time: i64) -> i64 {
        let Some(last) = self.last else { return time };
        let apart = last.saturating_sub(time);
        if apart.saturating_abs() < self.ticks / 2 {
            return time;
        }
        let rounds = (apart as f64 / self.ticks as f64).round() as i64;
        let meant = time.saturating_add(rounds.saturating_mul(self.ticks));
        if meant.abs_diff(last) < self.ticks as u64 / 8 {
            meant
        } else {
            time
        }
    }
}

/// How a stream is coded at a place of it.
pub struct Stream {
    pub headers: Vec<u8>,
    sets: Vec<u8>,
}

impl Stream {
    /// As it begins.
    pub fn of(parameters: &Parameters) -> Self {
        let headers = parameters.extradata().to_vec();
        let sets = bitstream::stated_sets(&parameters.codec(), &headers);
        Stream { headers, sets }
    }

    /// Takes over the headers that the container states with a packet; false if it states none, or the same.
    pub fn restate(&mut self, packet: &Packet) -> bool {
        match packet.headers() {
            Some(headers) if headers != self.headers => {
                self.headers = headers.to_vec();
                self.sets.clear();
                true
            }
            _ => false,
        }
    }

    /// Takes over what a packet itself says; false if it says nothing, or the same.
    fn says_otherwise(&mut self, codec: &str, packet: &Packet) -> bool {
        match bitstream::parameter_sets(codec, &self.headers, packet.bytes()) {
            Some(sets) if sets != self.sets => {
                // What was not said before is what the decoder would have found out anyway.
                let known = !self.sets.is_empty();
                self.sets = sets;
                known
            }
            _ => false,
        }
    }

    /// From a packet on it is as it is now.
    pub fn turn(&self, packet: usize) -> Turn {
        Turn {
            packet,
            headers: self.headers.clone(),
            sets: self.sets.clone(),
        }
    }
}

fn random_access(parameters: &Parameters, codec: &str, headers: &[u8], packet: &Packet) -> bool {
    parameters.intra_only()
        || bitstream::random_access(codec, headers, packet.bytes()).unwrap_or_else(|| packet.key())
}

/// Returns how far behind the demuxer's position the payload begins, trying the last answer first; none if it is not there.
/// Compares the beginning of the payload, or the `whole` of it.
pub fn payload_offset(
    file: &MediaFile,
    position: u64,
    payload: &[u8],
    last: usize,
    whole: bool,
) -> Option<usize> {
    let mut head = [0; HEADER_LIMIT * 2];
    let size = file.read_at(&mut head, position).ok()?;
    let beginning = &payload[..payload.len().min(HEADER_LIMIT)];
    let begins = |&offset: &usize| {
        head[..size]
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(beginning))
    };
    let offset = Some(last)
        .filter(begins)
        .or_else(|| (0..HEADER_LIMIT).find(begins))?;
    if whole {
        let mut bytes = vec![0; payload.len()];
        file.read_exact_at(&mut bytes, position + offset as u64)
            .ok()?;
        return (bytes == payload).then_some(offset);
    }
    Some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_however_often_it_begins_again() {
        let mut clock = Clock::new(1 << 33);
        let mut unwound = |pts: i64, dts: i64| {
            let mut packet = Scanned::sample(Some(pts), dts, Flags::default());
            clock.unwind(&mut packet);
            (packet.pts.unwrap(), packet.dts.unwrap())
        };
        let round = 1 << 33;
        assert_eq!(
            unwound(round - 100, round - 300),
            (round - 100, round - 300)
        );
        // Shown after the clock began again, decoded before it did.
        assert_eq!(unwound(100, round - 200), (round + 100, round - 200));
        assert_eq!(unwound(0, -100), (round, round - 100));
        assert_eq!(unwound(500, 400), (round + 500, round + 400));
        // Another recording behind the first one, whose clock is its own.
        assert_eq!(unwound(round / 2, round / 2), (round / 2, round / 2));
    }
}
