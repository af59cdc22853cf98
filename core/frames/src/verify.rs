//! Decoding, to find out what a file really shows.

use std::collections::HashSet;
use std::ops::Range;

use transect_frame_client::{Check, Flags, FrameIndex};

use crate::libav::{Decoder, Frame, Guard, Packet, Parameters, Result, Threads};
use crate::order::shown;
use crate::reader::Reader;
use crate::scan::Scanned;

/// From the beginning, this many packets are decoded to see whether time stamps tell the truth.
const HEAD_PACKETS: usize = 48;
/// As many are enough where each picture stands alone.
const HEAD_PICTURES: usize = 8;
/// At the end, two groups of pictures are decoded if they are no longer than this, else one.
const TAIL_PACKETS: usize = 120;
/// Pictures that an index remembers.
const CHECKS: usize = 8;
/// Codecs whose decoders agree to the bit, as their standards demand.
const BIT_EXACT: [&str; 5] = ["h264", "hevc", "vp8", "vp9", "av1"];

/// What a file shows.
pub struct Shown {
    /// Packets in display order.
    pub order: Vec<usize>,
    /// Packets that should show something but do not.
    pub damaged: HashSet<usize>,
    /// The first decoded picture.
    pub picture: Option<Frame>,
}

/// Decodes the packets of a range, in order, and returns the ordinals of those that show something, in display order. Hands each
/// picture to `see`.
pub fn decode(
    reader: &mut Reader,
    parameters: &Parameters,
    range: Range<usize>,
    see: &mut dyn FnMut(Frame),
    progress: &mut dyn FnMut(),
) -> std::result::Result<Vec<usize>, String> {
    let mut decoder =
        Decoder::open(parameters, Guard::Hide, Threads::One).map_err(|error| error.to_string())?;
    let mut packet = Packet::new().map_err(|error| error.to_string())?;
    let mut order = Vec::new();
    let mut take = |decoder: &mut Decoder| loop {
        match decoder.receive() {
            Ok(Some(frame)) => {
                order.extend(frame.label());
                see(frame);
            }
            Ok(None) => return,
            // What does not decode is not shown.
            Err(_) => {}
        }
    };
    for at in range {
        progress();
        reader.read(at, &mut packet)?;
        let _: Result<()> = decoder.send(&packet);
        take(&mut decoder);
    }
    let _: Result<()> = decoder.finish();
    take(&mut decoder);
    Ok(order)
}

/// What a decoder gives for packets.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// In pixels, before rotation.
    pub width: u32,
    pub height: u32,
    /// Bits per sample.
    pub depth: i32,
}

/// The look of the first picture that a decoder shows of packets, where decoding can start with the first of them.
///
/// Errors: the file cannot be read.
pub fn look(
    reader: &mut Reader,
    parameters: &Parameters,
    range: Range<usize>,
    progress: &mut dyn FnMut(),
) -> std::result::Result<Option<Look>, String> {
    let range = range.start..range.end.min(range.start + HEAD_PICTURES);
    let mut found = None;
    let mut see = |picture: Frame| {
        found.get_or_insert(Look {
            width: picture.width(),
            height: picture.height(),
            depth: picture.format().depth(),
        });
    };
    decode(reader, parameters, range, &mut see, progress)?;
    Ok(found)
}

/// Decodes everything: for files whose packets alone do not tell.
pub fn everything(
    reader: &mut Reader,
    parameters: &Parameters,
    packets: &[Scanned],
    progress: &mut dyn FnMut(),
) -> std::result::Result<Shown, String> {
    let mut picture = None;
    let mut see = |frame| _ = picture.get_or_insert(frame);
    let decoded = decode(reader, parameters, 0..packets.len(), &mut see, progress)?;
    let mut seen = HashSet::new();
    let hidden = |at: &usize| packets[*at].flags.contains(Flags::EDITED_OUT);
    let order: Vec<usize> = decoded
        .into_iter()
        .filter(|at| !hidden(at) && seen.insert(*at))
        .collect();
    let damaged = shown(packets)
        .filter(|&at| packets[at].corrupt && !seen.contains(&at))
        .collect();
    Ok(Shown {
        order,
        damaged,
        picture,
    })
}

/// Checks an order made from time stamps by decoding both ends of the file, and leaves out what does not decode there: leading
/// pictures whose references were cut away, and a tail that was cut short. None if the order is wrong, so that everything
/// must be decoded.
pub fn ends(
    reader: &mut Reader,
    parameters: &Parameters,
    packets: &[Scanned],
    mut order: Vec<usize>,
    progress: &mut dyn FnMut(),
) -> std::result::Result<Option<Shown>, String> {
    let keys: Vec<usize> = (0..packets.len())
        .filter(|&at| packets[at].flags.contains(Flags::KEY))
        .collect();
    let mut picture = None;
    let mut damaged = HashSet::new();
    let first_key = keys.first().copied().unwrap_or(0);
    let enough = if parameters.intra_only() {
        HEAD_PICTURES
    } else {
        HEAD_PACKETS
    };
    let head = 0..packets.len().min(first_key + enough);
    // Before the last random access point, so that leading pictures of an open GOP decode.
    let tail = if parameters.intra_only() {
        packets.len() - 1
    } else {
        let near = |key: &&usize| packets.len() - **key <= TAIL_PACKETS;
        let before_last = keys.iter().rev().nth(1).filter(near);
        before_last.or(keys.last()).copied().unwrap_or(0)
    };
    let (head, tail) = if tail <= head.end {
        (0..packets.len(), None)
    } else {
        (head, Some(tail..packets.len()))
    };
    for range in std::iter::once(head).chain(tail) {
        let mut see = |frame| _ = picture.get_or_insert(frame);
        let decoded = decode(reader, parameters, range.clone(), &mut see, progress)?;
        let decoded: Vec<usize> = decoded
            .into_iter()
            .filter(|&at| !packets[at].flags.contains(Flags::EDITED_OUT))
            .collect();
        let found: HashSet<usize> = decoded.iter().copied().collect();
        let missing: Vec<usize> = order
            .iter()
            .copied()
            .filter(|at| range.contains(at) && !found.contains(at))
            .collect();
        let start_key = packets[first_key].pts;
        for at in missing {
            let headless = at < first_key || (packets[at].pts < start_key && range.start == 0);
            // A range that does not begin the file leaves out leading pictures that a normal decode shows.
            let leads = range.start > 0 && packets[at].pts < packets[range.start].pts;
            let truncated = range.end == packets.len() && packets.len() - at <= 16;
            if headless || (truncated && !leads) {
                damaged.insert(at);
            } else if !leads {
                return Ok(None);
            }
        }
        let expected = order
            .iter()
            .copied()
            .filter(|at| range.contains(at) && found.contains(at));
        if !expected.eq(decoded.iter().copied()) {
            return Ok(None);
        }
    }
    order.retain(|at| !damaged.contains(at));
    Ok(Some(Shown {
        order,
        damaged,
        picture,
    }))
}

/// Decodes some pictures where decoding can start, each by itself, for whoever wants to recognise them.
///
/// Errors: the file cannot be read.
pub fn checks(
    reader: &mut Reader,
    parameters: &Parameters,
    index: &FrameIndex,
    progress: &mut dyn FnMut(),
) -> std::result::Result<Vec<Check>, String> {
    if !BIT_EXACT.contains(&index.codec.as_str()) {
        return Ok(Vec::new());
    }
    let keys: Vec<usize> = index.key_frames().collect();
    let count = keys.len().min(CHECKS);
    let mut alone = Alone::open(parameters)?;
    let mut checks = Vec::with_capacity(count);
    for at in 0..count {
        progress();
        let frame = keys[at * (keys.len() - 1) / (count - 1).max(1)];
        let luma = alone.picture(reader, index, frame)?.as_ref().and_then(luma);
        checks.extend(luma.map(|luma| Check {
            frame: frame as u32,
            luma,
        }));
    }
    Ok(checks)
}

/// Decodes pictures where decoding can start, each as if nothing came before it.
pub struct Alone {
    decoder: Decoder,
    packet: Packet,
}

impl Alone {
    pub fn open(parameters: &Parameters) -> std::result::Result<Self, String> {
        let decoder = Decoder::open(parameters, Guard::Hide, Threads::One);
        Ok(Alone {
            decoder: decoder.map_err(|error| error.to_string())?,
            packet: Packet::new().map_err(|error| error.to_string())?,
        })
    }

    /// Returns the picture of a frame, or none if it does not decode by itself.
    ///
    /// Errors: the file cannot be read.
    pub fn picture(
        &mut self,
        reader: &mut Reader,
        index: &FrameIndex,
        frame: usize,
    ) -> std::result::Result<Option<Frame>, String> {
        let first = index.frame(frame).packet as usize;
        self.decoder.reset();
        let mut found = None;
        let mut take = |decoder: &mut Decoder| {
            while let Some(picture) = decoder.receive().transpose() {
                found = picture
                    .ok()
                    .filter(|picture| picture.label() == Some(first))
                    .or(found.take());
            }
        };
        for at in first..index.packets_end(frame) {
            reader.read(at, &mut self.packet)?;
            let _: Result<()> = self.decoder.send(&self.packet);
            take(&mut self.decoder);
        }
        let _: Result<()> = self.decoder.finish();
        take(&mut self.decoder);
        Ok(found)
    }
}

/// Returns the hash of a picture's luma samples, as a [`Check`] has it; none for a picture without a plane of them.
pub fn luma(picture: &Frame) -> Option<String> {
    let step = *picture.format().planes().first()?;
    let (bytes, stride) = picture.plane(0)?;
    let mut hasher = blake3::Hasher::new();
    for row in bytes.chunks(stride) {
        hasher.update(row.get(..picture.width() as usize * step)?);
    }
    Some(hasher.finalize().to_hex()[..16].to_owned())
}
