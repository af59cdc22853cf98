//! The data folder: where it is, and that only its owner may enter.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::{Error, Result};

/// Name of the optional settings file in the data folder.
const SETTINGS: &str = "transect.toml";

/// The user's data folder: `transect` in the data home, from the values of `XDG_DATA_HOME` and `HOME`.
///
/// Returns none when neither is an absolute path.
pub fn default_path(data_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute =
        |text: Option<OsString>| text.map(PathBuf::from).filter(|path| path.is_absolute());
    let shared = if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/share"
    };
    absolute(data_home)
        .or_else(|| Some(absolute(home)?.join(shared)))
        .map(|folder| folder.join("transect"))
}

/// The settings file of a data folder, if it has one.
pub fn settings_file(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(SETTINGS)).filter(|file| file.exists())
}

/// Makes the folder, or makes an empty one private; returns its absolute path.
///
/// Errors: `Invalid`, naming the folder, if it cannot be made or entered.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf> {
    let wrong = |error: std::io::Error| {
        Error::invalid(format!(
            "cannot use the data folder: {error}; choose another with --data: {}",
            folder.display()
        ))
    };
    let fresh = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            durable::create_folder(folder, 0o700).map_err(wrong)?;
            true
        }
        Err(error) => return Err(wrong(error)),
    };
    if fresh {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).map_err(wrong)?;
    } else if let Some(mode) = open_to_others(folder) {
        tracing::warn!(
            folder = %folder.display(),
            "other users may enter the data folder (mode {mode:o}); close it with: chmod 700 {}",
            folder.display()
        );
    }
    folder.canonicalize().map_err(wrong)
}

/// The folder's mode, if others than its owner may enter or read it.
pub(super) fn open_to_others(folder: &Path) -> Option<u32> {
    let mode = folder.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_home_wins_over_home_and_must_be_absolute() {
        let path = |data_home: Option<&str>, home: Option<&str>| {
            default_path(data_home.map(Into::into), home.map(Into::into))
        };
        assert_eq!(path(Some("/d"), Some("/h")), Some("/d/transect".into()));
        assert_eq!(path(Some("d"), None), None);
        assert!(path(Some(""), Some("/h")).is_some_and(|path| path.starts_with("/h")));
    }
}
