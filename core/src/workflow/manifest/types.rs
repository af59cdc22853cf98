//! What a manifest is, once it has been read. Texts may still hold `{{references}}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::workflow::logic::Logic;

/// A workflow that this station can run.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What is run first.
    pub entrypoint: String,
    /// What is run last, however it went.
    pub on_exit: Option<String>,
    /// Parameters of the workflow with their defaults.
    pub parameters: Vec<Parameter>,
    /// By name.
    pub templates: BTreeMap<String, Template>,
    /// Folders that steps share, by name.
    pub volumes: BTreeSet<String>,
    /// Seconds that all of it may take.
    pub deadline_secs: Option<String>,
    /// How many steps run at a time.
    pub parallelism: Option<usize>,
    /// Labels and annotations of the document, for references to them.
    pub labels: BTreeMap<String, String>,
    /// See `labels`.
    pub annotations: BTreeMap<String, String>,
}

/// A named value.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value, or its default where it is an input.
    pub value: Option<String>,
    /// What it may be, where that is limited.
    pub choices: Option<Vec<String>>,
}

/// A named piece of a workflow.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// What it is called with.
    pub inputs: Vec<Parameter>,
    /// What it leaves behind.
    pub outputs: Vec<Output>,
    /// What it does.
    pub body: Body,
    /// Whether it is tried again.
    pub retry: Option<Retry>,
}

/// What a template does.
#[derive(Debug, Clone)]
pub enum Body {
    /// Runs a program.
    Program(Box<Program>),
    /// Calls templates, group after group; the calls of a group run side by side.
    Steps {
        /// The groups.
        groups: Vec<Vec<Call>>,
        /// How many steps below it run at a time.
        parallelism: Option<usize>,
    },
    /// Calls templates, each when what it depends on is over.
    Dag {
        /// The calls, by name.
        tasks: Vec<Call>,
        /// The tasks that are wanted; none means all.
        targets: Option<String>,
        /// Whether the first failure keeps further tasks from beginning.
        fail_fast: bool,
        /// How many steps below it run at a time.
        parallelism: Option<usize>,
    },
}

/// A program to be run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The container image; here a name that the settings may map to a folder.
    pub image: String,
    /// The program and its first arguments.
    pub command: Vec<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// A text that is handed to the command as a file.
    pub source: Option<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub folder: Option<String>,
    /// Shared folders that it sees.
    pub mounts: Vec<Mount>,
    /// `resources.limits.memory`.
    pub memory: Option<String>,
    /// Seconds that it may take.
    pub deadline_secs: Option<String>,
}

/// A shared folder as one program sees it.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Which.
    pub volume: String,
    /// Where.
    pub path: String,
    /// Whether it may only be read.
    pub read_only: bool,
}

/// A named result of a template.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub from: Source,
    /// What it is where there is nothing.
    pub default: Option<String>,
}

/// Where a result comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file that the program leaves.
    File(String),
    /// A text with references to results of steps below.
    Text(String),
}

/// When a template is tried again.
#[derive(Debug, Clone)]
pub struct Retry {
    /// How often at most; none means without end.
    pub limit: Option<String>,
    /// After what.
    pub policy: Policy,
    /// Seconds before the first repetition.
    pub pause_secs: Option<String>,
    /// What the pause is multiplied with each time.
    pub factor: Option<String>,
    /// Seconds after the first beginning when no more tries are made.
    pub within_secs: Option<String>,
}

/// After what a template is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Any trouble.
    Always,
    /// The program ended badly.
    OnFailure,
    /// The program could not be run.
    OnError,
}

/// A call of a template.
#[derive(Debug, Clone)]
pub struct Call {
    /// What the call is known as among its neighbours.
    pub name: String,
    /// What is called.
    pub template: String,
    /// With what.
    pub arguments: Vec<(String, String)>,
    /// Under which condition.
    pub when: Option<String>,
    /// Over what it is repeated.
    pub each: Option<Each>,
    /// Whether the others go on when it failed, or could not be run.
    pub continue_on: Tolerance,
    /// What must be over before, and how; always none in steps.
    pub depends: Option<Logic>,
}

/// Which troubles of a call do not stop the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tolerance {
    /// It failed.
    pub failed: bool,
    /// It could not be run.
    pub error: bool,
}

/// Over what a call is repeated.
#[derive(Debug, Clone)]
pub enum Each {
    /// Values of the manifest.
    Items(Vec<Json>),
    /// A text that is a JSON list once its references are replaced.
    Param(String),
    /// Numbers.
    Sequence {
        /// How many, from `start`.
        count: Option<String>,
        /// The first; 0 unless given.
        start: Option<String>,
        /// The last.
        end: Option<String>,
        /// Such as `clip-%03d`.
        format: Option<String>,
    },
}

impl Manifest {
    /// A template. Errors: a sentence, when there is none of that name.
    pub fn template(&self, name: &str) -> Result<&Template, String> {
        let found = self.templates.get(name);
        found.ok_or_else(|| format!("there is no template {name:?}"))
    }
}
