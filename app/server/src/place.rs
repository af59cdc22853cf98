//! Where a command works: the data folder and the settings.

use std::path::PathBuf;

use anyhow::Context as _;
use transect::config::{self, Effective, Settings};
use transect::error::Result;
use transect::station;

/// A data folder and its settings file.
pub struct Place {
    /// The data folder, which may not exist yet.
    pub data: PathBuf,
    /// The settings file, if there is one.
    pub file: Option<PathBuf>,
}

impl Place {
    /// The place that the flags name, or the user's own.
    pub fn new(data: Option<PathBuf>, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let data = data
            .or_else(|| {
                station::default_path(std::env::var_os("XDG_DATA_HOME"), std::env::var_os("HOME"))
            })
            .context("there is no home folder to put the data folder in; name it with --data")?;
        let data = std::path::absolute(&data)
            .with_context(|| format!("--data is no path: {}", data.display()))?;
        let file = file.or_else(|| station::settings_file(&data));
        Ok(Self { data, file })
    }

    /// Reads the settings: file, then environment, then `flags`.
    pub fn settings(&self, flags: &[(&str, String)]) -> Result<Settings> {
        config::read(self.file.as_deref(), environment(), flags)
    }

    /// Every setting as [`Self::settings`] gives it, with where it comes from.
    pub fn effective(&self) -> Result<Vec<Effective>> {
        config::effective(self.file.as_deref(), environment())
    }
}

/// Names and values that are not UTF-8 cannot be settings of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
