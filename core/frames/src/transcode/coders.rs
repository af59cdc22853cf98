//! Encoders that share a stream: they take groups of pictures in turn, each on a thread of its own.
//!
//! A group depends on nothing but its pictures, and its times come from the index. So the file has the same frames, times and
//! random access points however many encoders there are; only rate control, which remembers what it saw, may differ a little.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use transect_frame_client::{VideoCodec, WorkerError};

use crate::libav::{Encoder, Frame, Packet};
use crate::picture::refused;
use crate::sync::lock;
use crate::transcode::encoding::Encoding;
use crate::transcode::stage::Tally;
use crate::transcode::stream_file::{Group, StreamFile};

/// Pictures that wait for an encoder that has nobody beside it.
const WAITING_PICTURES: u64 = 4;
/// What pictures that wait for encoders may take in all streams of a request together, beside [`WAITING_PICTURES`] each.
const WAITING_BYTES: u64 = 256 << 20;
/// Each has a look-ahead and reference pictures of its own.
const MOST_ENCODERS: u64 = 8;

/// What decides how many encoders share a stream.
#[derive(Debug, Clone, Copy)]
pub struct Crew {
    /// What was asked for; zero if the machine decides.
    pub wanted: u32,
    pub cores: usize,
    /// Streams that are encoded at once.
    pub streams: usize,
}

impl Crew {
    /// Encoders for a stream of so many pictures that take so many bytes each; at least one.
    pub fn encoders(self, encoding: &Encoding, pictures: u64, picture_bytes: u64) -> u32 {
        let gop = u64::from(encoding.gop);
        // x265 has a pool of threads that work on one picture. Of two random access points in a row, decoders have to be
        // told that they are two; encoders that do not know of one another cannot, so something has to be between them.
        if encoding.codec == VideoCodec::Hevc || gop < 2 {
            return 1;
        }
        let streams = self.streams.max(1) as u64;
        let fitting = 1 + WAITING_BYTES / streams / (gop * picture_bytes).max(1);
        let useful = match self.wanted {
            // An encoder with a core to itself has no threads that wait for one another; streams that are encoded side by
            // side share the cores already.
            0 => self.cores as u64 / streams,
            wanted => u64::from(wanted),
        };
        let encoders = useful.min(fitting).min(pictures.div_ceil(gop));
        encoders.clamp(1, MOST_ENCODERS) as u32
    }

    /// Threads for each of the encoders of a stream; none if it is for the encoder to say.
    pub fn threads(self, encoders: u32) -> Option<u32> {
        let cores = (self.cores / self.streams.max(1)).max(1) as u32;
        (encoders > 1).then(|| cores.div_ceil(encoders))
    }
}

/// Who encodes which group.
#[derive(Debug, Clone, Copy)]
struct Turns {
    /// The group that comes first.
    first: u64,
    encoders: u64,
    /// Pictures in a group.
    gop: u64,
}

impl Turns {
    /// The encoder that takes the picture at a place of the output.
    fn taker(self, place: u64) -> usize {
        ((place / self.gop - self.first) % self.encoders) as usize
    }

    /// The place of the n-th picture that an encoder takes.
    fn place(self, encoder: usize, nth: u64) -> u64 {
        let group = self.first + nth / self.gop * self.encoders + encoder as u64;
        group * self.gop + nth % self.gop
    }

    /// Pictures that wait for each encoder: it has something to do while those beside it get their groups.
    fn waiting(self) -> usize {
        (self.gop - self.gop / self.encoders + WAITING_PICTURES) as usize
    }
}

/// Where groups come together, in their order. Those that come early are no more than what the encoders hold back.
pub struct Assembly {
    file: StreamFile,
    early: BTreeMap<u64, Group>,
}

impl Assembly {
    pub fn new(file: StreamFile) -> Self {
        Assembly {
            file,
            early: BTreeMap::new(),
        }
    }

    fn add(&mut self, group: Group) -> Result<(), WorkerError> {
        if let Some(&(place, _)) = group.first() {
            self.early.insert(place, group);
        }
        while let Some(group) = self.early.remove(&self.file.frames()) {
            self.file.append(group)?;
        }
        Ok(())
    }

    pub fn into_file(self) -> StreamFile {
        self.file
    }
}

/// Encoders at work.
pub struct Coders<'scope> {
    turns: Turns,
    desks: Vec<SyncSender<Frame>>,
    threads: Vec<ScopedJoinHandle<'scope, Result<(), WorkerError>>>,
}

impl<'scope> Coders<'scope> {
    /// Starts the encoders of a stream; what they make goes into `assembly`.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        encoders: Vec<Encoder>,
        assembly: &'env Mutex<Assembly>,
        tally: &'env Tally,
    ) -> Self {
        let (frames, gop) = {
            let assembly = lock(assembly);
            (assembly.file.frames(), assembly.file.gop())
        };
        let turns = Turns {
            first: frames / gop,
            encoders: encoders.len() as u64,
            gop,
        };
        let mut coders = Coders {
            turns,
            desks: Vec::new(),
            threads: Vec::new(),
        };
        for (at, encoder) in encoders.into_iter().enumerate() {
            let (desk, pictures) = sync_channel(turns.waiting());
            let coder = Coder {
                encoder,
                at,
                turns,
                group: Group::new(),
                assembly,
                tally,
            };
            coders.desks.push(desk);
            coders
                .threads
                .push(scope.spawn(move || coder.run(pictures)));
        }
        coders
    }

    /// Hands a picture to the encoder whose turn it is; pictures come in order. False if that one has failed.
    pub fn take(&self, place: u64, picture: Frame) -> bool {
        self.desks[self.turns.taker(place)].send(picture).is_ok()
    }

    /// Waits until everything is in the file.
    ///
    /// Errors: those of the first encoder that has failed.
    pub fn finish(self) -> Result<(), WorkerError> {
        drop(self.desks);
        let fault = || WorkerError::unreadable("an encoder met a fault of its own");
        let results: Vec<_> = self
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(fault())))
            .collect();
        results.into_iter().collect()
    }
}

/// One of the encoders.
struct Coder<'env> {
    encoder: Encoder,
    at: usize,
    turns: Turns,
    /// What has come out of the group that is not whole.
    group: Group,
    assembly: &'env Mutex<Assembly>,
    tally: &'env Tally,
}

impl Coder<'_> {
    fn run(mut self, pictures: Receiver<Frame>) -> Result<(), WorkerError> {
        let mut packet = Packet::new().map_err(refused)?;
        for (nth, mut picture) in pictures.into_iter().enumerate() {
            // Encoders see pictures one after the other: rate control would take a leap in time for a long picture.
            picture.set_label(nth);
            self.encoder.send(Some(&picture)).map_err(refused)?;
            self.collect(&mut packet)?;
        }
        self.encoder.send(None).map_err(refused)?;
        self.collect(&mut packet)?;
        lock(self.assembly).add(self.group)
    }

    /// Packets come in decode order, group after group.
    fn collect(&mut self, packet: &mut Packet) -> Result<(), WorkerError> {
        while self.encoder.receive(packet).map_err(refused)? {
            self.tally.packets.fetch_add(1, Ordering::Relaxed);
            let nth = packet
                .labelled()
                .ok_or_else(|| WorkerError::unreadable("the encoder gave an unlabelled packet"))?;
            let place = self.turns.place(self.at, nth as u64);
            self.group.push((place, packet.take().map_err(refused)?));
            if self.group.len() as u64 == self.turns.gop {
                lock(self.assembly).add(std::mem::take(&mut self.group))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE_BYTES: u64 = 1280 * 720 * 3 / 2;

    fn encoding(codec: VideoCodec, gop: u32) -> Encoding {
        Encoding {
            codec,
            crf: 23,
            preset: "fast".into(),
            tune: None,
            gop,
        }
    }

    fn crew(cores: usize, streams: usize) -> Crew {
        Crew {
            wanted: 0,
            cores,
            streams,
        }
    }

    #[test]
    fn every_picture_has_one_taker_and_its_own_place() {
        for (first, encoders, gop) in [(0, 1, 25), (0, 3, 25), (7, 4, 2), (3, 16, 250)] {
            let turns = Turns {
                first,
                encoders,
                gop,
            };
            let mut taken = vec![0; encoders as usize];
            for place in first * gop..(first + 40) * gop {
                let taker = turns.taker(place);
                assert_eq!(turns.place(taker, taken[taker]), place);
                taken[taker] += 1;
            }
        }
    }

    #[test]
    fn each_stream_has_its_share_of_the_cores() {
        let h264 = encoding(VideoCodec::H264, 25);
        for (cores, streams, expected) in [
            (1, 1, 1),
            (2, 1, 2),
            (2, 5, 1),
            (8, 1, 8),
            (16, 1, 8),
            (16, 5, 2),
            (64, 5, 2),
        ] {
            let encoders = crew(cores, streams).encoders(&h264, 10_000, PICTURE_BYTES);
            assert_eq!(encoders, expected, "{cores} {streams}");
        }
        let many = crew(256, 1);
        assert_eq!(many.encoders(&h264, 10_000, 3840 * 2160 * 3 / 2), 1);
        assert_eq!(many.encoders(&h264, 51, PICTURE_BYTES), 3);
        assert_eq!(many.encoders(&h264, 0, PICTURE_BYTES), 1);
        for one in [
            encoding(VideoCodec::H264, 1),
            encoding(VideoCodec::Hevc, 25),
        ] {
            assert_eq!(many.encoders(&one, 10_000, PICTURE_BYTES), 1, "{one:?}");
        }
        assert_eq!(crew(2, 1).threads(1), None);
        assert_eq!(crew(2, 1).threads(2), Some(1));
        assert_eq!(crew(16, 1).threads(8), Some(2));
        assert_eq!(crew(16, 5).threads(3), Some(1));
    }

    #[test]
    fn what_waits_is_bounded() {
        for gop in [2, 10, 25, 250, u32::MAX] {
            for picture_bytes in [1, 38_016, 3_110_400, u64::from(u32::MAX)] {
                for streams in [1, 5] {
                    let crew = Crew {
                        wanted: u32::MAX,
                        ..crew(2, streams)
                    };
                    let encoding = encoding(VideoCodec::Av1, gop);
                    let encoders = crew.encoders(&encoding, u64::MAX, picture_bytes).into();
                    let turns = Turns {
                        first: 0,
                        encoders,
                        gop: gop.into(),
                    };
                    let beside = turns.waiting() as u64 - WAITING_PICTURES;
                    let waiting = encoders * beside.saturating_sub(1);
                    assert!(waiting * picture_bytes * streams as u64 <= WAITING_BYTES);
                }
            }
        }
    }
}
