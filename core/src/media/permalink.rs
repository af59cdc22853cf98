//! Links that stay the same, and lead to a rendition of a media.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::family::Families;
use super::files::{is_elsewhere, is_given, is_url};
use super::read::visible;
use crate::account::service::{ANONYMOUS, by_name};
use crate::account::{Actor, Status};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::http::not_signed_in;
use crate::project::Level;
use crate::storage;

/// How long the link behind it works.
const SECS: i64 = 86_400;

/// Which rendition is wanted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Wanted {
    /// A role of `media_files`, or `auto`.
    pub element: String,
    /// The height that the rendition is to come closest to, in pixels.
    pub quality: i64,
}

/// Where a rendition can be read; none when the media has no such file.
pub(super) async fn find(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    id: i64,
    wanted: Wanted,
) -> Result<Option<String>> {
    let reader = actor.clone();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let (media, project) = visible(tx, &reader, id, Level::View).await?;
            let owner = storage::owner(tx, project).await?;
            Ok((media, owner, Families::of(tx, &[id]).await?))
        })
    });
    let (media, owner, families) = reading.await?;
    let files = media.media_files.unwrap_or_default();
    let Some(path) = choose(&files, &wanted) else {
        return Ok(None);
    };
    if is_url(path) {
        return Ok(Some(path.to_owned()));
    }
    if !families.holds(owner, id, path) {
        return Ok(None);
    }
    Ok(Some(
        storage::presign(cx, actor, origin, path, SECS, true).await,
    ))
}

/// Who asks without signing in: the account `anonymous`, where the station has one that may sign in.
///
/// Errors: `Unauthenticated` where it has none.
pub(super) async fn anybody(cx: &Context) -> Result<Actor> {
    match by_name(cx, ANONYMOUS).await {
        Ok(user) if user.status == Status::Active => Ok(Actor::from(&user)),
        Ok(_) | Err(Error::NotFound(_)) => Err(not_signed_in()),
        Err(error) => Err(error),
    }
}

fn choose<'f>(files: &'f Map<String, Json>, wanted: &Wanted) -> Option<&'f str> {
    if is_given(files.get("ids")) {
        return None;
    }
    let roles: &[&str] = match wanted.element.as_str() {
        // A video that was imported as it is has no streaming copy.
        "auto" => &["streaming", "image", "archival"],
        element => &[element],
    };
    roles.iter().find_map(|role| {
        let records = files.get(*role)?.as_array()?.iter();
        let records = records.filter_map(Json::as_object);
        let far = |record: &&Map<String, Json>| {
            let height = record.get("resolution").and_then(|size| size[0].as_i64());
            (height.unwrap_or(0) - wanted.quality).abs()
        };
        let nearest = records
            .filter(|record| !is_elsewhere(record))
            .min_by_key(far)?;
        nearest.get("path").and_then(Json::as_str)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_height_is_chosen() {
        let video = |height: i64| json!({"path": format!("v{height}"), "resolution": [height, 1]});
        let files = json!({
            "streaming": [video(144), video(480), video(1080)],
            "archival": [video(2160)],
            "audio": [{"path": "a"}],
            "image": [],
        });
        let files = files.as_object().unwrap();
        let chosen = |element: &str, quality| {
            choose(
                files,
                &Wanted {
                    element: element.into(),
                    quality,
                },
            )
        };
        assert_eq!(chosen("auto", 720), Some("v480"));
        assert_eq!(chosen("streaming", 0), Some("v144"));
        assert_eq!(chosen("auto", 9000), Some("v1080"));
        assert_eq!(chosen("archival", 0), Some("v2160"));
        assert_eq!(chosen("audio", 720), Some("a"));
        assert_eq!((chosen("image", 1), chosen("thumbnail", 1)), (None, None));
        let multi = json!({"ids": [1], "image": [{"path": "i"}]});
        let wanted = Wanted {
            element: "image".into(),
            quality: 1,
        };
        assert_eq!(choose(multi.as_object().unwrap(), &wanted), None);
    }
}
