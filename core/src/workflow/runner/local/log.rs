//! What steps print: the last of it, in files that never grow beyond a bound.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How much of a log is shown, in bytes.
pub const KEPT: usize = 1 << 20;

/// The log of one step, being written. When the file is full it becomes the older half.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    written: usize,
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("older")
}

impl Log {
    /// Begins an empty log.
    pub fn create(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(older(path));
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path)?,
            written: 0,
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written > KEPT {
            std::fs::rename(&self.path, older(&self.path))?;
            (self.file, self.written) = (File::create(&self.path)?, 0);
        }
        self.written += bytes.len();
        self.file.write_all(bytes)
    }
}

/// The last [`KEPT`] bytes of a log, as text, from the beginning of a line where it was cut.
/// Returns none when the step has not begun.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    for path in [older(path), path.to_owned()] {
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if bytes.is_empty() && !path.exists() {
        return Ok(None);
    }
    let mut from = bytes.len().saturating_sub(KEPT);
    if from > 0 {
        let line = bytes[from..].iter().position(|byte| *byte == b'\n');
        from += line.map_or(0, |line| line + 1);
    }
    Ok(Some(String::from_utf8_lossy(&bytes[from..]).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_long_log_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3.log");
        assert_eq!(read(&path).unwrap(), None);
        let mut log = Log::create(&path).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(""));
        for line in 0..400_000 {
            log.write(format!("line {line}\n").as_bytes()).unwrap();
        }
        let text = read(&path).unwrap().unwrap();
        assert!(text.len() <= KEPT && text.len() > KEPT - 100);
        assert!(text.starts_with("line ") && text.ends_with("line 399999\n"));
        let size = |path: &Path| std::fs::metadata(path).unwrap().len() as usize;
        assert!(size(&path) + size(&older(&path)) < 2 * KEPT + 100);
    }
}
