//! Running one program to its end, and ending it with all that it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::log::Log;
use super::place::LONGEST_RESULT;

/// How long what a program printed last may still be on its way after its end.
const REST: Duration = Duration::from_secs(2);

type Ask = (
    Command,
    tokio::runtime::Handle,
    oneshot::Sender<io::Result<Child>>,
);

/// Starts programs from one thread that lives as long as the station.
///
/// Programs ask the kernel to be killed when the thread that started them ends, which must
/// therefore be none of those that come and go.
pub(in crate::workflow) struct Starter(Mutex<Option<mpsc::SyncSender<Ask>>>);

impl Starter {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    async fn start(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = oneshot::channel();
        let ask = (command, tokio::runtime::Handle::current(), answer);
        self.sender()?
            .try_send(ask)
            .map_err(|_| io::Error::other("too many programs are being started at once"))?;
        answered.await.map_err(io::Error::other)?
    }

    fn sender(&self) -> io::Result<mpsc::SyncSender<Ask>> {
        let mut sender = self.0.lock().expect("no holder panics");
        if let Some(sender) = &*sender {
            return Ok(sender.clone());
        }
        let (made, asked) = mpsc::sync_channel::<Ask>(1024);
        std::thread::Builder::new()
            .name("steps".into())
            .spawn(move || {
                for (mut command, runtime, answer) in asked {
                    let _inside = runtime.enter();
                    // Who does not wait for it any more drops it, and so kills it.
                    let _ = answer.send(command.spawn());
                }
            })?;
        *sender = Some(made.clone());
        Ok(made)
    }
}

/// How a program ended.
pub(super) struct End {
    pub status: ExitStatus,
    /// Its standard output; none when that was too long.
    pub stdout: Option<Vec<u8>>,
    /// The last line of its standard error.
    pub last_words: String,
}

/// Runs a program to its end. Dropping the future kills the program and all that it started.
pub(super) async fn run(starter: &Starter, mut command: Command, log: Log) -> io::Result<End> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = starter.start(command).await?;
    let _group = Group(child.id());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let log = Mutex::new(log);
    let mut out = Kept::default();
    let mut error = Kept::default();
    let status = {
        let reading =
            async { tokio::join!(copy(stdout, &log, &mut out), copy(stderr, &log, &mut error)) };
        tokio::pin!(reading);
        let status = tokio::select! {
            status = child.wait() => {
                let status = status?;
                // Something that it left running may hold its output open.
                let _ = tokio::time::timeout(REST, reading).await;
                status
            }
            _ = &mut reading => child.wait().await?,
        };
        status
    };
    Ok(End {
        status,
        last_words: last_line(&error.last),
        stdout: (!out.too_long).then_some(out.first),
    })
}

/// Kills what is left of a process group.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// What is kept of a stream in memory.
#[derive(Default)]
struct Kept {
    first: Vec<u8>,
    too_long: bool,
    last: Vec<u8>,
}

async fn copy(stream: Option<impl AsyncRead + Unpin>, log: &Mutex<Log>, kept: &mut Kept) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 16 << 10];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let bytes = &buffer[..count];
                if let Err(error) = log.lock().expect("no holder panics").write(bytes) {
                    tracing::warn!(%error, "what a step printed could not be kept");
                }
                kept.add(bytes);
            }
        }
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        if self.first.len() + bytes.len() > LONGEST_RESULT {
            self.too_long = true;
        } else {
            self.first.extend_from_slice(bytes);
        }
        self.last.extend_from_slice(bytes);
        let cut = self.last.len().saturating_sub(2000);
        self.last.drain(..cut);
    }
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_end().rsplit('\n').next().unwrap_or_default();
    line.trim().to_owned()
}
