//! The packets and frames of an index, in memory.
//!
//! What follows from something else is not stored but for how far it does not: a payload begins where the one before it
//! ends, a frame is shown when its packet says so and lasts until the next one. So ten hours of video take some bytes a
//! frame, and not the sixty of [`Packet`] and [`Frame`].

use std::ops::Range;

use crate::packed::{Builder, Column};
use crate::{Flags, Frame, Packet};

/// Every so many packets, it is known where the payload before them ends.
const MARK_EVERY: usize = 256;
/// Beside the marks of a packet: it has a frame.
const SHOWN: u8 = 128;

/// All packets and frames of one source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tables {
    packets: PacketColumns,
    frames: FrameColumns,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct PacketColumns {
    /// Payload's beginning minus the end of the one before.
    gaps: Column,
    sizes: Column,
    dts: Column,
    /// PTS minus DTS.
    offsets: Column,
    /// Marks, with [`SHOWN`].
    flags: Column,
    /// Frame minus packet ordinal; where nothing is shown, that of the packet before.
    frames: Column,
    /// End of the payload before every [`MARK_EVERY`]th packet.
    marks: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct FrameColumns {
    /// Packet minus frame ordinal.
    packets: Column,
    /// PTS minus that of the packet.
    pts: Column,
    /// Duration minus the expected one.
    durations: Column,
    /// Marks that are not those of the packet, or are only the packet's.
    flags: Column,
}

/// What a frame has from its packet.
struct Time {
    packet: u32,
    pts: i64,
    /// Until the next frame; of the last one, that of the frame before.
    expected_duration: i64,
    /// With [`SHOWN`].
    packet_flags: u8,
}

/// Columns of packets before it is known which of them are shown.
pub(crate) struct Coded {
    pub(crate) gaps: Column,
    pub(crate) sizes: Column,
    pub(crate) dts: Column,
    pub(crate) offsets: Column,
    pub(crate) flags: Column,
}

/// What frames say, in the order of display.
pub(crate) struct Shown<D, F> {
    /// Packet minus frame ordinal. The packets exist.
    pub(crate) packets: Column,
    /// PTS minus that of the packet.
    pub(crate) pts: Column,
    /// Durations.
    pub(crate) durations: D,
    /// Marks.
    pub(crate) flags: F,
}

impl Tables {
    /// Packs packets in decode order and frames in display order. Every frame's packet must exist; which packets show
    /// something is what the frames say.
    pub fn new(packets: &[Packet], frames: &[Frame]) -> Self {
        let mut end = 0_u64;
        let gap = |packet: &Packet| {
            let gap = packet.position.wrapping_sub(end);
            end = packet.position.wrapping_add(u64::from(packet.size));
            gap as i64
        };
        let coded = Coded {
            gaps: packets.iter().map(gap).collect(),
            sizes: packets.iter().map(|packet| packet.size.into()).collect(),
            dts: packets.iter().map(|packet| packet.dts).collect(),
            offsets: packets
                .iter()
                .map(|packet| packet.pts.wrapping_sub(packet.dts))
                .collect(),
            flags: packets.iter().map(|packet| packet.flags.0.into()).collect(),
        };
        let ordinals = frames.iter().zip(0_i64..);
        let packet_pts = |frame: &Frame| packets[frame.packet as usize].pts;
        let shown = Shown {
            packets: ordinals
                .map(|(frame, at)| i64::from(frame.packet) - at)
                .collect(),
            pts: frames
                .iter()
                .map(|frame| frame.pts.wrapping_sub(packet_pts(frame)))
                .collect(),
            durations: frames.iter().map(|frame| frame.duration),
            flags: frames.iter().map(|frame| frame.flags),
        };
        Self::join(coded, shown)
    }

    /// Puts packets and frames together.
    pub(crate) fn join(
        coded: Coded,
        shown: Shown<impl Iterator<Item = i64>, impl Iterator<Item = Flags>>,
    ) -> Self {
        let mut tables = Tables {
            packets: PacketColumns::new(coded, &shown.packets),
            frames: FrameColumns {
                packets: shown.packets,
                pts: shown.pts,
                ..FrameColumns::default()
            },
        };
        let (mut durations, mut flags) = (Builder::default(), Builder::default());
        let own = { shown.durations }.zip(shown.flags);
        for (time, (duration, marks)) in tables.times_of(0..tables.frame_count()).zip(own) {
            durations.push(duration.wrapping_sub(time.expected_duration));
            flags.push(i64::from((marks.0 ^ time.packet_flags) & !SHOWN));
        }
        (tables.frames.durations, tables.frames.flags) = (durations.finish(), flags.finish());
        tables
    }

    /// Number of packets.
    pub fn packet_count(&self) -> usize {
        self.packets.sizes.len()
    }

    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.packets.len()
    }

    /// A packet that exists.
    pub fn packet(&self, at: usize) -> Packet {
        self.packets_of(at..at + 1)
            .next()
            .expect("the packet exists")
    }

    /// The packets of a range, which is cut to those that there are.
    pub fn packets_of(&self, range: Range<usize>) -> impl Iterator<Item = Packet> + '_ {
        let columns = &self.packets;
        let range = range.start.min(self.packet_count())..range.end.min(self.packet_count());
        let marked = range.start / MARK_EVERY;
        let mut end = columns.marks.get(marked).copied().unwrap_or(0);
        let before = marked * MARK_EVERY..range.start;
        let extents = columns.gaps.iter(before.clone());
        for (gap, size) in extents.zip(columns.sizes.iter(before)) {
            end = end.wrapping_add(gap as u64).wrapping_add(size as u64);
        }
        let gaps = columns.gaps.iter(range.clone());
        let sizes = columns.sizes.iter(range.clone());
        let dts = columns.dts.iter(range.clone());
        let offsets = columns.offsets.iter(range.clone());
        let flags = columns.flags.iter(range.clone());
        let frames = columns.frames.iter(range.clone()).zip(range);
        let rows = gaps.zip(sizes).zip(dts.zip(offsets)).zip(flags.zip(frames));
        rows.map(
            move |(((gap, size), (dts, offset)), (flags, (frame, at)))| {
                let position = end.wrapping_add(gap as u64);
                end = position.wrapping_add(size as u64);
                let flags = flags as u8;
                Packet {
                    position,
                    size: size as u32,
                    dts,
                    pts: dts.wrapping_add(offset),
                    frame: (flags & SHOWN != 0).then(|| frame.wrapping_add(at as i64) as u32),
                    flags: Flags(flags & !SHOWN),
                }
            },
        )
    }

    /// A frame that exists.
    pub fn frame(&self, at: usize) -> Frame {
        self.frames_of(at..at + 1).next().expect("the frame exists")
    }

    /// The frames of a range, which is cut to those that there are.
    pub fn frames_of(&self, range: Range<usize>) -> impl Iterator<Item = Frame> + '_ {
        let columns = &self.frames;
        let own = columns.durations.iter(range.clone());
        let own = own.zip(columns.flags.iter(range.clone()));
        let rows = self.times_of(range).zip(own);
        rows.map(|(time, (duration, flags))| Frame {
            pts: time.pts,
            duration: duration.wrapping_add(time.expected_duration),
            packet: time.packet,
            flags: Flags((flags as u8 ^ time.packet_flags) & !SHOWN),
        })
    }

    /// What the frames of a range have from their packets; the range is cut to those that there are. In order, since looking
    /// every value up by its place takes most of the time to open a long index.
    fn times_of(&self, range: Range<usize>) -> impl Iterator<Item = Time> + '_ {
        let columns = &self.frames;
        let range = range.start.min(self.frame_count())..range.end.min(self.frame_count());
        let mut near = [0; 5];
        let mut upcoming = None;
        range.map(move |at| {
            let [in_packets, in_dts, in_offsets, in_pts, in_flags] = &mut near;
            let mut pts_of = |at: usize| {
                let packet = columns.packets.get_near(at, in_packets);
                let packet = packet.wrapping_add(at as i64) as u32;
                let of_packet = &self.packets;
                let dts = of_packet.dts.get_near(packet as usize, in_dts);
                let offset = of_packet.offsets.get_near(packet as usize, in_offsets);
                let own = columns.pts.get_near(at, in_pts);
                (packet, dts.wrapping_add(offset).wrapping_add(own))
            };
            let (packet, pts) = upcoming.take().unwrap_or_else(|| pts_of(at));
            let expected_duration = if at + 1 < columns.packets.len() {
                let next = pts_of(at + 1);
                upcoming = Some(next);
                next.1.wrapping_sub(pts)
            } else {
                self.last_duration()
            };
            let flags = &self.packets.flags;
            Time {
                packet,
                pts,
                expected_duration,
                packet_flags: flags.get_near(packet as usize, in_flags) as u8,
            }
        })
    }

    /// Marks of a packet that exists; cheaper than the packet.
    pub fn packet_flags(&self, at: usize) -> Flags {
        self.packets.flags(at)
    }

    /// PTS of a packet that exists; cheaper than the packet.
    pub fn packet_pts(&self, at: usize) -> i64 {
        self.packets.pts(at)
    }

    /// Whether a packet that exists has a frame.
    pub fn is_shown(&self, at: usize) -> bool {
        self.packets.flags.get(at) as u8 & SHOWN != 0
    }

    /// Display ordinal of what a packet that exists shows, if anything; cheaper than the packet.
    pub fn shown_by(&self, at: usize) -> Option<usize> {
        let frame = || self.packets.frames.get(at).wrapping_add(at as i64);
        self.is_shown(at).then(|| frame() as u32 as usize)
    }

    /// Changes marks of packets, and with them those of the frames that they show.
    pub fn remark(&mut self, mut marks: impl FnMut(usize, Flags) -> Flags) {
        let flags = &self.packets.flags;
        let changed = flags.iter(0..flags.len()).enumerate().map(|(at, flags)| {
            let flags = flags as u8;
            let new = marks(at, Flags(flags & !SHOWN)).0;
            i64::from(new & !SHOWN | flags & SHOWN)
        });
        self.packets.flags = changed.collect();
    }

    /// What the tables take beside their own size, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let (packets, frames) = (&self.packets, &self.frames);
        let columns = [
            &packets.gaps,
            &packets.sizes,
            &packets.dts,
            &packets.offsets,
            &packets.flags,
            &packets.frames,
            &frames.packets,
            &frames.pts,
            &frames.durations,
            &frames.flags,
        ];
        let columns = columns.iter().map(|column| column.memory_bytes());
        columns.sum::<usize>() + packets.marks.capacity() * size_of::<u64>()
    }

    fn packet_of(&self, frame: usize) -> usize {
        self.frames.packets.get(frame).wrapping_add(frame as i64) as u32 as usize
    }

    fn frame_pts(&self, at: usize) -> i64 {
        let pts = self.packets.pts(self.packet_of(at));
        pts.wrapping_add(self.frames.pts.get(at))
    }

    /// What the last frame is expected to last: as long as the one before it.
    fn last_duration(&self) -> i64 {
        match self.frame_count() {
            0 | 1 => 0,
            count => self
                .frame_pts(count - 1)
                .wrapping_sub(self.frame_pts(count - 2)),
        }
    }
}

impl PacketColumns {
    fn new(coded: Coded, packet_of: &Column) -> Self {
        let count = coded.sizes.len();
        let mut frame_of: Vec<Option<u32>> = vec![None; count];
        for (frame, packet) in packet_of.iter(0..packet_of.len()).enumerate() {
            frame_of[packet.wrapping_add(frame as i64) as usize] = Some(frame as u32);
        }
        let mut before = 0;
        let frames = frame_of.iter().zip(0_i64..).map(|(frame, packet)| {
            before = frame.map_or(before, |frame| i64::from(frame) - packet);
            before
        });
        let frames = frames.collect();
        let marks = coded.flags.iter(0..count).zip(&frame_of);
        let flags = marks.map(|(flags, frame)| {
            let shown = if frame.is_some() { SHOWN } else { 0 };
            i64::from(flags as u8 & !SHOWN | shown)
        });
        let flags = flags.collect();
        let extents = coded.gaps.iter(0..count).zip(coded.sizes.iter(0..count));
        let (mut end, mut marks) = (0_u64, Vec::new());
        for (at, (gap, size)) in extents.enumerate() {
            if at % MARK_EVERY == 0 {
                marks.push(end);
            }
            end = end.wrapping_add(gap as u64).wrapping_add(size as u64);
        }
        marks.shrink_to_fit();
        PacketColumns {
            gaps: coded.gaps,
            sizes: coded.sizes,
            dts: coded.dts,
            offsets: coded.offsets,
            flags,
            frames,
            marks,
        }
    }

    fn pts(&self, at: usize) -> i64 {
        self.dts.get(at).wrapping_add(self.offsets.get(at))
    }

    fn flags(&self, at: usize) -> Flags {
        Flags(self.flags.get(at) as u8 & !SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::tests::Dice;

    /// Unpacked tables say which frame a packet shows twice; the tables follow the frames.
    fn linked(mut packets: Vec<Packet>, frames: Vec<Frame>) -> (Vec<Packet>, Vec<Frame>) {
        for (at, frame) in frames.iter().enumerate() {
            packets[frame.packet as usize].frame = Some(at as u32);
        }
        (packets, frames)
    }

    /// Shown in groups of `reorder + 1` that decode their last picture first, as B-pictures do; every `hidden`th packet shows
    /// nothing. `step` is the time between frames.
    fn film(
        count: usize,
        reorder: usize,
        hidden: usize,
        step: &mut dyn FnMut() -> i64,
        size: &mut dyn FnMut(usize) -> u32,
    ) -> (Vec<Packet>, Vec<Frame>) {
        let shown: Vec<usize> = (0..count)
            .filter(|at| hidden == 0 || at % hidden != hidden - 1)
            .collect();
        let mut order = shown.clone();
        for group in order.chunks_mut(reorder + 1) {
            group.rotate_left(1);
        }
        let mut times = vec![-1000];
        for _ in 0..count {
            times.push(times[times.len() - 1] + step());
        }
        let mut packets = Vec::new();
        let mut position = 48;
        for at in 0..count {
            let size = size(at);
            packets.push(Packet {
                position,
                size,
                dts: times[at] - 2 * (times[1] - times[0]),
                pts: times[at],
                frame: None,
                flags: Flags(u8::from(at % 250 == 0)),
            });
            // Sound lies between pictures.
            position += u64::from(size) + if at % 15 == 0 { 8192 } else { 0 };
        }
        let mut frames = Vec::new();
        for (at, &packet) in order.iter().enumerate() {
            let (pts, duration) = (times[shown[at]], times[shown[at] + 1] - times[shown[at]]);
            packets[packet].pts = pts;
            frames.push(Frame {
                pts,
                duration,
                packet: packet as u32,
                flags: packets[packet].flags,
            });
        }
        linked(packets, frames)
    }

    fn same(packets: &[Packet], frames: &[Frame]) {
        let tables = Tables::new(packets, frames);
        let counts = (tables.packet_count(), tables.frame_count());
        assert_eq!(counts, (packets.len(), frames.len()));
        assert_eq!(
            tables.packets_of(0..usize::MAX).collect::<Vec<_>>(),
            packets
        );
        assert_eq!(tables.frames_of(0..usize::MAX).collect::<Vec<_>>(), frames);
        let mut dice = Dice(11);
        for _ in 0..packets.len().min(60) {
            let at = dice.below(packets.len() as u64) as usize;
            let end = at + dice.below(600) as usize;
            assert_eq!(tables.packet(at), packets[at]);
            assert_eq!(tables.packet_pts(at), packets[at].pts);
            assert_eq!(tables.packet_flags(at), packets[at].flags);
            let shown = packets[at].frame.map(|frame| frame as usize);
            assert_eq!(tables.shown_by(at), shown);
            let range = at..end.min(packets.len());
            assert_eq!(
                tables.packets_of(at..end).collect::<Vec<_>>(),
                packets[range]
            );
            if let Some(frame) = frames.get(at) {
                assert_eq!(tables.frame(at), *frame);
                let range = at..end.min(frames.len());
                assert_eq!(tables.frames_of(at..end).collect::<Vec<_>>(), frames[range]);
            }
        }
    }

    #[test]
    fn packed_is_plain_for_films() {
        let mut dice = Dice(3);
        for count in [1, 2, 3, 255, 256, 257, 513, 2000] {
            for (reorder, hidden) in [(0, 0), (1, 0), (3, 0), (2, 7), (15, 2)] {
                for jitter in [0, 1, 700, 1 << 40] {
                    let mut steps = Dice(count as u64 + 1);
                    let mut step = || 512 + steps.below(jitter + 1) as i64;
                    let mut size = |_| dice.below(200_000) as u32;
                    let (packets, frames) = film(count, reorder, hidden, &mut step, &mut size);
                    same(&packets, &frames);
                }
            }
        }
    }

    #[test]
    fn packed_is_plain_for_anything() {
        for round in 1..200_u64 {
            let mut dice = Dice(round * 7919);
            let count = 1 + dice.below(700) as usize;
            let bits = dice.below(64);
            let packets: Vec<Packet> = (0..count)
                .map(|_| Packet {
                    position: dice.next() >> bits,
                    size: (dice.next() >> (bits / 2)) as u32,
                    dts: dice.next() as i64 >> bits,
                    pts: dice.next() as i64 >> bits,
                    frame: None,
                    flags: Flags(dice.next() as u8 & 127),
                })
                .collect();
            let mut order: Vec<usize> = (0..count).collect();
            for at in (1..count).rev() {
                order.swap(at, dice.below(at as u64 + 1) as usize);
            }
            order.truncate(dice.below(count as u64 + 1) as usize);
            let frames = order.iter().map(|&packet| Frame {
                pts: dice.next() as i64 >> bits,
                duration: dice.next() as i64 >> bits,
                packet: packet as u32,
                flags: Flags(dice.next() as u8 & 127),
            });
            let (packets, frames) = linked(packets, frames.collect());
            same(&packets, &frames);
        }
        same(&[], &[]);
    }

    #[test]
    fn marks_of_packets_and_of_their_frames_change_together() {
        let (packets, frames) = film(600, 2, 0, &mut || 1, &mut |_| 9);
        let mut tables = Tables::new(&packets, &frames);
        tables.remark(|at, flags| if at == 250 { Flags(64) } else { flags });
        let changed: Vec<usize> = (0..600)
            .filter(|&at| tables.packet_flags(at) != packets[at].flags)
            .collect();
        assert_eq!(changed, [250]);
        let frame = tables.packet(250).frame.unwrap() as usize;
        assert_eq!(tables.frame(frame).flags, Flags(64));
        let others = tables.frames_of(0..600).zip(&frames).enumerate();
        assert!(
            { others }.all(|(at, (now, before))| at == frame || now == *before),
            "other frames keep their marks"
        );
    }

    /// Ten hours of 60 pictures a second have a budget of 30 MB, which is 14 bytes a frame.
    #[test]
    fn takes_some_bytes_a_frame() {
        let count = 200_000;
        let bytes = |reorder, step: &mut dyn FnMut() -> i64| {
            let mut dice = Dice(5);
            // Groups of 250: large pictures where decoding starts, small ones between.
            let mut size = |at: usize| match at % 250 {
                0 => 150_000 + dice.below(100_000) as u32,
                _ => 2_000 + dice.below(14_000) as u32,
            };
            let (packets, frames) = film(count, reorder, 0, step, &mut size);
            Tables::new(&packets, &frames).memory_bytes() as f64 / count as f64
        };
        let constant = bytes(3, &mut || 512);
        let mut dice = Dice(6);
        // One to four sixtieths, in the ninety-thousandths of a second of a phone.
        let variable = bytes(3, &mut || 1500 * (1 + dice.below(4) as i64));
        let mut dice = Dice(8);
        let jittering = bytes(0, &mut || 3000 + dice.below(600) as i64);
        println!("bytes a frame: {constant:.1}, {variable:.1}, {jittering:.1}");
        assert!(constant < 7.0, "{constant}");
        assert!(
            variable < 10.0 && jittering < 10.0,
            "{variable} {jittering}"
        );
    }
}
