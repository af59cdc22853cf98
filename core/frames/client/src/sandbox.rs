//! What keeps workers to their task on this machine.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::WorkerError;

/// How long a worker may take to start, and to try what it must not do.
const STARTING: Duration = Duration::from_secs(10);

/// What a worker can do on this machine, tried out by one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sandbox {
    /// `full`, `partial` or `none`, or why it failed: access to files.
    pub landlock: String,
    /// `full`, or why it failed: system calls.
    pub seccomp: String,
    /// It can read files that are not part of its tasks.
    pub reads_other_files: bool,
    /// It can open sockets.
    pub opens_sockets: bool,
    /// It can start programs.
    pub starts_programs: bool,
}

impl Sandbox {
    /// True if a worker can do none of it.
    pub fn holds(&self) -> bool {
        !self.reads_other_files && !self.opens_sockets && !self.starts_programs
    }
}

/// Has a worker try.
///
/// Errors: `Io` if it does not start, or says nothing that makes sense.
pub async fn sandbox(binary: &Path) -> Result<Sandbox, WorkerError> {
    let started = Command::new(binary)
        .arg("--report")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let what = format!("cannot try {}", binary.display());
    let output = tokio::time::timeout(STARTING, started)
        .await
        .map_err(|_| WorkerError::Timeout)?
        .map_err(|error| WorkerError::io(&what, &error))?;
    serde_json::from_slice(&output.stdout).map_err(|error| WorkerError::io(&what, &error.into()))
}
