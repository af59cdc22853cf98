//! Reading annotations.

use std::sync::Arc;

use bytes::Bytes;

use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::Annotation;
use crate::account::Actor;
use crate::answers;
use crate::context::Context;
use crate::database::{Streamed, Tx};
use crate::error::{Error, Result};
use crate::id;
use crate::journal;
use crate::project::{self, Level};
use crate::query::{Column, Listing, Schema};

/// The selected annotations as rows of JSON, as they come, or as they were given before if nothing
/// of the project has changed since.
pub(super) async fn list<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    listing: Listing,
) -> Result<Streamed<Bytes>> {
    let key = answers::key(&(T::KIND, project, &filter, &ids, &listing));
    if let Some(batches) = given_before(cx, actor, project, key).await? {
        return Ok(Streamed::Whole(batches.to_vec()));
    }
    let question = Arc::new((actor.clone(), filter, ids, listing));
    let answers = Arc::clone(&cx.answers);
    cx.database
        .stream(move |tx, sink| {
            let (question, answers) = (Arc::clone(&question), Arc::clone(&answers));
            Box::pin(async move {
                let (actor, filter, ids, listing) = &*question;
                project::access(tx, actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select::<T>(tx, &schema, project, filter, ids).await?;
                let mut gathering = answers.gather(journal::newest(tx).await?.0);
                selection
                    .lines(tx, listing, sink, &mut |batch| gathering.push(batch))
                    .await?;
                answers.keep(key, gathering);
                Ok(())
            })
        })
        .await
}

async fn given_before(
    cx: &Context,
    actor: &Actor,
    project: i64,
    key: answers::Key,
) -> Result<Option<Arc<[Bytes]>>> {
    if !cx.answers.knows(&key) {
        return Ok(None);
    }
    let (actor, answers) = (actor.clone(), Arc::clone(&cx.answers));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                answers.find(tx, project, &key).await
            })
        })
        .await
}

/// What `fields=` leaves of the rows.
///
/// Errors: `Invalid` for a name that is no field.
pub(super) fn listing<T: Annotation>(filter: &Filter) -> Result<Listing> {
    match &filter.fields {
        Some(text) => Listing::fields(T::KEYS, text, T::ALWAYS),
        None => Ok(Listing::of(T::KEYS)),
    }
}

/// The columns of a table of annotations.
pub(super) async fn table<T: Annotation>(
    cx: &Context,
    project: i64,
    type_id: Option<i64>,
    listing: &Listing,
) -> Result<Vec<Column>> {
    let reading = cx
        .database
        .read(move |tx| Box::pin(async move { Schema::load(tx, project).await }));
    let names = reading.await?.names(T::KIND, type_id);
    Ok(listing.table(names.iter().map(String::as_str)))
}

pub(super) async fn count<T: Annotation>(
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
                select::<T>(tx, &schema, project, &filter, &ids)
                    .await?
                    .count(tx)
                    .await
            })
        })
        .await
}

/// Which revision a path names.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The revision of this id.
    Id(i64),
    /// (version, elemental id), and a mark or the highest that remains.
    Identity(i64, String, Option<i64>),
}

/// The revision that a path names, if the actor may do this much in its project.
pub(super) async fn find<T: Annotation>(
    tx: &mut Tx,
    actor: &Actor,
    place: &Place,
    level: Level,
) -> Result<T> {
    let found = match place {
        Place::Id(id) => store::find::<T>(tx, *id).await?,
        Place::Identity(version, uuid, mark) => {
            store::find_mark::<T>(tx, *version, &id::parse_uuid(uuid)?, *mark).await?
        }
    };
    let found = found.ok_or_else(|| Error::no_match(T::NAME))?;
    project::access(tx, actor, found.revision().project, level).await?;
    Ok(found)
}

pub(super) async fn get<T: Annotation>(cx: &Context, actor: &Actor, place: Place) -> Result<T> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { find::<T>(tx, &actor, &place, Level::View).await }))
        .await
}
