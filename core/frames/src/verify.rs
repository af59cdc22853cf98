//! Decoding, to find out what a file really shows.

use std::collections::HashSet;
use std::ops::Range;

use transect_frame_client::Flags;

use crate::libav::{Decoder, Frame, Guard, Packet, Parameters, Result, Threads};
use crate::order::shown;
use crate::reader::Reader;
use crate::scan::Scanned;

/// From the beginning, this many packets are decoded to see whether time stamps tell the truth.
const HEAD_PACKETS: usize = 48;

/// What a file shows.
pub struct Shown {
    /// Packets in display order.
    pub order: Vec<usize>,
    /// Packets that should show something but do not.
    pub damaged: HashSet<usize>,
    /// The first decoded picture.
    pub picture: Option<Frame>,
}

/// Decodes the packets of a range, in order, and returns the ordinals of those that show something, in display order.
fn decode(
    reader: &mut Reader,
    parameters: &Parameters,
    range: Range<usize>,
    picture: &mut Option<Frame>,
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
                picture.get_or_insert(frame);
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

/// Decodes everything: for files whose packets alone do not tell.
pub fn everything(
    reader: &mut Reader,
    parameters: &Parameters,
    packets: &[Scanned],
    progress: &mut dyn FnMut(),
) -> std::result::Result<Shown, String> {
    let mut picture = None;
    let decoded = decode(reader, parameters, 0..packets.len(), &mut picture, progress)?;
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
    let head = 0..packets.len().min(first_key + HEAD_PACKETS);
    // Before the last random access point, so that leading pictures of an open GOP decode.
    let tail = if parameters.intra_only() {
        packets.len() - 1
    } else {
        keys.iter().rev().nth(1).copied().unwrap_or(0)
    };
    let (head, tail) = if tail <= head.end {
        (0..packets.len(), None)
    } else {
        (head, Some(tail..packets.len()))
    };
    for range in std::iter::once(head).chain(tail) {
        let decoded = decode(reader, parameters, range.clone(), &mut picture, progress)?;
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
