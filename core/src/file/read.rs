//! Reading files.

use std::sync::Arc;

use super::filter::{Filter, select};
use super::store;
use super::types::{File, KEYS};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::{Streamed, Tx};
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Column, Listing, Schema};
use bytes::Bytes;

/// A file that the actor may see at a level. Errors: `NotFound`, `Forbidden`.
pub(super) async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<File> {
    let file = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("File"))?;
    project::access(tx, actor, file.project, level).await?;
    Ok(file)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<File> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

/// The selected files as lines of JSON, as they come.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
) -> Result<Streamed<Bytes>> {
    let question = Arc::new((actor.clone(), filter));
    cx.database
        .stream(move |tx, sink| {
            let question = Arc::clone(&question);
            Box::pin(async move {
                let (actor, filter) = &*question;
                project::access(tx, actor, project, Level::View).await?;
                let selection = select(tx, project, filter).await?;
                let listing = Listing::of(&KEYS);
                selection.lines(tx, &listing, sink, &mut |_| {}).await
            })
        })
        .await
}

/// The columns of a table of files.
pub(super) async fn table(cx: &Context, project: i64, type_id: Option<i64>) -> Result<Vec<Column>> {
    let reading = cx
        .database
        .read(move |tx| Box::pin(async move { Schema::load(tx, project).await }));
    let names = reading.await?.names(Kind::File, type_id);
    Ok(Listing::of(&KEYS).table(names.iter().map(String::as_str)))
}
