//! A plain MP4 file of coded pictures and all of their sound.

use std::path::Path;
use std::sync::Arc;

use transect_frame_client::{Fraction, FrameIndex, WorkerError};

use crate::libav::{Error, FlatFile, FlatKind, Input, Packet, Parameters, Track};
use crate::picture::refused;
use crate::source::Source;
use crate::transcode::copy::{Fault, end, partial, publish, read, times, track};
use crate::transcode::selection::Selection;
use crate::transcode::stream_file::failed;

pub fn write(
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
    streams: Vec<(usize, Parameters, Fraction)>,
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
