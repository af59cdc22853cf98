//! Requests in, answers out.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use transect_frame_client::WorkerError;
use transect_frame_client::message::{self, Lane, Outcome, Reply, Request, Task};

use crate::ahead::Studio;
use crate::picture::Encoded;
use crate::source::Source;
use crate::sync::lock;
use crate::turn::Orientation;
use crate::{compose, image, indexer, inspect, packets, probe, proof, supply, transcode};

/// Sources kept open with their decoders; the one used longest ago goes first.
const OPEN_SOURCES: usize = 8;
/// What their indexes may take together, unless one alone takes more: some forty hours at sixty frames a second.
const INDEX_BYTES: usize = 96 << 20;
/// Requests beyond this many in one lane are refused.
const WAITING_REQUESTS: usize = 4096;
/// A scan says this often that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

type Answer = Result<(Outcome, Body), WorkerError>;

/// What follows an outcome.
enum Body {
    Bytes(Vec<u8>),
    Still(Arc<Encoded>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Bytes(bytes) => bytes,
            Body::Still(still) => &still.bytes,
        }
    }
}

/// What the lanes share.
#[derive(Default)]
struct Shared {
    output: Mutex<()>,
    withdrawn: Mutex<HashSet<u64>>,
}

/// Serves requests until the input ends; then the process should end too, whatever the lanes are doing. That is how a worker
/// goes when the program that started it does, however that happens.
///
/// Errors: those of the input.
pub fn serve(mut input: impl Read, cache_bytes: u64) -> io::Result<()> {
    let shared = Arc::new(Shared::default());
    let index_lane = lane(&shared, || work);
    let picture_lane = lane(&shared, move || {
        let mut desk = Desk {
            studio: Studio::new(cache_bytes),
            sources: Vec::new(),
            opened: 0,
        };
        move |task: Task, _: &mut dyn FnMut(Outcome)| {
            let answer = desk.answer(task);
            if supply::check().is_err() {
                // What was read meanwhile ended early, and may be remembered so.
                desk.sources
                    .retain(|source| !supply::is_partial(source.path()));
            }
            answer
        }
    });
    while let Some((request, _)) = message::read::<Request>(&mut input)? {
        let request = match request {
            Request {
                id,
                task: Task::Cancel,
            } => {
                lock(&shared.withdrawn).insert(id);
                continue;
            }
            Request {
                task: Task::Supplied(answer),
                ..
            } => {
                supply::supplied(answer);
                continue;
            }
            request => request,
        };
        let lane = match request.task.lane() {
            Lane::Index => &index_lane,
            Lane::Picture => &picture_lane,
        };
        // The input must be read on in any case: its end is what ends this process.
        match lane.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => {
                let message = "too many requests wait for this frame worker".to_owned();
                let error = WorkerError::Io { message };
                reply(&shared, request.id, Outcome::Failed(error), &[]);
            }
            Err(TrySendError::Disconnected(_)) => return Err(io::Error::other("a lane has ended")),
        }
    }
    Ok(())
}

/// Starts a thread that answers requests in order, with what `open` makes on that thread.
fn lane<A>(shared: &Arc<Shared>, open: impl FnOnce() -> A + Send + 'static) -> SyncSender<Request>
where
    A: FnMut(Task, &mut dyn FnMut(Outcome)) -> Answer,
{
    let (sender, requests) = sync_channel::<Request>(WAITING_REQUESTS);
    let shared = shared.clone();
    thread::spawn(move || {
        let mut answer = open();
        for Request { id, task } in requests {
            let (outcome, body) = if lock(&shared.withdrawn).remove(&id) {
                (Outcome::Withdrawn, Body::Bytes(Vec::new()))
            } else {
                let mut alive_at = Instant::now();
                let mut progress = |outcome| {
                    if alive_at.elapsed() >= SIGN_OF_LIFE {
                        alive_at = Instant::now();
                        reply(&shared, id, outcome, &[]);
                    }
                };
                supply::begin();
                // A panic must cost this request only.
                let answered = catch_unwind(AssertUnwindSafe(|| answer(task, &mut progress)));
                let answered = answered.unwrap_or_else(|_| {
                    Err(WorkerError::unreadable(
                        "the frame worker met a fault of its own",
                    ))
                });
                let answered = supply::check().and(answered);
                answered.unwrap_or_else(|error| (Outcome::Failed(error), Body::Bytes(Vec::new())))
            };
            lock(&shared.withdrawn).remove(&id);
            reply(&shared, id, outcome, body.bytes());
        }
    });
    sender
}

fn reply(shared: &Shared, id: u64, outcome: Outcome, body: &[u8]) {
    let message = message::encode(&Reply { id, outcome }, body).or_else(|error| {
        let error = WorkerError::io("cannot send the answer", &error);
        message::encode(
            &Reply {
                id,
                outcome: Outcome::Failed(error),
            },
            &[],
        )
    });
    let Ok(message) = message else { return };
    let _guard = lock(&shared.output);
    let mut output = io::stdout().lock();
    // Nobody is left to tell; the end of the input ends the process.
    let _ = output.write_all(&message).and_then(|()| output.flush());
}

/// Does what may take long.
fn work(task: Task, progress: &mut dyn FnMut(Outcome)) -> Answer {
    let outcome = match task {
        Task::Index { source, index_file } => {
            indexer::ensure(&source, &index_file, &mut || progress(Outcome::Progress))?;
            Outcome::Indexed
        }
        Task::Transcode(request) => {
            let produced = transcode::transcode(&request, &mut |frames_done, frames_total| {
                progress(Outcome::Advanced {
                    frames_done,
                    frames_total,
                });
            })?;
            Outcome::Transcoded(produced)
        }
        Task::Probe { source } => Outcome::Probed(probe::probe(&source)?),
        Task::Prove { source, index_file } => {
            let proof = proof::prove(&source, &index_file, &mut || progress(Outcome::Progress))?;
            Outcome::Proven(proof)
        }
        Task::Inspect {
            source,
            index_file,
            budget_ms,
        } => {
            let budget = Duration::from_millis(budget_ms);
            let inspection = inspect::inspect(&source, &index_file, budget, &mut || {
                progress(Outcome::Progress);
            })?;
            Outcome::Inspected(inspection)
        }
        Task::ConvertImage(request) => Outcome::Converted(image::convert(&request, &mut || {
            progress(Outcome::Progress)
        })?),
        _ => {
            return Err(WorkerError::Invalid {
                message: "not a task for this lane".into(),
            });
        }
    };
    Ok((outcome, Body::Bytes(Vec::new())))
}

/// Open sources and their pictures.
struct Desk {
    studio: Arc<Studio>,
    sources: Vec<Source>,
    opened: u64,
}

impl Desk {
    fn answer(&mut self, task: Task) -> Answer {
        match task {
            Task::Picture(request) => {
                self.open(&request.source, &request.index_file)?;
                let still = self.studio.single(&mut self.sources[0], &request)?;
                Ok((outcome(&still), Body::Still(still)))
            }
            Task::Compose(request) => {
                self.studio.rest();
                let picture = compose::compose(&request, &mut |at| {
                    let (path, index_file) = request.file_of(at)?;
                    self.open(path, index_file)?;
                    let source = &mut self.sources[0];
                    let picture = source.frame(request.frames[at], &self.studio.pictures)?;
                    Ok((picture, Orientation::of(&source.film.index)))
                })?;
                Ok((outcome(&picture), Body::Bytes(picture.bytes)))
            }
            Task::Packets {
                source,
                index_file,
                first,
                last,
            } => {
                self.studio.rest();
                self.open(&source, &index_file)?;
                let (table, body) = packets::packets(&mut self.sources[0], first, last)?;
                Ok((Outcome::Packets(table), Body::Bytes(body)))
            }
            _ => Err(WorkerError::Invalid {
                message: "not a picture task".into(),
            }),
        }
    }

    /// Puts the source first, opened if need be.
    fn open(&mut self, path: &Path, index_file: &Path) -> Result<(), WorkerError> {
        let known = self
            .sources
            .iter()
            .position(|source| source.is(path, index_file));
        let source = match known {
            Some(at) => self.sources.remove(at),
            None => {
                self.opened += 1;
                Source::open(self.opened, path, index_file)?
            }
        };
        self.sources.insert(0, source);
        self.sources.truncate(OPEN_SOURCES);
        let bytes = |sources: &[Source]| -> usize {
            let tables = sources.iter().map(|source| &source.film.index.tables);
            tables.map(|tables| tables.memory_bytes()).sum()
        };
        while self.sources.len() > 1 && bytes(&self.sources) > INDEX_BYTES {
            self.sources.pop();
        }
        Ok(())
    }
}

fn outcome(encoded: &Encoded) -> Outcome {
    Outcome::Picture {
        width: encoded.width,
        height: encoded.height,
    }
}
