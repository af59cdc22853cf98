//! Making, changing and deleting leaves.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::filter::{Filter, IdQuery, select};
use super::read::visible;
use super::types::{Leaf, LeafPatch, NewLeaf};
use super::{path, store};
use crate::account::Actor;
use crate::attribute::{self, AttributePatch, Definitions, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Stamp};
use crate::project::{self, Level};
use crate::query::{Schema, check_count};

/// The longest name, in characters.
const NAME_LENGTH: usize = 255;

/// Makes leaves; returns their ids in the order given. All or nothing.
///
/// A parent must be there already, in the same project; a type may be another project's.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    news: Vec<NewLeaf>,
) -> Result<Vec<i64>> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Full).await?;
                let mut types: HashMap<i64, Definitions> = HashMap::new();
                let mut parents: HashMap<Option<i64>, String> = HashMap::new();
                let first = tx.allocate("leaf", news.len()).await?;
                let mut leaves = Vec::with_capacity(news.len());
                for (id, new) in (first..).zip(news) {
                    check_name(&new.name)?;
                    if let Entry::Vacant(unknown) = types.entry(new.r#type) {
                        entity_type::service::get(tx, Kind::Leaf, new.r#type).await?;
                        unknown.insert(definitions(tx, new.r#type).await?);
                    }
                    let parent = new.parent.filter(|parent| *parent != -1);
                    if let Entry::Vacant(unknown) = parents.entry(parent) {
                        unknown.insert(above(tx, project, parent).await?);
                    }
                    let of = &types[&new.r#type];
                    leaves.push(Leaf {
                        id,
                        r#type: new.r#type,
                        project,
                        path: path::below(&parents[&parent], &new.name),
                        name: new.name,
                        parent,
                        attributes: attribute::for_create(of, &new.attributes, stamp.at_ms)?,
                    });
                }
                store::insert(tx, &leaves, &stamp).await?;
                let entities = leaves.iter().map(|leaf| Indexing {
                    entity: leaf.id,
                    definitions: &types[&leaf.r#type],
                    before: None,
                    after: Some(&leaf.attributes),
                });
                attribute::index(tx, entities).await?;
                let rows = leaves
                    .iter()
                    .map(|leaf| (leaf.id, None::<&Leaf>, Some(leaf)));
                let changes = Changes::new(Action::Create, rows)?;
                journal::record(tx, &stamp, Some(project), "leaf", changes).await?;
                Ok(leaves.iter().map(|leaf| leaf.id).collect())
            })
        })
        .await
}

async fn definitions(tx: &mut Tx, type_id: i64) -> Result<Definitions> {
    attribute::definitions_of_type(tx, Kind::Leaf, type_id).await
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > NAME_LENGTH {
        return Err(Error::invalid(format!(
            "a leaf's name has 1 to {NAME_LENGTH} characters"
        )));
    }
    Ok(())
}

/// The path that children of `parent` begin with.
async fn above(tx: &mut Tx, project: i64, parent: Option<i64>) -> Result<String> {
    let Some(parent) = parent else {
        let name = store::project_name(tx, project).await?;
        return Ok(path::part(&name.ok_or_else(|| Error::no_match("Project"))?));
    };
    let found = store::find(tx, parent).await?;
    let found = found.ok_or_else(|| Error::no_reference("Leaf"))?;
    if found.project != project {
        return Err(Error::invalid(format!(
            "Leaf {parent} is not part of project {project}!"
        )));
    }
    Ok(found.path)
}

pub(super) async fn update(cx: &Context, actor: &Actor, id: i64, patch: LeafPatch) -> Result<Leaf> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Full).await?;
                let project = before.project;
                let mut changed = vec![patched(tx, &before, &patch.attributes).await?];
                if let Some(name) = patch.name {
                    check_name(&name)?;
                    changed[0].name = name;
                }
                let mut known = vec![before];
                if let Some(parent) = patch.parent {
                    let parent = parent.filter(|parent| *parent != -1);
                    known = store::subtrees(tx, &[id]).await?;
                    changed.extend_from_slice(&known[1..]);
                    replant(tx, project, parent, &mut changed).await?;
                }
                write(tx, &stamp, project, &known, &changed).await?;
                Ok(changed.swap_remove(0))
            })
        })
        .await
}

/// Gives a subtree, its top first, another parent and the paths that follow from it.
async fn replant(
    tx: &mut Tx,
    project: i64,
    parent: Option<i64>,
    subtree: &mut [Leaf],
) -> Result<()> {
    if subtree.iter().any(|leaf| Some(leaf.id) == parent) {
        return Err(Error::invalid(
            "a leaf cannot become a child of itself or of one of its descendants",
        ));
    }
    let old = subtree[0].path.clone();
    let new = path::below(&above(tx, project, parent).await?, &subtree[0].name);
    subtree[0].parent = parent;
    for leaf in subtree {
        leaf.path = match leaf.path.strip_prefix(&old) {
            Some(rest) => format!("{new}{rest}"),
            None => continue,
        };
    }
    Ok(())
}

/// The leaf after a change of its attributes.
async fn patched(tx: &mut Tx, before: &Leaf, patch: &AttributePatch) -> Result<Leaf> {
    Ok(patch_all(tx, std::slice::from_ref(before), patch)
        .await?
        .remove(0))
}

/// Leaves of one type after a change of their attributes.
async fn patch_all(tx: &mut Tx, before: &[Leaf], patch: &AttributePatch) -> Result<Vec<Leaf>> {
    let mut after = before.to_vec();
    if let Some(first) = before.first().filter(|_| !patch.is_empty()) {
        let of = entity_type::service::get(tx, Kind::Leaf, first.r#type).await?;
        let definitions = definitions(tx, first.r#type).await?;
        for leaf in &mut after {
            leaf.attributes =
                attribute::for_patch(&definitions, &of.name, &leaf.attributes, patch)?;
        }
    }
    Ok(after)
}

/// Writes leaves whose state so far is `before`, in the same order.
async fn write(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    before: &[Leaf],
    after: &[Leaf],
) -> Result<()> {
    let mut types: HashMap<i64, Definitions> = HashMap::new();
    for leaf in after {
        if let Entry::Vacant(unknown) = types.entry(leaf.r#type) {
            unknown.insert(definitions(tx, leaf.r#type).await?);
        }
    }
    store::update(tx, after, stamp).await?;
    let pairs = || before.iter().zip(after);
    let entities = pairs().map(|(before, after)| Indexing {
        entity: after.id,
        definitions: &types[&after.r#type],
        before: Some(&before.attributes),
        after: Some(&after.attributes),
    });
    attribute::index(tx, entities).await?;
    let rows = pairs().map(|(before, after)| (after.id, Some(before), Some(after)));
    let changes = Changes::new(Action::Update, rows)?;
    journal::record(tx, stamp, Some(project), "leaf", changes).await
}

/// The leaves that a bulk change means.
async fn selected(tx: &mut Tx, project: i64, filter: &Filter, ids: &IdQuery) -> Result<Vec<Leaf>> {
    let schema = Schema::load(tx, project).await?;
    filter.check_known(&schema, ids)?;
    let selection = select(tx, &schema, project, filter, ids).await?;
    store::list(tx, &selection).await
}

/// Changes the attributes of every selected leaf; returns how many.
pub(super) async fn update_all(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    patch: AttributePatch,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Full).await?;
                let before = selected(tx, project, &filter, &ids).await?;
                check_count(filter.count, before.len(), "update")?;
                let Some(first) = before.first() else {
                    return Ok(0);
                };
                if before.iter().any(|leaf| leaf.r#type != first.r#type) {
                    return Err(Error::invalid(
                        "When doing a bulk patch the type id of all objects must be the same.",
                    ));
                }
                let after = patch_all(tx, &before, &patch).await?;
                write(tx, &stamp, project, &before, &after).await?;
                Ok(before.len())
            })
        })
        .await
}

/// Deletes a leaf and everything below it; returns how many were below.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let leaf = visible(tx, &actor, id, Level::Full).await?;
                let gone = store::subtrees(tx, &[id]).await?;
                take_away(tx, &stamp, leaf.project, &gone).await?;
                Ok(gone.len() - 1)
            })
        })
        .await
}

/// Deletes every selected leaf and everything below them; returns how many were selected.
pub(super) async fn remove_all(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Full).await?;
                let named = selected(tx, project, &filter, &ids).await?;
                check_count(filter.count, named.len(), "delete")?;
                let ids: Vec<i64> = named.iter().map(|leaf| leaf.id).collect();
                let gone = store::subtrees(tx, &ids).await?;
                take_away(tx, &stamp, project, &gone).await?;
                Ok(named.len())
            })
        })
        .await
}

async fn take_away(tx: &mut Tx, stamp: &Stamp, project: i64, gone: &[Leaf]) -> Result<()> {
    let mut types: HashMap<i64, Definitions> = HashMap::new();
    for leaf in gone {
        if let Entry::Vacant(unknown) = types.entry(leaf.r#type) {
            unknown.insert(definitions(tx, leaf.r#type).await?);
        }
    }
    let ids: Vec<i64> = gone.iter().map(|leaf| leaf.id).collect();
    store::set_deleted(tx, &ids, stamp).await?;
    let entities = gone.iter().map(|leaf| Indexing {
        entity: leaf.id,
        definitions: &types[&leaf.r#type],
        before: Some(&leaf.attributes),
        after: None,
    });
    attribute::index(tx, entities).await?;
    let rows = gone.iter().map(|leaf| (leaf.id, Some(leaf), None::<&Leaf>));
    let changes = Changes::new(Action::Delete, rows)?;
    journal::record(tx, stamp, Some(project), "leaf", changes).await
}
