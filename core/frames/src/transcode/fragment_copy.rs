//! Coded pictures in MP4 fragments that can be decoded on their own.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use transect_frame_client::{Flags, FrameIndex};

use crate::libav::{Fragments, Packet, Parameters, Times};
use crate::source::Source;
use crate::transcode::copy::{Fault, end, read, times, track};
use crate::transcode::stream_file::failed;

/// Larger fragments are refused: a player has to fetch one for a single picture.
const MOST_FRAMES: usize = 300;

pub fn write(
    source: &Source,
    index: &FrameIndex,
    target: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let groups = groups(index).map_err(Fault::Refused)?;
    let parameters = Parameters::from_index(index)?;
    let (times, late) = times(index);
    let (mut fragments, head) = Fragments::open(track(&parameters, index), late, "", 1)?;
    let append = |file: &mut fs::File, bytes: &[u8]| {
        file.write_all(bytes)
            .map_err(|error| Fault::Other(failed(target, &error)))
    };
    let mut file =
        fs::File::create(target).map_err(|error| Fault::Other(failed(target, &error)))?;
    append(&mut file, &head)?;
    let mut reader = source.reader().map_err(Fault::Other)?;
    for group in groups {
        let mut packets = Vec::with_capacity(group.len());
        // Durations follow the order of decoding.
        let ends = times[group.end..].first().map(|next| next.dts);
        for at in group.clone() {
            let mut packet = Packet::new()?;
            read(&mut reader, at, &mut packet, source.path())?;
            let next = times.get(at + 1).map(|next| next.dts).or(ends);
            let duration = next.map_or(times[at].duration, |next| next - times[at].dts);
            packets.push((
                packet,
                Times {
                    duration,
                    ..times[at]
                },
            ));
        }
        append(&mut file, &fragments.fragment(packets)?)?;
        progress(group.end as u64);
    }
    Ok(())
}

/// Ranges of packets, each of whole frames, that can be decoded on their own.
fn groups(index: &FrameIndex) -> Result<Vec<Range<usize>>, String> {
    let count = end(index);
    let is_key = |at: usize| index.packet_flags(at).contains(Flags::KEY);
    if !(0..count).all(|at| index.tables.is_shown(at)) {
        return Err("it has packets that show nothing by themselves".into());
    }
    if count == 0 || !is_key(0) {
        return Err("it does not begin with a random access point".into());
    }
    let mut leading = vec![false; count + 1];
    for frame in index.frames() {
        leading[frame.packet as usize] = frame.flags.contains(Flags::LEADING);
    }
    // A random access point begins a group if nothing behind it is shown before it.
    let mut starts = Vec::new();
    let mut open = false;
    for at in (0..count).rev() {
        open |= leading[at];
        if is_key(at) {
            if !open {
                starts.push(at);
            }
            open = false;
        }
    }
    starts.reverse();
    if starts.first() != Some(&0) {
        return Err("its first group of pictures is open".into());
    }
    let ends = starts[1..].iter().copied().chain([count]);
    let groups: Vec<_> = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| start..end)
        .collect();
    if groups.iter().any(|group| group.len() > MOST_FRAMES) {
        return Err(format!(
            "it has no random access point within {MOST_FRAMES} frames, or only open ones"
        ));
    }
    Ok(groups)
}
