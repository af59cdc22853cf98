//! A store whose blobs are kept a second time, in another folder (on another disk): what is damaged or missing in the
//! first is read from the second, and mended.
//!
//! Copies are made behind the answers: a blob is durable in the first folder when it is acknowledged, and in the
//! second a moment later. No list of what is still to be copied has to be kept: at its start, and whenever the second
//! folder was away, the store compares what both have. What only the second has stays there until somebody deletes
//! it: it may be what the first has lost.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::local::Local;
use super::{ByteStream, Copies, Head, Mended, ObjectStore, Soundness, Stored, rescued};
use crate::durable;
use crate::error::{Chain, Error, Result};
use crate::id;

/// The file that tells the second folder from the empty one that is seen while its disk is not mounted; and, in the first
/// folder, which one that is.
const MARK: &str = "transect-copy";
/// How often a second folder is looked for that is not there, or is full.
const AGAIN: Duration = Duration::from_secs(10);

/// What is to be done behind the answers.
enum Task {
    /// A blob goes from the first folder into the second.
    Copy(String),
    /// A blob goes from the second folder.
    Delete(String),
    /// A blob goes from the second folder into the first, where it is not what was written.
    Heal(String),
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Whether both folders were compared since the second was last away.
    compared: bool,
    /// Why nothing is copied at the moment.
    problem: Option<String>,
    second: Option<Arc<Local>>,
}

struct Shared {
    first: Local,
    first_root: PathBuf,
    second_root: PathBuf,
    reserve_bytes: u64,
    state: Mutex<State>,
    bell: Arc<Notify>,
}

pub(super) struct Copied(Arc<Shared>);

impl Copied {
    /// Opens the first folder; the second is opened when it is there.
    pub(super) fn open(first: PathBuf, second: PathBuf, reserve_bytes: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            first: Local::open(first.clone(), reserve_bytes)?,
            first_root: first,
            second_root: second,
            reserve_bytes,
            state: Mutex::default(),
            bell: Arc::default(),
        });
        tokio::spawn(work(Arc::downgrade(&shared), Arc::clone(&shared.bell)));
        Ok(Self(shared))
    }
}

/// Copies, as long as the store is open.
async fn work(store: Weak<Shared>, bell: Arc<Notify>) {
    while let Some(shared) = store.upgrade() {
        let done = shared.round().await;
        let problem = done.err().map(|error| Chain(&error).to_string());
        let waiting = problem.is_some();
        shared.note(problem);
        drop(shared);
        if waiting {
            tokio::time::sleep(AGAIN).await;
        } else {
            // A bell that rang meanwhile is heard.
            let _ = tokio::time::timeout(AGAIN, bell.notified()).await;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Remembers how a round went.
    fn note(&self, problem: Option<String>) {
        let mut state = self.state();
        if problem.is_some() {
            // What is left is found when both are compared again.
            state.tasks.retain(|task| !matches!(task, Task::Copy(_)));
            state.compared = false;
            state.second = None;
        }
        if problem != state.problem {
            match &problem {
                Some(problem) => tracing::warn!(problem, "the second copy of stored files waits"),
                None => tracing::info!("the second copy of stored files is kept"),
            }
        }
        state.problem = problem;
    }

    fn add(&self, task: Task) {
        self.state().tasks.push_back(task);
        self.bell.notify_one();
    }

    /// The second folder. Errors: `Busy` when it is not there.
    async fn second(self: &Arc<Self>) -> Result<Arc<Local>> {
        let known = self.state().second.clone();
        let shared = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || {
            let fresh = shared.check_mark()?;
            match known.filter(|_| !fresh) {
                Some(second) => Ok(second),
                None => Local::open(shared.second_root.clone(), shared.reserve_bytes).map(Arc::new),
            }
        });
        let second = opened
            .await
            .map_err(|error| Error::internal("open the second copy", error))??;
        self.state().second = Some(Arc::clone(&second));
        Ok(second)
    }

    /// Makes sure that the second folder is the one that was used before; marks a new one, and says so.
    fn check_mark(&self) -> Result<bool> {
        let (ours, theirs) = (self.first_root.join(MARK), self.second_root.join(MARK));
        let read = |path: &Path| fs::read_to_string(path).ok();
        match (read(&ours), read(&theirs)) {
            (Some(ours), Some(theirs)) if ours == theirs => Ok(false),
            (None, None) => {
                durable::create_folder(&self.second_root, 0o700)?;
                let mark = id::uuid();
                for path in [&theirs, &ours] {
                    durable::write(path, mark.as_bytes())?;
                }
                Ok(true)
            }
            (_, None) => Err(Error::Busy(format!(
                "the folder of the second copy is not there, or its disk is not mounted; mount it, or delete {} to begin \
                 a new copy: {}",
                ours.display(),
                self.second_root.display()
            ))),
            (_, Some(_)) => Err(Error::Busy(format!(
                "the folder of the second copy belongs to another store; name another one with objects.copy: {}",
                self.second_root.display()
            ))),
        }
    }

    /// Does what there is to do. Errors: those of the second folder.
    async fn round(self: &Arc<Self>) -> Result<()> {
        let second = self.second().await?;
        if !self.state().compared {
            for shard in 0..=u8::MAX {
                for blob in self.missing(&second, shard).await? {
                    self.state().tasks.push_back(Task::Copy(blob));
                }
                self.drain(&second).await?;
            }
            self.state().compared = true;
        }
        self.drain(&second).await
    }

    /// What the first folder has of a shard, and the second has not.
    async fn missing(&self, second: &Local, shard: u8) -> Result<Vec<String>> {
        let there = second.list(shard).await?;
        let there: HashSet<String> = there.into_iter().map(|head| head.blob).collect();
        let mut here = self.first.list(shard).await?;
        here.retain(|head| !there.contains(&head.blob));
        Ok(here.into_iter().map(|head| head.blob).collect())
    }

    async fn drain(self: &Arc<Self>, second: &Arc<Local>) -> Result<()> {
        loop {
            let Some(task) = self.state().tasks.pop_front() else {
                return Ok(());
            };
            // The disk may have gone since the last one.
            let second = self.second().await.map(|_| second)?;
            let done = match &task {
                Task::Copy(blob) => copy(&self.first, second, blob).await.map(drop),
                Task::Heal(blob) => copy(second, &self.first, blob).await.map(|healed| {
                    if healed {
                        tracing::warn!(blob, "a damaged file was mended from the second copy");
                    }
                }),
                Task::Delete(blob) => second.delete(blob).await,
            };
            if let Err(error) = done {
                let (from, blob) = match &task {
                    Task::Copy(blob) => (&self.first, blob),
                    Task::Heal(blob) => (&**second, blob),
                    Task::Delete(_) => return Err(error),
                };
                if !matches!(from.verify(blob).await?, Soundness::Damaged) {
                    return Err(error);
                }
                // What is not what was written is nothing to copy; the doctor names it.
                tracing::error!(blob, error = %Chain(&error), "stored bytes could not be copied");
            }
        }
    }
}

/// Copies a blob; says whether there was one.
async fn copy(from: &Local, to: &Local, blob: &str) -> Result<bool> {
    let Some(head) = from.head(blob).await? else {
        return Ok(false);
    };
    match from.get(blob, 0..head.size_bytes).await? {
        Some(bytes) => to.keep(blob, bytes, head.size_bytes).await.map(|()| true),
        None => Ok(false),
    }
}

/// Goes on with the second copy where the first breaks off.
fn with_rescue(
    shared: Arc<Shared>,
    blob: String,
    range: Range<u64>,
    bytes: ByteStream,
) -> ByteStream {
    let other = |left| async move { rescue(&shared, &blob, left).await }.boxed();
    rescued(bytes, range, Box::new(other))
}

/// The bytes as the second folder has them; the first is to be mended.
async fn rescue(shared: &Arc<Shared>, blob: &str, range: Range<u64>) -> Result<Option<ByteStream>> {
    let found = shared.second().await?.get(blob, range).await?;
    if found.is_some() {
        shared.add(Task::Heal(blob.to_owned()));
    }
    Ok(found)
}

impl ObjectStore for Copied {
    fn put(&self, bytes: ByteStream, expected: Option<u64>) -> BoxFuture<'_, Result<Stored>> {
        async move {
            let stored = self.0.first.put(bytes, expected).await?;
            self.0.add(Task::Copy(stored.blob.clone()));
            Ok(stored)
        }
        .boxed()
    }

    fn join(&self, blobs: Vec<String>) -> BoxFuture<'_, Result<Head>> {
        async move {
            let head = self.0.first.join(blobs).await?;
            self.0.add(Task::Copy(head.blob.clone()));
            Ok(head)
        }
        .boxed()
    }

    fn get(&self, blob: &str, range: Range<u64>) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        let blob = blob.to_owned();
        async move {
            let shared = Arc::clone(&self.0);
            match shared.first.get(&blob, range.clone()).await {
                Ok(Some(bytes)) => Ok(Some(with_rescue(shared, blob, range, bytes))),
                // What was deleted is in neither.
                Ok(None) => Ok(rescue(&shared, &blob, range).await.unwrap_or_default()),
                Err(error) => match rescue(&shared, &blob, range).await {
                    Ok(Some(bytes)) => Ok(Some(bytes)),
                    _ => Err(error),
                },
            }
        }
        .boxed()
    }

    fn head(&self, blob: &str) -> BoxFuture<'_, Result<Option<Head>>> {
        let blob = blob.to_owned();
        async move {
            match self.0.first.head(&blob).await? {
                Some(head) => Ok(Some(head)),
                None => match self.0.second().await {
                    Ok(second) => second.head(&blob).await,
                    Err(_) => Ok(None),
                },
            }
        }
        .boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Head>>> {
        async move {
            let mut all = BTreeMap::new();
            if let Ok(second) = self.0.second().await {
                let heads = second.list(shard).await?;
                all.extend(heads.into_iter().map(|head| (head.blob.clone(), head)));
            }
            let heads = self.0.first.list(shard).await?;
            all.extend(heads.into_iter().map(|head| (head.blob.clone(), head)));
            Ok(all.into_values().collect())
        }
        .boxed()
    }

    fn delete(&self, blob: &str) -> BoxFuture<'_, Result<()>> {
        let blob = blob.to_owned();
        async move {
            self.0.first.delete(&blob).await?;
            self.0.add(Task::Delete(blob));
            Ok(())
        }
        .boxed()
    }

    fn path(&self, blob: &str) -> BoxFuture<'_, Result<Option<PathBuf>>> {
        let blob = blob.to_owned();
        async move {
            if self.0.first.head(&blob).await?.is_none()
                && let Ok(second) = self.0.second().await
            {
                copy(&second, &self.0.first, &blob).await?;
            }
            self.0.first.path(&blob).await
        }
        .boxed()
    }

    fn verify(&self, blob: &str) -> BoxFuture<'_, Result<Soundness>> {
        self.0.first.verify(blob)
    }

    fn mend(&self, blob: &str) -> BoxFuture<'_, Result<Mended>> {
        let blob = blob.to_owned();
        async move {
            let second = self.0.second().await?;
            let good = |found| matches!(found, Soundness::Sound | Soundness::Unmarked);
            let here = good(self.0.first.verify(&blob).await?);
            let there = good(second.verify(&blob).await?);
            match (here, there) {
                (true, true) => Ok(Mended::Nothing),
                (false, true) => copy(&second, &self.0.first, &blob)
                    .await
                    .map(|_| Mended::First),
                (true, false) => copy(&self.0.first, &second, &blob)
                    .await
                    .map(|_| Mended::Second),
                (false, false) => Ok(Mended::Lost),
            }
        }
        .boxed()
    }

    fn restore(&self, blob: &str, bytes: ByteStream, size_bytes: u64) -> BoxFuture<'_, Result<()>> {
        let blob = blob.to_owned();
        async move {
            self.0.first.keep(&blob, bytes, size_bytes).await?;
            self.0.add(Task::Copy(blob));
            Ok(())
        }
        .boxed()
    }

    fn copies(&self) -> Option<Copies> {
        let state = self.0.state();
        Some(Copies {
            folder: self.0.second_root.clone(),
            behind: state.tasks.len() as u64,
            compared: state.compared,
            problem: state.problem.clone(),
        })
    }
}
