//! The records of `media_files`: what they may say, and what one looks like.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use crate::database::Tx;
use crate::error::{Error, Result};
use crate::storage::{self, Owner};

/// The members of a record that name stored bytes.
pub(super) const PATHS: [&str; 2] = ["path", "segment_info"];

/// The members of `media_files` that are lists of records of stored bytes.
pub(super) const ROLES: [&str; 7] = [
    "archival",
    "streaming",
    "audio",
    "image",
    "thumbnail",
    "thumbnail_gif",
    "attachment",
];

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

/// Checks what a caller wants `media_files` of a media to be. A path that is there already may stay,
/// and so may the keys that the media shares with its clones.
///
/// Errors: `Forbidden` for a key of another organization, project or media; `Invalid` for what is no
/// key, and for a URL without `reference_only: 1`.
pub(super) fn check(
    owner: Owner,
    media: i64,
    files: &Map<String, Json>,
    before: Option<&Map<String, Json>>,
    shared: &HashSet<String>,
) -> Result<()> {
    let known: HashSet<&str> = before
        .into_iter()
        .flat_map(records)
        .filter(|record| !is_elsewhere(record))
        .flat_map(paths)
        .collect();
    for record in records(files) {
        let reference = record.get("reference_only").and_then(Json::as_i64) == Some(1);
        // Where a host is named, the bytes are its, and nothing here signs or removes them.
        for path in paths(record).filter(|_| !is_elsewhere(record)) {
            if is_url(path) && !reference && !known.contains(path) {
                return Err(Error::invalid(format!(
                    "a URL is recorded only with reference_only: 1; upload the file, or say that it stays where it is: {path}"
                )));
            }
            if !is_url(path) && !known.contains(path) && !shared.contains(path) {
                owner.check_media(media, path)?;
            }
        }
    }
    Ok(())
}

/// Completes the length of a record that does not say it, from the stored object. The bucket that it
/// was uploaded to is no part of it.
pub(super) async fn complete(tx: &mut Tx, record: &mut Map<String, Json>) -> Result<()> {
    record.remove("bucket_id");
    let path = record
        .get("path")
        .and_then(Json::as_str)
        .unwrap_or_default();
    if record.contains_key("size") || is_url(path) || is_elsewhere(record) {
        return Ok(());
    }
    if let Some(size) = storage::size(tx, path).await? {
        record.insert("size".into(), json!(size));
    }
    Ok(())
}

/// Whether a member of `media_files` says anything: it is there, and not null, empty or zero.
pub(super) fn is_given(value: Option<&Json>) -> bool {
    match value {
        None | Some(Json::Null) => false,
        Some(Json::Number(number)) => number.as_f64() != Some(0.0),
        Some(Json::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

/// Whether a record says that its bytes are at another host.
pub(super) fn is_elsewhere(record: &Map<String, Json>) -> bool {
    let host = record.get("host").and_then(Json::as_str);
    host.is_some_and(|host| !host.is_empty())
}

/// The keys of stored objects that the records name.
pub(super) fn keys(files: &Map<String, Json>) -> impl Iterator<Item = String> {
    records(files)
        .filter(|record| !is_elsewhere(record))
        .flat_map(paths)
        .filter(|path| !is_url(path))
        .map(str::to_owned)
}

/// How clients that upload a file in slices mark one: bytes out of the middle of a file, which are no
/// film, or only the beginning of one.
const SLICE: &str = "fragment";

/// The key of the object that pictures are best read from: the archival copy, else the largest
/// streaming one, else the image. Slices of a file that is still being uploaded are none of these.
pub(super) fn best(files: &Map<String, Json>) -> Option<&str> {
    let of = |role: &str| {
        let listed = files.get(role).and_then(Json::as_array);
        let records = listed.into_iter().flatten().filter_map(Json::as_object);
        records.filter_map(|record| {
            let path = record.get("path").and_then(Json::as_str)?;
            let height = record
                .get("resolution")
                .map_or(0, |size| size[0].as_i64().unwrap_or(0));
            let slice = record.get("codec").and_then(Json::as_str) == Some(SLICE);
            (!slice && !is_url(path) && !is_elsewhere(record)).then_some((height, path))
        })
    };
    let largest = of("streaming").max_by_key(|(height, _)| *height);
    let found = of("archival").next().or(largest);
    found.or_else(|| of("image").next()).map(|(_, path)| path)
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
    fn only_what_says_something_is_given() {
        assert!(is_given(Some(&json!([1]))) && is_given(Some(&json!(720))));
        for empty in [json!([]), json!(0), json!(null)] {
            assert!(!is_given(Some(&empty)), "{empty}");
        }
        assert!(!is_given(None));
    }

    #[test]
    fn pictures_come_from_the_best_record() {
        let files = |json: Json| json.as_object().cloned().unwrap();
        let video = |path: &str, height: i64| json!({"path": path, "resolution": [height, 1]});
        let streaming = json!([
            video("s144", 144),
            video("s720", 720),
            video("s360", 360),
            video("https://h/s1080", 1080)
        ]);
        let all = files(json!({"streaming": streaming, "archival": [video("a", 10)]}));
        assert_eq!(best(&all), Some("a"));
        assert_eq!(best(&files(json!({"streaming": streaming}))), Some("s720"));
        let image = json!([{"path": "i", "host": "https://old"}, {"path": "j"}]);
        assert_eq!(best(&files(json!({"image": image, "ids": [1]}))), Some("j"));
        assert_eq!(best(&files(json!({"thumbnail": image}))), None);
        let slice = json!({"path": "slice", "codec": "fragment"});
        let sliced = files(json!({"archival": [slice, {"path": "whole", "codec": "h264"}]}));
        assert_eq!(best(&sliced), Some("whole"));
        assert_eq!(best(&files(json!({"archival": [slice]}))), None);
    }

    #[test]
    fn urls_need_the_word_reference_only() {
        let owner = Owner {
            organization: 1,
            project: 2,
        };
        let verdict = |record: Json, before: Option<Json>| {
            let files = |record| Map::from_iter([("image".to_owned(), json!([record]))]);
            check(
                owner,
                3,
                &files(record),
                before.map(files).as_ref(),
                &HashSet::from(["7/8/9/shared.png".to_owned()]),
            )
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
        let shared = json!({"path": "7/8/9/shared.png"});
        assert!(verdict(shared, None).is_ok());
        let elsewhere = json!({"path": "/data/raw/a.png", "host": "https://old"});
        assert!(verdict(elsewhere, None).is_ok());
        let here = json!({"path": "/data/raw/a.png", "host": ""});
        assert!(matches!(verdict(here, None), Err(Error::Invalid { .. })));
        let odd = json!({"path": "javascript:alert(1)", "reference_only": 1});
        assert!(matches!(verdict(odd, None), Err(Error::Invalid { .. })));
        assert!(!is_url("https:///x") && !is_url("HTTP:x") && is_url("http://h/x"));
    }
}
