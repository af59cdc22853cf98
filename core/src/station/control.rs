//! The control socket: how a command reaches the station that runs on its data folder.
//!
//! `control.sock` lies in the folder and answers its owner only. A caller sends one [`Command`] as
//! one line of JSON; the station sends `{"progress": …}` lines while it works and then one
//! `{"ok": …}` or `{"error": {"message", "details"}}`. A caller that hangs up cancels its command.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::command::{self, Command, Progress};
use crate::context::Context;
use crate::error::{Chain, Error, Result};

const FILE: &str = "control.sock";
/// The longest line that a caller may send.
const MOST_BYTES: u64 = 16 << 20;
/// The kernel takes about this many bytes as a socket's path.
const LONGEST_PATH: usize = 100;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress(Value),
    Ok(Value),
    Error { message: String, details: String },
}

/// A path to a file of the folder that fits into a socket's address, and what keeps it valid.
pub(crate) fn short_path(folder: &Path, name: &str) -> std::io::Result<(PathBuf, Option<File>)> {
    let path = folder.join(name);
    if path.as_os_str().len() <= LONGEST_PATH || !cfg!(target_os = "linux") {
        return Ok((path, None));
    }
    let folder = File::open(folder)?;
    let short = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    Ok((short.into(), Some(folder)))
}

/// Listens in the folder; replaces the socket that a killed station left. The caller holds the lock.
pub(super) fn listen(folder: &Path) -> Result<UnixListener> {
    let fresh = format!("{FILE}.new");
    let listen = || {
        let (path, _open) = short_path(folder, &fresh)?;
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        std::fs::rename(&path, folder.join(FILE))?;
        Ok(listener)
    };
    listen().map_err(|error: std::io::Error| {
        Error::invalid(format!(
            "cannot make the control socket: {error}: {}",
            folder.join(FILE).display()
        ))
    })
}

/// Answers callers until `stopping`, then lets running commands finish. Dropping it cancels them.
pub(super) async fn serve(listener: UnixListener, cx: Arc<Context>, stopping: CancellationToken) {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = callers.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let cx = Arc::clone(&cx);
                    callers.spawn(async move {
                        if let Err(error) = answer(stream, &cx).await {
                            tracing::debug!(%error, "a caller of the control socket went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let _ = std::fs::remove_file(cx.data.join(FILE));
    while callers.join_next().await.is_some() {}
}

async fn answer(stream: UnixStream, cx: &Arc<Context>) -> std::io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let ours = rustix::process::geteuid().as_raw();
    if caller != ours && caller != 0 {
        let line = Line::Error {
            message: "only the owner of the station may send it commands".into(),
            details: "None".into(),
        };
        return send(&mut writer, &line).await;
    }
    let mut reader = BufReader::new(reader.take(MOST_BYTES));
    let mut text = String::new();
    reader.read_line(&mut text).await?;
    let (progress, mut lines) = Progress::channel();
    let work = async {
        let command: Command = serde_json::from_str(&text).map_err(|error| {
            Error::invalid(format!(
                "this station does not know the command ({error}); is it of another version than the command line?"
            ))
        })?;
        tracing::info!(command = command.name(), "a command arrived");
        command::run(cx, command, progress).await
    };
    let tell = async {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                Some(line) = lines.recv() => send(&mut writer, &Line::Progress(line)).await?,
                done = &mut work => {
                    while let Some(line) = lines.recv().await {
                        send(&mut writer, &Line::Progress(line)).await?;
                    }
                    return send(&mut writer, &last_line(done)).await;
                }
            }
        }
    };
    tokio::select! {
        told = tell => told,
        // Callers say nothing more: what ends here is the connection.
        _ = reader.read_u8() => Ok(()),
    }
}

fn last_line(done: Result<Value>) -> Line {
    match done {
        Ok(answer) => Line::Ok(answer),
        Err(Error::Invalid { message, details }) => Line::Error { message, details },
        Err(error) => Line::Error {
            message: Chain(&error).to_string(),
            details: "None".into(),
        },
    }
}

async fn send(
    writer: &mut (impl AsyncWriteExt + Unpin),
    line: &impl Serialize,
) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

/// Connects to the station of a folder; none if no station listens there.
pub(super) async fn connect(folder: &Path) -> Option<UnixStream> {
    let (path, _open) = short_path(folder, FILE).ok()?;
    UnixStream::connect(path).await.ok()
}

/// Has the station perform a command; hands its lines of progress to `tell`.
pub(super) async fn ask(
    stream: UnixStream,
    command: &Command,
    mut tell: impl FnMut(Value),
) -> Result<Value> {
    let (reader, mut writer) = stream.into_split();
    let gone = |error: Option<std::io::Error>| {
        let why = error.map_or_else(String::new, |error| format!(" ({error})"));
        Error::Busy(format!(
            "the station ended before it had answered{why}; its log says why, and whether the command was done"
        ))
    };
    send(&mut writer, command)
        .await
        .map_err(|error| gone(Some(error)))?;
    let mut lines = BufReader::new(reader).lines();
    loop {
        let line = lines.next_line().await.map_err(|error| gone(Some(error)))?;
        match serde_json::from_str(&line.ok_or_else(|| gone(None))?)? {
            Line::Progress(line) => tell(line),
            Line::Ok(answer) => return Ok(answer),
            Line::Error { message, details } => {
                return Err(Error::invalid_because(message, details));
            }
        }
    }
}
