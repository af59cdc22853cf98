//! Reading media.

use serde_json::{Map, Value as Json, json};

use super::family::Families;
use super::files::{PATHS, is_elsewhere};
use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::{FIELDS, Media, Stats};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Schema, incident};
use crate::storage::{self, Owner};

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

/// Replaces object keys in `media_files` by links that work for a while without credentials, in
/// media of one project.
pub(super) async fn presign(
    cx: &Context,
    actor: &Actor,
    rows: &mut [Media],
    how: &Presigning,
) -> Result<()> {
    let Some(project) = rows.first().and_then(|media| media.project) else {
        return Ok(());
    };
    let ids: Vec<i64> = rows.iter().map(|media| media.id).collect();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let families = Families::of(tx, &ids).await?;
            Ok((storage::owner(tx, project).await?, families))
        })
    });
    let (owner, families) = reading.await?;
    for media in rows {
        links(cx, actor, (owner, &families), media, how).await;
    }
    Ok(())
}

async fn links(
    cx: &Context,
    actor: &Actor,
    (owner, families): (Owner, &Families),
    media: &mut Media,
    how: &Presigning,
) {
    let Some(files) = &mut media.media_files else {
        return;
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
            .filter(|record| !is_elsewhere(record))
        {
            for name in PATHS {
                let path = record.get(name).and_then(Json::as_str);
                // Nothing but the bytes of the media and its family is signed, whatever a record says.
                let Some(key) = path.filter(|path| families.holds(owner, media.id, path)) else {
                    continue;
                };
                let url =
                    storage::presign(cx, actor, &how.origin, key, how.seconds, how.no_cache).await;
                record.insert(name.into(), json!(url));
            }
        }
    }
}

/// The keys that `fields=` asks for, checked before anything is read.
///
/// Errors: `Invalid` for a key that no media has.
pub(super) fn fields(filter: &Filter) -> Result<Option<Vec<String>>> {
    let Some(text) = &filter.fields else {
        return Ok(None);
    };
    let related = filter.related.encoded_related_search.is_some();
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let mut checked = Vec::new();
    for name in names {
        let known = FIELDS.contains(&name)
            || name.starts_with("attributes.")
            || (name == "incident" && related);
        if !known {
            return Err(Error::invalid_because(
                "Query parameter error: fields",
                format!("a media has no field '{name}'"),
            ));
        }
        checked.push(name.to_owned());
    }
    Ok(Some(checked))
}

/// Keeps some keys of each row; `attributes.Name` picks single attributes.
pub(super) fn pick(rows: Vec<Media>, names: &[String]) -> Result<Vec<Map<String, Json>>> {
    let mut picked = Vec::with_capacity(rows.len());
    for row in rows {
        let row = serde_json::to_value(row)?;
        let mut some = Map::new();
        for name in names {
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
                    let value = row.get(name).cloned().unwrap_or(Json::Null);
                    some.insert(name.clone(), value);
                }
            }
        }
        picked.push(some);
    }
    Ok(picked)
}
