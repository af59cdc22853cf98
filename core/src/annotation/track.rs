//! Tracks: states that list localizations.

use std::collections::HashSet;

use super::delete::take_away;
use super::edit::Edit;
use super::localization::Localization;
use super::read::{Place, find};
use super::state::State;
use super::store::{self, CHUNK};
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

/// Keeps tracks whole when a localization gets a new revision, or goes away: the latest states that
/// list the old id list the new one, or none.
pub(super) async fn follow(
    edit: &mut Edit<'_>,
    kind: Kind,
    old: i64,
    new: Option<i64>,
) -> Result<()> {
    if kind != Kind::Localization {
        return Ok(());
    }
    for before in store::states_listing(edit.tx, &[old]).await? {
        let mut state = before.clone();
        state.localizations = before
            .localizations
            .iter()
            .filter_map(|member| if *member == old { new } else { Some(*member) })
            .collect();
        rewrite(edit, &before, state).await?;
    }
    Ok(())
}

/// Takes members that went away out of the latest states that list them.
pub(super) async fn let_go(edit: &mut Edit<'_>, gone: &[Localization]) -> Result<()> {
    let gone: Vec<i64> = gone.iter().map(|row| row.revision.id).collect();
    let lost: HashSet<i64> = gone.iter().copied().collect();
    for before in store::states_listing(edit.tx, &gone).await? {
        let mut state = before.clone();
        state.localizations.retain(|member| !lost.contains(member));
        rewrite(edit, &before, state).await?;
    }
    Ok(())
}

/// Which of the localizations belong to no other remaining state.
pub(super) async fn orphans(tx: &mut Tx, state: i64, localizations: &[i64]) -> Result<Vec<i64>> {
    let mut shared = HashSet::new();
    for chunk in localizations.chunks(CHUNK) {
        let sql = format!(
            "select sl.localization from state_localization sl join state s on s.id = sl.state \
             where s.id <> $1 and s.latest and not s.deleted and not s.variant_deleted \
             and {}",
            among("sl.localization", chunk)
        );
        for mut row in tx.rows(&sql, &values![state]).await? {
            shared.insert(row.take::<i64>()?);
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
                take_away(&mut edit, &absorbed).await?;
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
                for member in &before.localizations {
                    let row = store::find::<Localization>(tx, *member).await?;
                    let beyond = |at: i64| {
                        if end == End::Start {
                            at < frame
                        } else {
                            at > frame
                        }
                    };
                    if let Some(row) =
                        row.filter(|row| row.revision.project == project && beyond(row.frame))
                    {
                        cut.push(row);
                    }
                }
                let ids: Vec<i64> = cut.iter().map(|row| row.revision.id).collect();
                let orphans = orphans(tx, id, &ids).await?;
                let mut after = before.clone();
                after.localizations.retain(|member| !ids.contains(member));
                let mut edit = Edit::new(tx, &stamp);
                rewrite(&mut edit, &before, after).await?;
                for row in cut.iter().filter(|row| orphans.contains(&row.revision.id)) {
                    take_away(&mut edit, row).await?;
                }
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
