//! One encoded stream, on a thread of its own: takes pictures, passes them on to the next smaller one, and has them encoded.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;

use transect_frame_client::{SegmentIndex, WorkerError};

use crate::libav::{Colour, Encoder, Frame, Matrix, PixelFormat, Scaler};
use crate::picture::refused;
use crate::sync::into_inner;
use crate::transcode::coders::{Assembly, Coders};
use crate::transcode::stream_file::StreamFile;
use crate::turn::{Orientation, turn};

/// A picture on its way through the streams, from the largest to the smallest.
pub struct Shot {
    /// Place in the output.
    pub place: u64,
    /// As decoded.
    pub decoded: Frame,
    /// How it is to be held.
    pub orientation: Orientation,
    /// As the stream before this one encodes it.
    pub scaled: Option<Frame>,
}

/// How far a stream is.
pub struct Tally {
    /// Frames that have gone in.
    pub frames: AtomicU64,
    /// Packets that have come out.
    pub packets: AtomicU64,
}

impl Tally {
    pub fn new(frames: u64) -> Self {
        Tally {
            frames: AtomicU64::new(frames),
            packets: AtomicU64::new(0),
        }
    }
}

/// What pictures become before they are encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Upright, in pixels.
    pub size: (u32, u32),
    pub format: PixelFormat,
    pub colour: Colour,
}

impl Look {
    /// The meaning of the numbers: as in the source, but never full range, which not all players understand.
    pub fn colour_of(source: &Frame) -> Colour {
        let matrix = if source.format().is_rgb() {
            Matrix::Bt709
        } else {
            source.colour().matrix
        };
        Colour {
            matrix,
            full_range: false,
        }
    }

    /// An empty picture that looks like this, and says about its colours what `sample` does.
    pub fn blank(&self, sample: &Frame) -> crate::libav::Result<Frame> {
        let mut frame = Frame::blank(self.format, self.size.0, self.size.1)?;
        frame.describe_as(sample);
        frame.set_colour(self.colour);
        Ok(frame)
    }
}

/// Brings pictures into the form that is encoded.
pub struct Darkroom {
    look: Look,
    scaler: Scaler,
    /// Scales what was turned before, where chroma samples are not square.
    finisher: Scaler,
}

impl Darkroom {
    pub fn new(look: Look) -> Self {
        Darkroom {
            look,
            scaler: Scaler::new(),
            finisher: Scaler::new(),
        }
    }

    /// Returns the picture as it is encoded, from the next larger one of the same format, or else from the decoded one.
    pub fn develop(&mut self, shot: &Shot) -> crate::libav::Result<Frame> {
        let Look {
            size,
            format,
            colour,
        } = self.look;
        let orientation = shot.orientation;
        if let Some(larger) = shot
            .scaled
            .as_ref()
            .filter(|frame| frame.format() == format)
        {
            if (larger.width(), larger.height()) == size {
                return larger.share();
            }
            return self.scaler.scale(larger, colour, format, colour, size);
        }
        let decoded = &shot.decoded;
        let from = decoded.colour();
        let (across, down) = format.chroma_steps();
        if orientation.swaps() && across != down {
            let full = full_chroma(format);
            let before = (size.1, size.0);
            let scaled = self.scaler.scale(decoded, from, full, colour, before)?;
            let turned = turn(&scaled, orientation)?;
            return self.finisher.scale(&turned, colour, format, colour, size);
        }
        let before = if orientation.swaps() {
            (size.1, size.0)
        } else {
            size
        };
        let fits = (decoded.width(), decoded.height()) == before && decoded.format() == format;
        let scaled = if fits && from == colour {
            decoded.share()?
        } else {
            self.scaler.scale(decoded, from, format, colour, before)?
        };
        turn(&scaled, orientation)
    }
}

/// A format of about the same depth with as many chroma samples as luma samples.
fn full_chroma(format: PixelFormat) -> PixelFormat {
    let name = match format.depth() {
        ..=8 => "yuv444p",
        9..=10 => "yuv444p10le",
        11..=12 => "yuv444p12le",
        _ => "yuv444p16le",
    };
    PixelFormat::by_name(name).unwrap_or(PixelFormat::RGB24)
}

/// A stream that is being made.
pub struct Stage {
    pub darkroom: Darkroom,
    /// At least one; they take groups of pictures in turn.
    pub encoders: Vec<Encoder>,
    pub file: StreamFile,
}

/// What a stage has made.
pub struct Done {
    pub segments: SegmentIndex,
    pub size_bytes: u64,
}

impl Stage {
    /// Encodes what comes in until nothing follows, then finishes the file. Frames that the file has already are passed on
    /// only. Returns none if another stage has failed.
    ///
    /// Errors: those of the file; `Unreadable` if a picture cannot be converted or encoded.
    pub fn run(
        mut self,
        shots: Receiver<Shot>,
        next: Option<SyncSender<Shot>>,
        tally: &Tally,
    ) -> Result<Option<Done>, WorkerError> {
        let from = self.file.frames();
        let assembly = Mutex::new(Assembly::new(self.file));
        let passed = thread::scope(|scope| {
            let coders = Coders::start(scope, self.encoders, &assembly, tally);
            let passed = self.darkroom.pass(from, shots, next, &coders, tally);
            let coded = coders.finish();
            // Who fails first says why: encoders that got no more pictures because of it end in the middle of a group.
            if !passed? {
                return Ok(false);
            }
            coded.map(|()| true)
        })?;
        if !passed {
            return Ok(None);
        }
        let (segments, size_bytes) = into_inner(assembly).into_file().finish()?;
        Ok(Some(Done {
            segments,
            size_bytes,
        }))
    }
}

impl Darkroom {
    /// Develops pictures from a place on, and hands them on to the encoders and the next stage, until nothing follows or an
    /// encoder fails. Returns false if the next stage has failed, which says why itself.
    fn pass(
        &mut self,
        from: u64,
        shots: Receiver<Shot>,
        next: Option<SyncSender<Shot>>,
        coders: &Coders,
        tally: &Tally,
    ) -> Result<bool, WorkerError> {
        for shot in shots {
            let place = shot.place;
            let mine = if place >= from {
                Some(self.develop(&shot).map_err(refused)?)
            } else {
                None
            };
            if let Some(next) = &next {
                let scaled = match &mine {
                    Some(mine) => Some(mine.share().map_err(refused)?),
                    None => shot.scaled,
                };
                let shot = Shot {
                    place,
                    decoded: shot.decoded,
                    orientation: shot.orientation,
                    scaled,
                };
                if next.send(shot).is_err() {
                    return Ok(false);
                }
            }
            if let Some(mut mine) = mine {
                mine.forget_coding();
                mine.set_colour(self.look.colour);
                if !coders.take(place, mine) {
                    break;
                }
            }
            tally.frames.store(place + 1, Ordering::Relaxed);
        }
        Ok(true)
    }
}
