//! Settings: `assets/config.default.toml` documents every key; file < environment < flags.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::client::Origin;
use crate::error::{Error, Result};
use crate::jobs::Pool;
use crate::workflow::Workflows;

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
    pub site: Site,
    pub mail: Mail,
    pub limits: Limits,
    pub database: Engine,
    pub objects: Objects,
    pub storage: Storage,
    pub account: Account,
    pub frames: Frames,
    pub jobs: Jobs,
    pub workflows: Workflows,
    pub lists: Lists,
    pub aggregate: Aggregate,
    pub transcode: Transcode,
    pub recording: Recording,
    pub proxies: Proxies,
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
    pub request_origins: Vec<Origin>,
}

/// A text that never prints.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Site {
    pub url: String,
    pub notify_webhook: String,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever knows a webhook may post to it.
        write!(f, "Site({})", self.url)
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Mail {
    pub url: String,
    pub from: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        write!(f, "Mail({})", self.from)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Limits {
    pub anonymous_per_second: u32,
    pub user_per_second: u32,
    pub burst_secs: u32,
    pub loopback: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Engine {
    pub url: String,
    pub retention_days: u32,
}

impl Engine {
    /// What was deleted since this time is still kept, in UTC milliseconds.
    pub fn kept_since(&self, now_ms: i64) -> i64 {
        now_ms - i64::from(self.retention_days) * 86_400_000
    }
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
    pub copy: String,
    pub reserve_bytes: u64,
    pub cache_bytes: u64,
    pub largest_copy_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Storage {
    pub s3_listen: String,
    pub s3_domains: Vec<String>,
    pub s3_certificate: String,
    pub s3_private_key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Account {
    pub session_hours: u32,
    pub secret: Hidden,
    pub password_characters: usize,
    pub lockout_failures: u32,
    pub lockout_minutes: u32,
    pub anonymous_registration: bool,
    pub autocreate_organization: bool,
    pub organization_post: bool,
    pub anonymous_gateway: bool,
    pub email_confirmation: bool,
    pub invitation_days: u32,
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
    pub inspect_after_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Aggregate {
    pub memory_bytes: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Lists {
    pub memory_bytes: usize,
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
    pub recordings: usize,
    pub keep_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Transcode {
    pub archive_members: usize,
    pub archive_bytes: u64,
    pub archive_member_bytes: u64,
    pub archive_ratio: u64,
    pub encoders: u32,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Recording {
    pub segment_bytes: u64,
    pub patience_secs: u64,
    pub events: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "assets/config.default.toml documents every key"
)]
pub struct Proxies {
    pub enabled: bool,
    pub height: u32,
    pub gop: u32,
    pub idle_secs: u64,
}

impl Jobs {
    /// How many jobs of a pool run at a time.
    pub fn size(&self, pool: Pool) -> usize {
        match pool {
            Pool::Transcode => self.transcodes,
            Pool::Workflow => self.workflows,
            Pool::Small => self.small,
            Pool::Recording => self.recordings,
            // One after the other: they are made with what is left of the machine.
            Pool::Proxy => 1,
        }
    }
}

/// Variables that stations of the original were set with, and the settings that they mean.
const KNOWN_AS: &[(&str, &str, &str)] = &[
    (
        "ANONYMOUS_REGISTRATION_ENABLED",
        "account",
        "anonymous_registration",
    ),
    (
        "AUTOCREATE_ORGANIZATIONS",
        "account",
        "autocreate_organization",
    ),
    ("ALLOW_ORGANIZATION_POST", "account", "organization_post"),
    ("ANONYMOUS_GATEWAY_ENABLED", "account", "anonymous_gateway"),
    (
        "EMAIL_CONFIRMATION_REQUIRED",
        "account",
        "email_confirmation",
    ),
    ("EXPIRATION_AGE_DAYS", "database", "retention_days"),
    ("SERVER_SIDE_REQUEST_ORIGINS", "server", "request_origins"),
];

/// Reads the settings: defaults, then `file` (where it exists), then environment variables, then
/// `flags` given as (`section.key`, value).
///
/// Errors: `Invalid`, naming the file or variable and the key.
pub fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Settings> {
    typed_settings(gather(file, environment, flags)?.0)
}

fn typed_settings(table: Table) -> Result<Settings> {
    Value::Table(table)
        .try_into()
        .map_err(|error| Error::invalid(format!("a setting has the wrong type: {error}")))
}

/// A setting as it is in effect.
#[derive(Debug, Clone, Serialize)]
pub struct Effective {
    /// Its section.
    pub section: String,
    /// Its key there.
    pub key: String,
    /// Its value, without what is secret.
    pub value: Value,
    /// Where it comes from: a file, an environment variable; none for a default.
    pub source: Option<String>,
}

/// The settings that [`read`] gives, one by one, in the order of their sections and keys.
///
/// Errors: as of [`read`].
pub fn effective(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Effective>> {
    let (table, mut sources) = gather(file, environment, &[])?;
    typed_settings(table.clone())?;
    let mut all = Vec::new();
    for (section, keys) in table {
        for (key, value) in keys.as_table().cloned().unwrap_or_default() {
            all.push(Effective {
                source: sources.remove(&format!("{section}.{key}")),
                value: without_secrets(&section, &key, value),
                section: section.clone(),
                key,
            });
        }
    }
    Ok(all)
}

/// A value that may be shown: of a URL, without its password.
fn without_secrets(section: &str, key: &str, value: Value) -> Value {
    let Value::String(text) = value else {
        return value;
    };
    if !text.is_empty() && WHOLLY_SECRET.contains(&(section, key)) {
        return Value::String("…".into());
    }
    let hidden = match text.split_once("://") {
        Some((scheme, rest)) => {
            let host_at = rest.rfind('@').map_or(0, |at| at + 1);
            let (signing, rest) = rest.split_at(host_at);
            let signing = match signing.split_once(':') {
                Some((name, _)) => format!("{name}:…@"),
                None => signing.to_owned(),
            };
            let rest = match rest.split_once('?') {
                Some((rest, _)) => format!("{rest}?…"),
                None => rest.to_owned(),
            };
            format!("{scheme}://{signing}{rest}")
        }
        None => text,
    };
    Value::String(hidden)
}

/// Settings of which nothing is shown.
const WHOLLY_SECRET: &[(&str, &str)] = &[("account", "secret"), ("site", "notify_webhook")];

/// Where settings come from, by `section.key`; those that are missing are defaults.
type Sources = BTreeMap<String, String>;

fn gather(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<(Table, Sources)> {
    let mut table: Table = DEFAULTS.parse().expect("the default settings are TOML");
    let mut sources = Sources::new();
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
                sources.insert(
                    format!("{section}.{key}"),
                    format!("file {}", file.display()),
                );
            }
        }
    }
    // Our own names come last: they win.
    let mut environment: Vec<_> = environment.into_iter().collect();
    environment.sort_by_key(|(name, _)| name.starts_with("TRANSECT_"));
    for (name, text) in environment {
        let Some((section, key)) = setting_of(&name, &text)? else {
            continue;
        };
        if table.contains_key(&section) {
            let value = typed(&table, &section, &key, &text);
            set(&mut table, &section, &key, value, &name)?;
            sources.insert(format!("{section}.{key}"), format!("environment {name}"));
        }
    }
    for (name, text) in flags {
        let (section, key) = name.split_once('.').expect("flags name section.key");
        let value = typed(&table, section, key, text);
        set(&mut table, section, key, value, name)?;
    }
    Ok((table, sources))
}

/// The setting that an environment variable means, if it means one.
fn setting_of(name: &str, text: &str) -> Result<Option<(String, String)>> {
    if name == "TATOR_FINE_GRAIN_PERMISSION" && truth(text) == Some(true) {
        return Err(Error::invalid(
            "TATOR_FINE_GRAIN_PERMISSION cannot be followed: this station decides by memberships and affiliations only; \
             unset the variable",
        ));
    }
    if let Some((_, section, key)) = KNOWN_AS.iter().find(|(known, ..)| *known == name) {
        return Ok(Some(((*section).into(), (*key).into())));
    }
    let own = name.strip_prefix("TRANSECT_");
    Ok(own
        .and_then(|rest| rest.split_once('_'))
        .map(|(section, key)| (section.to_lowercase(), key.to_lowercase())))
}

/// What people write for yes and no.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Reads a text as the type that the default of the key has; of a list, commas divide the items.
fn typed(table: &Table, section: &str, key: &str, text: &str) -> Value {
    let parsed = match table[section].get(key) {
        Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => truth(text).map(Value::Boolean),
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim);
            let items = items.filter(|item| !item.is_empty());
            let items = items.map(|item| Value::String(item.into()));
            Some(Value::Array(items.collect()))
        }
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
    fn a_list_is_read_from_a_text_with_commas() {
        for name in [
            "TRANSECT_SERVER_REQUEST_ORIGINS",
            "SERVER_SIDE_REQUEST_ORIGINS",
        ] {
            let environment = [(name.to_owned(), "https://a.org, b.org:81,".to_owned())];
            let settings = read(None, environment, &[]).unwrap();
            let expected = ["https://a.org", "b.org:81"]
                .map(|text| Origin::try_from(text.to_owned()).unwrap());
            assert_eq!(settings.server.request_origins, expected);
        }
        let wrong = [("SERVER_SIDE_REQUEST_ORIGINS".into(), "ftp://a".into())];
        let error = read(None, wrong, &[]).unwrap_err();
        assert!(error.to_string().contains("ftp://a"), "{error}");
    }

    #[test]
    fn variables_of_the_original_are_understood_and_ours_win() {
        let environment = [
            ("TRANSECT_ACCOUNT_ORGANIZATION_POST", "false"),
            ("ALLOW_ORGANIZATION_POST", "True"),
            ("ANONYMOUS_GATEWAY_ENABLED", "1"),
            ("SERVER_SIDE_REQUEST_ORIGINS", "c.org"),
        ];
        let environment = environment.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let account = read(None, environment, &[]).unwrap().account;
        assert!(account.anonymous_gateway && !account.organization_post);
        let zero_trust = [("TATOR_FINE_GRAIN_PERMISSION".to_owned(), "true".to_owned())];
        assert!(read(None, zero_trust, &[]).is_err());
    }

    #[test]
    fn a_url_with_a_password_never_prints() {
        let settings = read(
            None,
            [],
            &[
                ("database.url", "postgres://a:secret@b/c".into()),
                ("mail.url", "smtp://a:secret@b".into()),
                (
                    "account.secret",
                    "a secret of some length, as one must be".into(),
                ),
                ("site.notify_webhook", "https://hooks.example/secret".into()),
            ],
        )
        .unwrap();
        let printed = format!("{settings:?}").replace("secret: …", "");
        assert!(!printed.contains("secret"), "{printed}");
    }
}
