//! How far a workflow is: what is kept between two tries of its job, and shown of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far a node is, as clients spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Waits for its turn.
    Pending,
    /// Is at it.
    Running,
    /// Went well.
    Succeeded,
    /// The program ended badly, or was ended.
    Failed,
    /// It could not be run.
    Error,
    /// Its condition did not hold.
    Skipped,
    /// What it depends on did not end as it must.
    Omitted,
}

impl Phase {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Skipped => "Skipped",
            Self::Omitted => "Omitted",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Whether it went wrong.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// What a node is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A program.
    Pod,
    /// Groups, one after another.
    Steps,
    /// Calls side by side.
    StepGroup,
    /// A graph.
    Dag,
    /// One call over many items.
    TaskGroup,
    /// The tries of one template.
    Retry,
}

/// What a node left behind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    /// Its standard output; a JSON list where it was repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// By name; JSON lists where it was repeated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Where it was repeated, a JSON list of the parameters of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// Of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// One node of the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// In which order it came to be, from 0.
    pub ordinal: usize,
    /// What it is known as among its neighbours.
    pub task: String,
    /// What it is.
    pub kind: Kind,
    /// Under which node.
    pub parent: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// Why it went wrong, or was not run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began; UTC milliseconds.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// What it left.
    #[serde(default)]
    pub outputs: Outputs,
}

/// How far a workflow is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// By path.
    pub nodes: BTreeMap<String, Node>,
    /// How far the whole is.
    pub phase: Phase,
    /// Why it went wrong.
    pub message: String,
    /// When it first began; UTC milliseconds.
    pub started_at: i64,
    /// How the entrypoint ended, once it has.
    pub main: Option<(Phase, String)>,
}

/// How the run of a program ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `Succeeded`, `Failed` or `Error`.
    pub phase: Phase,
    /// Why it went wrong.
    pub message: String,
    /// What it left.
    pub outputs: Outputs,
}

impl Outcome {
    /// One that could not be run, or whose results are not there.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Error,
            message: message.into(),
            outputs: Outputs::default(),
        }
    }

    /// One that ended badly.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Failed,
            ..Self::error(message)
        }
    }
}
