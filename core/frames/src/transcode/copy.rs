//! The coded pictures as they are, in another container.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transect_frame_client::{Flags, FrameIndex, SegmentIndex, WorkerError, stamp};

use crate::boxes;
use crate::indexer;
use crate::libav::{Error, FlatFile, FlatKind, Fragments, Input, Packet, Parameters, Times, Track};
use crate::picture::refused;
use crate::source::Source;
use crate::transcode::selection::Selection;
use crate::transcode::stream_file::failed;

/// Larger fragments are refused: a player has to fetch one for a single picture.
const MOST_FRAMES: usize = 300;
/// Time stamps may differ by so much, because ticks do.
const SAME_TIME_SECS: f64 = 0.000_6;

/// A file that was made.
pub struct Copied {
    pub segments: Option<SegmentIndex>,
    pub size_bytes: u64,
}

/// Where a file grows until it is whole.
pub fn partial(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".part");
    name.into()
}

/// Copies all packets into an MP4 file, then makes sure that it shows the same frames.
///
/// Errors: `Invalid` if it cannot be, with the reason; `Unreadable`; `Io`.
pub fn copy(
    source: &Source,
    selection: &Selection,
    file: &Path,
    fragmented: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Copied, WorkerError> {
    if !selection.everything {
        return Err(refusal("it begins and ends where the source does", file));
    }
    let index = source.film.index.clone();
    let target = partial(file);
    let written = if fragmented {
        write_fragments(source, &index, &target, progress)
    } else {
        write_flat(source, &index, &target, progress)
    };
    let checked = written.and_then(|()| compare(&index, &target, progress));
    if let Err(fault) = checked {
        // The first error is the one to report.
        let _ = fs::remove_file(&target);
        return Err(match fault {
            Fault::Refused(reason) => refusal(&reason, source.path()),
            Fault::Other(error) => error,
        });
    }
    publish(&target, file).map_err(|error| failed(file, &error))?;
    let written = fs::File::open(file).map_err(|error| failed(file, &error))?;
    let size_bytes = written
        .metadata()
        .map_err(|error| failed(file, &error))?
        .len();
    let segments = fragmented
        .then(|| boxes::top_level(&written))
        .transpose()
        .map_err(|error| failed(file, &error))?
        .map(|segments| SegmentIndex::new(0.0, segments));
    Ok(Copied {
        segments,
        size_bytes,
    })
}

/// Makes a file durable under its name.
pub fn publish(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::File::open(from)?.sync_all()?;
    fs::rename(from, to)
}

enum Fault {
    /// The container cannot do it; encoding would.
    Refused(String),
    Other(WorkerError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error.to_string())
    }
}

fn refusal(reason: &str, path: &Path) -> WorkerError {
    WorkerError::Invalid {
        message: format!(
            "cannot be copied without encoding it anew, because {reason}: {}",
            path.display()
        ),
    }
}

/// When each packet is decoded and shown, in decode order; the first frame is shown at zero. Decoding times are the
/// presentation times in rising order. Also returns how many ticks the latest one comes too late.
fn times(index: &FrameIndex) -> (Vec<Times>, i64) {
    let zero = index.start_pts;
    let mut rising: Vec<i64> = index
        .packets
        .iter()
        .map(|packet| packet.pts - zero)
        .collect();
    rising.sort_unstable();
    for at in 1..rising.len() {
        rising[at] = rising[at].max(rising[at - 1] + 1);
    }
    let late = rising
        .iter()
        .zip(&index.packets)
        .map(|(dts, packet)| dts - (packet.pts - zero))
        .max();
    let times = index
        .packets
        .iter()
        .zip(rising)
        .map(|(packet, dts)| {
            let frame = packet.frame.map(|frame| index.frames[frame as usize]);
            Times {
                pts: packet.pts - zero,
                dts,
                duration: frame.map_or(0, |frame| frame.duration),
            }
        })
        .collect();
    (times, late.unwrap_or(0).max(0))
}

/// The pictures, turned as in the source.
fn track<'a>(parameters: &'a Parameters, index: &FrameIndex) -> Track<'a> {
    Track {
        rotation_degrees: index.rotation_degrees,
        ..Track::new(parameters, index.time_base)
    }
}

/// Ordinals after the last packet that matters: what an edit list cuts off at the end is left out.
fn end(index: &FrameIndex) -> usize {
    let shown = index
        .packets
        .iter()
        .rposition(|packet| packet.frame.is_some());
    shown.map_or(0, |last| {
        let frame = index.packets[last].frame.unwrap_or(0);
        index.packets_end(frame as usize)
    })
}

fn write_flat(
    source: &Source,
    index: &FrameIndex,
    target: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let parameters = Parameters::from_index(index)?;
    let mut sounds = if index.has_audio {
        Some(Sound::open(source.path(), index)?)
    } else {
        None
    };
    let mut tracks = vec![track(&parameters, index)];
    if let Some(sounds) = &sounds {
        let sound = sounds.streams.iter();
        tracks.extend(sound.map(|(_, sound, ticks)| Track::new(sound, *ticks)));
    }
    let mut file = FlatFile::create(target, FlatKind::Mp4, &tracks)?;
    let mut reader = source.reader().map_err(Fault::Other)?;
    let mut packet = Packet::new()?;
    let (times, late) = times(index);
    for (at, mut times) in times.into_iter().enumerate().take(end(index)) {
        times.dts -= late;
        if let Some(sounds) = &mut sounds {
            let time_secs = times.dts as f64 * index.time_base.as_f64();
            sounds.write_until(&mut file, time_secs)?;
        }
        read(&mut reader, at, &mut packet, source.path())?;
        packet.set_times(times);
        file.write(&mut packet, 0)?;
        progress(at as u64 + 1);
    }
    if let Some(sounds) = &mut sounds {
        sounds.write_until(&mut file, f64::INFINITY)?;
    }
    Ok(file.finish()?)
}

/// The streams of sound on their way into another file.
struct Sound {
    input: Input,
    streams: Vec<(usize, Parameters, transect_frame_client::Fraction)>,
    /// When the first frame is shown, as the file counts.
    zero_secs: f64,
    held: Option<Packet>,
}

impl Sound {
    fn open(path: &Path, index: &FrameIndex) -> Result<Self, Error> {
        let input = Input::open_sounds(path)?;
        Ok(Sound {
            streams: input.streams()?,
            input,
            zero_secs: index.start_pts as f64 * index.time_base.as_f64(),
            held: None,
        })
    }

    /// Writes the packets that begin before a time. Those without one are lost.
    fn write_until(&mut self, file: &mut FlatFile, time_secs: f64) -> Result<(), Error> {
        loop {
            let mut packet = match self.held.take() {
                Some(packet) => packet,
                None => {
                    let mut packet = Packet::new()?;
                    if !self.input.read(&mut packet)? {
                        return Ok(());
                    }
                    packet
                }
            };
            let stream = packet.stream();
            let Some(at) = self
                .streams
                .iter()
                .position(|(number, ..)| *number == stream)
            else {
                continue;
            };
            let ticks = self.streams[at].2.as_f64();
            let Some(dts) = packet.dts().or(packet.pts()) else {
                continue;
            };
            if dts as f64 * ticks - self.zero_secs >= time_secs {
                self.held = Some(packet);
                return Ok(());
            }
            packet.shift(-(self.zero_secs / ticks).round() as i64);
            file.write(&mut packet, at + 1)?;
        }
    }
}

fn write_fragments(
    source: &Source,
    index: &FrameIndex,
    target: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let groups = groups(index).map_err(Fault::Refused)?;
    let parameters = Parameters::from_index(index)?;
    let (times, late) = times(index);
    let (mut fragments, head) = Fragments::open(track(&parameters, index), late, "", 1)?;
    let write = |file: &mut fs::File, bytes: &[u8]| {
        std::io::Write::write_all(file, bytes).map_err(|error| Fault::Other(failed(target, &error)))
    };
    let mut file =
        fs::File::create(target).map_err(|error| Fault::Other(failed(target, &error)))?;
    write(&mut file, &head)?;
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
        write(&mut file, &fragments.fragment(packets)?)?;
        progress(group.end as u64);
    }
    Ok(())
}

/// Ranges of packets, each of whole frames, that can be decoded on their own.
fn groups(index: &FrameIndex) -> Result<Vec<std::ops::Range<usize>>, String> {
    let count = end(index);
    let packets = &index.packets[..count];
    if packets.iter().any(|packet| packet.frame.is_none()) {
        return Err("it has packets that show nothing by themselves".into());
    }
    if packets.is_empty() || !packets[0].flags.contains(Flags::KEY) {
        return Err("it does not begin with a random access point".into());
    }
    let mut leading = vec![false; count + 1];
    for frame in &index.frames {
        leading[frame.packet as usize] = frame.flags.contains(Flags::LEADING);
    }
    // A random access point begins a group if nothing behind it is shown before it.
    let mut starts = Vec::new();
    let mut open = false;
    for at in (0..count).rev() {
        open |= leading[at];
        if packets[at].flags.contains(Flags::KEY) {
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

fn read(
    reader: &mut crate::reader::Reader,
    at: usize,
    packet: &mut Packet,
    path: &Path,
) -> Result<(), Fault> {
    reader
        .read(at, packet)
        .map_err(|reason| Fault::Other(indexer::unreadable(path, &reason)))
}

/// Reads the copy as a source, and compares what it shows.
fn compare(index: &FrameIndex, target: &Path, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
    let count = index.packets.len() as u64;
    let stamp = stamp(target).map_err(|error| Fault::Other(failed(target, &error)))?;
    let copy = indexer::build(target, stamp, &mut || progress(count)).map_err(Fault::Refused)?;
    let time_secs = |index: &FrameIndex, at: usize| {
        (index.frames[at].pts - index.start_pts) as f64 * index.time_base.as_f64()
    };
    if copy.frame_count() != index.frame_count() {
        return Err(Fault::Refused(format!(
            "a copy would show {} frames instead of {}",
            copy.frame_count(),
            index.frame_count()
        )));
    }
    let look = |index: &FrameIndex| (index.width, index.height, index.rotation_degrees);
    if look(&copy) != look(index) {
        return Err(Fault::Refused(
            "a copy would be turned or of another size".into(),
        ));
    }
    let moved = (0..index.frame_count())
        .find(|&at| (time_secs(index, at) - time_secs(&copy, at)).abs() > SAME_TIME_SECS);
    match moved {
        Some(frame) => Err(Fault::Refused(format!(
            "a copy would show frame {frame} at another time"
        ))),
        None => Ok(()),
    }
}

/// Turns a fragmented file into a flat one of another name, which is there once it is whole. Returns its size in bytes.
///
/// Errors: `Io`; `Unreadable`.
pub fn flatten(
    from: &Path,
    to: &Path,
    selection: &Arc<Selection>,
    progress: &mut dyn FnMut(),
) -> Result<u64, WorkerError> {
    let mut input = Input::open(from).map_err(refused)?;
    let parameters = input.parameters().map_err(refused)?;
    let target = partial(from);
    let tracks = [Track::new(&parameters, input.time_base())];
    let mut file = FlatFile::create(&target, FlatKind::Mp4, &tracks).map_err(refused)?;
    let mut packet = Packet::new().map_err(refused)?;
    let mut count = 0;
    while input.read(&mut packet).map_err(refused)? {
        progress();
        file.write(&mut packet, 0).map_err(refused)?;
        count += 1;
    }
    file.finish().map_err(refused)?;
    if count != selection.count() {
        let message = format!(
            "{count} of {} frames are in {}",
            selection.count(),
            from.display()
        );
        return Err(WorkerError::unreadable(message));
    }
    let size = publish(&target, to).and_then(|()| to.metadata());
    Ok(size.map_err(|error| failed(to, &error))?.len())
}
