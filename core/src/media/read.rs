//! Reading media.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::family::Families;
use super::files::{PATHS, is_elsewhere};
use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::{INCIDENT, KEYS, Media, Stats};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::{Streamed, Tx};
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Column, Listing, Schema, incident};
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

/// The selected media as rows of JSON, as they come.
pub(super) async fn list(
    cx: &Arc<Context>,
    actor: &Actor,
    project: i64,
    (filter, ids): (Filter, IdQuery),
    listing: Listing,
    presigning: Option<Presigning>,
) -> Result<Streamed<Bytes>> {
    if presigning.is_some() || filter.related.encoded_related_search.is_some() {
        let rows = typed(cx, actor, project, filter, ids).await?;
        let how = Arc::new((Arc::clone(cx), actor.clone(), presigning, listing));
        let written = rows.then(move |batch| {
            let how = Arc::clone(&how);
            async move { write(&how.0, &how.1, batch, how.2.as_ref(), &how.3).await }
        });
        return written.await;
    }
    let question = Arc::new((actor.clone(), filter, ids, listing));
    cx.database
        .stream(move |tx, sink| {
            let question = Arc::clone(&question);
            Box::pin(async move {
                let (actor, filter, ids, listing) = &*question;
                project::access(tx, actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select(tx, &schema, project, filter, ids).await?;
                selection.lines(tx, listing, sink, &mut |_| {}).await
            })
        })
        .await
}

/// The selected media, to be completed by what no column holds.
async fn typed(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<Streamed<Vec<Media>>> {
    let question = Arc::new((actor.clone(), filter, ids));
    cx.database
        .stream(move |tx, sink| {
            let question = Arc::clone(&question);
            Box::pin(async move {
                let (actor, filter, ids) = &*question;
                project::access(tx, actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select(tx, &schema, project, filter, ids).await?;
                match &filter.related.encoded_related_search {
                    None => store::flow(tx, &selection, sink).await,
                    Some(encoded) => {
                        let incident = incident(tx, &schema, encoded).await?;
                        sink.send(store::list(tx, &selection, Some(incident)).await?)
                            .await
                    }
                }
            })
        })
        .await
}

/// Media as rows of JSON.
async fn write(
    cx: &Context,
    actor: &Actor,
    mut rows: Vec<Media>,
    presigning: Option<&Presigning>,
    listing: &Listing,
) -> Result<Bytes> {
    if let Some(how) = presigning {
        presign(cx, actor, &mut rows, how).await?;
    }
    let mut lines = Vec::new();
    for row in rows {
        listing.write_json(&serde_json::to_value(row)?, &mut lines)?;
    }
    Ok(lines.into())
}

/// The columns of a table of media.
pub(super) async fn table(
    cx: &Context,
    project: i64,
    type_id: Option<i64>,
    listing: &Listing,
) -> Result<Vec<Column>> {
    let reading = cx
        .database
        .read(move |tx| Box::pin(async move { Schema::load(tx, project).await }));
    let mut names = reading.await?.names(Kind::Media, type_id);
    // The one attribute that media have without declaring it.
    names.push("tator_user_sections".into());
    Ok(listing.table(names.iter().map(String::as_str)))
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

/// What `fields=` leaves of the rows.
///
/// Errors: `Invalid` for a key that no media has.
pub(super) fn listing(filter: &Filter) -> Result<Listing> {
    let mut keys = KEYS.to_vec();
    if filter.related.encoded_related_search.is_some() {
        keys.push(INCIDENT);
    }
    match &filter.fields {
        Some(text) => Listing::fields(&keys, text, &[]),
        None => Ok(Listing::of(&keys)),
    }
}
