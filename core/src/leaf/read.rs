//! Reading leaves.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::filter::{Filter, IdQuery, select};
use super::types::{KEYS, Leaf, Suggestion};
use super::{path, store};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::{Streamed, Tx};
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Column, Listing, Schema};
use bytes::Bytes;

/// A leaf that the actor may see at a level. Errors: `NotFound`, `Forbidden`.
pub(super) async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<Leaf> {
    let leaf = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Leaf"))?;
    project::access(tx, actor, leaf.project, level).await?;
    Ok(leaf)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Leaf> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

/// The selected leaves as lines of JSON, as they come.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<Streamed<Bytes>> {
    let question = Arc::new((actor.clone(), filter, ids));
    cx.database
        .stream(move |tx, sink| {
            let question = Arc::clone(&question);
            Box::pin(async move {
                let (actor, filter, ids) = &*question;
                project::access(tx, actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select(tx, &schema, project, filter, ids).await?;
                let listing = Listing::of(&KEYS);
                selection.lines(tx, &listing, sink, &mut |_| {}).await
            })
        })
        .await
}

/// The columns of a table of leaves.
pub(super) async fn table(cx: &Context, project: i64, type_id: Option<i64>) -> Result<Vec<Column>> {
    let reading = cx
        .database
        .read(move |tx| Box::pin(async move { Schema::load(tx, project).await }));
    let names = reading.await?.names(Kind::Leaf, type_id);
    Ok(Listing::of(&KEYS).table(names.iter().map(String::as_str)))
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
                let selection = select(tx, &schema, project, &filter, &ids).await?;
                selection.count(tx).await
            })
        })
        .await
}

/// Leaves at or below the path `ancestor`, of its type, whose names fit what was typed; by group.
/// Nothing for a path that is no leaf's.
pub(super) async fn suggest(
    cx: &Context,
    actor: &Actor,
    project: i64,
    ancestor: &str,
    min_level: i64,
    typed: &str,
) -> Result<Vec<Suggestion>> {
    let (actor, above) = (actor.clone(), ancestor.to_owned());
    let pattern = path::pattern(typed);
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            project::access(tx, &actor, project, Level::View).await?;
            match store::type_of_path(tx, project, &above).await? {
                Some(type_id) => {
                    store::candidates(tx, project, type_id, &above, min_level, &pattern).await
                }
                None => Ok(Vec::new()),
            }
        })
    });
    let mut suggestions: Vec<Suggestion> = reading
        .await?
        .into_iter()
        .map(|found| Suggestion {
            value: found.name,
            group: match found.parent {
                Some((name, attributes)) => match alias(&attributes) {
                    Some(alias) => format!("{name} ({alias})"),
                    None => name,
                },
                None => ancestor.to_owned(),
            },
            data: alias(&found.attributes)
                .map(|alias| ("alias".to_owned(), Json::from(alias)))
                .into_iter()
                .collect(),
        })
        .collect();
    suggestions.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(suggestions)
}

fn alias(attributes: &Map<String, Json>) -> Option<&str> {
    let alias = attributes.get("alias").and_then(Json::as_str);
    alias.filter(|alias| !alias.is_empty())
}
