//! All encoded streams of a request, side by side.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use transect_frame_client::{FrameIndex, Output, Produced, WorkerError};

use crate::cache::Pictures;
use crate::libav::{Encoder, Frame, PixelFormat};
use crate::picture::refused;
use crate::source::Source;
use crate::transcode::copy::partial;
use crate::transcode::encoding::{Encoding, size};
use crate::transcode::feed::{Fed, feed};
use crate::transcode::flat_copy::flatten;
use crate::transcode::produced;
use crate::transcode::selection::Selection;
use crate::transcode::stage::{Darkroom, Done, Look, Shot, Stage, Tally};
use crate::transcode::stills::Still;
use crate::transcode::stream_file::{StreamFile, failed};
use crate::turn::Orientation;

/// Pictures that wait between two stages.
const WAITING_SHOTS: usize = 4;
/// While the encoders finish, this often it is said how far they are.
const TICK: Duration = Duration::from_millis(100);

/// A stream that is to be made.
struct Plan {
    facts: Facts,
    stage: Stage,
}

/// All streams that are to be made, from the largest to the smallest.
pub struct Streams {
    plans: Vec<Plan>,
    selection: Arc<Selection>,
}

impl Streams {
    /// Opens encoders and files. What is there of the files already is kept if it fits.
    ///
    /// Errors: `Invalid` if an encoder refuses its settings; `Unreadable` if the first frame does not decode; `Io`.
    pub fn plan(
        source: &mut Source,
        pictures: &Pictures,
        selection: &Arc<Selection>,
        outputs: &[Output],
    ) -> Result<Self, WorkerError> {
        let mut streams = Streams {
            plans: Vec::new(),
            selection: selection.clone(),
        };
        if !outputs
            .iter()
            .any(|output| matches!(output, Output::Stream { .. }))
        {
            return Ok(streams);
        }
        let sample = sample(source, pictures, selection)?;
        let index = source.film.index.clone();
        for (at, output) in outputs.iter().enumerate() {
            streams
                .plans
                .extend(Plan::new(at, output, &index, selection, &sample)?);
        }
        streams
            .plans
            .sort_by_key(|plan| std::cmp::Reverse(plan.facts.pixels()));
        Ok(streams)
    }

    /// Decodes once and encodes everything; hands the frames to the stills on the way.
    ///
    /// Errors: those of [`feed`] and of the stages.
    pub fn make(
        self,
        source: &mut Source,
        pictures: &Pictures,
        stills: &mut [Still],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<(usize, Produced)>, WorkerError> {
        let selection = self.selection;
        let count = selection.count();
        let (mut stages, mut finished) = (Vec::new(), Vec::new());
        for plan in self.plans {
            // A file that is whole takes no pictures, and so needs no place in the chain.
            if plan.stage.file.frames() == count {
                finished.push(plan);
            } else {
                stages.push(plan);
            }
        }
        let mut made = Vec::new();
        for plan in finished {
            let Plan { facts, mut stage } = plan;
            let (segments, size_bytes) = stage.file.finish()?;
            let done = Done {
                segments,
                size_bytes,
            };
            made.push(facts.publish(done, 0, &selection, &mut || progress(count, count))?);
        }
        if stages.is_empty() {
            return Ok(made);
        }
        let (facts, stages): (Vec<Facts>, Vec<Stage>) = stages
            .into_iter()
            .map(|plan| (plan.facts, plan.stage))
            .unzip();
        let (done, repeated) = run(stages, source, pictures, &selection, stills, progress)?;
        for (facts, done) in facts.into_iter().zip(done) {
            made.push(facts.publish(done, repeated, &selection, &mut || progress(count, count))?);
        }
        Ok(made)
    }
}

/// What is known of a stream beside what makes it.
struct Facts {
    output: usize,
    file: PathBuf,
    fragmented: bool,
    size: (u32, u32),
    description: String,
    codec: String,
}

impl Facts {
    fn pixels(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1)
    }

    /// Where the stream grows.
    fn written(&self) -> PathBuf {
        if self.fragmented {
            self.file.clone()
        } else {
            partial(&self.file)
        }
    }

    /// Brings a finished stream into its last form.
    fn publish(
        self,
        done: Done,
        repeated: u64,
        selection: &Arc<Selection>,
        progress: &mut dyn FnMut(),
    ) -> Result<(usize, Produced), WorkerError> {
        let written = self.written();
        let mut produced = produced::stream(&written, &self.codec, self.size, selection, done)?;
        produced.codec_description = self.description;
        produced.repeated = repeated;
        if !self.fragmented {
            let size_bytes = flatten(&written, &self.file, selection, progress)?;
            std::fs::remove_file(&written).map_err(|error| failed(&written, &error))?;
            produced = produced::flattened(produced, &self.file, size_bytes, selection);
        }
        Ok((self.output, produced))
    }
}

impl Plan {
    fn new(
        at: usize,
        output: &Output,
        index: &FrameIndex,
        selection: &Arc<Selection>,
        sample: &Frame,
    ) -> Result<Option<Self>, WorkerError> {
        let Output::Stream {
            file,
            codec,
            height,
            crf,
            preset,
            tune,
            pixel_format,
            gop,
            fragmented,
        } = output
        else {
            return Ok(None);
        };
        let encoding = Encoding {
            codec: *codec,
            crf: *crf,
            preset: preset.clone(),
            tune: tune.clone(),
            gop: *gop,
        };
        let orientation = Orientation::of(index);
        let format = PixelFormat::by_name(pixel_format).ok_or_else(|| WorkerError::Invalid {
            message: format!("there is no pixel format {pixel_format}"),
        })?;
        let look = Look {
            size: size(index.display_size(), *height),
            format,
            colour: Look::colour_of(sample),
            orientation,
        };
        let setting = encoding.setting(index.frame_rate, index.display_pixel())?;
        let blank = look.blank(sample).map_err(refused)?;
        let encoder = Encoder::open(encoding.encoder(), &blank, &setting)
            .map_err(|error| encoding.refused(&error))?;
        let parameters = encoder.parameters().map_err(refused)?;
        let identity = identity(index, selection, &encoding, look);
        let facts = Facts {
            output: at,
            file: file.clone(),
            fragmented: *fragmented,
            size: look.size,
            description: parameters.codec_description(),
            codec: parameters.codec(),
        };
        let file = StreamFile::open(
            &facts.written(),
            &parameters,
            selection.clone(),
            *gop,
            &identity,
        )?;
        let stage = Stage {
            darkroom: Darkroom::new(look),
            encoder,
            file,
        };
        Ok(Some(Plan { facts, stage }))
    }
}

/// A text that only the same output of the same source has.
fn identity(index: &FrameIndex, selection: &Selection, encoding: &Encoding, look: Look) -> String {
    let text = format!(
        "{} {:?} {encoding:?} {:?} {}",
        index.fingerprint,
        selection.runs,
        look.size,
        look.format.name()
    );
    format!("transect {}", &blake3::hash(text.as_bytes()).to_hex()[..32])
}

/// The first picture that decodes, to see what its colours mean.
fn sample(
    source: &mut Source,
    pictures: &Pictures,
    selection: &Selection,
) -> Result<Frame, WorkerError> {
    let ordinal = |place: u64| selection.ordinal(place).unwrap_or(0) as u64;
    let first = source.frame(ordinal(0), pictures);
    first.or_else(|error| {
        source
            .frame(ordinal(selection.count() / 2), pictures)
            .map_err(|_| error)
    })
}

/// Runs the stages, from the first frame that one of them lacks. Returns what they made, and how many frames did not decode.
fn run(
    stages: Vec<Stage>,
    source: &mut Source,
    pictures: &Pictures,
    selection: &Arc<Selection>,
    stills: &mut [Still],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Vec<Done>, u64), WorkerError> {
    let count = selection.count();
    let orientation = Orientation::of(&source.film.index);
    let from = stages.iter().map(|stage| stage.file.frames()).min();
    let from = from.unwrap_or(0);
    let tallies: Vec<Tally> = stages.iter().map(|_| Tally::new(from)).collect();
    let mut tell = || {
        let frames = tallies
            .iter()
            .map(|tally| tally.frames.load(Ordering::Relaxed));
        progress(frames.min().unwrap_or(0), count);
    };
    thread::scope(|scope| {
        let mut next = None;
        let mut threads: Vec<ScopedJoinHandle<_>> = Vec::new();
        for (stage, tally) in stages.into_iter().zip(&tallies).rev() {
            let (sender, shots) = sync_channel::<Shot>(WAITING_SHOTS);
            let after = next.replace(sender);
            threads.push(scope.spawn(move || stage.run(shots, after, tally)));
        }
        threads.reverse();
        let mut emit = |fed: Fed| {
            tell();
            for still in stills.iter_mut() {
                still.collect(fed.ordinal, &fed.picture, orientation)?;
            }
            let shot = Shot {
                place: fed.place,
                decoded: fed.picture,
                scaled: None,
            };
            let sent = next.as_ref().is_some_and(|next| next.send(shot).is_ok());
            // The stage says why itself.
            if sent { Ok(()) } else { Err(hung_up()) }
        };
        let fed = feed(source, pictures, selection, from, &mut emit);
        drop(next);
        let packets = || -> u64 {
            let packets = tallies
                .iter()
                .map(|tally| tally.packets.load(Ordering::Relaxed));
            packets.sum()
        };
        let mut last = packets();
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(TICK);
            let now = packets();
            if now != last {
                last = now;
                tell();
            }
        }
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(fault())))
            .collect();
        match fed {
            Ok(repeated) => {
                let done: Option<Vec<Done>> = results.into_iter().collect::<Result<_, _>>()?;
                Ok((done.ok_or_else(fault)?, repeated))
            }
            Err(error) => {
                // A stage that has failed makes the feed fail, too; without pictures the others complain as well.
                let failed = results.into_iter().find_map(Result::err);
                Err(failed.filter(|_| error == hung_up()).unwrap_or(error))
            }
        }
    })
}

fn hung_up() -> WorkerError {
    WorkerError::unreadable("an encoder takes no more pictures")
}

fn fault() -> WorkerError {
    WorkerError::unreadable("the frame worker met a fault of its own")
}
