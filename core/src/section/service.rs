//! Rules of sections.

use serde_json::{Map, Value as Json};

use super::filter::SectionFilter;
use super::types::{Dtype, NewSection, Section, SectionPatch};
use super::{bulk, path, search, store};
use crate::account::Actor;
use crate::attribute::{self, AttributePatch, Definition, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::journal::{self, Change, Stamp};
use crate::project::{self, Level};

/// The rights of a creator, as the original echoes them: three full bytes.
const CREATOR_MASK: i64 = 0xff_ffff;

/// A section by id.
pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Section>> {
    store::find(tx, id).await
}

/// The oldest folder of a project with that name, in any case.
pub async fn find_folder_by_name(tx: &mut Tx, project: i64, name: &str) -> Result<Option<Section>> {
    let folded = name.to_lowercase();
    let folders = store::folders(tx, project).await?;
    match folders
        .iter()
        .find(|(_, name)| name.to_lowercase() == folded)
    {
        Some((id, _)) => store::find(tx, *id).await,
        None => Ok(None),
    }
}

/// The section of a project whose media carry this UUID as `tator_user_sections`.
pub async fn find_by_user_sections(
    tx: &mut Tx,
    project: i64,
    uuid: &str,
) -> Result<Option<Section>> {
    store::find_by_user_sections(tx, project, uuid).await
}

/// Makes the folder that incoming media name: with a UUID of its own, without path and creator.
///
/// Errors: `Invalid` for a name that no section can have.
pub async fn create_folder(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    name: &str,
) -> Result<Section> {
    check_name(name)?;
    let definitions = attribute::definitions_of_type(tx, Kind::Section, project).await?;
    let mut attributes = Map::new();
    for definition in &definitions {
        if let Some(default) = definition.default()? {
            attributes.insert(definition.name.clone(), default);
        }
    }
    let folder = Section {
        id: tx.allocate("section", 1).await?,
        project,
        name: name.to_owned(),
        path: None,
        dtype: Dtype::Folder,
        tator_user_sections: Some(id::uuid()),
        object_search: Json::Null,
        related_search: Json::Null,
        visible: true,
        elemental_id: id::uuid(),
        attributes,
        explicit_listing: None,
        created_datetime: Some(stamp.at_ms),
        created_by: None,
        media: Vec::new(),
        master_section: None,
        effective_permission: 0,
    };
    insert(tx, stamp, &definitions, &folder).await?;
    Ok(folder)
}

async fn insert(
    tx: &mut Tx,
    stamp: &Stamp,
    definitions: &[Definition],
    section: &Section,
) -> Result<()> {
    store::insert(tx, section).await?;
    let indexing = Indexing {
        entity: section.id,
        definitions,
        before: None,
        after: Some(&section.attributes),
    };
    attribute::index(tx, [indexing]).await?;
    let changes = Change::created(section.id, section)?;
    journal::record(tx, stamp, Some(section.project), "section", changes).await
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid("a section's name has 1 to 128 characters"));
    }
    Ok(())
}

async fn check_path(tx: &mut Tx, project: i64, path: &str, but: i64) -> Result<()> {
    path::check(path)?;
    if store::path_taken(tx, project, path, but).await? {
        return Err(path_exists());
    }
    Ok(())
}

pub(super) fn path_exists() -> Error {
    Error::invalid("Section with this path already exists!")
}

/// The ids without repetitions; all must be media of the project.
async fn check_media(tx: &mut Tx, project: i64, ids: &[i64]) -> Result<Vec<i64>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if store::count_media(tx, project, &ids).await? == ids.len() {
        Ok(ids)
    } else {
        Err(Error::invalid(format!(
            "Media of a section must belong to project {project}!"
        )))
    }
}

/// Checks that a section is one of the project. Errors: `NotFound`.
pub async fn check_of_project(tx: &mut Tx, project: i64, id: i64) -> Result<()> {
    let found = store::find(tx, id).await?;
    match found.filter(|section| section.project == project) {
        Some(_) => Ok(()),
        None => Err(Error::no_reference("Section")),
    }
}

/// Sections that pass a filter, by name.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: SectionFilter,
) -> Result<Vec<Section>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                bulk::selected(tx, project, &filter).await
            })
        })
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Section> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("Section"))?;
    project::access(tx, actor, found.project, least).await?;
    Ok(found)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Section> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewSection,
) -> Result<Section> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                check_name(&new.name)?;
                let dtype = new.dtype();
                let path = new.path.unwrap_or_else(|| path::from_name(&new.name));
                check_path(tx, project, &path, 0).await?;
                let media = check_media(tx, project, &new.media).await?;
                if let Some(master) = new.master_section {
                    check_of_project(tx, project, master).await?;
                }
                let definitions =
                    attribute::definitions_of_type(tx, Kind::Section, project).await?;
                let section = Section {
                    id: tx.allocate("section", 1).await?,
                    project,
                    name: new.name,
                    path: Some(path),
                    dtype,
                    tator_user_sections: new.tator_user_sections,
                    object_search: search::shown(new.object_search),
                    related_search: search::shown(new.related_search),
                    visible: new.visible.unwrap_or(true),
                    elemental_id: match &new.elemental_id {
                        Some(uuid) => id::parse_uuid(uuid)?,
                        None => id::uuid(),
                    },
                    attributes: attribute::for_create(&definitions, &new.attributes, stamp.at_ms)?,
                    explicit_listing: new.explicit_listing,
                    created_datetime: Some(stamp.at_ms),
                    created_by: Some(actor.id),
                    media,
                    master_section: new.master_section,
                    effective_permission: 0,
                };
                insert(tx, &stamp, &definitions, &section).await?;
                store::add_media(tx, section.id, &section.media).await?;
                Ok(Section {
                    effective_permission: CREATOR_MASK,
                    ..section
                })
            })
        })
        .await
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: SectionPatch,
) -> Result<Section> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Edit).await?;
                let project = before.project;
                let definitions =
                    attribute::definitions_of_type(tx, Kind::Section, project).await?;
                let mut section = before.clone();
                if let Some(name) = patch.name {
                    check_name(&name)?;
                    section.name = name;
                }
                if let Some(path) = patch.path {
                    if let Some(path) = &path {
                        check_path(tx, project, path, id).await?;
                    }
                    section.path = path;
                }
                if let Some(uuid) = patch.elemental_id {
                    section.elemental_id = id::parse_uuid(&uuid)?;
                }
                let attributes = AttributePatch {
                    attributes: patch.attributes,
                    ..AttributePatch::default()
                };
                section.attributes =
                    attribute::for_patch(&definitions, "Section", &before.attributes, &attributes)?;
                section.dtype = patch.dtype.unwrap_or(section.dtype);
                section.tator_user_sections =
                    patch.tator_user_sections.or(section.tator_user_sections);
                if let Some(node) = patch.object_search {
                    section.object_search = search::shown(node);
                }
                if let Some(node) = patch.related_search {
                    section.related_search = search::shown(node);
                }
                section.visible = patch.visible.unwrap_or(section.visible);
                section.explicit_listing = patch.explicit_listing.or(section.explicit_listing);
                if let Some(master) = patch.master_section {
                    if master != -1 {
                        check_of_project(tx, project, master).await?;
                    }
                    section.master_section = Some(master).filter(|master| *master != -1);
                }
                let added = check_media(tx, project, &patch.media_add).await?;
                store::add_media(tx, id, &added).await?;
                store::remove_media(tx, id, &patch.media_del).await?;
                section.media = store::media(tx, id).await?;
                store::update(tx, &section).await?;
                let indexing = Indexing {
                    entity: id,
                    definitions: &definitions,
                    before: Some(&before.attributes),
                    after: Some(&section.attributes),
                };
                attribute::index(tx, [indexing]).await?;
                let changes = Change::updated(id, &before, &section)?;
                journal::record(tx, &stamp, Some(project), "section", changes).await?;
                Ok(Section {
                    effective_permission: CREATOR_MASK,
                    ..section
                })
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let section = visible(tx, &actor, id, Level::Edit).await?;
                bulk::remove_all(tx, &stamp, section.project, vec![section]).await
            })
        })
        .await
}
