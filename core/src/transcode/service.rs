//! Starting transcodes, saying how far they are, calling them off.

use std::sync::Arc;

use super::types::{ANY_TYPE, ARCHIVE, PROXY, Payload, Spec, TRANSCODE, Transcode};
use super::{folder, import};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::jobs::{self, Job, NewJob};
use crate::journal::Stamp;
use crate::media::fetch::{self, Origin};
use crate::media::{self, Upload};
use crate::project::{self, Level};
use crate::{client, entity_type, id, storage};

/// A transcode that was started, with its project's name.
pub(super) struct Started {
    pub transcode: Transcode,
    pub project: String,
    job: i64,
    media: Vec<i64>,
    payload: Payload,
}

/// Makes the media of a video (or gives an existing one its file) and has renditions made of it; an
/// archive is unpacked first.
///
/// Errors: `Forbidden` for a URL of a foreign origin, `Invalid` for a type that is no video, a group
/// that is no UUID, or a file whose size nobody knows.
pub(super) async fn start(
    cx: &Context,
    actor: &Actor,
    project: i64,
    mut spec: Spec,
) -> Result<Started> {
    id::parse_uuid(&spec.gid)?;
    let reader = actor.clone();
    let checking = cx.database.read(move |tx| {
        Box::pin(async move { project::access(tx, &reader, project, Level::Transfer).await })
    });
    // Nobody else has this station look at a URL.
    checking.await?;
    let origin = match spec.url.as_str() {
        "" => None,
        url => Some(fetch::origin(cx, url).await?),
    };
    if let Some(Origin::Web(url)) = &origin {
        spec.size = Some(size_of(cx, url, spec.size).await?);
    }
    if spec.media_id.is_some() {
        spec.section_id = Some(-1);
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let started = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Transfer).await?;
                let job = match spec.r#type {
                    ANY_TYPE => enqueue_archive(tx, &stamp, project, spec, origin).await?,
                    _ => enqueue_video(tx, &stamp, &actor, project, spec, origin).await?,
                };
                let (id, media, payload) = (job.id, job.media.clone(), job.payload.clone());
                Ok(Started {
                    job: id,
                    media,
                    payload: serde_json::from_value(payload)?,
                    transcode: Transcode::of(job)?,
                    project: project::service::name_of(tx, project).await?,
                })
            })
        })
        .await?;
    if let Some(key) = &started.payload.key {
        // It may expire before its turn comes.
        import::keep(cx, started.job, key).await;
    }
    for media in &started.media {
        cx.indexing.forget(*media);
    }
    cx.indexing.notify_one();
    cx.jobs.ring();
    Ok(started)
}

/// The length of what lies elsewhere: as its server says, else as the caller does.
async fn size_of(cx: &Context, url: &str, given: Option<i64>) -> Result<i64> {
    let told = client::size(cx, url).await;
    let told = match told {
        Ok(size) => size.and_then(|size| i64::try_from(size).ok()),
        Err(error @ Error::Forbidden(_)) => return Err(error),
        Err(error) if given.is_none() => return Err(error),
        Err(_) => None,
    };
    told.or(given).ok_or_else(|| {
        Error::invalid("the server of the URL does not say how large the file is; give its size")
    })
}

async fn enqueue_video(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    mut spec: Spec,
    origin: Option<Origin>,
) -> Result<Job> {
    let of = entity_type::service::of_project(tx, Kind::Media, [spec.r#type], project).await?;
    if of[&spec.r#type].dtype != "video" {
        return Err(Error::invalid(
            "Transcodes are for video types; images go to Medias.",
        ));
    }
    if origin.is_none() && spec.media_id.is_none() {
        return Err(Error::invalid(
            "a new media needs a file: give the url of an upload",
        ));
    }
    if let Some(Origin::Key(key)) = &origin {
        spec.size = storage::size(tx, key).await?.or(spec.size);
    }
    let web = match &origin {
        Some(Origin::Web(url)) => Some(url.clone()),
        _ => None,
    };
    let upload = Upload {
        type_id: spec.r#type,
        name: spec.name.clone(),
        md5: spec.md5.clone().unwrap_or_default(),
        gid: spec.gid.clone(),
        uid: spec.uid.clone(),
        origin,
        section: spec.section.clone(),
        section_id: spec.section_id.filter(|id| *id > 0),
        attributes: spec.attributes.clone(),
        media: spec.media_id,
        workflow: Some(spec.uid.clone()),
    };
    let media = media::service::add_upload(tx, stamp, actor, project, upload).await?;
    let payload = Payload {
        spec,
        web,
        key: None,
    };
    enqueue(tx, stamp, project, TRANSCODE, vec![media.id], payload).await
}

async fn enqueue_archive(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    mut spec: Spec,
    origin: Option<Origin>,
) -> Result<Job> {
    if spec.media_id.is_some() {
        return Err(Error::invalid(
            "an archive makes media of its own; leave out media_id, or give the type of a video",
        ));
    }
    let (mut web, mut kept) = (None, None);
    match origin {
        Some(Origin::Key(upload)) => {
            let size = storage::size(tx, &upload).await?;
            spec.size = Some(size.ok_or_else(|| {
                Error::invalid(format!(
                    "there is no uploaded object {upload}; upload it first"
                ))
            })?);
            kept = Some(upload);
        }
        Some(Origin::Web(url)) => web = Some(url),
        _ => return Err(Error::invalid("an archive needs the url of its file")),
    }
    let payload = Payload {
        spec,
        web,
        key: kept,
    };
    enqueue(tx, stamp, project, ARCHIVE, Vec::new(), payload).await
}

/// Has the usual renditions made of a media that has its file; ring the bell of the context after the
/// transaction.
pub async fn add_renditions(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    media: &media::Media,
    size_bytes: i64,
) -> Result<()> {
    enqueue_of(tx, stamp, project, TRANSCODE, media, size_bytes).await
}

/// Enqueues work on a media that has its file.
pub(super) async fn enqueue_of(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    kind: &'static str,
    media: &media::Media,
    size_bytes: i64,
) -> Result<()> {
    let spec = Spec {
        r#type: media.type_id,
        gid: media.gid.clone().unwrap_or_else(id::uuid),
        uid: id::uuid(),
        url: String::new(),
        size: Some(size_bytes),
        section: None,
        section_id: Some(-1),
        name: media.name.clone(),
        md5: None,
        attributes: None,
        email_spec: None,
        media_id: Some(media.id),
    };
    let payload = Payload {
        spec,
        web: None,
        key: None,
    };
    let of = vec![media.id];
    enqueue(tx, stamp, project, kind, of, payload).await?;
    Ok(())
}

pub(super) async fn enqueue(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    kind: &'static str,
    media: Vec<i64>,
    payload: Payload,
) -> Result<Job> {
    let new = NewJob {
        kind,
        uid: payload.spec.uid.clone(),
        gid: payload.spec.gid.clone(),
        project: Some(project),
        account: stamp.account,
        media,
        payload: serde_json::to_value(&payload)?,
    };
    jobs::enqueue(tx, &new, stamp.at_ms).await
}

/// Which transcodes of a project are meant: of a group, or about selected media; none means all.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub gid: Option<String>,
    pub media: Option<(media::Filter, media::IdQuery)>,
}

/// The transcodes that are meant, oldest first. Errors: `NotFound`, `Forbidden`.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    wanted: Wanted,
) -> Result<Vec<Transcode>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let found = select(tx, project, &wanted).await?;
                found.into_iter().map(Transcode::of).collect()
            })
        })
        .await
}

async fn select(tx: &mut Tx, project: i64, wanted: &Wanted) -> Result<Vec<Job>> {
    let media = match &wanted.media {
        Some((filter, ids)) => Some(media::service::selected(tx, project, filter, ids).await?),
        None => None,
    };
    let mut found = Vec::new();
    for kind in [TRANSCODE, ARCHIVE, PROXY] {
        let filter = jobs::Filter {
            kind: Some(kind),
            project: Some(project),
            gid: wanted.gid.clone(),
            media: media.clone(),
        };
        found.extend(jobs::list(tx, &filter).await?);
    }
    found.sort_by_key(|job| job.id);
    Ok(found)
}

/// One transcode by its uid. Errors: `NotFound`, `Forbidden`.
pub(super) async fn get(cx: &Context, actor: &Actor, uid: &str) -> Result<Transcode> {
    let (actor, uid) = (actor.clone(), uid.to_owned());
    cx.database
        .read(move |tx| {
            Box::pin(async move { Transcode::of(find(tx, &actor, &uid, Level::View).await?) })
        })
        .await
}

async fn find(tx: &mut Tx, actor: &Actor, uid: &str, level: Level) -> Result<Job> {
    let unknown = || Error::no_match("Transcode");
    let job = match jobs::find(tx, uid).await {
        Err(Error::NotFound(_)) => return Err(unknown()),
        found => found?,
    };
    if ![TRANSCODE, ARCHIVE, PROXY].contains(&job.kind.as_str()) {
        return Err(unknown());
    }
    let project = job.project.ok_or_else(unknown)?;
    project::access(tx, actor, project, level).await?;
    Ok(job)
}

/// Calls off the transcodes that are meant, whatever state they are in; returns how many.
pub(super) async fn cancel_all(
    cx: &Arc<Context>,
    actor: &Actor,
    project: i64,
    wanted: Wanted,
) -> Result<u64> {
    let actor = actor.clone();
    let found = cx.database.read(move |tx| {
        Box::pin(async move {
            project::access(tx, &actor, project, Level::Transfer).await?;
            if let Some((filter, ids)) = &wanted.media {
                media::service::check_selection(tx, project, filter, ids).await?;
            }
            select(tx, project, &wanted).await
        })
    });
    cancel(cx, found.await?).await
}

/// Calls off one transcode. Errors: `NotFound`, `Forbidden`.
pub(super) async fn cancel_one(cx: &Arc<Context>, actor: &Actor, uid: &str) -> Result<u64> {
    let (actor, uid) = (actor.clone(), uid.to_owned());
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { find(tx, &actor, &uid, Level::Transfer).await }));
    cancel(cx, vec![found.await?]).await
}

async fn cancel(cx: &Arc<Context>, found: Vec<Job>) -> Result<u64> {
    let count = jobs::cancel(cx, found.iter().map(|job| job.id).collect()).await?;
    let cx = Arc::clone(cx);
    tokio::spawn(async move { folder::sweep_soon(&cx).await });
    Ok(count)
}
