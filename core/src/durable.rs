//! Names that outlive a power cut: a file or folder is certainly found again once the folder that it is in was flushed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Who may do what in folders that only this machine's conventions limit.
pub(crate) const OPEN: u32 = 0o777;
/// How long a name may have waited for the disk without anybody asking: the kernel writes after half a minute.
const UNCERTAIN: Duration = Duration::from_secs(600);
/// Folders of blobs that are made at the same time.
const LOCKS: usize = 256;

/// Flushes a folder, so that the names in it are durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it that are missing, all of them durable.
pub(crate) fn create_folder(folder: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let outer = folder.parent().filter(|path| !path.as_os_str().is_empty());
        match sync_folder(outer.unwrap_or(Path::new("."))) {
            // Who may write in a folder need not be allowed to open it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Writes a small file, durable under its name, or leaves none.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The folders `ab/cd` of a root: each is durable before anything gets a name in it.
pub(crate) struct Shards {
    root: PathBuf,
    /// Whoever finds a folder may be faster than whoever is about to make it durable.
    making: Vec<Mutex<()>>,
}

impl Shards {
    /// Makes the root, and has durable what a killed process may have made and not flushed.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        create_folder(&root, OPEN)?;
        sync_folder(&root)?;
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let found = entry.metadata()?;
            let age = found.modified()?.elapsed().unwrap_or_default();
            if found.is_dir() && age < UNCERTAIN {
                sync_folder(&entry.path())?;
            }
        }
        let making = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Ok(Self { root, making })
    }

    /// Makes the folder of a file, if it is not there yet.
    pub(crate) fn ready(&self, folder: &Path) -> io::Result<()> {
        let outer = folder.parent().unwrap_or(&self.root);
        let name = outer.file_name().unwrap_or_default().as_encoded_bytes();
        let lock = name
            .iter()
            .fold(0_usize, |sum, byte| (sum * 31 + usize::from(*byte)) % LOCKS);
        let _making = self.making[lock].lock().expect("no holder panics");
        if folder.exists() {
            return Ok(());
        }
        let made = create_folder(folder, OPEN);
        if made.is_err() {
            // The next one shall not take it for durable.
            for folder in [folder, outer] {
                let _ = fs::remove_dir(folder);
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_those_above_them() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("a/b");
        let shards = Shards::open(root.clone()).unwrap();
        let threads: Vec<_> = std::thread::scope(|scope| {
            let work = || shards.ready(&root.join("12/34"));
            let started: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            started.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(threads.iter().all(Result::is_ok));
        assert!(root.join("12/34").is_dir());
        assert!(Shards::open(root).is_ok());
    }
}
