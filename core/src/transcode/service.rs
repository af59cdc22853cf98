//! Starting a transcode, and saying how far it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::media::source::{self, State};
use crate::media::{self, Media, Upload};
use crate::project::{self, Level};
use crate::time;

/// What a caller asks for; the wire's names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    pub r#type: i64,
    pub gid: String,
    pub uid: String,
    pub url: String,
    pub size: Option<i64>,
    pub section: Option<String>,
    pub section_id: Option<i64>,
    pub name: String,
    pub md5: Option<String>,
    pub attributes: Option<Map<String, Json>>,
    pub email_spec: Option<Json>,
    pub media_id: Option<i64>,
}

/// A transcode: what was asked for, and the job that does it.
#[derive(Debug, Serialize)]
pub(super) struct Transcode {
    pub spec: Spec,
    pub job: Job,
}

/// How far the work on one media is.
#[derive(Debug, Serialize)]
pub(super) struct Job {
    id: String,
    pub uid: String,
    gid: String,
    user: Option<i64>,
    project: Option<i64>,
    nodes: Vec<Json>,
    status: &'static str,
    #[serde(serialize_with = "time::serialize")]
    start_time: i64,
    #[serde(serialize_with = "time::serialize_opt")]
    stop_time: Option<i64>,
    media_ids: Vec<i64>,
}

/// Makes the media of an uploaded video (or gives an existing one its file) and lets it be indexed.
///
/// Errors: `Forbidden` for a URL that is not this station's, `Invalid` for a type that is no video.
pub(super) async fn start(
    cx: &Context,
    actor: &Actor,
    project: i64,
    spec: Spec,
) -> Result<Transcode> {
    if spec.r#type == -1 {
        return Err(Error::invalid(
            "Archives of media (type -1) can not be imported yet; upload the files one by one.",
        ));
    }
    let upload = Upload {
        type_id: spec.r#type,
        name: spec.name.clone(),
        md5: spec.md5.clone().unwrap_or_default(),
        gid: spec.gid.clone(),
        uid: spec.uid.clone(),
        url: spec.url.clone(),
        section: spec.section.clone(),
        section_id: spec.section_id.filter(|id| *id > 0),
        attributes: spec.attributes.clone(),
        media: spec.media_id,
    };
    let media = media::service::add_upload(cx, actor, project, upload).await?;
    let job = job(&media, State::Indexing);
    Ok(Transcode { spec, job })
}

fn job(media: &Media, state: State) -> Job {
    let uid = media.uid.clone().unwrap_or_default();
    Job {
        id: uid.clone(),
        uid,
        gid: media.gid.clone().unwrap_or_default(),
        user: media.created_by,
        project: media.project,
        nodes: Vec::new(),
        status: match state {
            State::Indexing => "running",
            State::Ready => "succeeded",
            State::Failed => "failed",
        },
        start_time: media.created_datetime,
        stop_time: (state != State::Indexing).then_some(media.modified_datetime),
        media_ids: vec![media.id],
    }
}

/// The transcodes of a project's media that a filter selects.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: media::Filter,
) -> Result<Vec<Transcode>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let mut found = Vec::new();
                for media in media::service::selected(tx, project, &filter).await? {
                    if media.uid.is_none() {
                        continue;
                    }
                    if let Some(source) = source::find(tx, media.id).await? {
                        found.push(Transcode {
                            spec: spec_of(&media, source.size_bytes),
                            job: job(&media, source.state),
                        });
                    }
                }
                Ok(found)
            })
        })
        .await
}

/// One transcode by its uid. Errors: `NotFound`, `Forbidden`.
pub(super) async fn get(cx: &Context, actor: &Actor, uid: &str) -> Result<Transcode> {
    let (actor, uid) = (actor.clone(), uid.to_owned());
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let unknown = || Error::no_match("Transcode");
                let id = media::service::find_uid(tx, &uid)
                    .await?
                    .ok_or_else(unknown)?;
                let (media, _) = media::service::visible(tx, &actor, id, Level::View).await?;
                let source = source::find(tx, id).await?.ok_or_else(unknown)?;
                Ok(Transcode {
                    spec: spec_of(&media, source.size_bytes),
                    job: job(&media, source.state),
                })
            })
        })
        .await
}

fn spec_of(media: &Media, size_bytes: i64) -> Spec {
    Spec {
        r#type: media.type_id,
        gid: media.gid.clone().unwrap_or_default(),
        uid: media.uid.clone().unwrap_or_default(),
        url: String::new(),
        size: Some(size_bytes),
        section: None,
        section_id: media.primary_section,
        name: media.name.clone(),
        md5: Some(media.md5.clone()),
        attributes: media.attributes.members().ok(),
        email_spec: None,
        media_id: Some(media.id),
    }
}
