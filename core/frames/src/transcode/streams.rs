//! All encoded streams of a request, side by side.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use transect_frame_client::{FrameIndex, Output, Produced, TranscodeRequest, WorkerError};

use crate::cache::Pictures;
use crate::libav::{Encoder, Frame, PixelFormat};
use crate::picture::refused;
use crate::source::Source;
use crate::transcode::Reel;
use crate::transcode::coders::Crew;
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
        more: &[Reel],
        pictures: &Pictures,
        selection: &Arc<Selection>,
        request: &TranscodeRequest,
    ) -> Result<Self, WorkerError> {
        let mut streams = Streams {
            plans: Vec::new(),
            selection: selection.clone(),
        };
        let outputs = &request.outputs;
        let is_stream = |output: &&Output| matches!(output, Output::Stream { .. });
        let crew = Crew {
            wanted: request.encoders,
            cores: thread::available_parallelism().map_or(1, usize::from),
            streams: outputs.iter().filter(is_stream).count(),
        };
        if crew.streams == 0 {
            return Ok(streams);
        }
        let sample = sample(source, pictures, selection)?;
        let index = source.film.index.clone();
        for (at, output) in outputs.iter().enumerate() {
            streams.plans.extend(Plan::new(
                at, output, crew, &index, more, selection, &sample,
            )?);
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
        more: &mut [Reel],
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
        let (done, repeated) = run(stages, source, more, pictures, &selection, stills, progress)?;
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
        crew: Crew,
        index: &FrameIndex,
        more: &[Reel],
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
        let format = PixelFormat::by_name(pixel_format).ok_or_else(|| WorkerError::Invalid {
            message: format!("there is no pixel format {pixel_format}"),
        })?;
        let look = Look {
            size: size(index.display_size(), *height),
            format,
            colour: Look::colour_of(sample),
        };
        let blank = look.blank(sample).map_err(refused)?;
        let encoders = crew.encoders(&encoding, selection.count(), blank.size_bytes());
        let setting = encoding.setting(
            index.frame_rate,
            index.display_pixel(),
            crew.threads(encoders),
        )?;
        let encoders: Vec<Encoder> = (0..encoders)
            .map(|_| Encoder::open(encoding.encoder(), &blank, &setting))
            .collect::<Result<_, _>>()
            .map_err(|error| encoding.refused(&error))?;
        let parameters = encoders[0].parameters().map_err(refused)?;
        let identity = identity(index, more, selection, &encoding, look);
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
            encoders,
            file,
        };
        Ok(Some(Plan { facts, stage }))
    }
}

/// A text that only the same output of the same sources has.
fn identity(
    index: &FrameIndex,
    more: &[Reel],
    selection: &Selection,
    encoding: &Encoding,
    look: Look,
) -> String {
    let mut text = format!(
        "{} {:?} {:?} {encoding:?} {:?} {}",
        index.fingerprint,
        Orientation::of(index),
        selection.runs,
        look.size,
        look.format.name()
    );
    for reel in more {
        let (index, runs) = (&reel.source.film.index, &reel.selection.runs);
        let orientation = Orientation::of(index);
        text.push_str(&format!(" {} {orientation:?} {runs:?}", index.fingerprint));
    }
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
    more: &mut [Reel],
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
        let mut emit = |fed: Fed, orientation: Orientation| {
            tell();
            for still in stills.iter_mut() {
                still.collect(fed.ordinal, &fed.picture, orientation)?;
            }
            let shot = Shot {
                place: fed.place,
                decoded: fed.picture,
                orientation,
                scaled: None,
            };
            let sent = next.as_ref().is_some_and(|next| next.send(shot).is_ok());
            // The stage says why itself.
            if sent { Ok(()) } else { Err(hung_up()) }
        };
        let mut feed_all = || {
            let mut repeated = feed(source, pictures, selection, from, &mut |fed| {
                emit(fed, orientation)
            })?;
            // The selection of the first has the times of all.
            let of_all = selection.count();
            let of_more: u64 = more.iter().map(|reel| reel.selection.count()).sum();
            let mut start = of_all - of_more;
            for reel in more.iter_mut() {
                let orientation = Orientation::of(&reel.source.film.index);
                let mut pass = |fed: Fed| {
                    let place = fed.place + start;
                    emit(Fed { place, ..fed }, orientation)
                };
                let (own, from) = (&reel.selection, from.saturating_sub(start));
                repeated += feed(&mut reel.source, pictures, own, from, &mut pass)?;
                start += own.count();
            }
            Ok(repeated)
        };
        let fed: Result<u64, WorkerError> = feed_all();
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
