//! Making media.

use serde_json::{Map, Value as Json, json};

use super::source::{self, Source, State};
use super::store;
use super::types::{Media, NewMedia, dtype_of_name};
use crate::account::{self, Actor};
use crate::annotation::Document;
use crate::attribute::{self, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type::{self, EntityType};
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Stamp};
use crate::project::{self, Level};
use crate::{id, section, storage};

/// Media that were made, with the dtype of each.
pub(super) struct Made {
    pub media: Vec<(Media, String)>,
}

/// Makes one media, or a list of images. All or nothing.
///
/// Errors: `Forbidden` for a URL that is not this station's, `Invalid` for a type that does not fit.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    news: Vec<NewMedia>,
) -> Result<Made> {
    let mut sourced = Vec::with_capacity(news.len());
    for new in news {
        let url = new.url.as_deref().filter(|url| !url.is_empty());
        let key = match url {
            Some(url) if new.reference_only == 0 => Some(uploaded(cx, url)?),
            _ => None,
        };
        sourced.push((new, key));
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let author = sourced
                    .iter()
                    .any(|(new, _)| new.user_elemental_id.is_some());
                project::access(
                    tx,
                    &actor,
                    project,
                    if author { Level::Full } else { Level::Transfer },
                )
                .await?;
                let many = sourced.len() > 1;
                let mut made = Vec::with_capacity(sourced.len());
                for (new, key) in sourced {
                    let (media, of) = one(tx, &stamp, &actor, project, new, key).await?;
                    if many && of.dtype != "image" {
                        return Err(Error::invalid(
                            "Only image types are supported for bulk media creation!",
                        ));
                    }
                    made.push((media, of.dtype));
                }
                let changes = Changes::new(
                    Action::Create,
                    made.iter()
                        .map(|(media, _)| (media.id, None::<()>, Some(media))),
                )?;
                journal::record(tx, &stamp, Some(project), "media", changes).await?;
                Ok(made)
            })
        })
        .await?;
    cx.indexing.notify_one();
    Ok(Made { media: made })
}

/// An uploaded video that becomes a media.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component TranscodeSpec describes them"
)]
pub struct Upload {
    pub type_id: i64,
    pub name: String,
    pub md5: String,
    pub gid: String,
    pub uid: String,
    pub url: String,
    pub section: Option<String>,
    pub section_id: Option<i64>,
    pub attributes: Option<Map<String, Json>>,
    /// An existing media that gets the file, in place of a new one.
    pub media: Option<i64>,
}

/// Makes a media of an uploaded video, or gives an existing one its file.
pub(super) async fn add_upload(
    cx: &Context,
    actor: &Actor,
    project: i64,
    upload: Upload,
) -> Result<Media> {
    let key = uploaded(cx, &upload.url)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let media = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Transfer).await?;
                let of =
                    entity_type::service::of_project(tx, Kind::Media, [upload.type_id], project)
                        .await?;
                if of[&upload.type_id].dtype != "video" {
                    return Err(Error::invalid(
                        "Transcodes are for video types; images go to Medias.",
                    ));
                }
                let new = NewMedia {
                    r#type: upload.type_id,
                    name: upload.name,
                    md5: upload.md5,
                    gid: Some(upload.gid),
                    uid: Some(upload.uid),
                    section: upload.section,
                    section_id: upload.section_id,
                    attributes: upload.attributes,
                    ..NewMedia::default()
                };
                let Some(existing) = upload.media else {
                    let (media, _) = one(tx, &stamp, &actor, project, new, Some(key)).await?;
                    let changes = journal::Change::created(media.id, &media)?;
                    journal::record(tx, &stamp, Some(project), "media", changes).await?;
                    return Ok(media);
                };
                let (before, _) =
                    super::read::visible(tx, &actor, existing, Level::Transfer).await?;
                let mut media = attach(tx, project, before.clone(), &new, Some(key)).await?;
                (media.gid, media.uid) = (new.gid, new.uid);
                store::update(tx, &media).await?;
                let changes = journal::Change::updated(existing, &before, &media)?;
                journal::record(tx, &stamp, Some(project), "media", changes).await?;
                Ok(media)
            })
        })
        .await?;
    cx.indexing.notify_one();
    Ok(media)
}

/// The stored object behind a link of this station.
fn uploaded(cx: &Context, url: &str) -> Result<String> {
    storage::key_of_link(cx, url).ok_or_else(|| {
        Error::Forbidden(format!(
            "The URL is not from an allowed origin; upload the file to this station first: {url}"
        ))
    })
}

/// Inserts one media with its source and section.
pub(super) async fn one(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    new: NewMedia,
    key: Option<String>,
) -> Result<(Media, EntityType)> {
    let of = fitting_type(tx, project, &new).await?;
    let (primary_section, user_sections) = folder(tx, stamp, project, &new).await?;
    let definitions = attribute::definitions_of_type(tx, Kind::Media, of.id).await?;
    let given = new.attributes.clone().unwrap_or_default();
    let mut attributes = attribute::for_create(&definitions, &given, stamp.at_ms)?;
    attributes.insert("tator_user_sections".into(), json!(user_sections));
    let author = match &new.user_elemental_id {
        Some(uuid) => account::service::author(tx, uuid).await?,
        None => actor.id,
    };
    let id = tx.allocate("media", 1).await?;
    let media = Media {
        name: checked_name(&new.name)?,
        media_files: (of.dtype == "image").then(Map::new),
        last_edit_start: None,
        last_edit_end: None,
        attributes: Document::of(&attributes)?,
        elemental_id: match &new.elemental_id {
            Some(uuid) => id::parse_uuid(uuid)?,
            None => id::uuid(),
        },
        primary_section,
        id,
        project: Some(project),
        type_id: of.id,
        created_datetime: stamp.at_ms,
        created_by: Some(author),
        modified_datetime: stamp.at_ms,
        modified_by: Some(actor.id),
        md5: new.md5.clone(),
        num_frames: new.num_frames,
        fps: new.fps,
        codec: new.codec.clone(),
        width: new.width,
        height: new.height,
        summary_level: new.summary_level,
        gid: new.gid.clone(),
        uid: new.uid.clone(),
        archive_state: "live".into(),
        archive_status_date: None,
        effective_permission: None,
        incident: None,
    };
    let media = attach(tx, project, media, &new, key).await?;
    store::insert(tx, std::slice::from_ref(&media)).await?;
    let entity = Indexing {
        entity: id,
        definitions: &definitions,
        before: None,
        after: Some(&attributes),
    };
    attribute::index(tx, [entity]).await?;
    Ok((media, of))
}

fn checked_name(name: &str) -> Result<String> {
    match name.chars().count() {
        1..=256 => Ok(name.to_owned()),
        _ => Err(Error::invalid("a media's name has 1 to 256 characters")),
    }
}

/// Gives a media its source: an uploaded object, or a reference.
async fn attach(
    tx: &mut Tx,
    project: i64,
    mut media: Media,
    new: &NewMedia,
    key: Option<String>,
) -> Result<Media> {
    if new.reference_only != 0 {
        if let Some(url) = &new.url {
            let size = [
                new.height.unwrap_or(1).max(1),
                new.width.unwrap_or(1).max(1),
            ];
            let record = json!({"path": url, "resolution": size, "size": 0});
            media
                .media_files
                .get_or_insert_default()
                .insert("image".into(), json!([record]));
        }
        return Ok(media);
    }
    let Some(upload) = key else {
        return Ok(media);
    };
    let owner = storage::service::owner(tx, project).await?;
    let own = owner.rendition(media.id, Some(&media.name));
    let missing = || {
        Error::invalid(format!(
            "there is no uploaded object {upload}; upload it first"
        ))
    };
    let size = storage::service::size(tx, &upload)
        .await?
        .ok_or_else(missing)?;
    storage::service::copy_link(tx, &upload, &own).await?;
    let source = Source {
        media: media.id,
        path: None,
        object_key: Some(own),
        size_bytes: size,
        modified_at: media.created_datetime,
        state: State::Indexing,
        message: String::new(),
        fingerprint: None,
    };
    source::put(tx, &source).await?;
    Ok(media)
}

/// The type that a new media names, or the first that fits its name when it says −1.
async fn fitting_type(tx: &mut Tx, project: i64, new: &NewMedia) -> Result<EntityType> {
    if new.r#type != -1 {
        let mut found =
            entity_type::service::of_project(tx, Kind::Media, [new.r#type], project).await?;
        return Ok(found
            .remove(&new.r#type)
            .expect("of_project answers every id"));
    }
    let dtype = dtype_of_name(&new.name).ok_or_else(|| {
        Error::invalid(format!(
            "cannot tell from its name what {} is; give its type",
            new.name
        ))
    })?;
    let types = entity_type::service::list_of_project(tx, Kind::Media, project).await?;
    let fitting = types
        .into_iter()
        .filter(|of| of.dtype == dtype)
        .min_by_key(|of| of.id);
    fitting
        .ok_or_else(|| Error::invalid(format!("project {project} has no media type for {dtype}s")))
}

/// The folder of a new media (found or made), and what its media carry as `tator_user_sections`.
async fn folder(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    new: &NewMedia,
) -> Result<(Option<i64>, String)> {
    let found = match (&new.section, new.section_id) {
        (_, Some(id)) => {
            let found = section::service::find(tx, id).await?;
            let found = found.filter(|section| {
                section.project == project && section.dtype == section::Dtype::Folder
            });
            Some(
                found
                    .ok_or_else(|| Error::invalid(format!("Folder with ID {id} does not exist")))?,
            )
        }
        (Some(name), None) if !name.is_empty() => {
            match section::service::find_folder_by_name(tx, project, name).await? {
                Some(found) => Some(found),
                None => Some(section::service::create_folder(tx, stamp, project, name).await?),
            }
        }
        _ => None,
    };
    Ok(match found {
        Some(section) => (
            Some(section.id),
            section.tator_user_sections.unwrap_or_default(),
        ),
        None => (None, String::new()),
    })
}

/// The records of `media_files` as JSON, for messages and tests of shape.
pub(super) fn record(path: &str, size: i64, resolution: Option<(i64, i64)>) -> Map<String, Json> {
    let mut record = Map::new();
    record.insert("path".into(), json!(path));
    record.insert("size".into(), json!(size));
    if let Some((height, width)) = resolution {
        record.insert("resolution".into(), json!([height, width]));
    }
    record
}
