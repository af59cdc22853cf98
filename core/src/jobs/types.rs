//! What a job is.

use serde_json::Value as Json;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for a runner.
    Pending,
    /// A runner is at it.
    Running,
    /// Done.
    Succeeded,
    /// It did not work, and is not tried again.
    Failed,
    /// Somebody called it off; lists do not show it.
    Canceled,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// In lower case, as rows and transcodes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// A named share of the machine that jobs run in; the settings say how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Making renditions: keeps whole cores busy.
    Transcode,
    /// Steps of people's own workflows.
    Workflow,
    /// Short things: fetching a picture, sending a letter.
    Small,
    /// Following live feeds: hours long, and little work.
    Recording,
    /// Making proxies while nobody needs the machine: they rest most of the time.
    Proxy,
}

impl Pool {
    /// Every pool.
    pub const ALL: [Self; 5] = [
        Self::Transcode,
        Self::Workflow,
        Self::Small,
        Self::Recording,
        Self::Proxy,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transcode => "transcode",
            Self::Workflow => "workflow",
            Self::Small => "small",
            Self::Recording => "recording",
            Self::Proxy => "proxy",
        }
    }
}

/// A job as it is stored.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its row.
    pub id: i64,
    /// Its name for everybody outside: a UUID, chosen by whoever enqueued it.
    pub uid: String,
    /// What it was started together with.
    pub gid: String,
    /// What is to be done, as [`super::registry`] lists it.
    pub kind: String,
    /// In whose project.
    pub project: Option<i64>,
    /// On whose behalf.
    pub account: Option<i64>,
    /// Which media it is about, in the order given.
    pub media: Vec<i64>,
    /// How far it is.
    pub status: Status,
    /// What exactly is to be done, in the words of its kind.
    pub payload: Json,
    /// What the work remembers between two tries, and shows of its progress.
    pub memory: Json,
    /// Why it failed, or waits.
    pub message: String,
    /// How often it was begun.
    pub attempts: i64,
    /// When it was enqueued; UTC milliseconds.
    pub created_at: i64,
    /// When it was first begun.
    pub started_at: Option<i64>,
    /// When it ended.
    pub stopped_at: Option<i64>,
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// One of the registry's kinds.
    pub kind: &'static str,
    /// A UUID that no other job has.
    pub uid: String,
    /// What it belongs together with.
    pub gid: String,
    /// In whose project.
    pub project: Option<i64>,
    /// On whose behalf.
    pub account: Option<i64>,
    /// Which media it is about.
    pub media: Vec<i64>,
    /// What exactly is to be done.
    pub payload: Json,
}

/// Which jobs are wanted; everything given must hold. Canceled ones never are.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<&'static str>,
    /// Of this project.
    pub project: Option<i64>,
    /// Started together as this.
    pub gid: Option<String>,
    /// About any of these media.
    pub media: Option<Vec<i64>>,
}
