//! Coded packets for clients that decode by themselves.

use transect_frame_client::message::PacketTable;
use transect_frame_client::{Flags, WorkerError};

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
    let mut table = PacketTable {
        codec_string: index.codec_string.clone(),
        codec: index.codec.clone(),
        coded_width: index.width,
        coded_height: index.height,
        description: index.description.clone(),
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
