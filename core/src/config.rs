//! Settings: `assets/config.default.toml` documents every key; file < environment < flags.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::jobs::Pool;

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../../assets/config.default.toml");

/// All settings of a station.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Settings {
    pub server: Server,
    pub database: Engine,
    pub objects: Objects,
    pub account: Account,
    pub frames: Frames,
    pub jobs: Jobs,
    pub search: Search,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Server {
    pub listen: String,
    pub max_body_bytes: usize,
    pub drain_secs: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Engine {
    pub url: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        write!(
            f,
            "Engine({}:…)",
            self.url.split(':').next().unwrap_or_default()
        )
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Objects {
    pub url: String,
    pub reserve_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Account {
    pub session_hours: u32,
    pub lockout_failures: u32,
    pub lockout_minutes: u32,
    pub anonymous_registration: bool,
    pub autocreate_organization: bool,
    pub organization_post: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Frames {
    pub worker: String,
    pub processes: usize,
    pub cache_bytes: u64,
    pub timeout_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Jobs {
    pub transcodes: usize,
    pub workflows: usize,
    pub small: usize,
    pub keep_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Search {
    pub url: String,
    pub heap_bytes: usize,
    pub vector_bytes: usize,
    pub exact_vectors: usize,
}

impl Jobs {
    /// How many jobs of a pool run at a time.
    pub fn size(&self, pool: Pool) -> usize {
        match pool {
            Pool::Transcode => self.transcodes,
            Pool::Workflow => self.workflows,
            Pool::Small => self.small,
        }
    }
}

/// Reads the settings: defaults, then `file` (where it exists), then environment variables, then
/// `flags` given as (`section.key`, value).
///
/// Errors: `Invalid`, naming the file or variable and the key.
pub fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Settings> {
    let mut table: Table = DEFAULTS.parse().expect("the default settings are TOML");
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Error::invalid(format!(
                "cannot read the settings: {error}: {}",
                file.display()
            ))
        })?;
        let given: Table = text
            .parse()
            .map_err(|error| Error::invalid(format!("{error}: {}", file.display())))?;
        for (section, keys) in given {
            let keys = keys
                .as_table()
                .cloned()
                .ok_or_else(|| unknown(&section, &file.display()))?;
            for (key, value) in keys {
                set(&mut table, &section, &key, value, &file.display())?;
            }
        }
    }
    for (name, text) in environment {
        let Some((section, key)) = name
            .strip_prefix("TRANSECT_")
            .and_then(|rest| rest.split_once('_'))
        else {
            continue;
        };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        if table.contains_key(&section) {
            let value = typed(&table, &section, &key, &text);
            set(&mut table, &section, &key, value, &name)?;
        }
    }
    for (name, text) in flags {
        let (section, key) = name.split_once('.').expect("flags name section.key");
        let value = typed(&table, section, key, text);
        set(&mut table, section, key, value, name)?;
    }
    Value::Table(table)
        .try_into()
        .map_err(|error| Error::invalid(format!("a setting has the wrong type: {error}")))
}

/// Reads a text as the type that the default of the key has.
fn typed(table: &Table, section: &str, key: &str, text: &str) -> Value {
    let parsed = match table[section].get(key) {
        Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(
    table: &mut Table,
    section: &str,
    key: &str,
    value: Value,
    source: &dyn std::fmt::Display,
) -> Result<()> {
    let place = table.get_mut(section).and_then(|keys| keys.get_mut(key));
    *place.ok_or_else(|| unknown(&format!("{section}.{key}"), source))? = value;
    Ok(())
}

fn unknown(key: &str, source: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!(
        "there is no setting {key} (the default settings file lists all of them): {source}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_environment_and_unknown_keys_are_refused() {
        let environment = [("TRANSECT_SERVER_DRAIN_SECS".to_owned(), "3".to_owned())];
        let settings = read(
            None,
            environment,
            &[("server.listen", "127.0.0.1:0".into())],
        )
        .unwrap();
        assert_eq!(
            (settings.server.drain_secs, settings.server.listen.as_str()),
            (3, "127.0.0.1:0")
        );
        let error = read(None, [("TRANSECT_SERVER_LITSEN".into(), "x".into())], &[]).unwrap_err();
        assert!(error.to_string().contains("server.litsen"), "{error}");
    }

    #[test]
    fn a_url_with_a_password_never_prints() {
        let settings = read(
            None,
            [],
            &[("database.url", "postgres://a:secret@b/c".into())],
        )
        .unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
