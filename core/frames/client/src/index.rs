//! The frame index: every coded packet and every shown picture of one video or image.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::Tables;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A sequence of pictures with time stamps.
    Video,
    /// One picture: an index with one frame.
    Image,
}

/// A fraction, for time bases (seconds per tick), frame rates (frames per second) and aspect ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fraction {
    /// Numerator.
    pub num: i64,
    /// Denominator, positive.
    pub den: i64,
}

impl Fraction {
    /// The value as a float, for showing to people.
    pub fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

/// A set of marks on a frame or packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Random access, verified in the coded bytes: decoding may start here, and everything that displays at or after it comes
    /// out exact.
    pub const KEY: Flags = Flags(1);
    /// Displays before the random access point that precedes it in decode order; decoding must start one point earlier.
    pub const LEADING: Flags = Flags(2);
    /// The bytes are missing, cut short, or do not decode.
    pub const DAMAGED: Flags = Flags(4);
    /// The file has no usable time stamp; the value was made up from the neighbours.
    pub const SYNTHETIC: Flags = Flags(8);
    /// Nothing refers to this picture; it may be skipped on the way to another one.
    pub const DISPOSABLE: Flags = Flags(16);
    /// Hidden by an edit list.
    pub const EDITED_OUT: Flags = Flags(32);
    /// Together with `KEY`: only the container says so. Who starts decoding here looks first.
    pub const UNVERIFIED: Flags = Flags(64);

    /// True if every mark of `other` is set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the marks of `other`.
    pub fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }

    /// Clears the marks of `other`.
    pub fn remove(&mut self, other: Flags) {
        self.0 &= !other.0;
    }
}

/// A shown picture; its place in [`FrameIndex::frames`] is its display ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Presentation time stamp in ticks of the time base, strictly increasing from frame to frame.
    pub pts: i64,
    /// Ticks until the next frame; for the last one what the file says, else the median.
    pub duration: i64,
    /// Ordinal of the coded packet that this picture comes from.
    pub packet: u32,
    /// Marks.
    pub flags: Flags,
}

/// A coded packet; its place in [`FrameIndex::packets`] is its ordinal in decode order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// With [`Access::Direct`] the offset of the payload in the file, else the demuxer's position.
    pub position: u64,
    /// Payload bytes.
    pub size: u32,
    /// Decoding time stamp in ticks.
    pub dts: i64,
    /// Presentation time stamp in ticks; for a hidden packet only good for comparison.
    pub pts: i64,
    /// Display ordinal of the picture, or none when nothing is shown for this packet.
    pub frame: Option<u32>,
    /// Marks.
    pub flags: Flags,
}

/// How the payload of a packet is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// `size` bytes of the file at `position` are the payload, checked when the index was made.
    Direct,
    /// The payload is scattered or rewritten (MPEG-TS, stripped headers); the demuxer must run.
    Demuxer,
}

/// What a decoder must be told before the first packet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DecoderSetup {
    /// The container's four-character code, as a number.
    pub tag: u32,
    /// Codec headers as the container stores them.
    pub extradata: Vec<u8>,
    /// Bits per sample as coded, or zero.
    pub bits_per_coded_sample: i32,
    /// Profile as libav numbers it, or -99.
    pub profile: i32,
    /// Level as libav numbers it, or -99.
    pub level: i32,
    /// Pictures a decoder must hold back to put them into display order.
    pub reorder: u8,
}

/// A stream that is coded in another way from a packet on: what a decoder must be told there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Ordinal of the first such packet.
    pub packet: u32,
    /// Width of the coded picture in pixels, before rotation.
    pub width: u32,
    /// Height of the coded picture in pixels, before rotation.
    pub height: u32,
    /// Codec for WebCodecs.
    pub codec_string: Option<String>,
    /// Decoder configuration record for WebCodecs; none when the stream carries its own headers.
    pub description: Option<Vec<u8>>,
    /// Codec headers as the container states them for these packets; often the same as before.
    pub extradata: Vec<u8>,
}

/// What a picture looks like, to be recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Display ordinal.
    pub frame: u32,
    /// Lower-case hex of the first eight bytes of the BLAKE3 of its luma samples, row by row.
    pub luma: String,
}

/// Every coded packet and every shown picture of one source, with what a player has to know about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameIndex {
    /// Program and libraries that made the index, and from what, for people: `… from sample tables, libavformat 59.27.100, …`.
    pub provenance: String,
    /// Lower-case hex BLAKE3 over the stamp and the packet table: equal on every machine for equal files.
    pub fingerprint: String,
    /// Lower-case hex BLAKE3 over size, head, tail and samples of the file; see [`crate::stamp`].
    pub stamp: String,
    /// Video or image.
    pub kind: Kind,
    /// Container as libav names it, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// Codec as libav names it, such as `h264`.
    pub codec: String,
    /// Codec for WebCodecs, such as `avc1.640028`; none when no browser decodes it.
    pub codec_string: Option<String>,
    /// Decoder configuration record for WebCodecs (avcC, hvcC); none when the stream carries its own headers.
    pub description: Option<Vec<u8>>,
    /// Seconds per tick.
    pub time_base: Fraction,
    /// Ticks of the first frame.
    pub start_pts: i64,
    /// Average frames per second, for showing to people only.
    pub frame_rate: Option<Fraction>,
    /// Width of the coded picture in pixels, before rotation.
    pub width: u32,
    /// Height of the coded picture in pixels, before rotation.
    pub height: u32,
    /// Whether the coded picture is mirrored left to right, before it is turned. Pictures from a worker are as they should be.
    pub mirrored: bool,
    /// Clockwise turn that shows the picture upright: 0, 90, 180 or 270. Pictures from a worker are turned already.
    pub rotation_degrees: u16,
    /// Width of a pixel over its height, before rotation. Pictures from a worker are not stretched.
    pub sample_aspect_ratio: Fraction,
    /// Pixel format as libav names it, such as `yuv420p`.
    pub pixel_format: String,
    /// Bits per second of the video stream, or of the file, where known.
    pub bit_rate: Option<u64>,
    /// From the first frame's start to the last one's end.
    pub duration_secs: f64,
    /// True if the file also has sound.
    pub has_audio: bool,
    /// How packets are reached.
    pub access: Access,
    /// What a decoder must be told.
    pub decoder: DecoderSetup,
    /// Where the stream is coded in another way than before, rising; what the other fields say is true up to the first one.
    pub changes: Vec<Change>,
    /// Some pictures where decoding can start, rising; none for codecs whose decoders need not agree to the bit.
    pub checks: Vec<Check>,
    /// Shown pictures in display order, and coded packets in decode order.
    #[serde(skip)]
    pub tables: Tables,
}

impl FrameIndex {
    /// Number of shown pictures.
    pub fn frame_count(&self) -> usize {
        self.tables.frame_count()
    }

    /// Number of coded packets.
    pub fn packet_count(&self) -> usize {
        self.tables.packet_count()
    }

    /// The picture with this display ordinal, which must exist.
    pub fn frame(&self, ordinal: usize) -> Frame {
        self.tables.frame(ordinal)
    }

    /// The packet with this ordinal, which must exist.
    pub fn packet(&self, ordinal: usize) -> Packet {
        self.tables.packet(ordinal)
    }

    /// Shown pictures in display order.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        self.tables.frames_of(0..self.frame_count())
    }

    /// Coded packets in decode order.
    pub fn packets(&self) -> impl Iterator<Item = Packet> + '_ {
        self.tables.packets_of(0..self.packet_count())
    }

    /// Marks of a packet that exists; cheaper than the packet.
    pub fn packet_flags(&self, ordinal: usize) -> Flags {
        self.tables.packet_flags(ordinal)
    }

    /// PTS of a packet that exists; cheaper than the packet.
    pub fn packet_pts(&self, ordinal: usize) -> i64 {
        self.tables.packet_pts(ordinal)
    }

    /// Display ordinals of the pictures that are random access points.
    pub fn key_frames(&self) -> impl Iterator<Item = usize> + '_ {
        let frames = self.frames().enumerate();
        frames.filter_map(|(at, frame)| frame.flags.contains(Flags::KEY).then_some(at))
    }

    /// Pictures that the file has and that nobody can decode, where that was noticed: the frame that follows them, or the number
    /// of frames where none does, and how many they are.
    pub fn damage(&self) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let damaged = |packet: &Packet| packet.flags.contains(Flags::DAMAGED);
        let mut places: Vec<usize> = (self.packets().filter(damaged))
            .map(|packet| self.first_at(packet.pts))
            .collect();
        places.sort_unstable();
        for place in places {
            match found.last_mut() {
                Some((last, count)) if *last == place => *count += 1,
                _ => found.push((place, 1)),
            }
        }
        found
    }

    /// The first frame that shows at this time or later; the number of frames if there is none.
    fn first_at(&self, pts: i64) -> usize {
        let (mut low, mut high) = (0, self.frame_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.frame(middle).pts < pts {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Ranges of frames whose times were made up, because the file has none that make sense.
    pub fn synthetic(&self) -> Vec<RangeInclusive<usize>> {
        let mut found: Vec<RangeInclusive<usize>> = Vec::new();
        for (at, frame) in self.frames().enumerate() {
            if !frame.flags.contains(Flags::SYNTHETIC) {
                continue;
            }
            match found.last_mut() {
                Some(range) if range.end() + 1 == at => *range = *range.start()..=at,
                _ => found.push(at..=at),
            }
        }
        found
    }

    /// How many random access points only the container vouches for.
    pub fn unverified_count(&self) -> usize {
        let flags = (0..self.packet_count()).map(|at| self.packet_flags(at));
        flags
            .filter(|flags| flags.contains(Flags::UNVERIFIED))
            .count()
    }

    /// The last change at or before a packet, if there is one.
    pub fn change_at(&self, packet: usize) -> Option<&Change> {
        let after = self
            .changes
            .partition_point(|one| one.packet as usize <= packet);
        after.checked_sub(1).map(|at| &self.changes[at])
    }

    /// The first packet behind this one that is coded in another way; the number of packets if there is none.
    pub fn change_after(&self, packet: usize) -> usize {
        let after = self
            .changes
            .partition_point(|one| one.packet as usize <= packet);
        let next = self.changes.get(after).map(|one| one.packet as usize);
        next.unwrap_or(self.packet_count())
    }

    /// Codec headers for a packet, as the container states them.
    pub fn headers_at(&self, packet: usize) -> &[u8] {
        let change = self.change_at(packet);
        change.map_or(&self.decoder.extradata, |change| &change.extradata)
    }

    /// Changes of the picture's size or coding, each with the first frame that it is true of.
    pub fn changed_frames(&self) -> impl Iterator<Item = (usize, &Change)> + '_ {
        self.changes.iter().filter_map(|change| {
            let mut packets = change.packet as usize..self.change_after(change.packet as usize);
            let frame = packets.find_map(|packet| self.tables.shown_by(packet))?;
            Some((frame, change))
        })
    }

    /// Ordinal of the packet where decoding must start to get `frame` exact, or none if there is no such frame.
    ///
    /// That is the last random access point which both decodes and displays no later than the frame, so a leading picture of
    /// an open GOP starts one point earlier. The first packet if the file has none.
    pub fn random_access_at_or_before(&self, frame: usize) -> Option<usize> {
        if frame >= self.frame_count() {
            return None;
        }
        let behind = self.frame(frame).packet as usize + 1;
        Some(self.random_access_before(frame, behind))
    }

    /// As [`FrameIndex::random_access_at_or_before`] for a frame that exists, but among the packets before this one, which the
    /// frame's own must follow.
    pub fn random_access_before(&self, frame: usize, packet: usize) -> usize {
        let pts = self.frame(frame).pts;
        let start = (0..packet).rev().find(|&packet| {
            self.packet_flags(packet).contains(Flags::KEY) && self.packet_pts(packet) <= pts
        });
        start.unwrap_or(0)
    }

    /// Ordinals of the packets to decode, in this order, to show every frame of `range`; empty if the range is.
    /// Frames beyond the end are ignored.
    pub fn packets_for(&self, range: RangeInclusive<usize>) -> Range<usize> {
        let Some(start) = self.random_access_at_or_before(*range.start()) else {
            return 0..0;
        };
        let last = (*range.end()).min(self.frame_count() - 1);
        if last < *range.start() {
            return 0..0;
        }
        let end = (*range.start()..=last)
            .map(|frame| self.packets_end(frame))
            .max();
        start..end.unwrap_or(start)
    }

    /// Ordinal after the last packet that `frame` is made of: its own, and those behind it that show nothing by themselves,
    /// such as a second field. The frame must exist.
    pub fn packets_end(&self, frame: usize) -> usize {
        let behind = self.frame(frame).packet as usize + 1;
        let apart = Flags(Flags::EDITED_OUT.0 | Flags::DAMAGED.0 | Flags::KEY.0);
        let parts = (behind..self.packet_count())
            .take_while(|&at| self.packet_flags(at).0 & apart.0 == 0 && !self.tables.is_shown(at));
        behind + parts.count()
    }

    /// Width and height in pixels of the upright picture, as a worker delivers it.
    pub fn display_size(&self) -> (u32, u32) {
        self.upright(self.width, self.height)
    }

    /// Width and height of the upright picture, for those of a coded one.
    pub fn upright(&self, width: u32, height: u32) -> (u32, u32) {
        if self.rotation_degrees % 180 == 90 {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Width of a pixel over its height, in the upright picture.
    pub fn display_pixel(&self) -> Fraction {
        let Fraction { num, den } = self.sample_aspect_ratio;
        if self.rotation_degrees % 180 == 90 {
            Fraction { num: den, den: num }
        } else {
            Fraction { num, den }
        }
    }
}
