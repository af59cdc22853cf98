//! Deleting annotations: a tombstone, or pruning.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;

use super::edit::Edit;
use super::filter::{Filter, IdQuery, select};
use super::localization::Localization;
use super::patch::add_revision;
use super::read::{Place, find};
use super::state::State;
use super::types::Annotation;
use super::{store, track};
use crate::account::Actor;
use crate::attribute::{self, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type;
use crate::error::{Error, Result};
use crate::journal::Stamp;
use crate::project::{self, Level};
use crate::query::{Schema, check_count};

/// How to delete.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Manner {
    /// Takes exactly the named revisions away.
    pub prune: i64,
    /// Refuses a revision that is not the latest.
    pub pedantic: i64,
}

/// Deletes one annotation. Returns the row that was deleted and the tombstone's id, if one was made.
pub(super) async fn remove<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    place: Place,
    manner: Manner,
) -> Result<(T, Option<i64>)> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let named: T = find(tx, &actor, &place, Level::Edit).await?;
                let revision = named.revision();
                if manner.pedantic != 0 && !revision.latest {
                    return Err(Error::invalid(format!(
                        "Pedantic mode is enabled. Can not delete prior object {}, must only delete latest mark on version.",
                        revision.id
                    )));
                }
                let row = match manner.prune {
                    0 => store::find_mark::<T>(tx, revision.version, &revision.elemental_id, None).await?,
                    _ => None,
                };
                let row = row.unwrap_or(named);
                let mut edit = Edit::new(tx, &stamp);
                let tombstone = delete(&mut edit, &row, manner.prune != 0).await?;
                edit.finish(row.revision().project).await?;
                Ok((row, tombstone))
            })
        })
        .await
}

/// Deletes every selected annotation; returns how many.
pub(super) async fn remove_all<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    manner: Manner,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                let schema = Schema::load(tx, project).await?;
                filter.attributes.check_known(&schema, T::KIND, filter.r#type)?;
                let selection = select::<T>(tx, &schema, project, &filter, &ids).await?;
                let rows: Vec<T> = store::list(tx, &selection).await?;
                check_count(filter.count, rows.len(), "delete")?;
                if manner.pedantic != 0 && rows.iter().any(|row| !row.revision().latest) {
                    return Err(Error::invalid(
                        "Pedantic mode is enabled. Can not delete prior marks, must only delete latest marks.",
                    ));
                }
                let mut edit = Edit::new(tx, &stamp);
                for row in &rows {
                    delete(&mut edit, row, manner.prune != 0).await?;
                }
                edit.finish(project).await?;
                Ok(rows.len())
            })
        })
        .await
}

/// Deletes a row and, for a state whose type says so, the members that no other state has.
async fn delete<T: Annotation>(edit: &mut Edit<'_>, row: &T, prune: bool) -> Result<Option<i64>> {
    if T::KIND == Kind::State {
        let of = entity_type::service::get(edit.tx, Kind::State, row.revision().type_id).await?;
        if of.delete_child_localizations() {
            for orphan in track::orphans(edit.tx, row.revision().id, row.links().1).await? {
                let orphan = store::find::<Localization>(edit.tx, orphan).await?;
                let own = |orphan: &Localization| orphan.revision.project == row.revision().project;
                if let Some(orphan) = orphan.filter(own) {
                    delete_one(edit, &orphan, prune).await?;
                }
            }
        }
    }
    delete_one(edit, row, prune).await
}

async fn delete_one<T: Annotation>(
    edit: &mut Edit<'_>,
    row: &T,
    prune: bool,
) -> Result<Option<i64>> {
    if prune {
        take_away(edit, row).await?;
        return Ok(None);
    }
    let mut tombstone = row.clone();
    let revision = tombstone.revision_mut();
    revision.variant_deleted = true;
    revision.modified_at = edit.stamp.at_ms;
    revision.modified_by = edit.stamp.account;
    let (version, uuid) = (revision.version, revision.elemental_id.clone());
    revision.mark = store::next_mark(edit.tx, T::KIND, version, &uuid).await?;
    add_revision(edit, &mut tombstone).await?;
    track::follow(edit, T::KIND, row.revision().id, None).await?;
    Ok(Some(tombstone.revision().id))
}

/// Prunes a row: the highest revision that remains becomes the latest.
pub(super) async fn take_away<T: Annotation>(edit: &mut Edit<'_>, row: &T) -> Result<()> {
    let (tx, revision) = (&mut *edit.tx, row.revision());
    store::prune(tx, T::KIND, revision.id, edit.stamp.at_ms).await?;
    store::settle_latest(tx, T::KIND, revision.version, &revision.elemental_id).await?;
    let definitions = attribute::definitions_of_type(tx, T::KIND, revision.type_id).await?;
    let before = revision.attributes.members()?;
    let gone = Indexing {
        entity: revision.id,
        definitions: &definitions,
        before: Some(&before),
        after: None,
    };
    attribute::index(tx, [gone]).await?;
    track::follow(edit, T::KIND, revision.id, None).await?;
    edit.ledger
        .deleted(T::KIND.table(), revision.id, &row.wire())
}

/// Prunes the localizations of deleted media, and the states all of whose media are deleted.
pub async fn with_media(tx: &mut Tx, stamp: &Stamp, project: i64, media: &[i64]) -> Result<()> {
    let mut edit = Edit::new(tx, stamp);
    let localizations = store::of_deleted_media(edit.tx, media).await?;
    take_all_away::<Localization>(&mut edit, &localizations).await?;
    let states = store::states_of_deleted_media(edit.tx, media).await?;
    take_all_away::<State>(&mut edit, &states).await?;
    track::let_go(&mut edit, &localizations).await?;
    edit.finish(project).await
}

/// Prunes every revision of some annotations at once.
async fn take_all_away<T: Annotation>(edit: &mut Edit<'_>, rows: &[T]) -> Result<()> {
    let (mut definitions, mut documents) = (HashMap::new(), Vec::with_capacity(rows.len()));
    for row in rows {
        let revision = row.revision();
        if let Entry::Vacant(place) = definitions.entry(revision.type_id) {
            let of_type = attribute::definitions_of_type(edit.tx, T::KIND, revision.type_id);
            place.insert(of_type.await?);
        }
        documents.push(revision.attributes.members()?);
        edit.ledger
            .deleted(T::KIND.table(), revision.id, &row.wire())?;
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.revision().id).collect();
    store::prune_all(edit.tx, T::KIND, &ids, edit.stamp.at_ms).await?;
    let gone = rows.iter().zip(&documents).map(|(row, before)| Indexing {
        entity: row.revision().id,
        definitions: &definitions[&row.revision().type_id],
        before: Some(before),
        after: None,
    });
    attribute::index(edit.tx, gone.collect::<Vec<_>>()).await
}
