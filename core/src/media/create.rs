//! Making media.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::fetch::{self, Elsewhere, Origin};
use super::source::{self, Bytes, Source, State};
use super::types::{Media, NewMedia, dtype_of_name};
use super::{files, store};
use crate::account::{self, Actor};
use crate::annotation::Document;
use crate::attribute::{self, Definitions, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type::{self, EntityType};
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Stamp};
use crate::project::{self, Level};
use crate::section::{self, Section};
use crate::{id, jobs, storage};

/// The attribute that lists the jobs which made a media.
const WORKFLOWS: &str = "_tator_import_workflow";

/// Media that were made, with the dtype of each.
pub(super) struct Made {
    pub media: Vec<(Media, String)>,
}

/// A media to be made, with the keys of what its links name.
pub(super) struct Sourced {
    pub new: NewMedia,
    pub links: Links,
}

/// Keys of uploads, and what is still to be fetched.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub source: Option<Origin>,
    pub thumbnail: Option<String>,
    pub thumbnail_gif: Option<String>,
    pub elsewhere: Elsewhere,
    /// Why the source cannot be fetched.
    pub refused: Option<Error>,
}

/// Makes one media, or those of a list of images that can be made. What lies elsewhere is fetched
/// later.
///
/// Errors: `Forbidden` for an image's URL that is neither this station's nor of an allowed origin, `Invalid`
/// for what does not fit its type; of a list only when there is no image that could be made, and then those
/// of the first.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    news: Vec<NewMedia>,
) -> Result<Made> {
    let (mut sourced, mut refused) = (Vec::with_capacity(news.len()), None);
    for new in news {
        match links(cx, new).await {
            Ok(one) => sourced.push(one),
            Err(error) => skip(error, &mut refused)?,
        }
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let author = sourced
                    .iter()
                    .any(|one| one.new.user_elemental_id.is_some());
                let level = if author { Level::Full } else { Level::Transfer };
                project::access(tx, &actor, project, level).await?;
                let drafts = drafts(tx, &actor, project, stamp.at_ms, sourced, refused).await?;
                let made = make(tx, &stamp, &actor, project, drafts).await?;
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
    cx.jobs.ring();
    Ok(Made { media: made })
}

/// Reads the links of a media to be made. Errors: `Forbidden` for a thumbnail of a foreign origin.
async fn links(cx: &Context, new: NewMedia) -> Result<Sourced> {
    let mut links = Links::default();
    let source = new.url.clone().filter(|_| new.reference_only == 0);
    match given(cx, &source).await {
        Ok(Some(Origin::Web(url))) => links.elsewhere.source = Some(url),
        Ok(origin) => links.source = origin,
        // Nothing but images is fetched; what is no image may name any place.
        Err(error) => links.refused = Some(error),
    }
    let thumbnails = [
        (
            &new.thumbnail_url,
            &mut links.thumbnail,
            &mut links.elsewhere.thumbnail,
        ),
        (
            &new.thumbnail_gif_url,
            &mut links.thumbnail_gif,
            &mut links.elsewhere.thumbnail_gif,
        ),
    ];
    for (url, here, elsewhere) in thumbnails {
        match given(cx, url).await? {
            Some(Origin::Web(url)) => *elsewhere = Some(url),
            Some(Origin::Key(key)) => *here = Some(key),
            _ => {}
        }
    }
    Ok(Sourced { new, links })
}

async fn given(cx: &Context, url: &Option<String>) -> Result<Option<Origin>> {
    match url.as_deref() {
        None | Some("") => Ok(None),
        Some(url) => fetch::origin(cx, url).await.map(Some),
    }
}

/// Leaves out one of a list. Errors: what is not the list's fault.
fn skip(error: Error, refused: &mut Option<Error>) -> Result<()> {
    if matches!(
        error,
        Error::Internal { .. } | Error::Busy(_) | Error::StorageFull(_)
    ) {
        return Err(error);
    }
    tracing::info!(%error, "an image of a list was not made");
    refused.get_or_insert(error);
    Ok(())
}

/// The media of a request that can be made: the one, or the good ones of a list of images.
async fn drafts(
    tx: &mut Tx,
    actor: &Actor,
    project: i64,
    now_ms: i64,
    sourced: Vec<Sourced>,
    mut refused: Option<Error>,
) -> Result<Vec<Draft>> {
    let many = sourced.len() > 1 || refused.is_some();
    let mut drafts = Vec::with_capacity(sourced.len());
    let mut types = Types::default();
    for one in sourced {
        match check(tx, actor, project, now_ms, &mut types, one).await {
            Ok(draft) if many && draft.of.dtype != "image" => {
                return Err(Error::invalid(
                    "Only image types are supported for bulk media creation!",
                ));
            }
            Ok(draft) => drafts.push(draft),
            Err(error) => skip(error, &mut refused)?,
        }
    }
    match refused {
        Some(error) if drafts.is_empty() => Err(error),
        _ => Ok(drafts),
    }
}

/// A file that becomes a media.
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
    /// Its bytes; what lies elsewhere is not fetched here. None keeps the file of an existing media.
    pub origin: Option<Origin>,
    pub section: Option<String>,
    pub section_id: Option<i64>,
    pub attributes: Option<Map<String, Json>>,
    /// An existing media that gets the file, in place of a new one.
    pub media: Option<i64>,
    /// The job that works on it, noted in the attribute `_tator_import_workflow`.
    pub workflow: Option<String>,
}

/// Makes a media of a file, or gives an existing one its file. Whoever calls it wakes the indexer
/// after the transaction.
pub(super) async fn add_upload(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    upload: Upload,
) -> Result<Media> {
    if let Some(existing) = upload.media {
        return give(tx, stamp, actor, project, existing, upload).await;
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
        workflow: upload.workflow,
        ..NewMedia::default()
    };
    let links = Links {
        source: upload
            .origin
            .filter(|origin| !matches!(origin, Origin::Web(_))),
        ..Links::default()
    };
    let media = one(tx, stamp, actor, project, Sourced { new, links }).await?;
    let changes = journal::Change::created(media.id, &media)?;
    journal::record(tx, stamp, Some(project), "media", changes).await?;
    Ok(media)
}

/// Gives an existing media a file, if it has none, or lets what failed of the one that it has be tried
/// again.
async fn give(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    existing: i64,
    upload: Upload,
) -> Result<Media> {
    let (before, of_project) = super::read::visible(tx, actor, existing, Level::Transfer).await?;
    if of_project != project {
        return Err(Error::invalid(format!(
            "Media {existing} is not part of project {project}!"
        )));
    }
    match upload.origin {
        Some(Origin::Web(_)) => {}
        Some(_) if source::is_settled(tx, &before).await? => {}
        Some(origin) => attach(tx, stamp, project, &before, origin).await?,
        None => try_again(tx, existing).await?,
    }
    let mut media = before.clone();
    (media.gid, media.uid) = (Some(upload.gid), Some(upload.uid));
    if let Some(workflow) = &upload.workflow {
        let mut attributes = media.attributes.members()?;
        note_workflow(&mut attributes, workflow);
        media.attributes = Document::of(&attributes)?;
    }
    (media.modified_datetime, media.modified_by) = (stamp.at_ms, stamp.account);
    store::update(tx, &media).await?;
    let changes = journal::Change::updated(existing, &before, &media)?;
    journal::record(tx, stamp, Some(project), "media", changes).await?;
    Ok(media)
}

async fn try_again(tx: &mut Tx, media: i64) -> Result<()> {
    let source = source::find(tx, media).await?;
    match source.filter(|source| source.path.is_some() || source.object_key.is_some()) {
        None => Err(Error::invalid(format!(
            "media {media} has no file; upload one and give its url"
        ))),
        Some(source) if source.state == State::Failed => {
            let again = Source {
                state: State::Indexing,
                message: String::new(),
                ..source
            };
            source::put(tx, &again).await
        }
        Some(_) => Ok(()),
    }
}

/// Appends a job to those that worked on a media.
fn note_workflow(attributes: &mut Map<String, Json>, workflow: &str) {
    let noted = attributes.entry(WORKFLOWS).or_insert_with(|| json!([]));
    if let Json::Array(noted) = noted {
        noted.push(json!(workflow));
    } else {
        *noted = json!([workflow]);
    }
}

/// A media that can be made: everything about it has been checked.
struct Draft {
    new: NewMedia,
    links: Links,
    of: Arc<Of>,
    attributes: Map<String, Json>,
    author: i64,
}

/// Checks a media to be made, and writes nothing.
async fn check(
    tx: &mut Tx,
    actor: &Actor,
    project: i64,
    now_ms: i64,
    types: &mut Types,
    one: Sourced,
) -> Result<Draft> {
    let Sourced { mut new, mut links } = one;
    let of = types.of(tx, project, &new).await?;
    if of.dtype != "image" && new.url.is_some() {
        // It says where the media came from; whoever made it brings its files.
        (links.source, links.elsewhere.source) = (None, None);
    } else if let Some(error) = links.refused.take() {
        return Err(error);
    }
    check_name(&new.name)?;
    let reference = new.url.as_deref().filter(|_| new.reference_only != 0);
    if let Some(url) = reference.filter(|url| !files::is_url(url)) {
        return Err(Error::invalid(format!(
            "a reference is a URL of the web, http:// or https://, and this is none: {url}"
        )));
    }
    new.elemental_id = match &new.elemental_id {
        Some(uuid) => Some(id::parse_uuid(uuid)?),
        None => None,
    };
    existing_folder(tx, project, &new).await?;
    if let Some(master) = new.master_section {
        section::service::check_of_project(tx, project, master).await?;
    }
    let source = match &links.source {
        Some(Origin::Key(key)) => Some(key),
        _ => None,
    };
    let uploads = [
        source,
        links.thumbnail.as_ref(),
        links.thumbnail_gif.as_ref(),
    ];
    for key in uploads.into_iter().flatten() {
        uploaded_size(tx, key).await?;
    }
    let given = new.attributes.clone().unwrap_or_default();
    let attributes = attribute::for_create(&of.definitions, &given, now_ms)?;
    let author = match &new.user_elemental_id {
        Some(uuid) => account::service::author(tx, uuid).await?,
        None => actor.id,
    };
    Ok(Draft {
        new,
        links,
        of,
        attributes,
        author,
    })
}

/// The types that a request has met, each read once.
#[derive(Default)]
struct Types {
    known: HashMap<i64, Arc<Of>>,
}

/// What media of a type are like.
struct Of {
    id: i64,
    dtype: String,
    definitions: Definitions,
}

impl Types {
    /// The type that a new media names, or that fits its name.
    async fn of(&mut self, tx: &mut Tx, project: i64, new: &NewMedia) -> Result<Arc<Of>> {
        if let Some(known) = self.known.get(&new.r#type) {
            return Ok(known.clone());
        }
        let of = fitting_type(tx, project, new).await?;
        let of = Arc::new(Of {
            definitions: attribute::definitions_of_type(tx, Kind::Media, of.id).await?,
            dtype: of.dtype,
            id: of.id,
        });
        self.known.insert(of.id, of.clone());
        Ok(of)
    }
}

/// Inserts one media with its source and section.
pub(super) async fn one(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    one: Sourced,
) -> Result<Media> {
    let mut types = Types::default();
    let draft = check(tx, actor, project, stamp.at_ms, &mut types, one).await?;
    let mut made = make(tx, stamp, actor, project, vec![draft]).await?;
    Ok(made.pop().expect("one draft is one media").0)
}

/// Inserts media; returns each with its dtype.
async fn make(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    drafts: Vec<Draft>,
) -> Result<Vec<(Media, String)>> {
    let first = tx.allocate("media", drafts.len()).await?;
    let (mut rows, mut attributed) = (Vec::new(), Vec::new());
    for (id, draft) in (first..).zip(drafts) {
        let of = draft.of.clone();
        let (media, attributes) = draw(tx, stamp, actor, project, id, draft).await?;
        rows.push(media);
        attributed.push((id, of, attributes));
    }
    store::insert(tx, &rows).await?;
    let entities = attributed.iter().map(|(id, of, attributes)| Indexing {
        entity: *id,
        definitions: &of.definitions,
        before: None,
        after: Some(attributes),
    });
    attribute::index(tx, entities).await?;
    let dtypes = attributed.iter().map(|(_, of, _)| of.dtype.clone());
    Ok(rows.into_iter().zip(dtypes).collect())
}

/// Gives a media its folder, files and row, which is not inserted yet; returns it with its
/// attributes.
async fn draw(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    id: i64,
    draft: Draft,
) -> Result<(Media, Map<String, Json>)> {
    let Draft {
        new,
        links,
        of,
        mut attributes,
        author,
    } = draft;
    let (primary_section, user_sections) = folder(tx, stamp, project, &new).await?;
    attributes.insert("tator_user_sections".into(), json!(user_sections));
    if let Some(workflow) = &new.workflow {
        note_workflow(&mut attributes, workflow);
    }
    let mut media = Media {
        name: new.name.clone(),
        media_files: (of.dtype == "image").then(Map::new),
        last_edit_start: None,
        last_edit_end: None,
        attributes: Document::of(&attributes)?,
        elemental_id: new.elemental_id.clone().unwrap_or_else(id::uuid),
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
        master_section: new.master_section.or(primary_section),
        incident: None,
    };
    check_group(&media)?;
    refer(&mut media, &new, &of.dtype);
    pictures(tx, project, &mut media, &links).await?;
    if let Some(origin) = links.source {
        attach(tx, stamp, project, &media, origin).await?;
    }
    if !links.elsewhere.is_empty() {
        let gid = media.gid.clone().unwrap_or_default();
        let job = links.elsewhere.job(stamp, project, id, &gid)?;
        jobs::enqueue(tx, &job, stamp.at_ms).await?;
    }
    Ok((media, attributes))
}

fn check_name(name: &str) -> Result<()> {
    match name.chars().count() {
        1..=256 => Ok(()),
        _ => Err(Error::invalid("a media's name has 1 to 256 characters")),
    }
}

/// The `(height, width)` that is recorded for a picture nobody has looked into.
pub(super) fn claimed_size(media: &Media) -> (i64, i64) {
    (
        media.height.unwrap_or(1).max(1),
        media.width.unwrap_or(1).max(1),
    )
}

/// Records the URL of an image that stays where it is.
fn refer(media: &mut Media, new: &NewMedia, dtype: &str) {
    if new.reference_only == 0 || dtype != "image" {
        return;
    }
    if let Some(url) = &new.url {
        let mut image = files::record(url, 0, Some(claimed_size(media)));
        image.insert("reference_only".into(), json!(1));
        let files = media.media_files.get_or_insert_default();
        files.insert("image".into(), json!([image]));
    }
}

/// Gives a media the thumbnails that were uploaded for it.
async fn pictures(tx: &mut Tx, project: i64, media: &mut Media, links: &Links) -> Result<()> {
    let uploads = [
        ("thumbnail", &links.thumbnail, "jpg"),
        ("thumbnail_gif", &links.thumbnail_gif, "gif"),
    ];
    for (role, upload, extension) in uploads {
        let Some(upload) = upload else {
            continue;
        };
        let size = uploaded_size(tx, upload).await?;
        let owner = storage::owner(tx, project).await?;
        let own = owner.rendition(media.id, Some(&format!("{role}.{extension}")));
        storage::copy_link(tx, upload, &own).await?;
        let record = files::record(&own, size, Some(claimed_size(media)));
        let files = media.media_files.get_or_insert_default();
        files.insert(role.into(), json!([record]));
    }
    Ok(())
}

/// The length of an upload in bytes. Errors: `Invalid` when nothing was uploaded.
async fn uploaded_size(tx: &mut Tx, upload: &str) -> Result<i64> {
    storage::size(tx, upload).await?.ok_or_else(|| {
        Error::invalid(format!(
            "there is no uploaded object {upload}; upload it first"
        ))
    })
}

/// Makes stored bytes the source of a media, in place of the one that it had; what its records name
/// stays.
pub(super) async fn attach(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    media: &Media,
    origin: Origin,
) -> Result<()> {
    let owner = storage::owner(tx, project).await?;
    let own = owner.rendition(media.id, Some(&media.name));
    let size = match origin {
        Origin::Key(upload) => {
            let size = uploaded_size(tx, &upload).await?;
            storage::copy_link(tx, &upload, &own).await?;
            size
        }
        Origin::Blob(stored) => {
            let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
            storage::adopt(tx, &own, stored, stamp.at_ms).await?;
            storage::quota::check_kept(tx, &own).await?;
            size
        }
        // What was recorded within the quota becomes a video, whatever others took meanwhile.
        Origin::Recorded(stored) => {
            let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
            storage::adopt(tx, &own, stored, stamp.at_ms).await?;
            size
        }
        Origin::Web(url) => {
            return Err(Error::internal(
                "attach a file",
                format!("it was not fetched: {url}"),
            ));
        }
    };
    let before = source::find_last(tx, media.id).await?;
    let mut source = Source::waiting(media.id, Bytes::Stored(own), size, stamp.at_ms);
    if let Some(before) = before {
        let mut recorded = media.media_files.iter().flat_map(files::keys);
        let old = before.object_key;
        let old = old.filter(|old| !recorded.any(|key| key == *old));
        source.made = before.made;
        source.made.extend(old);
    }
    source::put(tx, &source).await
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

/// The folder that a new media names, if it is there. Errors: `Invalid` for an id of none.
async fn existing_folder(tx: &mut Tx, project: i64, new: &NewMedia) -> Result<Option<Section>> {
    match (&new.section, new.section_id) {
        (_, Some(id)) => {
            let found = section::service::find(tx, id).await?.filter(|section| {
                section.project == project && section.dtype == section::Dtype::Folder
            });
            let unknown = || Error::invalid(format!("Folder with ID {id} does not exist"));
            found.map(Some).ok_or_else(unknown)
        }
        (Some(name), None) if !name.is_empty() => {
            section::service::find_folder_by_name(tx, project, name).await
        }
        _ => Ok(None),
    }
}

/// The folder of a new media (found or made), and what its media carry as `tator_user_sections`.
pub(super) async fn folder(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    new: &NewMedia,
) -> Result<(Option<i64>, String)> {
    let found = match (existing_folder(tx, project, new).await?, &new.section) {
        (None, Some(name)) if !name.is_empty() => {
            Some(section::service::create_folder(tx, stamp, project, name).await?)
        }
        (found, _) => found,
    };
    Ok(match found {
        Some(section) => (
            Some(section.id),
            section.tator_user_sections.unwrap_or_default(),
        ),
        None => (None, String::new()),
    })
}

/// Checks the ids under which an upload is followed.
fn check_group(media: &Media) -> Result<()> {
    let ids = [&media.gid, &media.uid];
    if ids.into_iter().flatten().any(|id| id.chars().count() > 36) {
        return Err(Error::invalid(
            "gid and uid have at most 36 characters each",
        ));
    }
    Ok(())
}
