//! Which sources have killed their worker, and may not try again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use crate::WorkerError;

const STRIKES: u32 = 2;

/// What a file looked like when it was last tried; a changed file gets a new chance.
type Look = Option<(u64, SystemTime)>;

struct Record {
    look: Look,
    strikes: u32,
    message: String,
}

/// Counts, per source, how often in a row it took its worker down.
#[derive(Default)]
pub(crate) struct Quarantine {
    records: Mutex<HashMap<PathBuf, Record>>,
}

impl Quarantine {
    /// Fails with `Quarantined` if the source has used up its chances and has not changed since.
    pub(crate) fn admit(&self, source: &Path) -> Result<(), WorkerError> {
        let mut records = self.lock();
        let Some(record) = records.get(source) else {
            return Ok(());
        };
        if record.look != look(source) {
            records.remove(source);
            return Ok(());
        }
        if record.strikes < STRIKES {
            return Ok(());
        }
        let message = format!("{}: {}", record.message, source.display());
        Err(WorkerError::Quarantined { message })
    }

    /// Notes that a worker died while it was busy with the source.
    pub(crate) fn strike(&self, source: &Path, message: &str) {
        let mut records = self.lock();
        let record = records.entry(source.to_owned()).or_insert_with(|| Record {
            look: look(source),
            strikes: 0,
            message: String::new(),
        });
        record.strikes += 1;
        record.message = message.to_owned();
    }

    /// Notes that the source was answered for.
    pub(crate) fn clear(&self, source: &Path) {
        self.lock().remove(source);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Record>> {
        self.records
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn look(source: &Path) -> Look {
    let metadata = source.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_strikes_in_a_row_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.mp4");
        std::fs::write(&path, "a").unwrap();
        let quarantine = Quarantine::default();
        quarantine.strike(&path, "killed");
        quarantine.clear(&path);
        quarantine.strike(&path, "killed");
        assert_eq!(quarantine.admit(&path), Ok(()));
        quarantine.strike(&path, "killed");
        assert!(matches!(
            quarantine.admit(&path),
            Err(WorkerError::Quarantined { .. })
        ));
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(quarantine.admit(&path), Ok(()));
    }
}
