//! The coded pictures as they are, in another container.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use transect_frame_client::{FrameIndex, SegmentIndex, WorkerError, stamp};

use crate::boxes;
use crate::indexer::{self, Way};
use crate::libav::{Error, Packet, Parameters, Times, Track};
use crate::source::Source;
use crate::transcode::selection::Selection;
use crate::transcode::stream_file::failed;
use crate::transcode::{flat_copy, fragment_copy};
use crate::turn::Orientation;

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
    let restated = index.changed_frames();
    let mut restated = restated.filter(|(_, change)| change.extradata != index.decoder.extradata);
    if let Some((frame, _)) = restated.next() {
        let reason = format!("it is coded in another way from frame {frame} on");
        return Err(refusal(&reason, source.path()));
    }
    let target = partial(file);
    let written = if fragmented {
        fragment_copy::write(source, &index, &target, progress)
    } else {
        flat_copy::write(source, &index, &target, progress)
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

/// Why there is no copy.
pub enum Fault {
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
pub fn times(index: &FrameIndex) -> (Vec<Times>, i64) {
    let zero = index.start_pts;
    let mut rising: Vec<i64> = index.packets().map(|packet| packet.pts - zero).collect();
    rising.sort_unstable();
    for at in 1..rising.len() {
        rising[at] = rising[at].max(rising[at - 1] + 1);
    }
    let late = rising
        .iter()
        .zip(index.packets())
        .map(|(dts, packet)| dts - (packet.pts - zero))
        .max();
    let times = index
        .packets()
        .zip(rising)
        .map(|(packet, dts)| {
            let frame = packet.frame.map(|frame| index.frame(frame as usize));
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
pub fn track<'a>(parameters: &'a Parameters, index: &FrameIndex) -> Track<'a> {
    Track {
        orientation: Orientation::of(index),
        ..Track::new(parameters, index.time_base)
    }
}

/// Ordinals after the last packet that matters: what an edit list cuts off at the end is left out.
pub fn end(index: &FrameIndex) -> usize {
    let mut shown = (0..index.packet_count()).rev();
    let shown = shown.find(|&at| index.tables.is_shown(at));
    shown.map_or(0, |last| {
        let frame = index.tables.shown_by(last).unwrap_or(0);
        index.packets_end(frame)
    })
}
/// Reads a packet of the source.
pub fn read(
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
    let count = index.packet_count() as u64;
    let stamp = stamp(target).map_err(|error| Fault::Other(failed(target, &error)))?;
    let copy = indexer::build(target, stamp, Way::Scan, &mut || progress(count))
        .map_err(Fault::Refused)?;
    let time_secs = |index: &FrameIndex, at: usize| {
        (index.frame(at).pts - index.start_pts) as f64 * index.time_base.as_f64()
    };
    if copy.frame_count() != index.frame_count() {
        return Err(Fault::Refused(format!(
            "a copy would show {} frames instead of {}",
            copy.frame_count(),
            index.frame_count()
        )));
    }
    let look = |index: &FrameIndex| (index.width, index.height, Orientation::of(index));
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
