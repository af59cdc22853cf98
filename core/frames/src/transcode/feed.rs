//! One decode of the source, frame by frame in the order asked for.

use std::collections::BTreeMap;

use transect_frame_client::{FrameIndex, WorkerError};

use crate::cache::Pictures;
use crate::indexer::unreadable;
use crate::libav::{Decoder, Frame, Guard, Packet, Parameters, Threads};
use crate::picture::refused;
use crate::session::shown;
use crate::source::{Source, verified};
use crate::transcode::selection::Selection;

/// Pictures that come out before the one that is due; if it has not come by then, it does not.
const WAITING_PICTURES: usize = 32;
/// So many frames that do not decode on the way are looked for again, each from further back.
const SEARCHES: u32 = 50;

/// A frame of the output.
pub struct Fed {
    /// Place in the output.
    pub place: u64,
    /// Display ordinal in the source.
    pub ordinal: usize,
    pub picture: Frame,
}

/// Decodes the selected frames from a place of the output on and hands every one of them to `emit`, in order, without gaps.
/// Returns how many did not decode; those show the frame before them.
///
/// Errors: `Unreadable` if the file cannot be read or nothing decodes; those of `emit`.
pub fn feed(
    source: &mut Source,
    pictures: &Pictures,
    selection: &Selection,
    from: u64,
    emit: &mut dyn FnMut(Fed) -> Result<(), WorkerError>,
) -> Result<u64, WorkerError> {
    let index = source.film.index.clone();
    let parameters = Parameters::from_index(&index).map_err(refused)?;
    let decoder = Decoder::open(&parameters, Guard::Show, Threads::Many).map_err(refused)?;
    let reader = source.reader()?;
    let mut feed = Feed {
        source,
        pictures,
        index: &index,
        decoder,
        emit,
        run: (0, 0, 0),
        start: 0,
        due: 0,
        waiting: BTreeMap::new(),
        shown: None,
        searches: 0,
        repeated: 0,
    };
    let mut reader = reader;
    let mut packet = Packet::new().map_err(refused)?;
    for run in selection.runs_from(from) {
        let (_, first, last) = run;
        let packets = index.packets_for(first..=last);
        let start = verified(&index, &mut reader, first, packets.start)
            .map_err(|reason| unreadable(feed.source.path(), &reason))?;
        let packets = start..packets.end;
        feed.begin(run, packets.start);
        for at in packets {
            reader
                .read(at, &mut packet)
                .map_err(|reason| unreadable(feed.source.path(), &reason))?;
            // A packet that does not decode shows nothing; its frame is missed below.
            let _ = feed.decoder.send(&packet);
            feed.collect()?;
        }
        let _ = feed.decoder.finish();
        feed.collect()?;
        feed.end()?;
    }
    Ok(feed.repeated)
}

struct Feed<'a> {
    source: &'a mut Source,
    pictures: &'a Pictures,
    index: &'a FrameIndex,
    decoder: Decoder,
    emit: &'a mut dyn FnMut(Fed) -> Result<(), WorkerError>,
    /// Place of the first frame in the output, first and last ordinals.
    run: (u64, usize, usize),
    /// Packet where decoding started.
    start: usize,
    /// Ordinal that comes next.
    due: usize,
    /// What came out too early.
    waiting: BTreeMap<usize, Frame>,
    shown: Option<Frame>,
    searches: u32,
    repeated: u64,
}

impl Feed<'_> {
    fn begin(&mut self, run: (u64, usize, usize), start: usize) {
        self.decoder.reset();
        self.run = run;
        self.start = start;
        self.due = run.1;
        self.waiting.clear();
    }

    /// Takes out all pictures and passes on those that are due. Pictures that display before the start may lack references.
    fn collect(&mut self) -> Result<(), WorkerError> {
        loop {
            let picture = match self.decoder.receive() {
                Ok(Some(picture)) => picture,
                Ok(None) => return Ok(()),
                Err(_) => continue,
            };
            let Some((at, ordinal)) = shown(&picture, self.index) else {
                continue;
            };
            let pts = |packet: usize| self.index.packet_pts(packet);
            let exact = pts(at) >= pts(self.start) || self.start == 0;
            if !exact || ordinal < self.due || ordinal > self.run.2 {
                continue;
            }
            self.waiting.insert(ordinal, picture);
            while let Some(picture) = self.waiting.remove(&self.due) {
                self.pass(picture)?;
            }
            if self.waiting.len() > WAITING_PICTURES {
                self.miss()?;
            }
        }
    }

    /// After the last packet of a run.
    fn end(&mut self) -> Result<(), WorkerError> {
        while self.due <= self.run.2 {
            match self.waiting.remove(&self.due) {
                Some(picture) => self.pass(picture)?,
                None => self.miss()?,
            }
        }
        Ok(())
    }

    fn pass(&mut self, picture: Frame) -> Result<(), WorkerError> {
        self.shown = Some(picture.share().map_err(refused)?);
        let fed = Fed {
            place: self.run.0 + (self.due - self.run.1) as u64,
            ordinal: self.due,
            picture,
        };
        self.due += 1;
        (self.emit)(fed)
    }

    /// The due frame did not come out. Looks for it as a request for this frame alone would; else shows a neighbour.
    fn miss(&mut self) -> Result<(), WorkerError> {
        if self.searches < SEARCHES {
            if let Ok(picture) = self.source.frame(self.due as u64, self.pictures) {
                return self.pass(picture);
            }
            self.searches += 1;
        }
        self.repeated += 1;
        let neighbour = self.shown.as_ref().or(self.waiting.values().next());
        match neighbour {
            Some(picture) => {
                let picture = picture.share().map_err(refused)?;
                self.pass(picture)
            }
            None => Err(unreadable(
                self.source.path(),
                &format!("frame {} does not decode", self.due),
            )),
        }
    }
}
