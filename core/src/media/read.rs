//! Reading media.

use serde_json::{Map, Value as Json, json};

use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::{Media, Stats};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Schema, incident};
use crate::storage;

/// How paths in `media_files` become links.
pub(super) struct Presigning {
    pub origin: String,
    pub seconds: i64,
    pub no_cache: bool,
    pub only: Vec<String>,
}

/// A media that the actor may see. Errors: `NotFound`, `Forbidden`.
pub(super) async fn visible(
    tx: &mut Tx,
    actor: &Actor,
    id: i64,
    level: Level,
) -> Result<(Media, i64)> {
    let media = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Media"))?;
    let project = media.project.ok_or_else(|| Error::no_match("Media"))?;
    project::access(tx, actor, project, level).await?;
    Ok((media, project))
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Media> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { Ok(visible(tx, &actor, id, Level::View).await?.0) }))
        .await
}

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<Vec<Media>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select(tx, &schema, project, &filter, &ids).await?;
                let incident = match &filter.related.encoded_related_search {
                    Some(encoded) => Some(incident(tx, &schema, encoded).await?),
                    None => None,
                };
                store::list(tx, &selection, incident).await
            })
        })
        .await
}

pub(super) async fn count(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<i64> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                select(tx, &schema, project, &filter, &ids)
                    .await?
                    .count(tx)
                    .await
            })
        })
        .await
}

pub(super) async fn stats(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
) -> Result<Stats> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select(tx, &schema, project, &filter, &IdQuery::default()).await?;
                store::stats(tx, &selection).await
            })
        })
        .await
}

/// The media after (or before) one in the filtered default order; none at the end.
pub(super) async fn neighbour(
    cx: &Context,
    actor: &Actor,
    id: i64,
    filter: Filter,
    next: bool,
) -> Result<Option<i64>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let (media, project) = visible(tx, &actor, id, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let filter = Filter {
                    page: crate::query::Page::default(),
                    sort_by: Vec::new(),
                    ..filter
                };
                let selection = select(tx, &schema, project, &filter, &IdQuery::default()).await?;
                store::neighbour(tx, selection, &media, next).await
            })
        })
        .await
}

/// Replaces object keys in `media_files` by links that work for a while without credentials.
pub(super) async fn presign(
    cx: &Context,
    actor: &Actor,
    media: &mut Media,
    how: &Presigning,
) -> Result<()> {
    let Some(files) = &mut media.media_files else {
        return Ok(());
    };
    for (role, records) in files.iter_mut() {
        if !how.only.is_empty() && !how.only.contains(role) {
            continue;
        }
        for record in records
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter_map(Json::as_object_mut)
        {
            for key in ["path", "segment_info"] {
                link(cx, actor, record, key, how).await?;
            }
        }
    }
    Ok(())
}

async fn link(
    cx: &Context,
    actor: &Actor,
    record: &mut Map<String, Json>,
    key: &str,
    how: &Presigning,
) -> Result<()> {
    let path = record.get(key).and_then(Json::as_str).map(str::to_owned);
    if let Some(path) = path.filter(|path| !path.starts_with("http")) {
        let url = storage::presign(cx, actor, &how.origin, &path, how.seconds, how.no_cache).await;
        record.insert(key.into(), json!(url));
    }
    Ok(())
}

/// Keeps the keys that `fields=` asks for; `attributes.Name` picks single attributes.
///
/// Errors: `Invalid` for a key that no media has.
pub(super) fn pick(rows: Vec<Media>, fields: &str) -> Result<Vec<Map<String, Json>>> {
    let names: Vec<&str> = fields
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let mut picked = Vec::with_capacity(rows.len());
    for row in rows {
        let row = serde_json::to_value(row)?;
        let mut some = Map::new();
        for name in &names {
            match name.strip_prefix("attributes.") {
                Some(attribute) => {
                    let value = row["attributes"]
                        .get(attribute)
                        .cloned()
                        .unwrap_or(Json::Null);
                    let place = some.entry("attributes").or_insert_with(|| json!({}));
                    place[attribute] = value;
                }
                None => {
                    let value = row.get(*name).cloned().ok_or_else(|| {
                        Error::invalid_because(
                            "Query parameter error: fields",
                            format!("a media has no field '{name}'"),
                        )
                    })?;
                    some.insert((*name).to_owned(), value);
                }
            }
        }
        picked.push(some);
    }
    Ok(picked)
}
