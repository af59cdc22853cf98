//! What a transcode is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::progress::{Memory, Node};
use crate::jobs::{Job, Status};
use crate::time;

/// The kind of the jobs that make renditions of one video.
pub(super) const TRANSCODE: &str = "transcode";
/// The kind of the jobs that import an archive.
pub(super) const ARCHIVE: &str = "archive";
/// The kind of the jobs that make a proxy of one video.
pub(super) const PROXY: &str = "proxy";
/// The type that stands for an archive of media.
pub(super) const ANY_TYPE: i64 = -1;

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

/// What a job is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payload {
    /// What was asked for.
    pub spec: Spec,
    /// Where the file still is to be read from: a URL that is not this station's.
    #[serde(default)]
    pub web: Option<String>,
    /// Under which key an archive was uploaded.
    #[serde(default)]
    pub key: Option<String>,
}

/// A transcode: what was asked for, and the job that does it.
#[derive(Debug, Serialize)]
pub(super) struct Transcode {
    pub spec: Spec,
    pub job: WireJob,
}

/// A job as the wire shows it.
#[derive(Debug, Serialize)]
pub(super) struct WireJob {
    id: String,
    uid: String,
    gid: String,
    user: Option<i64>,
    project: Option<i64>,
    nodes: Vec<WireNode>,
    status: &'static str,
    #[serde(serialize_with = "time::serialize_opt")]
    start_time: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt")]
    stop_time: Option<i64>,
    media_ids: Vec<i64>,
}

/// A step of a job as the wire shows it.
#[derive(Debug, Serialize)]
struct WireNode {
    id: String,
    children: Vec<String>,
    task: String,
    status: &'static str,
    #[serde(serialize_with = "time::serialize_opt")]
    start_time: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt")]
    stop_time: Option<i64>,
    progress: u8,
    message: String,
}

impl Transcode {
    /// The transcode that a job does. Errors: when its payload is none of ours.
    pub(super) fn of(job: Job) -> crate::error::Result<Self> {
        let payload: Payload = serde_json::from_value(job.payload.clone())?;
        Ok(Self {
            spec: payload.spec,
            job: WireJob::of(job)?,
        })
    }
}

impl WireJob {
    fn of(job: Job) -> crate::error::Result<Self> {
        let memory = Memory::of(&job.memory)?;
        let mut nodes = memory.nodes;
        if job.status == Status::Failed && !nodes.iter().any(Node::has_failed) {
            nodes.push(Node::failed(&job.kind, &job.message, job.stopped_at));
        }
        let id = |node: &Node| format!("{}-{}", job.uid, node.name);
        let ids: Vec<String> = nodes.iter().map(id).collect();
        let nodes = nodes.into_iter().enumerate().map(|(at, node)| WireNode {
            id: ids[at].clone(),
            children: ids.get(at + 1).cloned().into_iter().collect(),
            task: node.task,
            status: node.status.name(),
            start_time: node.started_at,
            stop_time: node.stopped_at,
            progress: node.progress,
            message: node.message,
        });
        Ok(Self {
            id: job.uid.clone(),
            nodes: nodes.collect(),
            uid: job.uid,
            gid: job.gid,
            user: job.account,
            project: job.project,
            status: job.status.name(),
            start_time: job.started_at.or(Some(job.created_at)),
            stop_time: job.stopped_at,
            media_ids: job.media,
        })
    }
}
