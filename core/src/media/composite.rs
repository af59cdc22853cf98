//! Media that consist of others: several at once, one after another, or live streams.

use serde_json::{Map, Value as Json, json};

use super::types::{Media, MediaPatch};
use super::{files, store};
use crate::database::Tx;
use crate::error::{Error, Result};

/// Makes a media consist of other media, or of live streams, as a patch says.
///
/// Errors: `Invalid` for a media that has files of its own or consists of something else already, and
/// for parts that are not of the project.
pub(super) async fn compose(
    tx: &mut Tx,
    project: i64,
    media: &mut Media,
    patch: &MediaPatch,
) -> Result<()> {
    let given = [
        patch.multi.is_some(),
        patch.concat.is_some(),
        patch.live.is_some(),
    ];
    match given.iter().filter(|is_given| **is_given).count() {
        0 => return Ok(()),
        1 => {}
        _ => {
            return Err(Error::invalid(
                "a media is one of multi, concat and live; give one of them",
            ));
        }
    }
    let mut members = media.media_files.clone().unwrap_or_default();
    let own = [
        "archival",
        "streaming",
        "audio",
        "image",
        "live",
        "concat",
        "ids",
    ];
    let allowed: &[&str] = match patch {
        MediaPatch { multi: Some(_), .. } => &["ids"],
        MediaPatch {
            concat: Some(_), ..
        } => &["concat"],
        _ => &["live"],
    };
    if let Some(clash) = own
        .iter()
        .find(|key| !allowed.contains(key) && files::is_given(members.get(**key)))
    {
        return Err(Error::invalid(format!(
            "media {} already has {clash} files of its own",
            media.id
        )));
    }
    if let Some(multi) = &patch.multi {
        let ids = integers(multi.get("ids"));
        check_children(tx, project, media.id, &ids).await?;
        check_clocks(multi)?;
        for key in [
            "ids",
            "layout",
            "quality",
            "frameOffset",
            "timeOffset",
            "timeDrift",
        ] {
            if let Some(value) = multi.get(key).filter(|value| files::is_given(Some(value))) {
                members.insert(key.into(), value.clone());
            }
        }
    }
    if let Some(concat) = &patch.concat {
        let ids: Vec<i64> = concat
            .iter()
            .filter_map(|part| part["id"].as_i64())
            .collect();
        check_children(tx, project, media.id, &ids).await?;
        check_flat(tx, project, media.id, &ids).await?;
        members.insert("concat".into(), json!(concat));
    }
    if let Some(live) = &patch.live {
        members.insert(
            "live".into(),
            live.get("streams").cloned().unwrap_or_else(|| json!([])),
        );
        members.insert(
            "layout".into(),
            live.get("layout").cloned().unwrap_or_else(|| json!([])),
        );
    }
    media.media_files = Some(members);
    Ok(())
}

/// Checks that the parts of a media have files of their own, and that it is no part itself: numbers of frames
/// are looked up in one step. Errors: `Invalid`.
async fn check_flat(tx: &mut Tx, project: i64, id: i64, parts: &[i64]) -> Result<()> {
    for (other, named) in store::joined(tx, project).await? {
        if parts.contains(&other) {
            return Err(Error::invalid(format!(
                "media {other} is joined of others itself; name its parts in its place: {named:?}"
            )));
        }
        if other != id && named.contains(&id) {
            return Err(Error::invalid(format!(
                "media {id} is a part of media {other}, and so can not be joined of others; name these in media {other}"
            )));
        }
    }
    Ok(())
}

/// The media that a media shows one after another, and at which second of it each begins, where that is given.
pub(super) fn joined(media: &Media) -> Vec<(i64, Option<f64>)> {
    let files = media.media_files.as_ref();
    let parts = files.and_then(|files| files.get("concat")?.as_array());
    let part = |part: &Json| Some((part["id"].as_i64()?, part["timestampOffset"].as_f64()));
    parts.into_iter().flatten().filter_map(part).collect()
}

/// The media that some consist of.
pub(super) fn parts(media: &[Media]) -> Vec<i64> {
    let files = media.iter().filter_map(|media| media.media_files.as_ref());
    let parts = files.flat_map(|files| {
        let joined = files.get("concat").and_then(Json::as_array);
        let joined = joined.into_iter().flatten();
        let joined = joined.filter_map(|part| part["id"].as_i64());
        integers(files.get("ids")).into_iter().chain(joined)
    });
    parts.collect()
}

/// The integers of a list; none of anything else.
pub(super) fn integers(value: Option<&Json>) -> Vec<i64> {
    value
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_i64)
        .collect()
}

/// A clock that is off by more is none.
const MOST_DRIFT_PPM: f64 = 100_000.0;

/// Checks how late children are (seconds), and how fast their clocks (millionths). Errors: `Invalid`.
fn check_clocks(multi: &Map<String, Json>) -> Result<()> {
    let numbers = |key: &str| {
        multi
            .get(key)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    };
    let mut drifts = numbers("timeDrift").filter_map(Json::as_f64);
    if drifts.any(|drift| drift.abs() > MOST_DRIFT_PPM) {
        return Err(Error::invalid(format!(
            "timeDrift is given in millionths, at most {MOST_DRIFT_PPM}"
        )));
    }
    Ok(())
}

async fn check_children(tx: &mut Tx, project: i64, media: i64, ids: &[i64]) -> Result<()> {
    if ids.contains(&media) {
        return Err(Error::invalid(format!(
            "media {media} cannot consist of itself"
        )));
    }
    let known = store::of_project(tx, ids, project).await?;
    match ids.iter().find(|id| !known.contains(id)) {
        Some(missing) => Err(Error::invalid(format!(
            "media {missing} is not part of project {project}"
        ))),
        None => Ok(()),
    }
}
