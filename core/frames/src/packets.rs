//! Coded packets for clients that decode by themselves.

use std::ops::Range;

use transect_frame_client::message::PacketTable;
use transect_frame_client::{ConfigurationChange, Flags, FrameIndex, WorkerError};

use crate::libav::Packet;
use crate::source::Source;

/// More bytes in one answer are refused.
const MOST_BYTES: u64 = 1 << 30;

/// Returns the table and the payloads, one after the other, of the packets that show the frames from `first` to `last`, from
/// the random access point on. `last` is cut to the end of the source.
///
/// Errors: `OutOfRange`; `Invalid` if `last` comes before `first` or the answer is too large; `Unreadable`.
pub fn packets(
    source: &mut Source,
    first: u64,
    last: u64,
) -> Result<(PacketTable, Vec<u8>), WorkerError> {
    let index = source.film.index.clone();
    let count = index.frame_count() as u64;
    if first >= count {
        return Err(WorkerError::OutOfRange {
            frame: first,
            count,
        });
    }
    if last < first {
        return Err(WorkerError::Invalid {
            message: format!("frame {last} comes before frame {first}"),
        });
    }
    let range = index.packets_for(first as usize..=last.min(count - 1) as usize);
    let range = source.verified(first as usize, range.start)?..range.end;
    let sizes = index.tables.packets_of(range.clone());
    let size: u64 = sizes.map(|packet| u64::from(packet.size)).sum();
    if size > MOST_BYTES {
        return Err(WorkerError::Invalid {
            message: format!("{size} bytes are too many for one answer"),
        });
    }
    let mut body = Vec::with_capacity(size as usize);
    let first = configuration(&index, range.start, 0);
    let mut table = PacketTable {
        codec_string: first.codec_string,
        codec: index.codec.clone(),
        coded_width: first.coded_width,
        coded_height: first.coded_height,
        description: first.description,
        changes: changes(&index, range.clone()),
        packets: Vec::with_capacity(range.len()),
    };
    let mut packet = Packet::new().map_err(crate::picture::refused)?;
    for at in range {
        source.payload(at, &mut packet)?;
        body.extend_from_slice(packet.bytes());
        let coded = index.packet(at);
        let size = packet.bytes().len() as u32;
        table.packets.push((
            coded.frame.map_or(-1, i64::from),
            coded.flags.contains(Flags::KEY),
            size,
        ));
    }
    Ok((table, body))
}

/// What a decoder must be told for a packet, which is `at` this place of the answer.
fn configuration(index: &FrameIndex, packet: usize, at: usize) -> ConfigurationChange {
    match index.change_at(packet) {
        Some(change) => ConfigurationChange {
            at,
            codec_string: change.codec_string.clone(),
            coded_width: change.width,
            coded_height: change.height,
            description: change.description.clone(),
        },
        None => ConfigurationChange {
            at,
            codec_string: index.codec_string.clone(),
            coded_width: index.width,
            coded_height: index.height,
            description: index.description.clone(),
        },
    }
}

/// The changes within a range of packets, behind its first.
fn changes(index: &FrameIndex, range: Range<usize>) -> Vec<ConfigurationChange> {
    let mut changes = Vec::new();
    let mut next = index.change_after(range.start);
    while next < range.end {
        changes.push(configuration(index, next, next - range.start));
        next = index.change_after(next);
    }
    changes
}
