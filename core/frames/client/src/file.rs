//! The index file: magic, version, and one zstd frame holding a JSON header and the columns.
//!
//! Columns, in this order: packets' gap to the previous payload's end, size, DTS, PTS minus DTS, marks; frames' packet
//! ordinal minus display ordinal, PTS minus the packet's PTS, duration, marks. Six to twelve bytes a frame on real files.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::columns::{ColumnReader, ColumnWriter};
use crate::{Flags, Frame, FrameIndex, IndexError, Packet};

const MAGIC: &[u8; 8] = b"TRSFIDX\x02";
const LEVEL: i32 = 9;
/// An index of ten hours at 120 frames a second stays far below this.
const SIZE_LIMIT_BYTES: usize = 1 << 30;

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
        columns.unsigned(self.packets.len() as u64);
        let mut end = 0_u64;
        for packet in &self.packets {
            columns.signed(packet.position.wrapping_sub(end) as i64);
            end = packet.position + u64::from(packet.size);
        }
        for packet in &self.packets {
            columns.unsigned(u64::from(packet.size));
        }
        columns.second_deltas(self.packets.iter().map(|packet| packet.dts));
        columns.deltas(
            self.packets
                .iter()
                .map(|packet| packet.pts.wrapping_sub(packet.dts)),
        );
        columns
            .bytes
            .extend(self.packets.iter().map(|packet| packet.flags.0));
        columns.unsigned(self.frames.len() as u64);
        columns.deltas(
            self.frames
                .iter()
                .zip(0_i64..)
                .map(|(frame, ordinal)| i64::from(frame.packet) - ordinal),
        );
        for frame in &self.frames {
            columns.signed(
                frame
                    .pts
                    .wrapping_sub(self.packets[frame.packet as usize].pts),
            );
        }
        columns.deltas(self.frames.iter().map(|frame| frame.duration));
        columns
            .bytes
            .extend(self.frames.iter().map(|frame| frame.flags.0));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(zstd::bulk::compress(&columns.bytes, LEVEL)?);
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let packed = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| IndexError::Format("unknown version".into()))?;
        let plain = zstd::bulk::decompress(
            packed,
            SIZE_LIMIT_BYTES.min(packed.len().saturating_mul(4096)),
        )
        .map_err(|error| IndexError::Format(error.to_string()))?;
        let mut columns = ColumnReader { bytes: &plain };
        let header_size = columns.unsigned()? as usize;
        let header = take(&mut columns, header_size)?;
        let mut index: FrameIndex = serde_json::from_slice(header)
            .map_err(|error| IndexError::Format(error.to_string()))?;
        index.packets = read_packets(&mut columns)?;
        index.frames = read_frames(&mut columns, &mut index.packets)?;
        Ok(index)
    }
}

fn read_packets(columns: &mut ColumnReader) -> Result<Vec<Packet>, IndexError> {
    let count = count(columns)?;
    let gaps = (0..count)
        .map(|_| columns.signed())
        .collect::<Result<Vec<_>, _>>()?;
    let sizes = (0..count)
        .map(|_| columns.unsigned())
        .collect::<Result<Vec<_>, _>>()?;
    let dts = columns.second_deltas(count)?;
    let offsets = columns.deltas(count)?;
    let flags = take(columns, count)?;
    let mut end = 0_u64;
    Ok((0..count)
        .map(|at| {
            let position = end.wrapping_add(gaps[at] as u64);
            let size = sizes[at] as u32;
            end = position.wrapping_add(u64::from(size));
            let pts = dts[at].wrapping_add(offsets[at]);
            Packet {
                position,
                size,
                dts: dts[at],
                pts,
                frame: None,
                flags: Flags(flags[at]),
            }
        })
        .collect())
}

fn read_frames(
    columns: &mut ColumnReader,
    packets: &mut [Packet],
) -> Result<Vec<Frame>, IndexError> {
    let count = count(columns)?;
    let ordinals = columns.deltas(count)?;
    let pts = (0..count)
        .map(|_| columns.signed())
        .collect::<Result<Vec<_>, _>>()?;
    let durations = columns.deltas(count)?;
    let flags = take(columns, count)?;
    (0..count)
        .map(|at| {
            let packet = u32::try_from(ordinals[at] + at as i64).unwrap_or(u32::MAX);
            let source = packets
                .get_mut(packet as usize)
                .ok_or_else(|| IndexError::Format("no such packet".into()))?;
            source.frame = Some(at as u32);
            let pts = source.pts.wrapping_add(pts[at]);
            Ok(Frame {
                pts,
                duration: durations[at],
                packet,
                flags: Flags(flags[at]),
            })
        })
        .collect()
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
    use crate::{Access, DecoderSetup, Fraction, Kind};

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
            rotation_degrees: 90,
            sample_aspect_ratio: Fraction { num: 1, den: 1 },
            pixel_format: "yuv420p".into(),
            bit_rate: None,
            duration_secs: 1.0,
            has_audio: false,
            access: Access::Direct,
            decoder: DecoderSetup::default(),
            checks: Vec::new(),
            frames: Vec::new(),
            packets: Vec::new(),
        };
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
            index.packets.push(Packet {
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
            let (pts, flags) = (index.packets[packet].pts, index.packets[packet].flags);
            index.frames.push(Frame {
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
        index.packets.push(hidden);
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

    #[test]
    fn refuses_damage_at_every_length() {
        let bytes = sample(40).encode().unwrap();
        for size in 0..bytes.len() {
            assert!(FrameIndex::decode(&bytes[..size]).is_err(), "{size}");
        }
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
