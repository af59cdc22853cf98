//! Tracks: states that list localizations.

use std::collections::{HashMap, HashSet};

use super::bulk;
use super::create::unique;
use super::edit::Edit;
use super::localization::Localization;
use super::read::{Place, find};
use super::state::State;
use super::store::{self, CHUNK, Identified};
use super::types::Annotation;
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::Level;
use crate::query::among;
use crate::values;

/// The frames of some localizations.
pub(super) async fn frames(tx: &mut Tx, localizations: &[i64]) -> Result<Vec<i64>> {
    let mut frames = Vec::new();
    for chunk in localizations.chunks(CHUNK) {
        let sql = format!(
            "select frame from localization where {}",
            among("id", chunk)
        );
        for mut row in tx.rows(&sql, &[]).await? {
            frames.push(row.take()?);
        }
    }
    Ok(frames)
}

/// Checks that localizations exist in the project. Errors: `Invalid`, naming the first that does not.
pub(super) async fn check_members(tx: &mut Tx, members: &HashSet<i64>, project: i64) -> Result<()> {
    let ids: Vec<i64> = members.iter().copied().collect();
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "select id from localization where not deleted and project = $1 and {}",
            among("id", chunk)
        );
        let mut known = HashSet::new();
        for mut row in tx.rows(&sql, &values![project]).await? {
            known.insert(row.take::<i64>()?);
        }
        if let Some(missing) = chunk.iter().find(|id| !known.contains(id)) {
            return Err(Error::invalid(format!(
                "Localization {missing} is not part of project {project}!"
            )));
        }
    }
    Ok(())
}

/// Keeps tracks whole when rows have superseded others as the latest of their identities: the latest
/// states that list the old ones list the new ones.
pub(super) async fn follow<T: Annotation>(
    edit: &mut Edit<'_>,
    superseded: &Identified,
    rows: &[T],
) -> Result<()> {
    let latest = rows.iter().filter(|row| row.revision().latest);
    let moves = latest.filter_map(|row| {
        let (version, uuid) = row.identity();
        let old = superseded.get(&(version, uuid.to_owned()))?;
        Some((*old, Some(row.revision().id)))
    });
    follow_all(edit, T::KIND, &moves.collect()).await
}

/// Keeps tracks whole when localizations get new revisions, or go away (none): the latest states
/// that list an old id list the new one, or neither.
pub(super) async fn follow_all(
    edit: &mut Edit<'_>,
    kind: Kind,
    moves: &HashMap<i64, Option<i64>>,
) -> Result<()> {
    if kind != Kind::Localization || moves.is_empty() {
        return Ok(());
    }
    let mut old: Vec<i64> = moves.keys().copied().collect();
    old.sort_unstable();
    for before in store::states_listing(edit.tx, &old).await? {
        let mut state = before.clone();
        let moved = |member: &i64| moves.get(member).copied().unwrap_or(Some(*member));
        state.localizations = unique(before.localizations.iter().filter_map(moved).collect());
        rewrite(edit, &before, state).await?;
    }
    Ok(())
}

/// Takes members that went away out of the latest states that list them.
pub(super) async fn let_go(edit: &mut Edit<'_>, gone: &[Localization]) -> Result<()> {
    let gone = gone.iter().map(|row| (row.revision.id, None)).collect();
    follow_all(edit, Kind::Localization, &gone).await
}

/// Which of the localizations belong to no remaining state but some.
pub(super) async fn orphans(
    tx: &mut Tx,
    states: &HashSet<i64>,
    localizations: &[i64],
) -> Result<Vec<i64>> {
    let mut shared: HashSet<i64> = HashSet::new();
    for chunk in localizations.chunks(CHUNK) {
        let sql = format!(
            "select sl.localization, s.id from state_localization sl join state s on s.id = sl.state \
             where s.latest and not s.deleted and not s.variant_deleted and {}",
            among("sl.localization", chunk)
        );
        for mut row in tx.rows(&sql, &[]).await? {
            let (localization, state) = (row.take()?, row.take()?);
            if !states.contains(&state) {
                shared.insert(localization);
            }
        }
    }
    Ok(localizations
        .iter()
        .copied()
        .filter(|id| !shared.contains(id))
        .collect())
}

/// Adds another state's members to a state and takes the other away.
pub(super) async fn merge(cx: &Context, actor: &Actor, id: i64, other: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before: State = find(tx, &actor, &Place::Id(id), Level::Edit).await?;
                let absorbed: State = find(tx, &actor, &Place::Id(other), Level::Edit).await?;
                if id == other {
                    return Err(Error::invalid(format!(
                        "state {id} can not be merged into itself"
                    )));
                }
                let mut after = before.clone();
                let new = absorbed
                    .localizations
                    .iter()
                    .filter(|member| !before.localizations.contains(member));
                after.localizations.extend(new);
                let mut edit = Edit::new(tx, &stamp);
                let project = before.revision.project;
                rewrite(&mut edit, &before, after).await?;
                bulk::erase(&mut edit, std::slice::from_ref(&absorbed)).await?;
                edit.finish(project).await
            })
        })
        .await
}

/// Which end of a track to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum End {
    /// Members before the frame go.
    Start,
    /// Members after the frame go.
    End,
}

/// Cuts a track at a frame; members that no other state has are taken away. Returns how many.
pub(super) async fn trim(
    cx: &Context,
    actor: &Actor,
    id: i64,
    frame: i64,
    end: End,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before: State = find(tx, &actor, &Place::Id(id), Level::Edit).await?;
                let project = before.revision.project;
                let mut cut = Vec::new();
                let beyond = |at: i64| match end {
                    End::Start => at < frame,
                    End::End => at > frame,
                };
                let members: Vec<Localization> = store::of_ids(tx, &before.localizations).await?;
                for row in members {
                    if row.revision.project == project && beyond(row.frame) {
                        cut.push(row);
                    }
                }
                let ids: Vec<i64> = cut.iter().map(|row| row.revision.id).collect();
                let orphans = orphans(tx, &HashSet::from([id]), &ids).await?;
                let (gone, lost): (HashSet<i64>, HashSet<i64>) =
                    (ids.into_iter().collect(), orphans.iter().copied().collect());
                let mut after = before.clone();
                after.localizations.retain(|member| !gone.contains(member));
                let mut edit = Edit::new(tx, &stamp);
                rewrite(&mut edit, &before, after).await?;
                cut.retain(|row| lost.contains(&row.revision.id));
                bulk::erase(&mut edit, &cut).await?;
                edit.finish(project).await?;
                Ok(orphans.len())
            })
        })
        .await
}

/// Overwrites a state whose members changed.
async fn rewrite(edit: &mut Edit<'_>, before: &State, mut after: State) -> Result<()> {
    after.settle(edit.tx, Some(before)).await?;
    after.revision.modified_at = edit.stamp.at_ms;
    after.revision.modified_by = edit.stamp.account;
    store::update(edit.tx, before, &after).await?;
    edit.ledger
        .updated("state", after.revision.id, &before.wire(), &after.wire())
}
