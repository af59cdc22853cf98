//! Types that make a project usable at once.

use serde_json::{Value as Json, json};

use super::service;
use super::types::NewEntityType;
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::error::Result;

/// Makes a media type for videos and one for images where a project has none, and, where it has no
/// localization types at all, a box, a line, a point and a polygon with a text attribute `Label`.
pub async fn ensure(cx: &Context, actor: &Actor, project: i64) -> Result<()> {
    let (media, shapes) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let media = service::list_of_project(tx, Kind::Media, project).await?;
                let shapes = service::list_of_project(tx, Kind::Localization, project).await?;
                Ok((media, shapes))
            })
        })
        .await?;
    let mut media_types: Vec<i64> = media.iter().map(|of| of.id).collect();
    for (dtype, name) in [("video", "Video"), ("image", "Image")] {
        if !media.iter().any(|of| of.dtype == dtype) {
            let body = json!({"name": name, "dtype": dtype});
            media_types.push(make(cx, actor, Kind::Media, project, body).await?);
        }
    }
    if !shapes.is_empty() {
        return Ok(());
    }
    let label = json!({
        "name": "Label", "dtype": "string", "description": "", "required": false, "order": 0,
    });
    for (dtype, name) in [
        ("box", "Box"),
        ("line", "Line"),
        ("dot", "Point"),
        ("poly", "Polygon"),
    ] {
        let body = json!({
            "name": name, "dtype": dtype, "media_types": media_types, "attribute_types": [label],
            "visible": true, "drawable": true, "grouping_default": true,
        });
        make(cx, actor, Kind::Localization, project, body).await?;
    }
    Ok(())
}

async fn make(cx: &Context, actor: &Actor, kind: Kind, project: i64, body: Json) -> Result<i64> {
    let new: NewEntityType = serde_json::from_value(body)?;
    Ok(service::create(cx, actor, kind, project, new).await?.0)
}
