//! The index file: magic, version, and one zstd frame holding a JSON header and the columns.
//!
//! Columns, in this order: packets' gap to the previous payload's end, size, DTS, PTS minus DTS, marks; frames' packet
//! ordinal minus display ordinal, PTS minus the packet's PTS, duration, marks. Six to twelve bytes a frame on real files.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use crate::columns::{ColumnReader, ColumnWriter};
use crate::packed::Column;
use crate::tables::{Coded, Shown, Tables};
use crate::{Flags, FrameIndex, IndexError};

const MAGIC: &[u8; 8] = b"TRSFIDX\x04";
const LEVEL: i32 = 9;
/// An index of ten hours at 120 frames a second stays far below this.
const SIZE_LIMIT_BYTES: u64 = 1 << 30;

impl FrameIndex {
    /// Writes the index so that a reader sees the old file or the whole new one: temporary file, fsync, rename.
    ///
    /// Errors: `Io`.
    pub fn write(&self, path: &Path) -> Result<(), IndexError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = Path::new(&temporary);
        let written = (|| {
            let mut file = fs::File::create(temporary)?;
            file.write_all(&self.encode()?)?;
            file.sync_all()?;
            fs::rename(temporary, path)?;
            fs::File::open(folder)?.sync_all()
        })();
        if written.is_err() {
            // The first error is the one to report; the leftover is harmless.
            let _ = fs::remove_file(temporary);
        }
        Ok(written?)
    }

    /// Reads an index file.
    ///
    /// Errors: `Io`, also when there is no such file; `Format` when it is damaged or of another version.
    pub fn read(path: &Path) -> Result<Self, IndexError> {
        Self::decode(&fs::read(path)?)
    }

    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut columns = ColumnWriter::default();
        let header = serde_json::to_vec(self)?;
        columns.unsigned(header.len() as u64);
        columns.bytes.extend_from_slice(&header);
        columns.unsigned(self.packet_count() as u64);
        let mut end = 0_u64;
        for packet in self.packets() {
            columns.signed(packet.position.wrapping_sub(end) as i64);
            end = packet.position.wrapping_add(u64::from(packet.size));
        }
        for packet in self.packets() {
            columns.unsigned(u64::from(packet.size));
        }
        columns.second_deltas(self.packets().map(|packet| packet.dts));
        columns.deltas(
            self.packets()
                .map(|packet| packet.pts.wrapping_sub(packet.dts)),
        );
        columns
            .bytes
            .extend(self.packets().map(|packet| packet.flags.0));
        columns.unsigned(self.frame_count() as u64);
        columns.deltas(
            self.frames()
                .zip(0_i64..)
                .map(|(frame, ordinal)| i64::from(frame.packet) - ordinal),
        );
        for frame in self.frames() {
            let packet_pts = self.packet_pts(frame.packet as usize);
            columns.signed(frame.pts.wrapping_sub(packet_pts));
        }
        columns.deltas(self.frames().map(|frame| frame.duration));
        columns
            .bytes
            .extend(self.frames().map(|frame| frame.flags.0));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(zstd::bulk::compress(&columns.bytes, LEVEL)?);
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let packed = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| IndexError::Format("unknown version".into()))?;
        let mut plain = Vec::new();
        zstd::Decoder::with_buffer(packed)
            .and_then(|stream| stream.take(SIZE_LIMIT_BYTES).read_to_end(&mut plain))
            .map_err(|error| IndexError::Format(error.to_string()))?;
        let mut columns = ColumnReader { bytes: &plain };
        let header_size = columns.unsigned()? as usize;
        let header = take(&mut columns, header_size)?;
        let mut index: FrameIndex = serde_json::from_slice(header)
            .map_err(|error| IndexError::Format(error.to_string()))?;
        let coded = read_packets(&mut columns)?;
        index.tables = read_frames(&mut columns, coded)?;
        Ok(index)
    }
}

/// The columns of the file are those in memory, so that nothing else is held on the way.
fn read_packets(columns: &mut ColumnReader) -> Result<Coded, IndexError> {
    let count = count(columns)?;
    let gaps = (0..count)
        .map(|_| columns.signed())
        .collect::<Result<_, _>>()?;
    let sizes = (0..count)
        .map(|_| Ok(i64::from(columns.unsigned()? as u32)))
        .collect::<Result<_, IndexError>>()?;
    let dts = columns.second_deltas(count)?;
    let offsets = columns.deltas(count)?;
    let flags = take(columns, count)?;
    Ok(Coded {
        gaps,
        sizes,
        dts,
        offsets,
        flags: flags.iter().map(|&flags| i64::from(flags)).collect(),
    })
}

fn read_frames(columns: &mut ColumnReader, coded: Coded) -> Result<Tables, IndexError> {
    let count = count(columns)?;
    let packets: Column = columns.deltas(count)?;
    let known = |(at, ordinal): (usize, i64)| {
        let packet = usize::try_from(ordinal.wrapping_add(at as i64));
        packet.is_ok_and(|packet| packet < coded.sizes.len())
    };
    if !packets.iter(0..count).enumerate().all(known) {
        return Err(IndexError::Format("no such packet".into()));
    }
    let pts = (0..count)
        .map(|_| columns.signed())
        .collect::<Result<_, _>>()?;
    let durations: Column = columns.deltas(count)?;
    let flags = take(columns, count)?;
    let shown = Shown {
        packets,
        pts,
        durations: durations.iter(0..count),
        flags: flags.iter().map(|&flags| Flags(flags)),
    };
    Ok(Tables::join(coded, shown))
}

/// Every row has at least one byte, so a count above the rest of the file is damage.
fn count(columns: &mut ColumnReader) -> Result<usize, IndexError> {
    let count = columns.unsigned()? as usize;
    if count > columns.bytes.len() {
        return Err(IndexError::Format("more rows than bytes".into()));
    }
    Ok(count)
}

fn take<'a>(columns: &mut ColumnReader<'a>, size: usize) -> Result<&'a [u8], IndexError> {
    let (taken, rest) = columns
        .bytes
        .split_at_checked(size)
        .ok_or_else(|| IndexError::Format("ends early".into()))?;
    columns.bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, DecoderSetup, Fraction, Frame, Kind, Packet};

    fn sample(count: usize) -> FrameIndex {
        let mut index = FrameIndex {
            provenance: "p".into(),
            fingerprint: "f".into(),
            stamp: "s".into(),
            kind: Kind::Video,
            container: "mov".into(),
            codec: "h264".into(),
            codec_string: Some("avc1.640028".into()),
            description: Some(vec![1, 2, 3]),
            time_base: Fraction { num: 1, den: 15360 },
            start_pts: 1024,
            frame_rate: Some(Fraction { num: 30, den: 1 }),
            width: 64,
            height: 48,
            mirrored: true,
            rotation_degrees: 90,
            sample_aspect_ratio: Fraction { num: 1, den: 1 },
            pixel_format: "yuv420p".into(),
            bit_rate: None,
            duration_secs: 1.0,
            has_audio: false,
            access: Access::Direct,
            decoder: DecoderSetup::default(),
            changes: Vec::new(),
            checks: Vec::new(),
            tables: Tables::default(),
        };
        let (mut packets, mut frames) = (Vec::new(), Vec::new());
        // I P B B: decode order 0 3 1 2 within each group of four; the last packet is hidden.
        for at in 0..count {
            let frame = at / 4 * 4 + [0, 3, 1, 2][at % 4];
            let flags = if at % 4 == 0 {
                Flags::KEY
            } else {
                Flags::default()
            };
            let (position, size) = (5000 + at as u64 * 1100, 1000 + (at * 37 % 90) as u32);
            let (dts, pts) = (at as i64 * 512, frame as i64 * 512 + 1024);
            packets.push(Packet {
                position,
                size,
                dts,
                pts,
                frame: Some(frame as u32),
                flags,
            });
        }
        for frame in 0..count {
            let packet = frame / 4 * 4 + [0, 2, 3, 1][frame % 4];
            let Packet { pts, flags, .. } = packets[packet];
            frames.push(Frame {
                pts,
                duration: 512,
                packet: packet as u32,
                flags,
            });
        }
        let hidden = Packet {
            position: 9,
            size: 7,
            dts: i64::MIN + 1,
            pts: i64::MAX,
            frame: None,
            flags: Flags(36),
        };
        packets.push(hidden);
        index.tables = Tables::new(&packets, &frames);
        index
    }

    #[test]
    fn survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.index");
        let index = sample(40);
        index.write(&path).unwrap();
        assert_eq!(FrameIndex::read(&path).unwrap(), index);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Pictures of one size at a constant rate: millions of rows become a few bytes.
    #[test]
    fn survives_what_is_all_alike() {
        let mut index = sample(0);
        let row = |at: usize| Packet {
            position: 4096 + at as u64 * 120_000,
            size: 120_000,
            dts: at as i64,
            pts: at as i64,
            frame: Some(at as u32),
            flags: Flags::KEY,
        };
        let packets: Vec<Packet> = (0..1_000_000).map(row).collect();
        let frames: Vec<Frame> = (0..1_000_000)
            .map(|at| Frame {
                pts: at,
                duration: 1,
                packet: at as u32,
                flags: Flags::KEY,
            })
            .collect();
        index.tables = Tables::new(&packets, &frames);
        let bytes = index.encode().unwrap();
        assert!(bytes.len() < 4096, "{}", bytes.len());
        assert!(FrameIndex::decode(&bytes).unwrap() == index);
    }

    #[test]
    fn refuses_damage_at_every_length() {
        let bytes = sample(40).encode().unwrap();
        for size in 0..bytes.len() {
            assert!(FrameIndex::decode(&bytes[..size]).is_err(), "{size}");
        }
    }

    #[test]
    fn says_what_is_damaged_and_made_up() {
        let mut index = sample(40);
        assert_eq!(index.damage(), [(40, 1)]);
        assert_eq!(index.synthetic(), []);
        let mut packets: Vec<Packet> = index.packets().collect();
        let mut frames: Vec<Frame> = index.frames().collect();
        for frame in [3, 4, 5, 9] {
            frames[frame].flags.insert(Flags::SYNTHETIC);
        }
        // Two between the frames 6 and 7.
        for ticks in [1, 2] {
            packets.push(Packet {
                pts: frames[6].pts + ticks,
                ..packets[40]
            });
        }
        index.tables = Tables::new(&packets, &frames);
        assert_eq!(index.damage(), [(7, 2), (40, 1)]);
        assert_eq!(index.synthetic(), [3..=5, 9..=9]);
    }

    #[test]
    fn finds_packets() {
        let index = sample(40);
        assert_eq!(index.random_access_before(6, 4), 0);
        assert_eq!(index.random_access_at_or_before(6), Some(4));
        assert_eq!(index.random_access_at_or_before(40), None);
        assert_eq!(index.packets_for(5..=6), 4..8);
        assert_eq!(index.packets_for(3..=4), 0..5);
        // The last frames' packets, without the hidden one behind them, which is damaged.
        assert_eq!(index.packets_for(38..=99), 36..40);
        assert_eq!(index.packets_for(41..=99), 0..0);
    }
}
