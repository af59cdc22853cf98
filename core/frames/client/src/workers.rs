//! The pool of worker processes.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::message::{Outcome, Task};
use crate::process::Process;
use crate::quarantine::Quarantine;
use crate::reach::Reach;
use crate::{
    CodedPacket, ComposeRequest, FrameIndex, Image, ImageRequest, Inspection, Packets, Picture,
    PictureRequest, Probe, Produced, Progress, Proof, Supply, TranscodeRequest, WorkerError, solo,
};

/// Beside its cache a worker may map this much: code, decoders, one large picture in several forms.
const WORKING_MEMORY_BYTES: u64 = 3 << 30;
/// So many processes may die in a row without having done anything before the next one has to wait, each time twice as long.
const FREE_FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How to run the workers.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `transect-frames` binary.
    pub binary: PathBuf,
    /// Processes, at least one; each uses about one core when busy.
    pub processes: usize,
    /// Decoded pictures kept, in bytes over all processes.
    pub cache_bytes: u64,
    /// A worker that holds requests and shows no sign of life for this long is killed.
    pub request_timeout: Duration,
    /// Folders that workers may read from the start. They learn of other folders as sources come from there, at the price of a
    /// new process.
    pub readable: Vec<PathBuf>,
}

/// The pool of worker processes. Every source belongs to one of them, so that its decoder and pictures stay warm there.
///
/// Processes start when first needed, are replaced when they die, and end when the pool is dropped or this program ends,
/// however it ends. All calls are cancel-safe: dropping one withdraws the request.
pub struct Workers {
    options: Options,
    slots: Vec<Mutex<Slot>>,
    quarantine: Arc<Quarantine>,
    supply: Option<Arc<dyn Supply>>,
    next_id: AtomicU64,
}

/// A place for one process.
#[derive(Default)]
struct Slot {
    process: Option<Arc<Process>>,
    reach: Reach,
    /// Processes that died one after the other before they had answered anything.
    failures: u32,
    /// When the next one may start.
    not_before: Option<Instant>,
}

impl Slot {
    /// The process that runs, unless it needs to be another one to reach these files.
    ///
    /// Errors: `Crashed` while a new one has to wait, because too many have failed.
    fn running(
        &mut self,
        files: &[(PathBuf, PathBuf)],
    ) -> Result<Option<Arc<Process>>, WorkerError> {
        let mut more = false;
        for (source, index_file) in files {
            more |= self.reach.extend(source, index_file);
        }
        if let Some(dead) = self.process.take_if(|process| process.dead()) {
            self.failures = if dead.useful() { 0 } else { self.failures + 1 };
            let doubled = self.failures.checked_sub(FREE_FAILURES);
            let pause = doubled.map(|times| (FIRST_PAUSE * (1 << times.min(8))).min(LONGEST_PAUSE));
            self.not_before = pause.map(|pause| Instant::now() + pause);
        }
        let waits = self.not_before.filter(|&at| at > Instant::now());
        if waits.is_some() && self.process.is_none() {
            return Err(WorkerError::Crashed {
                message: format!(
                    "{} died in a row before they did anything; the next one starts in a moment",
                    self.failures
                ),
            });
        }
        // What it still does for others it does to the end.
        Ok(self.process.clone().filter(|_| !more))
    }
}

impl Workers {
    /// A pool that has not started anything yet.
    pub fn new(options: Options) -> Self {
        let slot = || Slot {
            reach: Reach {
                read: options.readable.clone(),
                write: Vec::new(),
            },
            ..Slot::default()
        };
        let slots = (0..options.processes.max(1))
            .map(|_| Mutex::new(slot()))
            .collect();
        Workers {
            options,
            slots,
            quarantine: Arc::default(),
            supply: None,
            next_id: AtomicU64::new(1),
        }
    }

    /// The pool, with somebody who brings the bytes of files that are not whole. Only [`Workers::index`], [`Workers::picture`],
    /// [`Workers::compose`] and [`Workers::packets`] take such files; they fail with `Unavailable` when bytes do not come.
    pub fn supplied_by(mut self, supply: Arc<dyn Supply>) -> Self {
        self.supply = Some(supply);
        self
    }

    /// Returns the source's index: the one in `index_file` if the source still fits it, else a new one, which is written there.
    ///
    /// Errors: `Unreadable` if the source is no video or image that can be decoded; `Io`; those of the pool.
    pub async fn index(&self, source: &Path, index_file: &Path) -> Result<FrameIndex, WorkerError> {
        let task = Task::Index {
            source: source.to_owned(),
            index_file: index_file.to_owned(),
        };
        match self.call(task, source).await? {
            (Outcome::Indexed, _) => {}
            other => return Err(unexpected(&other.0)),
        }
        let path = index_file.to_owned();
        let read = tokio::task::spawn_blocking(move || FrameIndex::read(&path)).await;
        read.map_err(|error| WorkerError::Io {
            message: error.to_string(),
        })?
        .map_err(|error| WorkerError::Io {
            message: format!("{error}: {}", index_file.display()),
        })
    }

    /// Returns one frame as an encoded picture, upright.
    ///
    /// Errors: `OutOfRange`; `Unreadable` also when the source has no usable index; `Invalid`; those of the pool.
    pub async fn picture(&self, request: PictureRequest) -> Result<Picture, WorkerError> {
        let (source, mime) = (request.source.clone(), request.format.mime());
        picture(self.call(Task::Picture(request), &source).await?, mime)
    }

    /// Returns several frames as a grid or an animation.
    ///
    /// Errors: as [`Workers::picture`].
    pub async fn compose(&self, request: ComposeRequest) -> Result<Picture, WorkerError> {
        let (source, mime) = (request.source.clone(), request.format.mime());
        picture(self.call(Task::Compose(request), &source).await?, mime)
    }

    /// Returns the coded packets, in decode order, that show the frames from `first` to `last` (included, cut at the end of
    /// the source). They begin at the random access point at or before `first`.
    ///
    /// Errors: as [`Workers::picture`].
    pub async fn packets(
        &self,
        source: &Path,
        index_file: &Path,
        first: u64,
        last: u64,
    ) -> Result<Packets, WorkerError> {
        let task = Task::Packets {
            source: source.to_owned(),
            index_file: index_file.to_owned(),
            first,
            last,
        };
        let (outcome, body) = self.call(task, source).await?;
        let Outcome::Packets(table) = outcome else {
            return Err(unexpected(&outcome));
        };
        let mut rest = Bytes::from(body);
        let mut packets = Vec::with_capacity(table.packets.len());
        for (frame, key, size) in table.packets {
            if size as usize > rest.len() {
                return Err(WorkerError::Io {
                    message: "worker sent too few bytes".into(),
                });
            }
            packets.push(CodedPacket {
                frame,
                key,
                bytes: rest.split_to(size as usize),
            });
        }
        Ok(Packets {
            codec_string: table.codec_string,
            codec: table.codec,
            coded_width: table.coded_width,
            coded_height: table.coded_height,
            description: table.description,
            changes: table.changes,
            packets,
        })
    }

    /// Makes files from a source, in a process of its own that yields to everything else, and returns them in the order of
    /// the outputs. `progress` hears how far it is, about twice a second.
    ///
    /// Dropping the future kills the process; an unfinished [`crate::Output::Stream`] is continued when it is asked for again.
    /// The request timeout counts from the last sign of life.
    ///
    /// Errors: as [`Workers::picture`]; `Invalid` for a request that no encoder or container fulfils.
    pub async fn transcode(
        &self,
        request: TranscodeRequest,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Vec<Produced>, WorkerError> {
        self.quarantine.admit(&request.source)?;
        match self.solo(Task::Transcode(request), progress).await? {
            Outcome::Transcoded(produced) => Ok(produced),
            other => Err(unexpected(&other)),
        }
    }

    /// Returns what a file's headers say, for files that have no index. Sound alone is fine.
    ///
    /// Errors: `Unreadable` if it is no media file; those of the pool.
    pub async fn probe(&self, source: &Path) -> Result<Probe, WorkerError> {
        let source = source.to_owned();
        match self.solo(Task::Probe { source }, |_| {}).await? {
            Outcome::Probed(probe) => Ok(probe),
            other => Err(unexpected(&other)),
        }
    }

    /// Reads and decodes a whole source once more, and compares it with its index. Takes as long as playing it as fast as the
    /// machine can, in a process that yields to everything else.
    ///
    /// Errors: `Unreadable` if there is no index, or no source, to compare; those of the pool.
    pub async fn prove(&self, source: &Path, index_file: &Path) -> Result<Proof, WorkerError> {
        let task = Task::Prove {
            source: source.to_owned(),
            index_file: index_file.to_owned(),
        };
        match self.solo(task, |_| {}).await? {
            Outcome::Proven(proof) => Ok(proof),
            other => Err(unexpected(&other)),
        }
    }

    /// Looks at random access points that only the container vouches for, in the order of the file and for about this long, and
    /// writes what it found to the index file. Dropping the future loses what this call has found, and nothing else.
    ///
    /// Errors: `Unreadable` if there is no index, or the source has changed since; those of the pool.
    pub async fn inspect(
        &self,
        source: &Path,
        index_file: &Path,
        budget: Duration,
    ) -> Result<Inspection, WorkerError> {
        let task = Task::Inspect {
            source: source.to_owned(),
            index_file: index_file.to_owned(),
            budget_ms: u64::try_from(budget.as_millis()).unwrap_or(u64::MAX),
        };
        match self.solo(task, |_| {}).await? {
            Outcome::Inspected(inspection) => Ok(inspection),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a picture file that browsers show.
    ///
    /// Errors: `Unreadable` if the source is no picture, or one of more pixels than a picture has; those of the pool.
    pub async fn convert_image(&self, request: ImageRequest) -> Result<Image, WorkerError> {
        match self.solo(Task::ConvertImage(request), |_| {}).await? {
            Outcome::Converted(image) => Ok(image),
            other => Err(unexpected(&other)),
        }
    }

    async fn solo(
        &self,
        task: Task,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Outcome, WorkerError> {
        let (binary, patience) = (&self.options.binary, self.options.request_timeout);
        solo::run(binary, task, patience, progress).await
    }

    /// Process ids of the workers of the pool that run now, for supervision and tests.
    pub fn process_ids(&self) -> Vec<u32> {
        let id = |slot: &Mutex<Slot>| {
            let slot = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let process = slot.process.as_ref();
            process
                .filter(|process| !process.dead())
                .and_then(|process| process.id)
        };
        self.slots.iter().filter_map(id).collect()
    }

    async fn call(&self, task: Task, source: &Path) -> Result<(Outcome, Vec<u8>), WorkerError> {
        self.quarantine.admit(source)?;
        let (index_file, others) = match &task {
            Task::Picture(request) => (&request.index_file, &[][..]),
            Task::Compose(request) => (&request.index_file, &request.others[..]),
            Task::Index { index_file, .. } | Task::Packets { index_file, .. } => {
                (index_file, &[][..])
            }
            other => return Err(misplaced(other)),
        };
        let mut files = vec![(source.to_owned(), index_file.clone())];
        files.extend_from_slice(others);
        let process = self.process(source, &files)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        process.call(id, task, source.to_owned()).await
    }

    /// The process that the source belongs to, started if need be; it reaches these files, each with its index file.
    fn process(
        &self,
        source: &Path,
        files: &[(PathBuf, PathBuf)],
    ) -> Result<Arc<Process>, WorkerError> {
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let slot = &self.slots[(hasher.finish() % self.slots.len() as u64) as usize];
        let mut slot = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(process) = slot.running(files)? {
            return Ok(process);
        }
        let cache_bytes = self.options.cache_bytes / self.slots.len() as u64;
        let numbers = [
            ("--cache-bytes", cache_bytes),
            ("--memory-bytes", WORKING_MEMORY_BYTES + cache_bytes),
        ];
        let mut arguments: Vec<OsString> = Vec::new();
        for (name, number) in numbers {
            arguments.extend([name.into(), number.to_string().into()]);
        }
        arguments.extend(slot.reach.arguments().map(OsString::from));
        if let Some(supply) = &self.supply {
            arguments.extend(["--partial".into(), supply.folder().into()]);
        }
        let (timeout, quarantine) = (self.options.request_timeout, self.quarantine.clone());
        let process = Arc::new(Process::start(
            &self.options.binary,
            &arguments,
            timeout,
            quarantine,
            self.supply.clone(),
        )?);
        slot.process = Some(process.clone());
        Ok(process)
    }
}

fn misplaced(task: &Task) -> WorkerError {
    WorkerError::Invalid {
        message: format!("no task for the pool: {task:?}"),
    }
}

fn picture(
    (outcome, body): (Outcome, Vec<u8>),
    mime: &'static str,
) -> Result<Picture, WorkerError> {
    let Outcome::Picture { width, height } = outcome else {
        return Err(unexpected(&outcome));
    };
    Ok(Picture {
        bytes: body.into(),
        width,
        height,
        mime,
    })
}

fn unexpected(outcome: &Outcome) -> WorkerError {
    WorkerError::Io {
        message: format!("worker sent an unexpected answer: {outcome:?}"),
    }
}
