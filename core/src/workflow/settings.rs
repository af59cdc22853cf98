//! Settings of workflows: how steps are kept apart from the machine, and what they may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// How steps of workflows are kept apart from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sandbox {
    /// In bubblewrap.
    Bwrap,
    /// Not at all.
    None,
}

/// What steps of workflows can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The station only.
    Station,
    /// Whatever the machine can.
    Full,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Workflows {
    pub sandbox: Sandbox,
    pub bwrap: String,
    pub network: Network,
    pub steps: usize,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub cpu_secs: u64,
    pub processes: u64,
    pub open_files: u64,
    pub programs: Vec<String>,
    pub devices: Vec<String>,
    pub images: BTreeMap<String, String>,
}

impl Workflows {
    /// The folder that an image stands for: by its whole name, or without its tag.
    pub fn image(&self, name: &str) -> Option<&str> {
        let untagged = match name.rsplit_once(':') {
            Some((untagged, tag)) if !tag.contains('/') => untagged,
            _ => name,
        };
        let found = self.images.get(name).or_else(|| self.images.get(untagged));
        found.map(String::as_str)
    }

    /// The devices that steps may use; a `*` at the end stands for anything.
    pub fn device_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for device in &self.devices {
            let path = Path::new(device);
            let Some(beginning) = device.strip_suffix('*') else {
                found.push(path.to_owned());
                continue;
            };
            let folder = Path::new(beginning).parent().unwrap_or(Path::new("/dev"));
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            found.extend(paths.filter(|path| path.to_string_lossy().starts_with(beginning)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn settings() -> Workflows {
        config::read(None, [], &[]).unwrap().workflows
    }

    #[test]
    fn images_are_found_with_and_without_their_tag() {
        let mut settings = settings();
        for (name, folder) in [("lab/a", "/a"), ("lab/a:2", "/a2"), ("host:5000/b", "/b")] {
            settings.images.insert(name.into(), folder.into());
        }
        let table = [
            ("lab/a", Some("/a")),
            ("lab/a:1", Some("/a")),
            ("lab/a:2", Some("/a2")),
            ("host:5000/b", Some("/b")),
            ("host:5000/b:7", Some("/b")),
            ("host:5000", None),
            ("", None),
        ];
        for (name, folder) in table {
            assert_eq!(settings.image(name), folder, "{name}");
        }
    }

    #[test]
    fn a_star_stands_for_any_end_of_a_device() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["card0", "card1", "other"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let mut settings = settings();
        assert!(settings.device_files().is_empty());
        settings.devices = ["card*", "nothing*"]
            .map(|name| at(name).display().to_string())
            .into();
        let mut found = settings.device_files();
        found.sort();
        assert_eq!(found, [at("card0"), at("card1")]);
        settings.devices = vec!["/dev/null".into()];
        assert_eq!(settings.device_files(), [PathBuf::from("/dev/null")]);
    }
}
