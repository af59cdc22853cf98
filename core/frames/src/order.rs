//! Which packets are shown, and in which order.

use std::collections::HashSet;

use transect_frame_client::{Flags, Fraction, Frame, Packet};

use crate::scan::Scanned;

/// Containers whose presentation time stamps are written by the muxer, not guessed by the demuxer.
const TIMED: [&str; 9] = [
    "mov", "matroska", "webm", "mpegts", "flv", "mxf", "nut", "ivf", "obu",
];

/// Returns the packets in display order if their time stamps leave no doubt about it: all present, all different, nothing
/// reported damaged, and from a container that stores them. Packets hidden by an edit list are left out.
pub fn by_time(container: &str, intra_only: bool, packets: &[Scanned]) -> Option<Vec<usize>> {
    let timed = intra_only || container.split(',').any(|name| TIMED.contains(&name));
    if !timed
        || packets
            .iter()
            .any(|packet| packet.corrupt || packet.pts.is_none() || packet.size == 0)
    {
        return None;
    }
    let mut order: Vec<usize> = shown(packets).collect();
    order.sort_by_key(|&at| packets[at].pts);
    let distinct = order
        .windows(2)
        .all(|pair| packets[pair[0]].pts < packets[pair[1]].pts);
    distinct.then_some(order)
}

/// Ordinals of the packets that no edit list hides.
pub fn shown(packets: &[Scanned]) -> impl Iterator<Item = usize> + '_ {
    packets
        .iter()
        .enumerate()
        .filter(|(_, packet)| !packet.flags.contains(Flags::EDITED_OUT))
        .map(|(at, _)| at)
}

/// The tables of an index, as they are made.
pub struct Made {
    pub packets: Vec<Packet>,
    pub frames: Vec<Frame>,
    /// Pictures that a decoder must hold back.
    pub reorder: u8,
}

/// Builds the tables from the packets and the display order. `damaged` are packets that should show something but do not.
/// `tick` is the length of a frame in ticks, for files that say nothing better.
pub fn tables(scanned: &[Scanned], order: &[usize], damaged: &HashSet<usize>, tick: i64) -> Made {
    let (times, synthetic) = times(scanned, order, tick);
    let mut packets: Vec<Packet> = scanned
        .iter()
        .enumerate()
        .map(|(at, packet)| {
            let pts = packet.pts.or(packet.dts).unwrap_or(0);
            let mut flags = packet.flags;
            if damaged.contains(&at) {
                flags.insert(Flags::DAMAGED);
                flags.remove(Flags::KEY);
            }
            let position = packet.position.unwrap_or(0);
            Packet {
                position,
                size: packet.size,
                dts: packet.dts.unwrap_or(pts),
                pts,
                frame: None,
                flags,
            }
        })
        .collect();
    let median = median_step(&times).unwrap_or(tick.max(1));
    let mut frames = Vec::with_capacity(order.len());
    for (frame, &at) in order.iter().enumerate() {
        packets[at].frame = Some(frame as u32);
        packets[at].pts = times[frame];
        let stated = Some(scanned[at].duration).filter(|&duration| duration > 0);
        let duration = times
            .get(frame + 1)
            .map_or(stated.unwrap_or(median), |next| next - times[frame]);
        let mut flags = packets[at].flags;
        if synthetic {
            flags.insert(Flags::SYNTHETIC);
        }
        frames.push(Frame {
            pts: times[frame],
            duration,
            packet: at as u32,
            flags,
        });
    }
    mark_leading(&packets, &mut frames);
    let reorder = reorder(order);
    Made {
        packets,
        frames,
        reorder,
    }
}

/// Time stamps in display order: the file's, if they rise; else its decoding times in rising order; else even steps.
fn times(scanned: &[Scanned], order: &[usize], tick: i64) -> (Vec<i64>, bool) {
    let rises = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
    let stated: Option<Vec<i64>> = order.iter().map(|&at| scanned[at].pts).collect();
    if let Some(times) = stated.filter(|times| rises(times)) {
        return (times, false);
    }
    let decoding: Option<Vec<i64>> = order.iter().map(|&at| scanned[at].dts).collect();
    if let Some(mut times) = decoding {
        times.sort_unstable();
        if rises(&times) {
            return (times, true);
        }
    }
    (
        (0..order.len() as i64)
            .map(|frame| frame * tick.max(1))
            .collect(),
        true,
    )
}

fn median_step(times: &[i64]) -> Option<i64> {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let middle = steps.len() / 2;
    steps.sort_unstable();
    steps.get(middle).copied()
}

/// Marks frames that decode after a random access point and display before it.
fn mark_leading(packets: &[Packet], frames: &mut [Frame]) {
    let mut key_pts = None;
    for packet in packets {
        if packet.flags.contains(Flags::KEY) {
            key_pts = Some(packet.pts);
        }
        if let (Some(frame), Some(key_pts)) = (packet.frame, key_pts)
            && packet.pts < key_pts
        {
            frames[frame as usize].flags.insert(Flags::LEADING);
        }
    }
}

/// The largest number of pictures that decode before another one and display after it.
fn reorder(order: &[usize]) -> u8 {
    // A picture waits for those that come before it in display order and after it in decode order; the buffer must hold as
    // many pictures as are ever waiting.
    let mut display: Vec<(usize, usize)> = order
        .iter()
        .enumerate()
        .map(|(frame, &packet)| (packet, frame))
        .collect();
    display.sort_unstable();
    let (mut waiting, mut next, mut most) = (HashSet::new(), 0, 0);
    for (_, frame) in display {
        waiting.insert(frame);
        while waiting.remove(&next) {
            next += 1;
        }
        most = most.max(waiting.len());
    }
    most.min(usize::from(u8::MAX)) as u8
}

/// Ticks of one frame at a rate.
pub fn tick(time_base: Fraction, rate: Option<Fraction>) -> i64 {
    let rate = rate.unwrap_or(Fraction { num: 25, den: 1 });
    (rate.den * time_base.den / (rate.num * time_base.num).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_time_and_hides_what_is_edited_out() {
        let packets = [
            Scanned::sample(Some(0), -2, Flags(Flags::KEY.0 | Flags::EDITED_OUT.0)),
            Scanned::sample(Some(3), -1, Flags::default()),
            Scanned::sample(Some(1), 0, Flags::default()),
            Scanned::sample(Some(2), 1, Flags::default()),
        ];
        let order = by_time("mov,mp4", false, &packets).unwrap();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(by_time("avi", false, &packets), None);
        let tables = tables(&packets, &order, &HashSet::new(), 1);
        assert_eq!(
            tables
                .frames
                .iter()
                .map(|frame| frame.pts)
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert_eq!(
            tables
                .packets
                .iter()
                .map(|packet| packet.frame)
                .collect::<Vec<_>>(),
            [None, Some(2), Some(0), Some(1)]
        );
        assert_eq!(tables.reorder, 1);
    }

    #[test]
    fn finds_leading_frames() {
        // Display order: P0, B1, B2, I3: the B pictures follow the I picture in the file.
        let packets = [
            Scanned::sample(Some(0), 0, Flags::KEY),
            Scanned::sample(Some(3), 1, Flags::KEY),
            Scanned::sample(Some(1), 2, Flags::default()),
            Scanned::sample(Some(2), 3, Flags::default()),
        ];
        let tables = tables(&packets, &[0, 2, 3, 1], &HashSet::new(), 1);
        let leading: Vec<bool> = tables
            .frames
            .iter()
            .map(|frame| frame.flags.contains(Flags::LEADING))
            .collect();
        assert_eq!(leading, [false, true, true, false]);
    }

    #[test]
    fn makes_up_times_when_there_are_none() {
        let packets = [
            Scanned::sample(None, 0, Flags::KEY),
            Scanned::sample(None, 1, Flags::default()),
            Scanned::sample(None, 2, Flags::default()),
        ];
        let tables = tables(&packets, &[0, 2, 1], &HashSet::new(), 1);
        assert_eq!(
            tables
                .frames
                .iter()
                .map(|frame| frame.pts)
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(
            tables
                .frames
                .iter()
                .all(|frame| frame.flags.contains(Flags::SYNTHETIC))
        );
    }
}
