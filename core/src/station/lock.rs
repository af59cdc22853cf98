//! The lock of a data folder: two processes never open one folder.
//!
//! The kernel's advisory lock on `station.lock` is the truth and ends with its process, however
//! that ends; the text in the file only tells people who holds it.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::time;

const FILE: &str = "station.lock";
/// What a serving station is doing.
pub(super) const SERVE: &str = "serve";

/// Who holds a data folder, as far as the lock's text tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// The command that it runs, such as `serve`.
    pub doing: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Where it answers, once it does.
    pub address: String,
}

impl Holder {
    fn read(text: &str) -> Self {
        let line = |name: &str| {
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default().to_owned()
        };
        Self {
            pid: line("pid").parse().ok(),
            doing: line("doing"),
            since: line("since"),
            address: line("address"),
        }
    }

    /// Whether it is a station, not a passing command.
    pub(super) fn serves(&self) -> bool {
        self.doing == SERVE
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => write!(f, "another process")?,
        }
        if !self.doing.is_empty() {
            write!(f, " (transect {})", self.doing)?;
        }
        if !self.address.is_empty() {
            write!(f, " at {}", self.address)?;
        }
        if !self.since.is_empty() {
            write!(f, " since {}", self.since)?;
        }
        Ok(())
    }
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    holder: Holder,
}

/// What came of an attempt to lock.
#[derive(Debug)]
pub enum Taken {
    /// This process holds the folder now.
    Ours(Lock),
    /// Somebody else does.
    Held(Holder),
}

impl Lock {
    /// Tries to take the folder's lock, without waiting; `doing` is the command's name.
    ///
    /// Errors: `Invalid` if the folder cannot be written or its file system knows no locks.
    pub fn take(folder: &Path, doing: &str) -> Result<Taken> {
        let path = folder.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| wrong(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)
                    .map_err(|error| wrong(&path, &error))?;
                return Ok(Taken::Held(Holder::read(&text)));
            }
            Err(TryLockError::Error(error)) => return Err(wrong(&path, &error)),
        }
        let holder = Holder {
            pid: Some(std::process::id()),
            doing: doing.to_owned(),
            since: time::wire(time::now_ms()),
            address: String::new(),
        };
        let mut lock = Self { file, holder };
        lock.write();
        Ok(Taken::Ours(lock))
    }

    /// Tells others where this station answers.
    pub(super) fn set_address(&mut self, address: &str) {
        address.clone_into(&mut self.holder.address);
        self.write();
    }

    /// Writes who holds the lock. A full disk must not keep a station from starting, so failure is only logged.
    fn write(&mut self) {
        let Holder {
            pid,
            doing,
            since,
            address,
        } = &self.holder;
        let pid = pid.unwrap_or_default();
        let text = format!("pid: {pid}\ndoing: {doing}\nsince: {since}\naddress: {address}\n");
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(text.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write into {FILE} who holds the data folder");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Stale text is harmless; closing the file ends the lock.
        let _ = self.file.set_len(0);
    }
}

/// Says who holds a folder, and what to do.
pub(super) fn held(folder: &Path, holder: &Holder) -> Error {
    let remedy = if holder.serves() {
        "use that station, stop it, or choose another folder with --data"
    } else {
        "wait until it ends, or choose another folder with --data"
    };
    Error::Busy(format!(
        "the data folder is in use by {holder}; {remedy}: {}",
        folder.display()
    ))
}

fn wrong(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid(format!(
        "cannot lock the data folder: {error}: {}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_the_folder_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let Taken::Ours(mut first) = Lock::take(folder.path(), SERVE).unwrap() else {
            panic!("the folder is free");
        };
        first.set_address("http://127.0.0.1:8080");
        let Taken::Held(holder) = Lock::take(folder.path(), "import").unwrap() else {
            panic!("the folder is held");
        };
        let said = held(folder.path(), &holder).to_string();
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(said.contains("at http://127.0.0.1:8080 since 2"), "{said}");
        drop(first);
        assert!(matches!(
            Lock::take(folder.path(), "import").unwrap(),
            Taken::Ours(_)
        ));
    }
}
