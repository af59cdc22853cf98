//! One worker process: requests in, answers out, and a watch over its life.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::message::{self, Lane, Outcome, Reply, Request, Supplied, Task, Wants};
use crate::quarantine::Quarantine;
use crate::{Supply, WorkerError};

/// Messages waiting for the pipe; beyond this callers wait.
const OUTBOX: usize = 64;
const LAST_WORDS: usize = 6;

type Answer = Result<(Outcome, Vec<u8>), WorkerError>;

struct Waiting {
    lane: Lane,
    source: PathBuf,
    answer: oneshot::Sender<Answer>,
}

/// Requests the process holds, by id, and when each lane last showed life.
struct Held {
    waiting: BTreeMap<u64, Waiting>,
    index_alive_at: Instant,
    picture_alive_at: Instant,
    /// How often it waits for bytes that the station brings: then it need not show life.
    supplying: usize,
}

impl Held {
    fn alive_at(&mut self, lane: Lane) -> &mut Instant {
        match lane {
            Lane::Index => &mut self.index_alive_at,
            Lane::Picture => &mut self.picture_alive_at,
        }
    }

    /// Ids of the requests being worked on: the oldest of each lane.
    fn in_hand(&self) -> Vec<u64> {
        let oldest = |lane| {
            self.waiting
                .iter()
                .find(|(_, waiting)| waiting.lane == lane)
                .map(|(&id, _)| id)
        };
        [Lane::Index, Lane::Picture]
            .into_iter()
            .filter_map(oldest)
            .collect()
    }

    /// When the process counts as hung, and by whom; none while it has nothing to do.
    fn deadline(&self, timeout: Duration) -> Option<(Instant, u64)> {
        if self.supplying > 0 {
            return None;
        }
        let at = |id: &u64| match self.waiting[id].lane {
            Lane::Index => self.index_alive_at,
            Lane::Picture => self.picture_alive_at,
        };
        self.in_hand()
            .into_iter()
            .map(|id| (at(&id) + timeout, id))
            .min()
    }
}

/// A running worker.
pub(crate) struct Process {
    pub(crate) id: Option<u32>,
    outbox: mpsc::Sender<Vec<u8>>,
    held: Arc<Mutex<Held>>,
    dead: Arc<AtomicBool>,
    /// It has done something for somebody.
    useful: Arc<AtomicBool>,
}

impl Process {
    /// Starts the binary. Must be called within a tokio runtime.
    pub(crate) fn start(
        binary: &PathBuf,
        arguments: &[OsString],
        timeout: Duration,
        quarantine: Arc<Quarantine>,
        supply: Option<Arc<dyn Supply>>,
    ) -> Result<Self, WorkerError> {
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                WorkerError::io(&format!("cannot start {}", binary.display()), &error)
            })?;
        let id = child.id();
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(WorkerError::Io {
                message: "worker has no pipes".into(),
            });
        };
        let now = Instant::now();
        let held = Held {
            waiting: BTreeMap::new(),
            index_alive_at: now,
            picture_alive_at: now,
            supplying: 0,
        };
        let held = Arc::new(Mutex::new(held));
        let dead = Arc::new(AtomicBool::new(false));
        let useful = Arc::new(AtomicBool::new(false));
        let (outbox, letters) = mpsc::channel(OUTBOX);
        tokio::spawn(write(stdin, letters));
        let watch = Watch {
            child,
            held: held.clone(),
            dead: dead.clone(),
            useful: useful.clone(),
            timeout,
            quarantine,
            supply,
            outbox: outbox.downgrade(),
        };
        tokio::spawn(watch.run(stdout, stderr));
        Ok(Process {
            id,
            outbox,
            held,
            dead,
            useful,
        })
    }

    /// True once the process has ended or is being ended.
    pub(crate) fn dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// True if it has answered a request.
    pub(crate) fn useful(&self) -> bool {
        self.useful.load(Ordering::Acquire)
    }

    /// Sends a request and waits for its last answer. Dropping the future withdraws the request if it has not begun.
    pub(crate) async fn call(&self, id: u64, task: Task, source: PathBuf) -> Answer {
        let lane = task.lane();
        let letter = message::encode(&Request { id, task }, &[])
            .map_err(|error| WorkerError::io("cannot send the request", &error))?;
        let (answer, answered) = oneshot::channel();
        {
            let mut held = lock(&self.held);
            if self.dead() {
                return Err(WorkerError::Crashed {
                    message: "before it took the request".into(),
                });
            }
            if !held.waiting.values().any(|waiting| waiting.lane == lane) {
                *held.alive_at(lane) = Instant::now();
            }
            held.waiting.insert(
                id,
                Waiting {
                    lane,
                    source,
                    answer,
                },
            );
        }
        let mut withdrawal = Withdrawal {
            process: self,
            id,
            stage: Stage::Unsent,
        };
        // A closed outbox means that the process is ending; the watch then answers.
        let _ = self.outbox.send(letter).await;
        withdrawal.stage = Stage::Sent;
        let answer = answered.await.unwrap_or_else(|_| {
            Err(WorkerError::Crashed {
                message: "no answer".into(),
            })
        });
        withdrawal.stage = Stage::Answered;
        answer
    }
}

enum Stage {
    Unsent,
    Sent,
    Answered,
}

/// Takes a request back when its caller gives up.
struct Withdrawal<'a> {
    process: &'a Process,
    id: u64,
    stage: Stage,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Unsent => {
                lock(&self.process.held).waiting.remove(&self.id);
            }
            // It stays in `held` until the worker answers for it, so that the watch knows what the worker is busy with.
            Stage::Sent => {
                if let Ok(letter) = message::encode(
                    &Request {
                        id: self.id,
                        task: Task::Cancel,
                    },
                    &[],
                ) {
                    let _ = self.process.outbox.try_send(letter);
                }
            }
            Stage::Answered => {}
        }
    }
}

async fn write(mut stdin: ChildStdin, mut letters: mpsc::Receiver<Vec<u8>>) {
    while let Some(letter) = letters.recv().await {
        if stdin.write_all(&letter).await.is_err() {
            return; // The process is gone; the watch sees it too.
        }
    }
}

struct Watch {
    child: Child,
    held: Arc<Mutex<Held>>,
    dead: Arc<AtomicBool>,
    useful: Arc<AtomicBool>,
    timeout: Duration,
    quarantine: Arc<Quarantine>,
    supply: Option<Arc<dyn Supply>>,
    /// Weak, as the process ends with whoever asks it.
    outbox: mpsc::WeakSender<Vec<u8>>,
}

impl Watch {
    async fn run(mut self, stdout: ChildStdout, stderr: ChildStderr) {
        let words = tokio::spawn(last_words(stderr));
        let (replies, mut inbox) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            let mut stdout = BufReader::with_capacity(256 * 1024, stdout);
            while let Ok(Some(reply)) = message::read_async::<Reply>(&mut stdout).await {
                if replies.send(reply).await.is_err() {
                    return;
                }
            }
        });
        let hung = loop {
            let patience = tokio::time::sleep(self.timeout);
            tokio::select! {
                biased;
                reply = inbox.recv() => match reply {
                    Some((reply, body)) => self.take(reply, body),
                    None => break None,
                },
                () = patience => {}
            }
            let deadline = lock(&self.held).deadline(self.timeout);
            if let Some((_, id)) = deadline.filter(|(at, _)| *at <= Instant::now()) {
                break Some(id);
            }
        };
        self.dead.store(true, Ordering::Release);
        let _ = self.child.start_kill();
        let status = self
            .child
            .wait()
            .await
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        reader.abort();
        let words = words.await.unwrap_or_default();
        self.fail_all(hung, &status, &words);
    }

    fn take(&self, reply: Reply, body: Vec<u8>) {
        let reply = match reply {
            Reply {
                outcome: Outcome::Wants(wants),
                ..
            } => return self.bring(wants),
            reply => reply,
        };
        let mut held = lock(&self.held);
        let Some(lane) = held.waiting.get(&reply.id).map(|waiting| waiting.lane) else {
            return;
        };
        *held.alive_at(lane) = Instant::now();
        if matches!(reply.outcome, Outcome::Progress | Outcome::Advanced { .. }) {
            return;
        }
        let Some(waiting) = held.waiting.remove(&reply.id) else {
            return;
        };
        drop(held);
        self.useful.store(true, Ordering::Release);
        if !matches!(reply.outcome, Outcome::Withdrawn) {
            self.quarantine.clear(&waiting.source);
        }
        let answer = match reply.outcome {
            Outcome::Failed(error) => Err(error),
            outcome => Ok((outcome, body)),
        };
        // Nobody listens if the caller gave up.
        let _ = waiting.answer.send(answer);
    }

    /// Has the bytes brought that the process waits for.
    fn bring(&self, wants: Wants) {
        let Some(supply) = self.supply.clone() else {
            return;
        };
        lock(&self.held).supplying += 1;
        let (held, outbox) = (self.held.clone(), self.outbox.clone());
        let number = wants.number;
        let bringing = tokio::spawn(supply.supply(wants.file, wants.ranges));
        tokio::spawn(async move {
            let brought = bringing
                .await
                .unwrap_or_else(|error| Err(error.to_string()));
            let (there, failure) = match brought {
                Ok(there) => (there, None),
                Err(failure) => (Vec::new(), Some(failure)),
            };
            {
                let mut held = lock(&held);
                held.supplying -= 1;
                let now = Instant::now();
                (held.index_alive_at, held.picture_alive_at) = (now, now);
            }
            let task = Task::Supplied(Supplied {
                number,
                there,
                failure,
            });
            let letter = message::encode(&Request { id: 0, task }, &[]);
            // Without an outbox the process is ending.
            if let (Ok(letter), Some(outbox)) = (letter, outbox.upgrade()) {
                let _ = outbox.send(letter).await;
            }
        });
    }

    fn fail_all(&self, hung: Option<u64>, status: &str, words: &str) {
        let mut held = lock(&self.held);
        let in_hand = held.in_hand();
        let waiting = std::mem::take(&mut held.waiting);
        drop(held);
        let message = if words.is_empty() {
            status.to_owned()
        } else {
            format!("{status}: {words}")
        };
        for (id, waiting) in waiting {
            let culprit = hung.map_or_else(|| in_hand.contains(&id), |hung| hung == id);
            let said = if hung.is_some() {
                "did not answer in time"
            } else {
                message.as_str()
            };
            if culprit {
                self.quarantine.strike(&waiting.source, said);
            }
            let error = match hung {
                Some(hung) if hung == id => WorkerError::Timeout,
                _ => WorkerError::Crashed {
                    message: message.clone(),
                },
            };
            let _ = waiting.answer.send(Err(error));
        }
    }
}

/// Collects the last lines of stderr, for the message of a crash.
pub(crate) async fn last_words(stderr: ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if last.len() == LAST_WORDS {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.make_contiguous().join("; ")
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
