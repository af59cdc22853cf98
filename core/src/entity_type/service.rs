//! Rules of entity types.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::types::{
    EntityType, EntityTypePatch, NewEntityType, TypeFilter, check_description, check_name,
    localization_type_fields, noun,
};
use super::{recovery, store};
use crate::account::Actor;
use crate::attribute::{self, Definitions, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::project::{self, Level};
use crate::{bookmark, id};

/// A type that a body or a stored row refers to.
///
/// Errors: `NotFound` in the wire's words for references.
pub async fn get(tx: &mut Tx, kind: Kind, id: i64) -> Result<EntityType> {
    store::find(tx, kind, id)
        .await?
        .ok_or_else(|| Error::no_reference(kind.name()))
}

/// The types with these ids, by id.
///
/// Errors: `Invalid` when one of them is not of the project.
pub async fn of_project(
    tx: &mut Tx,
    kind: Kind,
    ids: impl IntoIterator<Item = i64>,
    project: i64,
) -> Result<HashMap<i64, EntityType>> {
    let ids: HashSet<i64> = ids.into_iter().collect();
    let mut found = HashMap::new();
    for id in ids {
        let one = store::find(tx, kind, id).await?;
        let one = one.filter(|one| one.project == project).ok_or_else(|| {
            let name = kind.name();
            Error::invalid(format!("{name} {id} is not part of project {project}!"))
        })?;
        found.insert(id, one);
    }
    Ok(found)
}

/// Every type of a kind in a project: file types in the order of ids, the others by name.
pub async fn list_of_project(tx: &mut Tx, kind: Kind, project: i64) -> Result<Vec<EntityType>> {
    let mut types = store::list(tx, kind, project).await?;
    if kind != Kind::File {
        types.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    }
    Ok(types)
}

/// The rows of a list, as the wire shows them.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    project: i64,
    filter: TypeFilter,
) -> Result<Vec<Json>> {
    let actor = actor.clone();
    let elemental_id = filter
        .elemental_id
        .as_deref()
        .map(id::parse_uuid)
        .transpose()?;
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let media_types = match &filter.media_id[..] {
                    [] => HashSet::new(),
                    media => match store::types_of_media(tx, project, media).await? {
                        Some(types) => types,
                        None => return Ok(Vec::new()),
                    },
                };
                let definitions = attribute::definitions_of_kind(tx, kind, project).await?;
                let none = Definitions::new();
                let types = list_of_project(tx, kind, project).await?;
                let rows = types.iter().filter(|one| {
                    let applies = one.media_types();
                    filter.type_id.is_none_or(|id| one.id == id)
                        && elemental_id
                            .as_ref()
                            .is_none_or(|id| one.elemental_id == *id)
                        && media_types.iter().all(|id| applies.contains(id))
                });
                Ok(rows
                    .map(|one| one.wire(definitions.get(&one.id).unwrap_or(&none)))
                    .collect())
            })
        })
        .await
}

/// A type of a path, whose project the actor may use at this level, and its attributes.
async fn visible(
    tx: &mut Tx,
    actor: &Actor,
    kind: Kind,
    id: i64,
    least: Level,
) -> Result<(EntityType, Definitions)> {
    let found = store::find(tx, kind, id).await?;
    let found = found.ok_or_else(|| Error::no_match(kind.name()))?;
    project::access(tx, actor, found.project, least).await?;
    let definitions = attribute::definitions_of_type(tx, kind, id).await?;
    Ok((found, definitions))
}

/// One row, as the wire shows it.
pub(super) async fn read(cx: &Context, actor: &Actor, kind: Kind, id: i64) -> Result<Json> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let (found, definitions) = visible(tx, &actor, kind, id, Level::View).await?;
                Ok(found.wire(&definitions))
            })
        })
        .await
}

/// Checks that media types exist in the project, each of them once.
async fn media_types(tx: &mut Tx, project: i64, ids: &[i64]) -> Result<Vec<i64>> {
    let mut checked = Vec::new();
    for &id in ids {
        reference(tx, Kind::Media, project, id).await?;
        if !checked.contains(&id) {
            checked.push(id);
        }
    }
    Ok(checked)
}

async fn reference(tx: &mut Tx, kind: Kind, project: i64, id: i64) -> Result<()> {
    let found = get(tx, kind, id).await?;
    if found.project == project {
        Ok(())
    } else {
        Err(Error::no_reference(kind.name()))
    }
}

/// Checks the localization types that a body names as defaults.
async fn check_defaults(
    tx: &mut Tx,
    kind: Kind,
    project: i64,
    given: &serde_json::Map<String, Json>,
) -> Result<()> {
    for name in localization_type_fields(kind) {
        if let Some(id) = given.get(*name).and_then(Json::as_i64) {
            reference(tx, Kind::Localization, project, id).await?;
        }
    }
    Ok(())
}

/// Makes a type with its attributes. Returns its id and its row.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    project: i64,
    new: NewEntityType,
) -> Result<(i64, Json)> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Full).await?;
                check_name(&new.name)?;
                check_description(&new.description)?;
                check_defaults(tx, kind, project, &new.rest).await?;
                let mut made = EntityType {
                    kind,
                    id: tx.allocate(noun(kind), 1).await?,
                    project,
                    dtype: new.dtype(kind),
                    detail: new.detail(kind),
                    elemental_id: match &new.elemental_id {
                        Some(uuid) => id::parse_uuid(uuid)?,
                        None => id::uuid(),
                    },
                    name: new.name,
                    description: new.description,
                };
                if matches!(kind, Kind::Localization | Kind::State) {
                    let ids = media_types(tx, project, &new.media_types).await?;
                    made.set_media_types(&ids);
                }
                store::insert(tx, &made).await?;
                let mut definitions = Definitions::new();
                for (position, wire) in (0..).zip(new.attribute_types) {
                    let one = attribute::insert(tx, kind, made.id, position, wire).await?;
                    if definitions.iter().any(|other| other.name == one.name) {
                        let name = one.name;
                        return Err(Error::invalid(format!("{name} is already an attribute.")));
                    }
                    definitions.push(one);
                }
                let row = made.wire(&definitions);
                let changes = Change::created(made.id, &row)?;
                journal::record(tx, &stamp, Some(project), noun(kind), changes).await?;
                Ok((made.id, row))
            })
        })
        .await
}

/// Changes a type; media types are only added. Returns its row.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    id: i64,
    patch: EntityTypePatch,
) -> Result<Json> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let (before, definitions) = visible(tx, &actor, kind, id, Level::Full).await?;
                let project = before.project;
                let mut after = before.clone();
                check_defaults(tx, kind, project, &patch.rest).await?;
                patch.apply(kind, &mut after.detail);
                if let Some(name) = patch.name {
                    check_name(&name)?;
                    after.name = name;
                }
                if let Some(description) = patch.description {
                    check_description(&description)?;
                    after.description = description;
                }
                if let Some(uuid) = patch.elemental_id {
                    after.elemental_id = id::parse_uuid(&uuid)?;
                }
                if matches!(kind, Kind::Localization | Kind::State) {
                    let mut ids = before.media_types();
                    ids.extend(patch.media_types);
                    let added = media_types(tx, project, &ids).await?;
                    after.set_media_types(&added);
                }
                let row = after.wire(&definitions);
                save(tx, &stamp, &before, &after, &definitions).await?;
                Ok(row)
            })
        })
        .await
}

/// Stores a changed type and records the change.
async fn save(
    tx: &mut Tx,
    stamp: &Stamp,
    before: &EntityType,
    after: &EntityType,
    definitions: &Definitions,
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    store::update(tx, after).await?;
    let (was, is) = (before.wire(definitions), after.wire(definitions));
    let changes = Change::updated(after.id, &was, &is)?;
    journal::record(tx, stamp, Some(after.project), noun(after.kind), changes).await
}

/// Removes a type with its attributes and its instances, which undo can bring back for a while.
/// Returns how many instances went.
///
/// With media go their annotations, as when the media themselves are deleted; with types of
/// annotations the favorites that fill them in.
pub(super) async fn remove(cx: &Context, actor: &Actor, kind: Kind, id: i64) -> Result<u64> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let (found, definitions) = visible(tx, &actor, kind, id, Level::Full).await?;
                let instances = recovery::set_aside_instances(tx, &stamp, kind, id).await?;
                store::remove(tx, kind, id).await?;
                bookmark::forget_type(tx, &stamp, found.project, kind, id).await?;
                forget(tx, &stamp, &found).await?;
                let changes = Change::deleted(id, &found.wire(&definitions))?;
                journal::record(tx, &stamp, Some(found.project), noun(kind), changes).await?;
                Ok(instances)
            })
        })
        .await
}

/// Takes a removed type out of the other types of its project that name it.
async fn forget(tx: &mut Tx, stamp: &Stamp, removed: &EntityType) -> Result<()> {
    let kinds = match removed.kind {
        Kind::Media => [Kind::Localization, Kind::State],
        Kind::Localization => [Kind::Media, Kind::State],
        _ => return Ok(()),
    };
    for kind in kinds {
        for before in store::list(tx, kind, removed.project).await? {
            let mut after = before.clone();
            if removed.kind == Kind::Media {
                let mut ids = before.media_types();
                ids.retain(|id| *id != removed.id);
                after.set_media_types(&ids);
            } else {
                for name in localization_type_fields(kind) {
                    if after.detail.get(*name).and_then(Json::as_i64) == Some(removed.id) {
                        after.detail.insert((*name).to_owned(), Json::Null);
                    }
                }
            }
            if before != after {
                let definitions = attribute::definitions_of_type(tx, kind, before.id).await?;
                save(tx, stamp, &before, &after, &definitions).await?;
            }
        }
    }
    Ok(())
}
