//! Who runs workflows. Today that is this machine alone; the seam is where another place to run
//! them would fit in.

pub mod inside;
pub(super) mod local;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::engine::{Phase, State};
use crate::error::{Chain, Error, Result};
use crate::jobs::registry::Work;
use crate::jobs::{Pool, Run};
use crate::mail::{self, EmailSpec};

pub use local::Local;

/// What a job of this kind is called.
pub const KIND: &str = "workflow";

/// What a workflow is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The workflow's name.
    pub name: String,
    /// The algorithm, and what it is called.
    pub algorithm: i64,
    /// See `algorithm`.
    pub algorithm_name: String,
    /// The manifest as it was when started.
    pub manifest: Json,
    /// The media it is about, in the order they were given.
    pub media_ids: Vec<i64>,
    /// Parameters of the algorithm and of the caller; the last of a name counts.
    pub parameters: Vec<(String, String)>,
    /// Sent when it went well.
    pub success_email: Option<EmailSpec>,
    /// Sent when it did not.
    pub failure_email: Option<EmailSpec>,
}

/// What a job of a workflow remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    /// How far it is.
    pub state: State,
    /// Whether the letter about its end was sent, or could not be.
    #[serde(default)]
    pub mailed: bool,
}

impl Memory {
    /// Reads what a job remembers; none when it has not begun.
    pub fn of(memory: &Json) -> Option<Self> {
        serde_json::from_value(memory.clone()).ok()
    }
}

/// Runs workflows somewhere. What it has reached is in the job's memory after every step, and a
/// dropped run leaves nothing running.
trait Runner {
    /// Runs a workflow from where it is to its end.
    ///
    /// Errors: trouble of this station that may pass; what becomes of steps is no error.
    fn run<'r>(&'r self, run: &'r Run, launch: &'r Launch) -> BoxFuture<'r, Result<State>>;
}

/// Running a workflow, for the registry.
pub const WORK: Work = Work {
    kind: KIND,
    pool: Pool::Workflow,
    attempts: 5,
    body: work,
};

fn work(run: Run) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let launch: Launch = serde_json::from_value(run.job.payload.clone())?;
        let done = Memory::of(&run.job.memory).filter(|memory| memory.state.phase.is_over());
        let mut memory = match done {
            Some(memory) => memory,
            None => Memory {
                state: run.cx.workflows.run(&run, &launch).await?,
                mailed: false,
            },
        };
        if !memory.mailed {
            memory.mailed = true;
            run.remember(&serde_json::to_value(&memory)?).await?;
            tell(&run, &launch, &memory.state).await;
        }
        match memory.state.phase {
            Phase::Succeeded => Ok(()),
            _ => Err(Error::invalid(memory.state.message)),
        }
    })
}

/// Sends the letter about the end of a workflow. A letter that cannot be sent changes nothing of it.
async fn tell(run: &Run, launch: &Launch, state: &State) {
    let spec = match state.phase {
        Phase::Succeeded => &launch.success_email,
        _ => &launch.failure_email,
    };
    let (Some(spec), Some(project)) = (spec, run.job.project) else {
        return;
    };
    if let Err(error) = mail::deliver(&run.cx, project, spec.clone()).await {
        tracing::warn!(error = %Chain(&error), job.uid = run.job.uid, "the letter about a workflow was not sent");
    }
}
