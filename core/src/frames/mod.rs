//! The frame service: (media, frame) → picture, packets, index.
//!
//! Frame *n* is the n-th picture of the source in display order, as its frame index says; no frame
//! rate takes part. Decoding happens in worker processes (`transect-frames`); indexes are files in
//! the data folder, named after the media, and can be made anew at any time. Which file of a media
//! pictures are made from, its source or a rendition, is `film`'s to say.

mod caching;
mod clip;
mod film;
mod multi;
mod notice;
mod proof;
mod rendition;
pub mod routes;
mod service;
mod stream;
mod transcoding;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use transect_frame_client::{Options, Supply, WorkerError, Workers};

use crate::config;
use crate::error::{Error, Result};
use film::KnownFacts;

pub use film::{Facts, Film};
pub use proof::{inspect, prove, try_sandbox};
pub use service::{
    Wanted, WantedTogether, adopt_index, compose, drop_index, film, frame, index, index_of_file,
    try_index, try_picture,
};
pub use transcoding::{convert_image, probe, transcode};
pub use transect_frame_client::{FrameIndex, Proof, Sandbox};

/// The worker program, beside this one.
const WORKER: &str = "transect-frames";

/// Streams of frames that are open at a time.
const STREAMS: usize = 64;

/// Clips that are encoded at a time.
const ENCODED_CLIPS: usize = 2;

/// The frame service's workers, and where indexes lie.
pub struct Frames {
    workers: Workers,
    indexes: PathBuf,
    binary: PathBuf,
    facts: KnownFacts,
    /// Turns of clips that are encoded: others have to wait.
    clips: Semaphore,
    /// Places of streams.
    streams: Arc<Semaphore>,
    /// Told to the streams when the station stops.
    closing: CancellationToken,
    /// When somebody last asked for frames.
    asked_at: Mutex<Instant>,
    asked: Notify,
}

impl Frames {
    /// A service whose workers start at first use.
    ///
    /// `objects` are the folders of stored objects, where they are files; `supply` brings the bytes of those that have holes.
    pub fn new(
        settings: &config::Frames,
        objects: Vec<PathBuf>,
        supply: Arc<dyn Supply>,
        data: &Path,
    ) -> Result<Self> {
        let indexes = data.join("frames");
        std::fs::create_dir_all(&indexes)?;
        let binary = worker_binary(settings)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let processes = if settings.processes == 0 {
            cores.div_ceil(2)
        } else {
            settings.processes
        };
        let workers = Workers::new(Options {
            binary: binary.clone(),
            processes,
            cache_bytes: settings.cache_bytes,
            request_timeout: Duration::from_secs(settings.timeout_secs),
            readable: objects,
        })
        .supplied_by(supply);
        Ok(Self {
            workers,
            indexes,
            binary,
            facts: KnownFacts::default(),
            clips: Semaphore::new(ENCODED_CLIPS),
            streams: Arc::new(Semaphore::new(STREAMS)),
            closing: CancellationToken::new(),
            asked_at: Mutex::new(Instant::now()),
            asked: Notify::new(),
        })
    }

    /// Waits until the station stops, then has every stream of frames say so to its client. Returns when none
    /// is open any more; the web server does not know of them.
    pub async fn close_streams(&self, stopping: CancellationToken) {
        stopping.cancelled().await;
        self.closing.cancel();
        // No stream gets a place behind this.
        if let Ok(places) = self.streams.acquire_many(STREAMS as u32).await {
            places.forget();
        }
    }

    /// The worker program that is used.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// How long nobody has asked for frames.
    pub fn quiet_for(&self) -> Duration {
        let asked_at = self.asked_at.lock();
        asked_at.unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Process ids of the workers that run now.
    pub fn process_ids(&self) -> Vec<u32> {
        self.workers.process_ids()
    }

    /// Notes that somebody asks for frames: what is done in idle time has to wait.
    fn ask(&self) {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.asked.notify_waiters();
    }

    /// Returns when somebody asks for frames.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Returns once nobody has asked for frames for so long.
    pub(crate) async fn idle(&self, quiet: Duration) {
        loop {
            match quiet.checked_sub(self.quiet_for()) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ => return,
            }
        }
    }

    fn index_file(&self, media: i64) -> PathBuf {
        self.indexes.join(format!("{media}.index"))
    }

    /// The index file of what is no media yet.
    fn index_file_named(&self, name: &str) -> PathBuf {
        self.indexes.join(format!("{name}.index"))
    }

    /// Removes the indexes of media that are gone.
    pub(crate) async fn forget(&self, media: &[i64]) -> Result<()> {
        if media.is_empty() {
            return Ok(());
        }
        let mut files = tokio::fs::read_dir(&self.indexes).await?;
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name();
            // `12.index` is the media's own, `12-….index` one of its renditions'.
            let name = name.to_string_lossy();
            let of = name.split(['.', '-']).next();
            let of: Option<i64> = of.and_then(|text| text.parse().ok());
            if of.is_some_and(|of| media.contains(&of)) {
                tokio::fs::remove_file(file.path()).await?;
            }
        }
        Ok(())
    }

    /// The index file of a stored object of a media, which `identity` tells from all others.
    fn rendition_index_file(&self, media: i64, identity: &str) -> PathBuf {
        let hash = blake3::hash(identity.as_bytes()).to_hex();
        self.indexes
            .join(format!("{media}-{}.index", &hash.as_str()[..16]))
    }

    /// Gives a media the index of another one that has the same bytes.
    pub(crate) async fn copy_index(&self, from: i64, to: i64) -> std::io::Result<()> {
        // A whole file appears under the name, or none.
        let made = self.indexes.join(format!("{to}.index.copy"));
        tokio::fs::copy(self.index_file(from), &made).await?;
        tokio::fs::rename(&made, self.index_file(to)).await
    }
}

/// The worker that the settings name, or the one beside this program (or one folder up, as a
/// program under test has it).
fn worker_binary(settings: &config::Frames) -> Result<PathBuf> {
    if !settings.worker.is_empty() {
        return Ok(PathBuf::from(&settings.worker));
    }
    let own = std::env::current_exe()?;
    let mut folders = own.ancestors().skip(1).take(2);
    let found = folders
        .clone()
        .map(|folder| folder.join(WORKER))
        .find(|path| path.exists());
    Ok(found
        .or_else(|| folders.next().map(|folder| folder.join(WORKER)))
        .unwrap_or_else(|| WORKER.into()))
}

impl From<WorkerError> for Error {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Unreadable { .. }
            | WorkerError::OutOfRange { .. }
            | WorkerError::Invalid { .. }
            | WorkerError::Quarantined { .. } => Self::invalid(error.to_string()),
            WorkerError::Crashed { .. }
            | WorkerError::Timeout
            | WorkerError::Unavailable { .. } => Self::Busy(error.to_string()),
            WorkerError::Io { .. } => Self::internal("the frame worker could not be used", error),
        }
    }
}
