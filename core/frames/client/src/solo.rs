//! A worker process that does one task, and ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::message::{self, Outcome, Reply, Request, Task};
use crate::process::last_words;
use crate::reach::Reach;
use crate::{Progress, WorkerError};

/// What the process yields to everything else, in the units of nice(2).
const YIELDING: &str = "10";
/// What it may map: frames in several sizes, and the queues of their encoders; those grow with the number of threads.
const MEMORY_BYTES: u64 = 8 << 30;
const MEMORY_BYTES_PER_CORE: u64 = 512 << 20;

/// Does a task in a process of its own and returns its last answer. Dropping the future kills the process.
///
/// Errors: those of the task; `Timeout` after `patience` without a sign of life; `Crashed`; `Io`.
pub(crate) async fn run(
    binary: &Path,
    task: Task,
    patience: Duration,
    mut progress: impl FnMut(Progress),
) -> Result<Outcome, WorkerError> {
    let reach = Reach::of(&task);
    let letter = message::encode(&Request { id: 1, task }, &[])
        .map_err(|error| WorkerError::io("cannot send the request", &error))?;
    let mut solo = Solo::start(binary, &reach)?;
    // A process that ends before it has read this says why below.
    let _ = solo.stdin.write_all(&letter).await;
    loop {
        let reply = message::read_async::<Reply>(&mut solo.stdout);
        let outcome = match tokio::time::timeout(patience, reply).await {
            Err(_) => return Err(WorkerError::Timeout),
            Ok(Ok(Some((reply, _)))) => reply.outcome,
            Ok(Ok(None) | Err(_)) => return Err(solo.post_mortem().await),
        };
        match outcome {
            // All that it reads is whole.
            Outcome::Progress | Outcome::Wants(_) => {}
            Outcome::Advanced {
                frames_done,
                frames_total,
            } => progress(Progress {
                frames_done,
                frames_total,
            }),
            Outcome::Failed(error) => return Err(error),
            outcome => return Ok(outcome),
        }
    }
}

/// The process, for as long as it is wanted.
struct Solo {
    child: Option<Child>,
    /// Its end would end the process.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    words: Option<JoinHandle<String>>,
}

impl Solo {
    fn start(binary: &Path, reach: &Reach) -> Result<Self, WorkerError> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let memory_bytes = MEMORY_BYTES + MEMORY_BYTES_PER_CORE * cores;
        let mut child = Command::new(binary)
            .args(["--nice", YIELDING, "--cache-bytes", "0", "--memory-bytes"])
            .arg(memory_bytes.to_string())
            .args(reach.arguments())
            // SVT-AV1 would tell its settings; only what goes wrong is of interest.
            .env("SVT_LOG", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                WorkerError::io(&format!("cannot start {}", binary.display()), &error)
            })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(WorkerError::Io {
                message: "worker has no pipes".into(),
            });
        };
        Ok(Solo {
            child: Some(child),
            stdin,
            stdout: BufReader::new(stdout),
            words: Some(tokio::spawn(last_words(stderr))),
        })
    }

    /// Why the process ended without an answer.
    async fn post_mortem(&mut self) -> WorkerError {
        let Some(child) = &mut self.child else {
            return WorkerError::Crashed {
                message: "no answer".into(),
            };
        };
        // What it sent made no sense if it still runs.
        let _ = child.start_kill();
        let status = child
            .wait()
            .await
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let words = match self.words.take() {
            Some(words) => words.await.unwrap_or_default(),
            None => String::new(),
        };
        let message = if words.is_empty() {
            status
        } else {
            format!("{status}: {words}")
        };
        WorkerError::Crashed { message }
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // It has nothing to put in order: what it made is in place before it answers.
        let _ = child.start_kill();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = child.wait().await;
            });
        }
    }
}
