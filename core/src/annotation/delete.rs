//! Deleting annotations: a tombstone, or pruning.

use serde::Deserialize;

use super::edit::Edit;
use super::filter::{Filter, IdQuery, select};
use super::localization::Localization;
use super::read::{Place, find};
use super::state::State;
use super::types::Annotation;
use super::{bulk, store, track};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
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
                filter.check_known(&schema, T::KIND, &ids)?;
                let selection = select::<T>(tx, &schema, project, &filter, &ids).await?;
                let rows: Vec<T> = store::list(tx, &selection).await?;
                check_count(filter.count, rows.len(), "delete")?;
                if manner.pedantic != 0 && rows.iter().any(|row| !row.revision().latest) {
                    return Err(Error::invalid(
                        "Pedantic mode is enabled. Can not delete prior marks, must only delete latest marks.",
                    ));
                }
                let mut edit = Edit::new(tx, &stamp);
                bulk::remove(&mut edit, &rows, manner.prune != 0).await?;
                edit.finish(project).await?;
                Ok(rows.len())
            })
        })
        .await
}

/// Deletes a row; see [`bulk::remove`]. Returns the tombstone's id, if one was made.
async fn delete<T: Annotation>(edit: &mut Edit<'_>, row: &T, prune: bool) -> Result<Option<i64>> {
    bulk::remove(edit, std::slice::from_ref(row), prune).await?;
    if prune {
        return Ok(None);
    }
    let (version, uuid) = (row.revision().version, &row.revision().elemental_id);
    let tombstone = store::find_mark::<T>(edit.tx, version, uuid, None).await?;
    Ok(tombstone.map(|tombstone| tombstone.revision().id))
}

/// Prunes the localizations of deleted media, and the states all of whose media are deleted.
pub async fn with_media(tx: &mut Tx, stamp: &Stamp, project: i64, media: &[i64]) -> Result<()> {
    let mut edit = Edit::new(tx, stamp);
    let localizations = store::of_deleted_media(edit.tx, media).await?;
    bulk::take_away::<Localization>(&mut edit, &localizations).await?;
    let states = store::states_of_deleted_media(edit.tx, media).await?;
    bulk::take_away::<State>(&mut edit, &states).await?;
    track::let_go(&mut edit, &localizations).await?;
    edit.finish(project).await
}
