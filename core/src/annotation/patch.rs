//! Changing annotations: by default a change adds a revision.

use serde::Deserialize;

use super::edit::Edit;
use super::filter::{Filter, IdQuery, select};
use super::localization::{GivenGeometry, Localization};
use super::read::{Place, find};
use super::state::State;
use super::store::Identified;
use super::types::{Annotation, Document, Shown};
use super::{bulk, create, store, track};
use crate::account::{self, Actor};
use crate::attribute::{self, AttributePatch, Indexing};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::{Schema, check_count};
use crate::{entity_type, id, version};

/// What a change says of the revision.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RevisionPatch {
    #[serde(flatten)]
    pub attributes: AttributePatch,
    #[serde(alias = "new_version")]
    pub version: Option<i64>,
    #[serde(alias = "new_elemental_id")]
    pub elemental_id: Option<String>,
    pub parent: Option<f64>,
    pub mark: Option<i64>,
    pub user_elemental_id: Option<String>,
    pub in_place: i64,
    pub pedantic: i64,
}

/// The rest of a change of one localization.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LocalizationPatch {
    pub frame: Option<i64>,
    #[serde(flatten)]
    pub geometry: GivenGeometry,
}

/// The rest of a change of one state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatePatch {
    pub frame: Option<i64>,
    pub media_ids: Option<Vec<i64>>,
    pub localization_ids: Option<Vec<i64>>,
    pub localization_ids_add: Vec<i64>,
    pub localization_ids_remove: Vec<i64>,
}

/// Changes one annotation: applies the patch to the latest revision of the one that `place` names.
///
/// Returns the row that now holds the change, and the mark it was based on.
pub(super) async fn update<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    place: Place,
    patch: RevisionPatch,
    apply: impl FnOnce(&mut T) -> Result<()> + Send + 'static,
) -> Result<(Shown<T>, i64)> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let level = if patch.user_elemental_id.is_some() { Level::Full } else { Level::Edit };
                let named: T = find(tx, &actor, &place, level).await?;
                let revision = named.revision();
                if patch.pedantic != 0 && !revision.latest {
                    return Err(Error::invalid(format!(
                        "Pedantic mode is enabled. Can not edit prior object {}, must only edit latest mark on version.",
                        revision.id
                    )));
                }
                let base = store::find_mark::<T>(tx, revision.version, &revision.elemental_id, None).await?;
                let base = base.unwrap_or(named);
                let schema = Schema::load(tx, base.revision().project).await?;
                let mark = base.revision().mark;
                let in_place = patch.in_place != 0 || patch.user_elemental_id.is_some();
                let project = base.revision().project;
                let mut edit = Edit::new(tx, &stamp);
                let changed = change(&mut edit, &schema, base, &patch, in_place, apply).await?;
                edit.finish(project).await?;
                Ok((store::shown(tx, changed).await?, mark))
            })
        })
        .await
}

/// Changes every selected annotation; returns how many.
pub(super) async fn update_all<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    mut filter: Filter,
    ids: IdQuery,
    patch: RevisionPatch,
) -> Result<usize> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let level = if patch.user_elemental_id.is_some() {
                    Level::Full
                } else {
                    Level::Edit
                };
                project::access(tx, &actor, project, level).await?;
                let schema = Schema::load(tx, project).await?;
                filter.check_known(&schema, T::KIND, &ids)?;
                // Ids name revisions, whatever their mark; such a change is made in place, unless
                // it copies rows into another version or identity.
                let named = !ids.ids.is_empty() || patch.user_elemental_id.is_some();
                if named {
                    filter.show_all_marks = 1;
                }
                let copies = patch.version.is_some() || patch.elemental_id.is_some();
                let in_place = patch.in_place != 0 || (named && !copies);
                let selection = select::<T>(tx, &schema, project, &filter, &ids).await?;
                let rows: Vec<T> = store::list(tx, &selection).await?;
                check_count(filter.count, rows.len(), "update")?;
                if rows
                    .iter()
                    .any(|row| row.revision().type_id != rows[0].revision().type_id)
                {
                    return Err(Error::invalid(
                        "When doing a bulk patch the type id of all objects must be the same.",
                    ));
                }
                let count = rows.len();
                let mut edit = Edit::new(tx, &stamp);
                bulk::change(&mut edit, &schema, rows, &patch, in_place).await?;
                edit.finish(project).await?;
                Ok(count)
            })
        })
        .await
}

/// Applies a patch to a revision: as a new revision, or in place. Returns the row that holds it.
async fn change<T: Annotation>(
    edit: &mut Edit<'_>,
    schema: &Schema,
    base: T,
    patch: &RevisionPatch,
    in_place: bool,
    apply: impl FnOnce(&mut T) -> Result<()>,
) -> Result<T> {
    let mut row = base.clone();
    apply(&mut row)?;
    let (tx, stamp) = (&mut *edit.tx, edit.stamp);
    let project = base.revision().project;
    let definitions = schema.of_type(T::KIND, base.revision().type_id);
    let before = base.revision().attributes.members()?;
    let mut after = before.clone();
    let of = entity_type::service::get(tx, T::KIND, base.revision().type_id).await?;
    row.trim(&of);
    if !patch.attributes.is_empty() {
        after = attribute::for_patch(definitions, &of.name, &before, &patch.attributes)?;
        row.revision_mut().attributes = Document::of(&after)?;
    }
    if let Some(version) = patch.version {
        version::service::of_project(tx, &[version], project).await?;
        row.revision_mut().version = version;
    }
    if let Some(uuid) = &patch.elemental_id {
        row.revision_mut().elemental_id = id::parse_uuid(uuid)?;
    }
    if let Some(uuid) = &patch.user_elemental_id {
        row.revision_mut().created_by = Some(account::service::author(tx, uuid).await?);
    }
    if let Some(parent) = patch.parent {
        row.revision_mut().parent = Some(
            create::parent_of_project::<T>(tx, parent as i64, project)
                .await?
                .id,
        );
    }
    row.settle(tx, Some(&base)).await?;
    let moved = base.identity() != row.identity();
    let revision = row.revision_mut();
    revision.modified_at = stamp.at_ms;
    revision.modified_by = stamp.account;
    let (version, uuid) = (revision.version, revision.elemental_id.clone());
    if in_place {
        let mut superseded = Identified::new();
        if moved {
            revision.mark = store::next_mark(tx, T::KIND, version, &uuid).await?;
            let identity = std::iter::once((version, uuid.as_str()));
            superseded = store::supersede(tx, T::KIND, identity).await?;
        }
        store::update(tx, &base, &row).await?;
        if moved {
            let old = base.revision();
            store::settle_latest(tx, T::KIND, old.version, &old.elemental_id).await?;
            store::settle_latest(tx, T::KIND, version, &uuid).await?;
            row.revision_mut().latest = true;
        }
        index(tx, &row, definitions, Some(&before), &after).await?;
        edit.ledger.updated(
            T::KIND.table(),
            row.revision().id,
            &base.wire(),
            &row.wire(),
        )?;
        track::follow(edit, &superseded, std::slice::from_ref(&row)).await?;
        return Ok(row);
    }
    revision.mark = store::next_mark(tx, T::KIND, version, &uuid).await?;
    if let Some(mark) = patch.mark {
        revision.mark = revision.mark.max(mark);
    }
    let superseded = bulk::add_revisions(edit, std::slice::from_mut(&mut row)).await?;
    index(edit.tx, &row, definitions, None, &after).await?;
    track::follow(edit, &superseded, std::slice::from_ref(&row)).await?;
    Ok(row)
}

async fn index<T: Annotation>(
    tx: &mut Tx,
    row: &T,
    definitions: &[attribute::Definition],
    before: Option<&serde_json::Map<String, serde_json::Value>>,
    after: &serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let entity = row.revision().id;
    attribute::index(
        tx,
        [Indexing {
            entity,
            definitions,
            before,
            after: Some(after),
        }],
    )
    .await
}

impl LocalizationPatch {
    pub fn apply(self, row: &mut Localization) -> Result<()> {
        row.frame = self.frame.unwrap_or(row.frame);
        self.geometry.apply(&mut row.geometry)
    }
}

impl StatePatch {
    pub fn apply(self, row: &mut State) -> Result<()> {
        row.frame = self.frame.or(row.frame);
        if let Some(media) = self.media_ids {
            row.media = create::unique(media);
        }
        if let Some(localizations) = self.localization_ids {
            row.localizations = localizations;
        }
        row.localizations.extend(self.localization_ids_add);
        row.localizations
            .retain(|id| !self.localization_ids_remove.contains(id));
        row.localizations = create::unique(std::mem::take(&mut row.localizations));
        Ok(())
    }
}
