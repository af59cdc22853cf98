//! Files that stand below `/media/{project}/` for the members of a project: temporary files, manifests
//! of workflows, pages of applets. They are objects like any other, under keys of their own.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::key::{base_name, split_extension};
use super::{quota, service, store};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::{client, id};

/// What the keys of these files begin with.
const PREFIX: &str = "_media/";
const HEXADECIMAL: &[u8] = b"0123456789abcdef";
/// The largest manifest, and the largest file that is read whole.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewFile {
    pub name: Option<String>,
    pub upload_url: Option<String>,
}

/// A file that was saved; `url` is its path below `/media/`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Saved {
    pub name: String,
    pub project: i64,
    pub upload_url: String,
    pub url: String,
}

/// What a saved file has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anything.
    Any,
    /// A YAML document that is a mapping.
    Manifest,
}

/// The key of a file of a project.
pub(crate) fn key(project: i64, name: &str) -> String {
    format!("{PREFIX}{project}/{name}")
}

/// The key that a path below `/media/` stands for; none for one that could mean something else.
pub(super) fn key_of_path(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let project: i64 = parts.next()?.parse().ok().filter(|id| *id > 0)?;
    let name = parts.next().filter(|name| !name.is_empty())?;
    let plain = parts.next().is_none() && !name.contains('\\') && name != "." && name != "..";
    plain.then(|| key(project, name))
}

/// Stores what a URL gives under a name that was never used before.
///
/// Errors: `Forbidden` without Execute, and for a URL of no allowed origin; `Invalid` when the URL
/// cannot be read, or what it gives breaks the rule.
pub(super) async fn save(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewFile,
    rule: Rule,
) -> Result<Saved> {
    let actor = actor.clone();
    let access = cx.database.read(move |tx| {
        Box::pin(async move { project::access(tx, &actor, project, Level::Execute).await })
    });
    access.await?;
    let upload_url = new.upload_url.ok_or_else(|| missing("upload_url"))?;
    client::check(cx, &upload_url).await?;
    let name = new.name.ok_or_else(|| missing("name"))?;
    let stored = stored_name(&name);
    let key = key(project, &stored);
    match rule {
        Rule::Any => {
            let (length, bytes) = client::open(cx, &upload_url, &[]).await?;
            let (bytes, refusal) = quota::limited(cx, project, bytes, length).await?;
            refusal.explain(service::put(cx, &key, bytes, length).await)?;
        }
        Rule::Manifest => {
            let bytes = client::bytes(cx, &upload_url, &[], MOST_BYTES).await?;
            check_manifest(&bytes)?;
            service::put_bytes(cx, &key, bytes).await?;
        }
    }
    Ok(Saved {
        url: format!("{project}/{stored}"),
        name,
        project,
        upload_url,
    })
}

fn missing(key: &str) -> Error {
    Error::invalid_because(
        "Request body validation error",
        format!("body: '{key}' is a required property"),
    )
}

/// `report_0123456789abcdef.html` of `report.html`.
fn stored_name(name: &str) -> String {
    let clean = base_name(name);
    let (stem, extension) = split_extension(&clean);
    let stem = if stem.is_empty() { "file" } else { stem };
    format!("{stem}_{}{extension}", id::random_text(HEXADECIMAL, 16))
}

fn check_manifest(bytes: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::invalid_because("The manifest is not UTF-8!", error.to_string()))?;
    let parsed: Json = serde_saphyr::from_str(text).map_err(|error| {
        Error::invalid_because("The manifest is not valid YAML!", error.to_string())
    })?;
    if parsed.is_object() {
        return Ok(());
    }
    Err(Error::invalid(
        "The manifest is no mapping! It begins with keys such as apiVersion, kind and spec.",
    ))
}

/// The bytes of a saved file of a project, by the path that saving it returned (`/media/` before it is
/// fine); none when the project has no such file.
///
/// Errors: `Invalid` for a file of more than 16 MiB.
pub async fn read(cx: &Context, project: i64, path: &str) -> Result<Option<Bytes>> {
    let Some(key) = key_in(project, path) else {
        return Ok(None);
    };
    let Some((object, stream)) = service::open(cx, &key).await? else {
        return Ok(None);
    };
    if object.size_bytes > MOST_BYTES {
        return Err(Error::invalid(format!(
            "the file is larger than {MOST_BYTES} bytes: {path}"
        )));
    }
    let chunks: Vec<Bytes> = futures::TryStreamExt::try_collect(stream).await?;
    Ok(Some(chunks.concat().into()))
}

/// Whether a project has a saved file at the path that saving it returned.
pub async fn exists(tx: &mut Tx, project: i64, path: &str) -> Result<bool> {
    match key_in(project, path) {
        Some(key) => Ok(store::find(tx, &key).await?.is_some()),
        None => Ok(false),
    }
}

fn key_in(project: i64, path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("media/").unwrap_or(path);
    let own = key_of_path(path)?;
    own.starts_with(&key(project, "")).then_some(own)
}

/// Removes the files of a project that goes away.
pub async fn remove_all(tx: &mut Tx, project: i64) -> Result<()> {
    for key in store::keys_below(tx, &key(project, "")).await? {
        store::remove(tx, &key).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_project_and_a_name() {
        assert_eq!(
            key_of_path("5/a_b.html").as_deref(),
            Some("_media/5/a_b.html")
        );
        for path in [
            "", "5", "5/", "/5/a", "5/../6/a", "5/..", "5/.", "5//a", "5/a/b", "-5/a", "0/a",
            "x/a", "5/..\\a", "+/a",
        ] {
            assert_eq!(key_of_path(path), None, "{path}");
        }
        assert_eq!(key_in(5, "5/a"), key_in(5, "/media/5/a"));
        assert!(key_in(5, "5/a").is_some() && key_in(6, "5/a").is_none());
        assert!(key_in(5, "50/a").is_none());
    }

    #[test]
    fn stored_names_keep_stem_and_extension() {
        let name = stored_name("../My page.HTML");
        assert!(
            name.starts_with("My page_") && name.ends_with(".HTML"),
            "{name}"
        );
        assert_eq!(name.len(), "My page_.HTML".len() + 16);
        assert!(stored_name("").starts_with("file_"));
        assert!(key_of_path(&format!("5/{}", stored_name("a\\b\u{0}c"))).is_some());
    }

    #[test]
    fn a_manifest_is_a_mapping() {
        assert!(check_manifest(b"kind: Workflow\nspec: {templates: []}\n").is_ok());
        for wrong in ["", "- a\n- b\n", "text", "a: b: c", "{", "a: [1", "\t- x"] {
            let refused = check_manifest(wrong.as_bytes());
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{wrong}");
        }
        assert!(check_manifest(&[0xff, 0xfe]).is_err());
    }
}
