//! Making, changing and deleting files.

use super::read::visible;
use super::store;
use super::types::{File, FilePatch, NewFile};
use crate::account::{self, Actor};
use crate::attribute::{self, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::project::{self, Level};
use crate::{entity_type, id, storage};

/// The longest name and description, in characters.
const NAME_LENGTH: usize = 128;
const DESCRIPTION_LENGTH: usize = 1024;

pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewFile,
) -> Result<File> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let level = match new.user_elemental_id {
                    Some(_) => Level::Full,
                    None => Level::Execute,
                };
                project::access(tx, &actor, project, level).await?;
                let name = new.name.ok_or_else(|| missing("name"))?;
                check_text("name", &name, 1..=NAME_LENGTH)?;
                check_text("description", &new.description, 0..=DESCRIPTION_LENGTH)?;
                let type_id = new.r#type.ok_or_else(|| missing("type"))?;
                entity_type::service::of_project(tx, Kind::File, [type_id], project).await?;
                let created_by = match &new.user_elemental_id {
                    Some(uuid) => account::service::author(tx, uuid).await?,
                    None => actor.id,
                };
                let definitions = attribute::definitions_of_type(tx, Kind::File, type_id).await?;
                let file = File {
                    id: tx.allocate("file", 1).await?,
                    project,
                    created_at: stamp.at_ms,
                    created_by: Some(created_by),
                    modified_at: stamp.at_ms,
                    modified_by: stamp.account,
                    path: None,
                    name,
                    description: new.description,
                    attributes: attribute::for_create(&definitions, &new.attributes, stamp.at_ms)?,
                    elemental_id: match &new.elemental_id {
                        Some(uuid) => id::parse_uuid(uuid)?,
                        None => id::uuid(),
                    },
                    r#type: type_id,
                };
                store::insert(tx, &file).await?;
                let entity = Indexing {
                    entity: file.id,
                    definitions: &definitions,
                    before: None,
                    after: Some(&file.attributes),
                };
                attribute::index(tx, [entity]).await?;
                let changes = Change::created(file.id, &file)?;
                journal::record(tx, &stamp, Some(project), "file", changes).await?;
                Ok(file)
            })
        })
        .await
}

fn missing(key: &str) -> Error {
    Error::invalid_because(
        "Request body validation error",
        format!("body: '{key}' is a required property"),
    )
}

fn check_text(key: &str, text: &str, length: std::ops::RangeInclusive<usize>) -> Result<()> {
    if length.contains(&text.chars().count()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a file's {key} has {} to {} characters",
        length.start(),
        length.end()
    )))
}

pub(super) async fn update(cx: &Context, actor: &Actor, id: i64, patch: FilePatch) -> Result<File> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let updated = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Execute).await?;
                change(tx, &stamp, &before, patch).await
            })
        })
        .await?;
    // The bytes that the path named before may be nobody's now.
    storage::collect(cx).await?;
    Ok(updated)
}

async fn change(tx: &mut Tx, stamp: &Stamp, before: &File, patch: FilePatch) -> Result<File> {
    let mut file = before.clone();
    if let Some(name) = patch.name {
        check_text("name", &name, 1..=NAME_LENGTH)?;
        file.name = name;
    }
    if let Some(description) = patch.description {
        check_text("description", &description, 0..=DESCRIPTION_LENGTH)?;
        file.description = description;
    }
    if let Some(uuid) = patch.elemental_id {
        file.elemental_id = id::parse_uuid(&uuid)?;
    }
    if let Some(type_id) = patch.r#type {
        entity_type::service::of_project(tx, Kind::File, [type_id], file.project).await?;
        file.r#type = type_id;
    }
    if let Some(path) = patch.path {
        set_path(tx, &mut file, path).await?;
    }
    let definitions = attribute::definitions_of_type(tx, Kind::File, file.r#type).await?;
    if !patch.attributes.is_empty() {
        let of = entity_type::service::get(tx, Kind::File, file.r#type).await?;
        file.attributes = attribute::for_patch(
            &definitions,
            &of.name,
            &before.attributes,
            &patch.attributes,
        )?;
    }
    file.modified_at = stamp.at_ms;
    file.modified_by = stamp.account;
    store::update(tx, &file).await?;
    let old = attribute::definitions_of_type(tx, Kind::File, before.r#type).await?;
    // A new type has other attributes, though their names may be the same.
    for (definitions, is_old) in [(&old, true), (&definitions, false)] {
        let entity = Indexing {
            entity: file.id,
            definitions,
            before: is_old.then_some(&before.attributes),
            after: (!is_old).then_some(&file.attributes),
        };
        attribute::index(tx, [entity]).await?;
    }
    let changes = Change::updated(file.id, before, &file)?;
    journal::record(tx, stamp, Some(file.project), "file", changes).await?;
    Ok(file)
}

/// Makes a file's bytes those of a key: one of its own, or a temporary upload, which it then keeps.
async fn set_path(tx: &mut Tx, file: &mut File, path: String) -> Result<()> {
    let owner = storage::owner(tx, file.project).await?;
    let path = if owner.holds_file(file.id, &path) {
        path
    } else if owner.holds(&path) && path.starts_with(storage::UPLOADS) {
        let own = owner.file(file.id, Some(&file.name));
        storage::copy_link(tx, &path, &own).await?;
        own
    } else {
        return Err(Error::Forbidden(format!(
            "Key {path} does not belong to file {}!",
            file.id
        )));
    };
    if let Some(old) = file.path.replace(path)
        && file.path.as_ref() != Some(&old)
    {
        storage::remove(tx, &old).await?;
    }
    Ok(())
}

/// Deletes a file; its bytes stay until deleted things are purged.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let file = visible(tx, &actor, id, Level::Execute).await?;
                store::set_deleted(tx, id, &stamp).await?;
                let definitions =
                    attribute::definitions_of_type(tx, Kind::File, file.r#type).await?;
                let entity = Indexing {
                    entity: id,
                    definitions: &definitions,
                    before: Some(&file.attributes),
                    after: None,
                };
                attribute::index(tx, [entity]).await?;
                let changes = Change::deleted(id, &file)?;
                journal::record(tx, &stamp, Some(file.project), "file", changes).await
            })
        })
        .await
}
