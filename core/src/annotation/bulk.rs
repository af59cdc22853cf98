//! Bulk changes and deletions: a few statements, however many annotations they are about.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::create::{only_last_is_latest, parent_of_project};
use super::edit::Edit;
use super::localization::Localization;
use super::patch::RevisionPatch;
use super::store::Identified;
use super::types::{Annotation, Document};
use super::{store, track};
use crate::account;
use crate::attribute::{self, Definition, Definitions, Indexing, Kind};
use crate::entity_type;
use crate::error::Result;
use crate::query::Schema;
use crate::{id, version};

/// Applies one patch to annotations of one type: as new revisions, or in place.
pub(super) async fn change<T: Annotation>(
    edit: &mut Edit<'_>,
    schema: &Schema,
    rows: Vec<T>,
    patch: &RevisionPatch,
    in_place: bool,
) -> Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let (project, type_id) = (first.revision().project, first.revision().type_id);
    let definitions = schema.of_type(T::KIND, type_id);
    let mut changed = rows.clone();
    let documents = patched(edit, definitions, &mut changed, patch).await?;
    let tx = &mut *edit.tx;
    if let Some(version) = patch.version {
        version::service::of_project(tx, &[version], project).await?;
    }
    let uuid = patch.elemental_id.as_deref().map(id::parse_uuid);
    let uuid = uuid.transpose()?;
    let author = match &patch.user_elemental_id {
        Some(uuid) => Some(account::service::author(tx, uuid).await?),
        None => None,
    };
    let parent = match patch.parent {
        Some(parent) => Some(parent_of_project::<T>(tx, parent as i64, project).await?.id),
        None => None,
    };
    for row in &mut changed {
        let revision = row.revision_mut();
        revision.version = patch.version.unwrap_or(revision.version);
        if let Some(uuid) = &uuid {
            revision.elemental_id.clone_from(uuid);
        }
        revision.created_by = author.or(revision.created_by);
        revision.parent = parent.or(revision.parent);
        revision.modified_at = edit.stamp.at_ms;
        revision.modified_by = edit.stamp.account;
    }
    match in_place {
        true => overwrite(edit, &rows, changed, definitions, &documents).await,
        false => revise(edit, changed, definitions, &documents).await,
    }
}

/// The documents of a row before and after a change.
type Documents = (Map<String, Json>, Map<String, Json>);

/// Applies the part about attributes.
async fn patched<T: Annotation>(
    edit: &mut Edit<'_>,
    definitions: &[Definition],
    rows: &mut [T],
    patch: &RevisionPatch,
) -> Result<Vec<Documents>> {
    let type_id = rows[0].revision().type_id;
    let of = entity_type::service::get(edit.tx, T::KIND, type_id).await?;
    let mut documents = Vec::with_capacity(rows.len());
    for row in rows {
        let before = row.revision().attributes.members()?;
        if patch.attributes.is_empty() {
            documents.push((before.clone(), before));
            continue;
        }
        let after = attribute::for_patch(definitions, &of.name, &before, &patch.attributes)?;
        row.revision_mut().attributes = Document::of(&after)?;
        documents.push((before, after));
    }
    Ok(documents)
}

fn identities<T: Annotation>(rows: &[T]) -> Vec<&str> {
    let mut seen = HashSet::new();
    let all = rows.iter().map(|row| row.revision().elemental_id.as_str());
    all.filter(|uuid| seen.insert(*uuid)).collect()
}

/// Gives rows the marks after the highest ones of their identities, one after another.
async fn number<T: Annotation>(edit: &mut Edit<'_>, rows: &mut [T]) -> Result<()> {
    let mut next = store::next_marks(edit.tx, T::KIND, &identities(rows)).await?;
    for row in rows {
        let revision = row.revision_mut();
        let key = (revision.version, revision.elemental_id.clone());
        let next = next.entry(key).or_default();
        revision.mark = *next;
        *next += 1;
    }
    Ok(())
}

async fn overwrite<T: Annotation>(
    edit: &mut Edit<'_>,
    before: &[T],
    mut after: Vec<T>,
    definitions: &[Definition],
    documents: &[Documents],
) -> Result<()> {
    let moved = |(before, after): (&T, &T)| before.identity() != after.identity();
    let moved = before.iter().zip(&after).any(moved);
    let mut superseded = Identified::new();
    if moved {
        number(edit, &mut after).await?;
        let identities = after.iter().map(T::identity);
        superseded = store::supersede(edit.tx, T::KIND, identities).await?;
    }
    store::update_all(edit.tx, &after).await?;
    if moved {
        for rows in [before, &after] {
            store::settle_latest_all(edit.tx, T::KIND, &identities(rows)).await?;
        }
        only_last_is_latest(&mut after);
    }
    let changes = after
        .iter()
        .zip(documents)
        .map(|(row, (before, after))| Indexing {
            entity: row.revision().id,
            definitions,
            before: Some(before),
            after: Some(after),
        });
    attribute::index(edit.tx, changes.collect::<Vec<_>>()).await?;
    for (before, after) in before.iter().zip(&after) {
        let id = after.revision().id;
        edit.ledger
            .updated(T::KIND.table(), id, &before.wire(), &after.wire())?;
    }
    track::follow(edit, &superseded, &after).await
}

async fn revise<T: Annotation>(
    edit: &mut Edit<'_>,
    mut after: Vec<T>,
    definitions: &[Definition],
    documents: &[Documents],
) -> Result<()> {
    number(edit, &mut after).await?;
    let superseded = add_revisions(edit, &mut after).await?;
    let new = after
        .iter()
        .zip(documents)
        .map(|(row, (_, document))| Indexing {
            entity: row.revision().id,
            definitions,
            before: None,
            after: Some(document),
        });
    attribute::index(edit.tx, new.collect::<Vec<_>>()).await?;
    track::follow(edit, &superseded, &after).await
}

/// Writes rows as new revisions with new ids; the last of each identity becomes its latest. Returns
/// the ids of those that were.
pub(super) async fn add_revisions<T: Annotation>(
    edit: &mut Edit<'_>,
    rows: &mut [T],
) -> Result<Identified> {
    let first = edit.tx.allocate(T::KIND.table(), rows.len()).await?;
    for (row, id) in rows.iter_mut().zip(first..) {
        row.revision_mut().id = id;
    }
    only_last_is_latest(rows);
    let identities = rows.iter().map(T::identity);
    let superseded = store::supersede(edit.tx, T::KIND, identities).await?;
    store::insert(edit.tx, rows).await?;
    for row in rows {
        edit.ledger
            .created(T::KIND.table(), row.revision().id, &row.wire())?;
    }
    Ok(superseded)
}

/// Deletes annotations: by tombstones, or by taking the rows away. Members of states whose type
/// says so go with them, if no other state has them.
pub(super) async fn remove<T: Annotation>(
    edit: &mut Edit<'_>,
    rows: &[T],
    prune: bool,
) -> Result<()> {
    let children = children(edit, rows).await?;
    remove_rows(edit, rows, prune).await?;
    remove_rows(edit, &children, prune).await
}

async fn children<T: Annotation>(edit: &mut Edit<'_>, rows: &[T]) -> Result<Vec<Localization>> {
    if T::KIND != Kind::State {
        return Ok(Vec::new());
    }
    let mut takes: HashMap<i64, bool> = HashMap::new();
    let mut members: Vec<i64> = Vec::new();
    let mut projects = HashSet::new();
    for row in rows {
        let type_id = row.revision().type_id;
        if let Entry::Vacant(unknown) = takes.entry(type_id) {
            let of = entity_type::service::get(edit.tx, Kind::State, type_id).await?;
            unknown.insert(of.delete_child_localizations());
        }
        if takes[&type_id] {
            members.extend(row.links().1);
            projects.insert(row.revision().project);
        }
    }
    let states: HashSet<i64> = rows.iter().map(|row| row.revision().id).collect();
    let members = super::create::unique(members);
    let orphans = track::orphans(edit.tx, &states, &members).await?;
    let mut found: Vec<Localization> = store::of_ids(edit.tx, &orphans).await?;
    found.retain(|row| projects.contains(&row.revision.project));
    Ok(found)
}

async fn remove_rows<T: Annotation>(edit: &mut Edit<'_>, rows: &[T], prune: bool) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    if prune {
        return self::prune(edit, rows).await;
    }
    let mut tombstones = rows.to_vec();
    for tombstone in &mut tombstones {
        let revision = tombstone.revision_mut();
        revision.variant_deleted = true;
        revision.modified_at = edit.stamp.at_ms;
        revision.modified_by = edit.stamp.account;
    }
    number(edit, &mut tombstones).await?;
    let superseded = add_revisions(edit, &mut tombstones).await?;
    index(edit, &tombstones, true).await?;
    let named = rows.iter().map(|row| row.revision().id);
    let gone = named.chain(superseded.into_values()).map(|id| (id, None));
    track::follow_all(edit, T::KIND, &gone.collect()).await
}

/// Prunes rows: the highest revisions that remain become the latest, also in tracks.
async fn prune<T: Annotation>(edit: &mut Edit<'_>, rows: &[T]) -> Result<()> {
    take_away(edit, rows).await?;
    let identities = identities(rows);
    store::settle_latest_all(edit.tx, T::KIND, &identities).await?;
    let latest = store::latest_ids(edit.tx, T::KIND, &identities).await?;
    let moves = rows.iter().map(|row| {
        let (version, uuid) = row.identity();
        let remaining = latest.get(&(version, uuid.to_owned())).copied();
        (row.revision().id, remaining)
    });
    track::follow_all(edit, T::KIND, &moves.collect()).await
}

/// Prunes every revision of the rows' annotations.
pub(super) async fn erase<T: Annotation>(edit: &mut Edit<'_>, rows: &[T]) -> Result<()> {
    let all = store::histories(edit.tx, rows).await?;
    take_away(edit, &all).await?;
    let gone = all.iter().map(|row| (row.revision().id, None)).collect();
    track::follow_all(edit, T::KIND, &gone).await
}

/// Prunes rows, whatever remains of their identities.
pub(super) async fn take_away<T: Annotation>(edit: &mut Edit<'_>, rows: &[T]) -> Result<()> {
    let ids: Vec<i64> = rows.iter().map(|row| row.revision().id).collect();
    store::prune_all(edit.tx, T::KIND, &ids, edit.stamp.at_ms).await?;
    index(edit, rows, false).await?;
    for row in rows {
        edit.ledger
            .deleted(T::KIND.table(), row.revision().id, &row.wire())?;
    }
    Ok(())
}

/// Enters all values of rows into the typed tables, or takes them out.
async fn index<T: Annotation>(edit: &mut Edit<'_>, rows: &[T], enter: bool) -> Result<()> {
    let mut definitions: HashMap<i64, Definitions> = HashMap::new();
    let mut documents = Vec::with_capacity(rows.len());
    for row in rows {
        let revision = row.revision();
        if let Entry::Vacant(unknown) = definitions.entry(revision.type_id) {
            let of_type = attribute::definitions_of_type(edit.tx, T::KIND, revision.type_id);
            unknown.insert(of_type.await?);
        }
        documents.push(revision.attributes.members()?);
    }
    let changes = rows.iter().zip(&documents).map(|(row, document)| Indexing {
        entity: row.revision().id,
        definitions: &definitions[&row.revision().type_id],
        before: (!enter).then_some(document),
        after: enter.then_some(document),
    });
    attribute::index(edit.tx, changes.collect::<Vec<_>>()).await
}
