//! What runs inside a sandbox before the step does: it sets limits, and opens the way to the station.
//!
//! The program `transect` calls this when it is started as `transect step`.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// The exit code of a program that could not be started, as shells use it.
pub const NOT_STARTED: i32 = 127;
/// What the line begins with that says why a program could not be started.
pub const NOT_STARTED_WORDS: &str = "transect step:";

/// What a step may use; none means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Memory of each process, in bytes.
    pub memory_bytes: Option<u64>,
    /// The largest file, in bytes.
    pub file_bytes: Option<u64>,
    /// Processor time of each process, in seconds.
    pub cpu_secs: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
}

impl Limits {
    fn set(self) -> io::Result<()> {
        let limits = [
            // Memory that it can write to; what it merely reserves does not count.
            (Resource::Data, self.memory_bytes),
            (Resource::Fsize, self.file_bytes),
            (Resource::Cpu, self.cpu_secs),
            (Resource::Nproc, self.processes),
            (Resource::Nofile, self.open_files),
            (Resource::Core, Some(0)),
        ];
        for (resource, limit) in limits {
            let Some(limit) = limit else { continue };
            // What is lower already stays.
            let known = rustix::process::getrlimit(resource).maximum;
            let limit = Some(known.map_or(limit, |known| known.min(limit)));
            let limit = Rlimit {
                current: limit,
                maximum: limit,
            };
            rustix::process::setrlimit(resource, limit)?;
        }
        Ok(())
    }

    /// These limits as arguments of `transect step`.
    pub fn arguments(self) -> Vec<String> {
        let given = [
            ("--memory-bytes", self.memory_bytes),
            ("--file-bytes", self.file_bytes),
            ("--cpu-secs", self.cpu_secs),
            ("--processes", self.processes),
            ("--open-files", self.open_files),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, limit)| Some((name, limit?)));
        given
            .flat_map(|(name, limit)| [name.to_owned(), limit.to_string()])
            .collect()
    }
}

/// Becomes the step, within its limits. Returns only if that is not possible.
pub fn become_step(limits: Limits, command: &[String]) -> String {
    let [program, arguments @ ..] = command else {
        return format!("{NOT_STARTED_WORDS} there is nothing to run");
    };
    // When whoever started it is gone, nobody waits for it any more.
    let prepared = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(error) = prepared
        .map_err(io::Error::from)
        .and_then(|()| limits.set())
    {
        return format!("{NOT_STARTED_WORDS} the limits cannot be set: {error}");
    }
    let error = Command::new(program).args(arguments).exec();
    let why = match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such program here: the image of a step means nothing on this station, so its \
             programs must be on the machine, in a folder of workflows.programs, or in the folder \
             that workflows.images names for the image"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => error.to_string(),
    };
    format!("{NOT_STARTED_WORDS} cannot run {program}: {why}")
}

/// Opens a port that leads to the socket, runs the step beside it, and returns its exit code.
///
/// `itself` is how to call this program, which becomes the step in a process of its own.
pub fn beside_port(
    port: u16,
    socket: &Path,
    itself: &[String],
    limits: Limits,
    command: &[String],
) -> io::Result<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let [program, words @ ..] = itself else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut step = tokio::process::Command::new(program);
        step.args(words)
            .arg("step")
            .args(limits.arguments())
            .arg("--")
            .args(command);
        let mut step = step.kill_on_drop(true).spawn()?;
        let passing = tokio::spawn(accept(listener, socket.to_owned()));
        let status = step.wait().await?;
        passing.abort();
        let signal = || 128 + status.signal().unwrap_or(0);
        Ok(status.code().unwrap_or_else(signal))
    })
}

async fn accept(listener: TcpListener, socket: PathBuf) {
    loop {
        match listener.accept().await {
            Ok((near, _)) => drop(tokio::spawn(pass(near, socket.clone()))),
            // Out of file descriptors, most likely: the step still has its own.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn pass(mut near: TcpStream, socket: PathBuf) {
    if let Ok(mut far) = UnixStream::connect(socket).await {
        let _ = near.set_nodelay(true);
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
