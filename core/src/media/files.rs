//! The records of `media_files`: what they may say, and what one looks like.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::storage::Owner;

/// The members of a record that name stored bytes.
pub(super) const PATHS: [&str; 2] = ["path", "segment_info"];

/// Every record, of whatever role.
pub(super) fn records(files: &Map<String, Json>) -> impl Iterator<Item = &Map<String, Json>> {
    let lists = files.values().filter_map(Json::as_array);
    lists.flatten().filter_map(Json::as_object)
}

/// Whether a text is an absolute URL of the web.
pub(super) fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// Checks what a caller wants `media_files` of a media to be. A URL that is there already may stay.
///
/// Errors: `Forbidden` for a key of another organization, project or media; `Invalid` for what is no
/// key, and for a URL without `reference_only: 1`.
pub(super) fn check(
    owner: Owner,
    media: i64,
    files: &Map<String, Json>,
    before: Option<&Map<String, Json>>,
) -> Result<()> {
    let known: HashSet<&str> = before
        .into_iter()
        .flat_map(records)
        .flat_map(paths)
        .collect();
    for record in records(files) {
        let reference = record.get("reference_only").and_then(Json::as_i64) == Some(1);
        for path in paths(record) {
            if !is_url(path) {
                owner.check_media(media, path)?;
            } else if !reference && !known.contains(path) {
                return Err(Error::invalid(format!(
                    "a URL is recorded only with reference_only: 1; upload the file, or say that it stays where it is: {path}"
                )));
            }
        }
    }
    Ok(())
}

fn paths(record: &Map<String, Json>) -> impl Iterator<Item = &str> {
    PATHS
        .iter()
        .filter_map(|name| record.get(*name).and_then(Json::as_str))
}

/// A record of an object: its key, its length, and its `(height, width)` if known.
pub(super) fn record(path: &str, size: i64, resolution: Option<(i64, i64)>) -> Map<String, Json> {
    let mut record = Map::new();
    record.insert("path".into(), json!(path));
    record.insert("size".into(), json!(size));
    if let Some((height, width)) = resolution {
        record.insert("resolution".into(), json!([height, width]));
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_need_the_word_reference_only() {
        let owner = Owner {
            organization: 1,
            project: 2,
        };
        let verdict = |record: Json, before: Option<Json>| {
            let files = |record| Map::from_iter([("image".to_owned(), json!([record]))]);
            check(owner, 3, &files(record), before.map(files).as_ref())
        };
        let url = json!({"path": "https://host/a.png"});
        assert!(matches!(
            verdict(url.clone(), None),
            Err(Error::Invalid { .. })
        ));
        assert!(verdict(url.clone(), Some(url)).is_ok());
        let named = json!({"path": "https://host/a.png", "reference_only": 1});
        assert!(verdict(named, None).is_ok());
        let hidden = json!({"path": "1/2/3/a.mp4", "segment_info": "1/2/4/a.json"});
        assert!(matches!(verdict(hidden, None), Err(Error::Forbidden(_))));
        let odd = json!({"path": "javascript:alert(1)", "reference_only": 1});
        assert!(matches!(verdict(odd, None), Err(Error::Invalid { .. })));
        assert!(!is_url("https:///x") && !is_url("HTTP:x") && is_url("http://h/x"));
    }
}
