//! How far a job is, step by step, as people see it and as it goes on after a crash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use transect_frame_client::Produced;

use crate::error::Result;

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    /// Unique within the job.
    pub name: String,
    /// What it does, for people.
    pub task: String,
    pub status: Phase,
    pub started_at: Option<i64>,
    pub stopped_at: Option<i64>,
    /// Percent.
    pub progress: u8,
    /// Why it failed, or what it left out.
    pub message: String,
}

impl Node {
    pub(super) fn new(name: impl Into<String>, task: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            task: task.into(),
            status: Phase::Pending,
            started_at: None,
            stopped_at: None,
            progress: 0,
            message: String::new(),
        }
    }

    /// A step that stands for a job which failed before its first one.
    pub(super) fn failed(kind: &str, message: &str, at_ms: Option<i64>) -> Self {
        Self {
            status: Phase::Failed,
            stopped_at: at_ms,
            message: message.to_owned(),
            ..Self::new(kind, kind)
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.status == Phase::Failed
    }
}

/// What a job remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Its steps, in order.
    pub nodes: Vec<Node>,
    /// Files that are made and not recorded yet, by name.
    pub produced: BTreeMap<String, Produced>,
    /// Members of an archive that are imported or left out for good.
    pub members_done: usize,
}

impl Memory {
    /// Errors: when the memory is another kind's.
    pub(super) fn of(memory: &Json) -> Result<Self> {
        match memory {
            Json::Null => Ok(Self::default()),
            memory => Ok(serde_json::from_value(memory.clone())?),
        }
    }

    /// Adds the steps that are not there yet.
    pub(super) fn expect(&mut self, nodes: impl IntoIterator<Item = Node>) {
        for node in nodes {
            if !self.nodes.iter().any(|known| known.name == node.name) {
                self.nodes.push(node);
            }
        }
    }

    /// Begins a step, or goes on with it.
    pub(super) fn begin(&mut self, name: &str, now_ms: i64) {
        self.change(name, |node| {
            node.status = Phase::Running;
            node.started_at.get_or_insert(now_ms);
            node.stopped_at = None;
            node.message.clear();
        });
    }

    /// Says how far a running step is; whether that is news.
    pub(super) fn advance(&mut self, name: &str, progress: u8) -> bool {
        let mut news = false;
        self.change(name, |node| {
            news = node.progress != progress;
            node.progress = progress;
        });
        news
    }

    /// Ends a step well.
    pub(super) fn end(&mut self, name: &str, now_ms: i64, message: impl Into<String>) {
        self.change(name, |node| {
            node.status = Phase::Succeeded;
            node.started_at.get_or_insert(now_ms);
            node.stopped_at = Some(now_ms);
            node.progress = 100;
            node.message = message.into();
        });
    }

    /// Ends what runs (or else what comes next) with a message.
    pub(super) fn fail(&mut self, now_ms: i64, message: &str) {
        let running = |node: &Node| node.status == Phase::Running;
        let pending = |node: &Node| node.status == Phase::Pending;
        let any_runs = self.nodes.iter().any(running);
        let mut first = true;
        for node in &mut self.nodes {
            if running(node) || (!any_runs && first && pending(node)) {
                first = false;
                node.status = Phase::Failed;
                node.stopped_at = Some(now_ms);
                node.message = message.to_owned();
            }
        }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            change(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_across_tries() {
        let mut memory = Memory::default();
        memory.expect([Node::new("index", "index"), Node::new("720", "encode")]);
        memory.begin("index", 5);
        memory.end("index", 9, "");
        memory.begin("720", 10);
        assert!(memory.advance("720", 40) && !memory.advance("720", 40));
        let mut again = Memory::of(&serde_json::to_value(&memory).unwrap()).unwrap();
        assert_eq!(again, memory);
        again.expect([Node::new("720", "other words"), Node::new("gif", "gif")]);
        again.begin("720", 20);
        assert_eq!(
            (again.nodes.len(), again.nodes[1].started_at),
            (3, Some(10))
        );
        again.fail(30, "no");
        let phases: Vec<Phase> = again.nodes.iter().map(|node| node.status).collect();
        assert_eq!(phases, [Phase::Succeeded, Phase::Failed, Phase::Pending]);
        again.fail(31, "no");
        assert!(again.nodes.iter().skip(1).all(Node::has_failed));
    }
}
