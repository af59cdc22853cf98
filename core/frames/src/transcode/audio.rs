//! The sound as a file of its own, in step with the pictures.

use std::ops::Range;
use std::path::Path;

use transect_frame_client::{FrameIndex, WorkerError};

use crate::indexer::unreadable;
use crate::libav::{
    AacEncoder, FlatFile, FlatKind, Input, Packet, Parameters, SoundDecoder, Sounds, Track,
};
use crate::transcode::copy::{partial, publish};
use crate::transcode::selection::Selection;
use crate::transcode::stream_file::failed;

/// Decoding begins so long before a span.
const RUN_UP_SECS: f64 = 0.5;
/// Time stamps that differ by less mean the same sample.
const SAME_SECS: f64 = 0.05;
/// A longer silence is damage.
const LONGEST_GAP_SECS: f64 = 86_400.0;

/// A file that was made.
pub struct Heard {
    pub parameters: Parameters,
    pub size_bytes: u64,
    /// Bits per second.
    pub bit_rate: u64,
}

/// Writes the sound of the selected frames as AAC, beginning with the first frame.
///
/// Errors: `Invalid` if there is no sound; `Unreadable` if it cannot be decoded; `Io`.
pub fn extract(
    path: &Path,
    index: &FrameIndex,
    selection: &Selection,
    file: &Path,
    progress: &mut dyn FnMut(),
) -> Result<Heard, WorkerError> {
    if !index.has_audio {
        return Err(WorkerError::Invalid {
            message: format!("there is no sound: {}", path.display()),
        });
    }
    let fault = |error: crate::libav::Error| unreadable(path, &error.to_string());
    let input = Input::open_sound(path).map_err(fault)?;
    let parameters = input.parameters().map_err(fault)?;
    let target = partial(file);
    let zero_secs = index.start_pts as f64 * index.time_base.as_f64();
    let parameters = if parameters.codec() == "aac" && selection.everything {
        keep(input, &parameters, zero_secs, &target, progress).map_err(fault)?;
        parameters
    } else {
        drop(input);
        convert(path, &spans(index, selection), &target, progress).map_err(fault)?
    };
    let size = publish(&target, file).and_then(|()| file.metadata());
    let size_bytes = size.map_err(|error| failed(file, &error))?.len();
    let duration_secs = selection.duration_secs().max(0.001);
    Ok(Heard {
        parameters,
        size_bytes,
        bit_rate: (size_bytes as f64 * 8.0 / duration_secs) as u64,
    })
}

/// Copies the packets.
fn keep(
    mut input: Input,
    parameters: &Parameters,
    zero_secs: f64,
    target: &Path,
    progress: &mut dyn FnMut(),
) -> crate::libav::Result<()> {
    let ticks = input.time_base();
    let mut file = FlatFile::create(target, FlatKind::M4a, &[Track::new(parameters, ticks)])?;
    let mut packet = Packet::new()?;
    while input.read(&mut packet)? {
        progress();
        packet.shift(-(zero_secs / ticks.as_f64()).round() as i64);
        file.write(&mut packet, 0)?;
    }
    file.finish()
}

/// Parts of the source's time in seconds. All of it has no end: the sound may go on behind the last frame.
fn spans(index: &FrameIndex, selection: &Selection) -> Vec<(f64, f64)> {
    let secs = |ticks: i64| ticks as f64 * index.time_base.as_f64();
    if selection.everything {
        return vec![(secs(index.start_pts), f64::INFINITY)];
    }
    let span = |&(first, last): &(usize, usize)| {
        let end = index.frame(last);
        (secs(index.frame(first).pts), secs(end.pts + end.duration))
    };
    selection.runs.iter().map(span).collect()
}

/// Decodes the spans and encodes them one after the other.
fn convert(
    path: &Path,
    spans: &[(f64, f64)],
    target: &Path,
    progress: &mut dyn FnMut(),
) -> crate::libav::Result<Parameters> {
    let mut writer: Option<Writer> = None;
    for &(first, end) in spans {
        let mut input = Input::open_sound(path)?;
        let ticks = input.time_base().as_f64();
        // Some codecs need a while to come into step. Where a seek fails, everything is read from the beginning.
        let before = ((first - RUN_UP_SECS) / ticks) as i64;
        if first > 2.0 * RUN_UP_SECS && input.seek_time(before).is_err() {
            input = Input::open_sound(path)?;
        }
        let mut decoder = SoundDecoder::open(&input.parameters()?)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(Writer::create(target, &decoder)?),
        };
        let mut span = Span::new(first, end, decoder.rate_hz);
        let mut packet = Packet::new()?;
        let mut more = true;
        while more && !span.full() {
            progress();
            more = input.read(&mut packet)?;
            let mut fault = Ok(());
            decoder.decode(more.then_some(&packet), &mut |stamp, sounds| {
                let stamp_secs = stamp.map(|stamp| stamp as f64 * ticks);
                let length = sounds.first().map_or(0, Vec::len);
                let (silence, part) = span.place(stamp_secs, length);
                if fault.is_ok() {
                    fault = writer.silence(silence);
                }
                if fault.is_ok() {
                    fault = writer.add(&sounds, part);
                }
            })?;
            fault?;
        }
        writer.silence(span.missing())?;
    }
    match writer {
        Some(writer) => writer.finish(),
        None => Err(crate::libav::Error {
            what: "encode the sound",
            reason: "nothing was asked for".into(),
        }),
    }
}

/// Encodes samples as they come.
struct Writer {
    file: FlatFile,
    encoder: AacEncoder,
    packet: Packet,
    /// Samples that do not fill a block yet.
    block: Sounds,
}

impl Writer {
    fn create(target: &Path, decoder: &SoundDecoder) -> crate::libav::Result<Self> {
        let encoder = AacEncoder::open(decoder.rate_hz, decoder.channels)?;
        let parameters = encoder.parameters()?;
        let track = Track::new(&parameters, encoder.ticks());
        Ok(Writer {
            file: FlatFile::create(target, FlatKind::M4a, &[track])?,
            encoder,
            packet: Packet::new()?,
            block: vec![Vec::new(); decoder.channels as usize],
        })
    }

    fn add(&mut self, sounds: &Sounds, part: Range<usize>) -> crate::libav::Result<()> {
        let mut rest = part;
        while !rest.is_empty() {
            let room = self.encoder.block() - self.block[0].len();
            let now = rest.start..rest.end.min(rest.start + room);
            for (block, channel) in self.block.iter_mut().zip(sounds) {
                block.extend_from_slice(&channel[now.clone()]);
            }
            rest.start = now.end;
            self.encode_full()?;
        }
        Ok(())
    }

    fn silence(&mut self, samples: usize) -> crate::libav::Result<()> {
        let mut rest = samples;
        while rest > 0 {
            let now = rest.min(self.encoder.block() - self.block[0].len());
            for block in &mut self.block {
                block.resize(block.len() + now, 0.0);
            }
            rest -= now;
            self.encode_full()?;
        }
        Ok(())
    }

    fn encode_full(&mut self) -> crate::libav::Result<()> {
        if self.block[0].len() < self.encoder.block() {
            return Ok(());
        }
        self.encode()
    }

    fn encode(&mut self) -> crate::libav::Result<()> {
        let channels: Vec<&[f32]> = self.block.iter().map(Vec::as_slice).collect();
        self.encoder.send(Some(&channels))?;
        for block in &mut self.block {
            block.clear();
        }
        self.store()
    }

    fn store(&mut self) -> crate::libav::Result<()> {
        while self.encoder.receive(&mut self.packet)? {
            self.file.write(&mut self.packet, 0)?;
        }
        Ok(())
    }

    fn finish(mut self) -> crate::libav::Result<Parameters> {
        if !self.block[0].is_empty() {
            self.encode()?;
        }
        self.encoder.send(None)?;
        self.store()?;
        let parameters = self.encoder.parameters()?;
        self.file.finish()?;
        Ok(parameters)
    }
}

/// A part of the source's time, in samples.
struct Span {
    rate_hz: f64,
    end: i64,
    /// The next sample that is wanted.
    wanted: i64,
    /// The sample that comes next, if nothing else is said.
    next: Option<i64>,
}

impl Span {
    fn new(first_secs: f64, end_secs: f64, rate_hz: u32) -> Self {
        let rate_hz = f64::from(rate_hz);
        Span {
            rate_hz,
            // Without an end the product is infinite, and becomes the largest number.
            end: (end_secs * rate_hz).round() as i64,
            wanted: (first_secs * rate_hz).round() as i64,
            next: None,
        }
    }

    /// Says how much silence comes before so many decoded samples, and which of them are wanted.
    fn place(&mut self, stamp_secs: Option<f64>, length: usize) -> (usize, Range<usize>) {
        let stated = stamp_secs.map(|secs| (secs * self.rate_hz).round() as i64);
        let gap = |start: i64, other: i64| start.abs_diff(other) as f64 / self.rate_hz;
        let start = match (stated, self.next) {
            // Stamps are rounded, and a decoder may begin late; a real gap is larger, and a day is damage.
            (Some(stated), Some(next)) if gap(stated, next) < SAME_SECS => next,
            (Some(stated), Some(next)) if gap(stated, next) > LONGEST_GAP_SECS => next,
            (Some(stated), None) if gap(stated, self.wanted) > LONGEST_GAP_SECS => self.wanted,
            (Some(stated), _) => stated,
            (None, next) => next.unwrap_or(self.wanted),
        };
        let after = start.saturating_add(length as i64);
        self.next = Some(after);
        let (from, to) = (start.max(self.wanted), after.min(self.end));
        if from >= to {
            return (0, 0..0);
        }
        let silence = (from - self.wanted) as usize;
        self.wanted = to;
        (silence, (from - start) as usize..(to - start) as usize)
    }

    /// True if nothing more is wanted.
    fn full(&self) -> bool {
        self.wanted >= self.end || self.next.is_some_and(|next| next >= self.end)
    }

    /// Samples that did not come; none if the span has no end.
    fn missing(&self) -> usize {
        if self.end == i64::MAX {
            return 0;
        }
        (self.end - self.wanted).max(0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_gaps_and_cuts_overlaps() {
        let mut span = Span::new(1.0, 2.0, 1000);
        // Before it, across its beginning, a gap, an overlap, across its end.
        assert_eq!(span.place(Some(0.5), 400), (0, 0..0));
        assert_eq!(span.place(Some(0.9), 200), (0, 100..200));
        assert_eq!(span.place(Some(1.101), 100), (0, 0..100));
        assert_eq!(span.place(Some(1.4), 100), (200, 0..100));
        assert_eq!(span.place(Some(1.3), 300), (0, 200..300));
        assert!(!span.full());
        assert_eq!(span.missing(), 400);
        assert_eq!(span.place(None, 500), (0, 0..400));
        assert!(span.full());
        assert_eq!(span.missing(), 0);
    }

    #[test]
    fn does_not_believe_in_days_of_silence() {
        let mut span = Span::new(0.0, f64::INFINITY, 48_000);
        assert_eq!(span.place(Some(1e9), 100), (0, 0..100));
        assert_eq!(span.place(Some(-1e12), 100), (0, 0..100));
        assert!(!span.full());
        assert_eq!(span.missing(), 0);
    }
}
