//! The folders of one workflow on this machine.
//!
//! `workflows/UID/` in the data folder holds `logs/`, the shared `volumes/`, and for each running
//! step its own `nodes/N/`. Only the logs outlive the workflow.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::log;
use crate::context::Context;

const FOLDER: &str = "workflows";
/// The longest result that is passed on to other steps, in bytes.
pub(super) const LONGEST_RESULT: usize = 256 << 10;

/// Where a workflow is on this machine.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

impl Place {
    pub fn of(cx: &Context, uid: &str) -> Self {
        Self(cx.data.join(FOLDER).join(uid))
    }

    /// Makes the folders that are not there yet.
    pub fn prepare(&self, volumes: &BTreeSet<String>) -> io::Result<()> {
        make(&self.0.join("logs"))?;
        for volume in volumes {
            make(&self.volume(volume))?;
        }
        // Left by a run that was interrupted.
        remove(&self.0.join("nodes"))
    }

    /// A shared folder; its name is hashed, as a manifest may call it anything.
    pub fn volume(&self, name: &str) -> PathBuf {
        let hash = blake3::hash(name.as_bytes()).to_hex();
        self.0.join("volumes").join(&hash[..16])
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("station.sock")
    }

    /// Makes the folder of a step, with `tmp` and `work` in it.
    pub fn node(&self, ordinal: usize) -> io::Result<PathBuf> {
        let folder = self.node_path(ordinal);
        remove(&folder)?;
        make(&folder.join("tmp"))?;
        make(&folder.join("work"))?;
        Ok(folder)
    }

    pub fn node_path(&self, ordinal: usize) -> PathBuf {
        self.0.join("nodes").join(ordinal.to_string())
    }

    pub fn log(&self, ordinal: usize) -> PathBuf {
        self.0.join("logs").join(format!("{ordinal}.log"))
    }

    /// Bytes that steps have written, without the logs.
    pub fn used_bytes(&self) -> u64 {
        size(&self.0.join("volumes")) + size(&self.0.join("nodes"))
    }

    /// Removes everything but the logs.
    pub fn clear(&self) -> io::Result<()> {
        let _ = std::fs::remove_file(self.socket());
        remove(&self.0.join("nodes"))?;
        remove(&self.0.join("volumes"))
    }
}

fn make(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes on the disk below a folder; links are not followed.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Reads a file that a step left below a folder, wherever links lead: never outside of it.
///
/// One line break at the end is left out. Errors: `NotFound` when there is no such file,
/// `FileTooLarge` beyond [`LONGEST_RESULT`].
pub(super) fn read_result(folder: &Path, path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
    let file = rustix::fs::openat2(
        &folder,
        path,
        flags | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
    )?;
    let file = std::fs::File::from(file);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    let most = LONGEST_RESULT as u64 + 1;
    file.take(most).read_to_end(&mut bytes)?;
    text_of(bytes).ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// What a step printed or left as text, without one line break at its end; none when it is too long.
pub(super) fn text_of(bytes: Vec<u8>) -> Option<String> {
    if bytes.len() > LONGEST_RESULT {
        return None;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if text.ends_with('\n') {
        text.pop();
    }
    Some(text)
}

/// The log of a step. Errors: those of reading; none when it has not begun.
pub(crate) fn read_log(cx: &Context, uid: &str, ordinal: usize) -> io::Result<Option<String>> {
    log::read(&Place::of(cx, uid).log(ordinal))
}

/// The uids of all workflows that have folders.
pub(crate) fn uids(cx: &Context) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(cx.data.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut uids = Vec::new();
    for entry in entries {
        uids.extend(entry?.file_name().into_string().ok());
    }
    Ok(uids)
}

/// Removes the folders of a workflow, its logs as well.
pub(crate) async fn forget(cx: &Context, uid: &str) -> io::Result<()> {
    let Place(folder) = Place::of(cx, uid);
    tokio::task::spawn_blocking(move || remove(&folder))
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_below_the_folder_only() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "no").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), "one\n\n").unwrap();
        std::fs::create_dir(at("d")).unwrap();
        std::fs::write(at("long"), vec![b'x'; LONGEST_RESULT + 1]).unwrap();
        std::os::unix::fs::symlink("../a", at("d/inside")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), at("away")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", at("up")).unwrap();
        let read = |path: &str| read_result(folder.path(), Path::new(path));
        assert_eq!(read("a").unwrap(), "one\n");
        assert_eq!(read("d/inside").unwrap(), "one\n");
        for path in ["away", "up", "../a", "/etc/passwd", "d", "nothing", "long"] {
            assert!(read(path).is_err(), "{path}");
        }
        assert_eq!(read("nothing").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(size(folder.path()) >= LONGEST_RESULT as u64);
    }
}
