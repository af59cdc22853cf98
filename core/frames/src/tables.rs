//! The packets of an MP4 file from its sample tables, without reading the pictures.
//!
//! libav reads the tables and gives out every packet as it does in a scan, with edit lists, fragments and time stamps as it
//! understands them, but its reads of media bytes are answered with nothing. So the packets are those of a scan, bit for bit,
//! or there are none: wherever something is not as plain as expected, the caller scans.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use transect_frame_client::{Access, Flags};

use crate::bitstream;
use crate::boxes;
use crate::libav::{Input, Packet, Parameters};
use crate::scan::{Scan, Scanned, Stream, Turn, payload_offset};
use crate::supply::MediaFile;

/// The first packets are read, and compared with the file.
const READ_PACKETS: usize = 8;
/// Enough to find out what kind of picture most packets begin with.
const HEAD_BYTES: usize = 4096;
/// For so long random access points are looked at; what remains is looked at when it is used.
const LOOKING: Duration = Duration::from_millis(500);

/// Returns the packets of a file that was just opened, if it is an MP4 file that says all about them. `progress` is called for
/// every packet.
pub fn packets(file: &MediaFile, input: &mut Input, progress: &mut dyn FnMut()) -> Option<Scan> {
    if !input.container().split(',').any(|name| name == "mov") {
        return None;
    }
    let media = boxes::media(file, progress).ok()??;
    let parameters = input.parameters().ok()?;
    let mut scan = Scan {
        packets: Vec::new(),
        turns: Vec::new(),
        access: Access::Direct,
        first: Vec::new(),
    };
    let mut stream = Stream::of(&parameters);
    let mut packet = Packet::new().ok()?;
    while input.read(&mut packet).ok()? {
        progress();
        let (position, bytes) = (packet.position()?, packet.bytes());
        let inside = lies_within(&media, position, bytes.len());
        if !inside || bytes.is_empty() || packet.corrupt() || packet.reconfigures() {
            return None;
        }
        let at = scan.packets.len();
        // Another sample description.
        if stream.restate(&packet) {
            scan.turns.push(stream.turn(at));
        }
        if at < READ_PACKETS && payload_offset(file, position, bytes, 0, true) != Some(0) {
            return None;
        }
        if at == 0 {
            scan.first = bytes.to_vec();
        }
        scan.packets.push(Scanned::of(&packet, Flags::default()));
        if at + 1 == READ_PACKETS {
            input.pass_over(media.clone());
        }
    }
    // With blank payloads only the table knows where decoding may start.
    for (at, packet) in scan.packets.iter_mut().enumerate() {
        let entry = input.entry(at)?;
        if (Some(entry.position), entry.size) != (packet.position, packet.size) {
            return None;
        }
        if entry.key || parameters.intra_only() {
            packet.flags.insert(Flags::KEY);
        }
    }
    if input.entry(scan.packets.len()).is_some() {
        return None;
    }
    let Scan { packets, turns, .. } = &mut scan;
    look(file, &parameters, packets, turns, progress)?;
    Some(scan)
}

/// Whether decoding can start with a packet at a position and of a size, as its bytes say; none if they do not tell.
///
/// Errors: the file cannot be read.
pub fn starts_decoding(
    file: &MediaFile,
    codec: &str,
    headers: &[u8],
    (position, size): (u64, usize),
    bytes: &mut Vec<u8>,
) -> io::Result<Option<bool>> {
    let mut verdict = |size: usize| {
        bytes.resize(size, 0);
        file.read_exact_at(bytes, position)?;
        Ok(bitstream::random_access(codec, headers, bytes))
    };
    let found = verdict(size.min(HEAD_BYTES))?;
    if found != Some(true) && size > HEAD_BYTES {
        return verdict(size);
    }
    Ok(found)
}

fn lies_within(ranges: &[Range<u64>], position: u64, size: usize) -> bool {
    let after = ranges.partition_point(|range| range.start <= position);
    after > 0 && position + size as u64 <= ranges[after - 1].end
}

/// Looks into the packets that the table calls random access points, and marks those that there is no time for.
fn look(
    file: &MediaFile,
    parameters: &Parameters,
    packets: &mut [Scanned],
    turns: &[Turn],
    progress: &mut dyn FnMut(),
) -> Option<()> {
    if parameters.intra_only() {
        return Some(());
    }
    let codec = parameters.codec();
    let mut headers = parameters.extradata();
    let mut turns = turns.iter().peekable();
    let began = Instant::now();
    let mut lied = false;
    let mut bytes = Vec::new();
    let keys = packets
        .iter_mut()
        .enumerate()
        .filter(|(_, packet)| packet.flags.contains(Flags::KEY));
    for (at, packet) in keys {
        progress();
        while let Some(turn) = turns.next_if(|turn| turn.packet <= at) {
            headers = &turn.headers;
        }
        // A table that lies once is not trusted again. What would have to be brought first is looked at when it is used.
        if !lied && (file.is_partial() || began.elapsed() > LOOKING) {
            packet.flags.insert(Flags::UNVERIFIED);
            continue;
        }
        let place = (packet.position?, packet.size as usize);
        let found = starts_decoding(file, &codec, headers, place, &mut bytes).ok()?;
        if found == Some(false) {
            packet.flags.remove(Flags::KEY);
            lied = true;
        }
    }
    Some(())
}
