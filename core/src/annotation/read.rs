//! Reading annotations.

use std::sync::Arc;

use bytes::Bytes;

use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::{Annotation, Shown};
use crate::account::Actor;
use crate::answers::{self, Found, Old, Renewed};
use crate::context::Context;
use crate::database::{Streamed, Tx};
use crate::error::{Error, Result};
use crate::id;
use crate::journal;
use crate::project::{self, Level};
use crate::query::{Column, Listing, Schema, Selection};

/// Changed rows beyond which a list is read again.
const MOST_CHANGED: usize = 2_000;

/// What a list was asked for.
struct Question {
    actor: Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    listing: Listing,
}

impl Question {
    /// Errors: those of [`project::access`] and [`select`].
    async fn selection<T: Annotation>(&self, tx: &mut Tx) -> Result<Selection> {
        project::access(tx, &self.actor, self.project, Level::View).await?;
        let schema = Schema::load(tx, self.project).await?;
        select::<T>(tx, &schema, self.project, &self.filter, &self.ids).await
    }
}

/// The selected annotations as rows of JSON: as they come, or as they were given before, with what
/// changed since.
pub(super) async fn list<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    listing: Listing,
) -> Result<Streamed<Bytes>> {
    let key = answers::key(&(T::KIND, project, &filter, &ids, &listing));
    let actor = actor.clone();
    let question = Arc::new(Question {
        actor,
        project,
        filter,
        ids,
        listing,
    });
    if let Some(batches) = given_before::<T>(cx, &question, key).await? {
        return Ok(Streamed::Whole(batches));
    }
    let answers = Arc::clone(&cx.answers);
    cx.database
        .stream(move |tx, sink| {
            let (question, answers) = (Arc::clone(&question), Arc::clone(&answers));
            Box::pin(async move {
                let selection = question.selection::<T>(tx).await?;
                let mut gathering = answers.gather(journal::newest(tx).await?.0);
                selection
                    .lines(tx, &question.listing, sink, &mut |batch| {
                        gathering.push(batch);
                    })
                    .await?;
                answers.keep(key, gathering);
                Ok(())
            })
        })
        .await
}

async fn given_before<T: Annotation>(
    cx: &Context,
    question: &Arc<Question>,
    key: answers::Key,
) -> Result<Option<Vec<Bytes>>> {
    if !cx.answers.knows(&key) {
        return Ok(None);
    }
    let (question, answers) = (Arc::clone(question), Arc::clone(&cx.answers));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &question.actor, question.project, Level::View).await?;
                let batches = match answers.find(tx, question.project, &key).await? {
                    Found::Nothing => return Ok(None),
                    Found::Whole(batches) => batches,
                    Found::Old(old) => match renew::<T>(tx, &question, old).await? {
                        Some(renewed) => answers.renewed(key, renewed),
                        None => {
                            answers.forget(&key);
                            return Ok(None);
                        }
                    },
                };
                Ok(Some(
                    batches.iter().map(|batch| batch.bytes.clone()).collect(),
                ))
            })
        })
        .await
}

/// An answer with the rows that changed since; none where it is to be made again.
async fn renew<T: Annotation>(
    tx: &mut Tx,
    question: &Question,
    old: Old,
) -> Result<Option<Renewed>> {
    if !question.filter.looks_at_rows_alone(&question.ids) {
        return Ok(None);
    }
    let shows_folders = question.listing.shows("master_section");
    if shows_folders && journal::moved_media(tx, question.project, old.seq).await? {
        return Ok(None);
    }
    let table = T::KIND.table();
    let Some(touched) =
        journal::touched(tx, question.project, table, old.seq, MOST_CHANGED).await?
    else {
        return Ok(None);
    };
    let ids = journal::concerned(tx, T::KIND, &touched, MOST_CHANGED).await?;
    let Some(ids) = ids else {
        return Ok(None);
    };
    let mut fresh = Vec::new();
    if !ids.is_empty() {
        let mut selection = question.selection::<T>(tx).await?;
        let named: Vec<i64> = ids.iter().copied().collect();
        selection.among("t.id", &named);
        selection.finds_few();
        fresh = selection.batches(tx, &question.listing).await?;
    }
    Ok(Some(old.with(&ids, &fresh)))
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

pub(super) async fn get<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    place: Place,
) -> Result<Shown<T>> {
    let actor = actor.clone();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let found: T = find(tx, &actor, &place, Level::View).await?;
            store::shown(tx, found).await
        })
    });
    reading.await
}
