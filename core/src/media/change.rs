//! Changing and deleting media.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::filter::{Filter, IdQuery, select};
use super::read::visible;
use super::types::{Media, MediaPatch};
use super::{archive, composite, family, files, source, store};
use crate::account::{self, Actor};
use crate::annotation::{self, Document};
use crate::attribute::{self, Definitions, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Ledger, Stamp};
use crate::project::{self, Level};
use crate::query::{Schema, Selection, check_count};
use crate::storage::Owner;
use crate::{entity_type, id, section, storage, time};

/// The attribute in which a media carries the UUID of its folder.
const USER_SECTIONS: &str = "tator_user_sections";

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: MediaPatch,
) -> Result<Media> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let files = patch.media_files.is_some();
    let changed = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let level = if patch.user_elemental_id.is_some() {
                    Level::Full
                } else {
                    Level::Edit
                };
                let (media, project) = visible(tx, &actor, id, level).await?;
                let mut ledger = Ledger::default();
                let changed = change(tx, &stamp, project, media, &patch, &mut ledger).await?;
                archive_children(tx, &stamp, project, &[&changed], &patch, &mut ledger).await?;
                ledger.write(tx, &stamp, project).await?;
                Ok(changed)
            })
        })
        .await?;
    if files {
        // Its source may be another one now, and the objects of the old records nobody's.
        cx.indexing.forget(id);
        cx.indexing.notify_one();
        storage::collect(cx).await?;
    }
    Ok(changed)
}

/// Changes every selected media; returns how many.
pub(super) async fn update_all(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
    patch: MediaPatch,
) -> Result<usize> {
    let nothing = patch.attributes.is_empty()
        && patch.archive_state.is_none()
        && patch.user_elemental_id.is_none()
        && patch.primary_section.is_none();
    if nothing {
        return Err(Error::invalid(
            "Must specify at least one of attributes, archive_state, user_elemental_id, primary_section!",
        ));
    }
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
                filter.check_known(&schema, &ids)?;
                let selection = select(tx, &schema, project, &filter, &ids).await?;
                let rows = store::list(tx, &selection, None).await?;
                check_count(filter.count, rows.len(), "update")?;
                if rows.iter().any(|row| row.type_id != rows[0].type_id) {
                    return Err(Error::invalid(
                        "When doing a bulk patch the type id of all objects must be the same.",
                    ));
                }
                let count = rows.len();
                let mut ledger = Ledger::default();
                let changed = change_all(tx, &stamp, project, rows, &patch, &mut ledger).await?;
                let changed: Vec<&Media> = changed.iter().collect();
                archive_children(tx, &stamp, project, &changed, &patch, &mut ledger).await?;
                ledger.write(tx, &stamp, project).await?;
                Ok(count)
            })
        })
        .await
}

async fn change(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    before: Media,
    patch: &MediaPatch,
    ledger: &mut Ledger,
) -> Result<Media> {
    let changed = change_all(tx, stamp, project, vec![before], patch, ledger);
    Ok(changed.await?.remove(0))
}

/// Applies one patch to media, in a few statements, however many they are.
pub(super) async fn change_all(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    rows: Vec<Media>,
    patch: &MediaPatch,
    ledger: &mut Ledger,
) -> Result<Vec<Media>> {
    let author = match &patch.user_elemental_id {
        Some(uuid) => Some(account::service::author(tx, uuid).await?),
        None => None,
    };
    let folder = folder(tx, project, patch).await?;
    if let Some(master) = patch.master_section.filter(|master| *master != -1) {
        section::service::check_of_project(tx, project, master).await?;
    }
    let types = definitions(tx, &rows).await?;
    let mut names: HashMap<i64, String> = HashMap::new();
    let (mut changed, mut documents) = (Vec::with_capacity(rows.len()), Vec::new());
    for before in &rows {
        let mut media = before.clone();
        if let Some(files) = &patch.media_files {
            let owner = storage::owner(tx, project).await?;
            let shared = family::shared(tx, media.id).await?;
            files::check(owner, media.id, files, before.media_files.as_ref(), &shared)?;
        }
        plain_fields(&mut media, patch)?;
        if let Some(files) = &patch.media_files {
            take_files(tx, &mut media, files).await?;
        }
        media.created_by = author.or(media.created_by);
        composite::compose(tx, project, &mut media, patch).await?;
        if let Some(requested) = &patch.archive_state {
            archive::request(tx, &mut media, requested, stamp.at_ms).await?;
        }
        let old = before.attributes.members()?;
        let mut new = old.clone();
        if !patch.attributes.is_empty() {
            let (type_id, definitions) = (media.type_id, &types[&media.type_id]);
            if let Entry::Vacant(unknown) = names.entry(type_id) {
                let of = entity_type::service::get(tx, Kind::Media, type_id).await?;
                unknown.insert(of.name);
            }
            new = attribute::for_patch(definitions, &names[&type_id], &old, &patch.attributes)?;
        }
        if let Some(folder) = &folder {
            if media.master_section == media.primary_section {
                media.master_section = folder.section;
            }
            media.primary_section = folder.section;
            if let Some(uuid) = &folder.uuid {
                new.insert(USER_SECTIONS.into(), json!(uuid));
            }
        }
        match patch.master_section {
            None => {}
            Some(-1) => media.master_section = media.primary_section,
            master => media.master_section = master,
        }
        media.attributes = Document::of(&new)?;
        media.modified_datetime = stamp.at_ms;
        media.modified_by = stamp.account;
        changed.push(media);
        documents.push((old, new));
    }
    if patch.media_files.is_some() {
        let owner = storage::owner(tx, project).await?;
        for (before, media) in rows.iter().zip(&changed) {
            write_files(tx, owner, before, media, stamp.at_ms).await?;
        }
    } else {
        store::update_all(tx, &changed).await?;
    }
    let entities = changed
        .iter()
        .zip(&documents)
        .map(|(media, (old, new))| Indexing {
            entity: media.id,
            definitions: &types[&media.type_id],
            before: Some(old),
            after: Some(new),
        });
    attribute::index(tx, entities.collect::<Vec<_>>()).await?;
    for (before, media) in rows.iter().zip(&changed) {
        ledger.updated("media", media.id, before, media)?;
    }
    Ok(changed)
}

/// The attributes that the types of media declare.
async fn definitions(tx: &mut Tx, rows: &[Media]) -> Result<HashMap<i64, Definitions>> {
    let mut types = HashMap::new();
    for media in rows {
        if let Entry::Vacant(unknown) = types.entry(media.type_id) {
            let of_type = attribute::definitions_of_type(tx, Kind::Media, media.type_id);
            unknown.insert(of_type.await?);
        }
    }
    Ok(types)
}

/// Takes the media of a folder out of it.
pub(super) async fn leave_section(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    section: i64,
) -> Result<()> {
    let outside = MediaPatch {
        primary_section: Some(-1),
        ..MediaPatch::default()
    };
    let by_the_folder = MediaPatch {
        master_section: Some(-1),
        ..MediaPatch::default()
    };
    let mut ledger = Ledger::default();
    for (column, patch) in [
        ("t.primary_section", outside),
        ("t.master_section", by_the_folder),
    ] {
        let mut selection = Selection::new(Kind::Media, tx.dialect());
        selection.require("not t.deleted");
        selection.equals("t.project", project);
        selection.equals(column, section);
        let rows = store::list(tx, &selection, None).await?;
        change_all(tx, stamp, project, rows, &patch, &mut ledger).await?;
    }
    ledger.write(tx, stamp, project).await
}

fn plain_fields(media: &mut Media, patch: &MediaPatch) -> Result<()> {
    if let Some(name) = &patch.name {
        if name.is_empty() || name.chars().count() > 256 {
            return Err(Error::invalid("a media's name has 1 to 256 characters"));
        }
        media.name.clone_from(name);
    }
    if let Some(uuid) = &patch.elemental_id {
        media.elemental_id = id::parse_uuid(uuid)?;
    }
    let instant = |text: &Option<String>, old: Option<i64>| match text {
        None => Ok(old),
        Some(text) => time::parse(text)
            .map(Some)
            .ok_or_else(|| Error::invalid(format!("{text:?} is no date and time"))),
    };
    media.last_edit_start = instant(&patch.last_edit_start, media.last_edit_start)?;
    media.last_edit_end = instant(&patch.last_edit_end, media.last_edit_end)?;
    media.num_frames = patch.num_frames.or(media.num_frames);
    media.fps = patch.fps.or(media.fps);
    media.codec = patch.codec.clone().or(media.codec.take());
    media.width = patch.width.or(media.width);
    media.height = patch.height.or(media.height);
    media.summary_level = patch.summary_level.or(media.summary_level);
    Ok(())
}

/// Takes over the records that a patch brings, completing their sizes.
async fn take_files(tx: &mut Tx, media: &mut Media, files: &Map<String, Json>) -> Result<()> {
    let mut files = files.clone();
    for (role, records) in &mut files {
        let records = records.as_array_mut().into_iter().flatten();
        for record in records.filter_map(Json::as_object_mut) {
            if files::ROLES.contains(&role.as_str()) {
                files::complete(tx, record).await?;
            }
        }
    }
    media.media_files = Some(files);
    Ok(())
}

/// Writes a media whose records may have changed: its source follows, and objects that nobody names
/// any more go. Says whether the media waits to be indexed.
pub(super) async fn write_files(
    tx: &mut Tx,
    owner: Owner,
    before: &Media,
    after: &Media,
    now_ms: i64,
) -> Result<bool> {
    store::update(tx, after).await?;
    let old = before.media_files.as_ref();
    let waits = source::follow(tx, old, after, now_ms).await?;
    family::release(tx, owner, old, after).await?;
    Ok(waits)
}

/// Passes a request for another archive state on to the media that multi media consist of. Those
/// that are among the changed media themselves have followed it already.
async fn archive_children(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    changed: &[&Media],
    patch: &MediaPatch,
    ledger: &mut Ledger,
) -> Result<()> {
    let Some(requested) = &patch.archive_state else {
        return Ok(());
    };
    let mut done: HashSet<i64> = changed.iter().map(|media| media.id).collect();
    let children = changed.iter().flat_map(|media| {
        let files = media.media_files.as_ref();
        composite::integers(files.and_then(|files| files.get("ids")))
    });
    for id in children {
        if !done.insert(id) {
            continue;
        }
        let Some(before) = store::find(tx, id).await? else {
            continue;
        };
        let mut child = before.clone();
        if child.project != Some(project)
            || !archive::request(tx, &mut child, requested, stamp.at_ms).await?
        {
            continue;
        }
        child.modified_datetime = stamp.at_ms;
        child.modified_by = stamp.account;
        store::update(tx, &child).await?;
        ledger.updated("media", id, &before, &child)?;
    }
    Ok(())
}

/// The folder that a media moves to.
struct Folder {
    section: Option<i64>,
    /// What `tator_user_sections` becomes, where the change does not name it itself.
    uuid: Option<String>,
}

/// Where a change moves media to, if it does: `primary_section` and the attribute
/// `tator_user_sections` are the same fact.
async fn folder(tx: &mut Tx, project: i64, patch: &MediaPatch) -> Result<Option<Folder>> {
    if let Some(wanted) = patch.primary_section {
        if wanted == -1 {
            return Ok(Some(Folder {
                section: None,
                uuid: Some(String::new()),
            }));
        }
        let found = section::service::find(tx, wanted)
            .await?
            .filter(|found| found.project == project);
        let found = found.ok_or_else(|| Error::no_reference("Section"))?;
        return Ok(Some(Folder {
            section: Some(found.id),
            uuid: Some(found.tator_user_sections.unwrap_or_default()),
        }));
    }
    let Some(uuid) = patch.attributes.attributes.get(USER_SECTIONS) else {
        return Ok(None);
    };
    let found = match uuid.as_str().unwrap_or_default() {
        "" => None,
        uuid => section::service::find_by_user_sections(tx, project, uuid).await?,
    };
    Ok(Some(Folder {
        section: found.map(|found| found.id),
        uuid: None,
    }))
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let (media, project) = visible(tx, &actor, id, Level::Edit).await?;
                take_away(tx, &stamp, project, &[media]).await
            })
        })
        .await
}

/// Deletes every selected media; returns how many.
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
                project::access(tx, &actor, project, Level::Edit).await?;
                let schema = Schema::load(tx, project).await?;
                filter.check_known(&schema, &ids)?;
                let selection = select(tx, &schema, project, &filter, &ids).await?;
                let rows = store::list(tx, &selection, None).await?;
                check_count(filter.count, rows.len(), "delete")?;
                take_away(tx, &stamp, project, &rows).await?;
                Ok(rows.len())
            })
        })
        .await
}

/// Soft-deletes media with their annotations. Files in place are never touched.
async fn take_away(tx: &mut Tx, stamp: &Stamp, project: i64, rows: &[Media]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = rows.iter().map(|media| media.id).collect();
    store::set_deleted(tx, &ids, stamp.at_ms, stamp.account).await?;
    let types = definitions(tx, rows).await?;
    let documents = rows.iter().map(|media| media.attributes.members());
    let documents = documents.collect::<Result<Vec<_>>>()?;
    let gone = rows.iter().zip(&documents).map(|(media, before)| Indexing {
        entity: media.id,
        definitions: &types[&media.type_id],
        before: Some(before),
        after: None,
    });
    attribute::index(tx, gone.collect::<Vec<_>>()).await?;
    annotation::service::with_media(tx, stamp, project, &ids).await?;
    let changes = Changes::new(
        Action::Delete,
        rows.iter().map(|media| (media.id, Some(media), None::<()>)),
    )?;
    journal::record(tx, stamp, Some(project), "media", changes).await
}
