//! What a job is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::algorithm::AlgorithmParameter;
use crate::error::Result;
use crate::jobs::{self, Status};
use crate::mail::EmailSpec;
use crate::time;
use crate::workflow::engine::{Node, Phase};
use crate::workflow::{Launch, Memory};

/// A job as the wire shows it: `project` and `user` are labels, hence texts.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Job describes them"
)]
pub struct Job {
    /// The name of the workflow.
    pub id: String,
    pub uid: String,
    pub gid: String,
    pub user: String,
    pub project: String,
    pub nodes: Vec<JobNode>,
    pub status: &'static str,
    #[serde(serialize_with = "time::serialize_opt")]
    pub start_time: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt")]
    pub stop_time: Option<i64>,
    pub media_ids: Vec<i64>,
    pub alg_id: i64,
    /// Why it went wrong, or waits.
    pub message: String,
}

/// A node of a workflow as the wire shows it.
#[derive(Debug, Clone, Serialize)]
pub struct JobNode {
    pub id: String,
    pub children: Vec<String>,
    pub task: String,
    pub status: &'static str,
    #[serde(serialize_with = "time::serialize_opt")]
    pub start_time: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt")]
    pub stop_time: Option<i64>,
    /// Why it went wrong, or was not run.
    pub message: String,
}

impl Job {
    /// A job of the queue as the wire shows it.
    pub(super) fn of(job: jobs::Job) -> Result<Self> {
        let memory = Memory::of(&job.memory);
        let launch: Launch = serde_json::from_value(job.payload)?;
        let phase = memory.as_ref().map(|memory| memory.state.phase);
        let status = match (job.status, phase) {
            (Status::Pending, _) => Phase::Pending,
            (Status::Running, _) => Phase::Running,
            (Status::Succeeded, _) => Phase::Succeeded,
            (_, Some(Phase::Failed)) => Phase::Failed,
            _ => Phase::Error,
        };
        let text = |id: Option<i64>| id.map_or_else(String::new, |id| id.to_string());
        Ok(Self {
            id: launch.name,
            uid: job.uid,
            gid: job.gid,
            user: text(job.account),
            project: text(job.project),
            nodes: memory.map_or_else(Vec::new, |memory| nodes(&memory.state.nodes)),
            status: status.name(),
            start_time: job.started_at,
            stop_time: job.stopped_at,
            media_ids: launch.media_ids,
            alg_id: launch.algorithm,
            message: job.message,
        })
    }
}

/// Nodes in the order they came to be.
fn nodes(nodes: &BTreeMap<String, Node>) -> Vec<JobNode> {
    let mut children: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut ordered: Vec<(&String, &Node)> = nodes.iter().collect();
    ordered.sort_by_key(|(_, node)| node.ordinal);
    for (path, node) in &ordered {
        if let Some(parent) = &node.parent {
            let siblings = children.entry(parent).or_default();
            siblings.push((*path).clone());
        }
    }
    let shown = ordered.into_iter().map(|(path, node)| JobNode {
        id: path.clone(),
        children: children.remove(path.as_str()).unwrap_or_default(),
        task: node.task.clone(),
        status: node.phase.name(),
        start_time: node.started_at,
        stop_time: node.finished_at,
        message: node.message.clone(),
    });
    shown.collect()
}

/// Which jobs are meant.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct JobQuery {
    pub gid: Option<String>,
    pub media_id: Option<Vec<i64>>,
}

/// Which step's log is wanted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LogQuery {
    pub node: Option<String>,
}

/// What to launch.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewJob {
    pub algorithm_name: String,
    pub media_ids: Vec<i64>,
    #[serde(default)]
    pub extra_params: Vec<AlgorithmParameter>,
    pub success_email_spec: Option<EmailSpec>,
    pub failure_email_spec: Option<EmailSpec>,
}
