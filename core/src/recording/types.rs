//! What a recording, its segments and its events are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::time;

/// How far a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It follows the feed, or waits for its turn to.
    Recording,
    /// Somebody asked it to end.
    Stopping,
    /// Videos are made of what it has.
    Assembling,
    /// It is over, and its videos are there.
    Finished,
    /// It is over; the message says why there is less than was asked for.
    Failed,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Recording,
        Self::Stopping,
        Self::Assembling,
        Self::Finished,
        Self::Failed,
    ];

    /// The text of rows and of the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Stopping => "stopping",
            Self::Assembling => "assembling",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.name() == name).unwrap_or(Self::Failed)
    }

    /// Whether the feed is still followed.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Recording | Self::Stopping)
    }

    /// Whether nothing more happens by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

/// What is recorded, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// What its videos are called.
    pub name: String,
    /// The feed's playlist.
    pub url: String,
    /// The feed's name within its stream, or empty.
    pub feed: String,
    /// The height in pixels that is wanted of a feed that comes in several.
    pub height: Option<u32>,
    /// The media type of its videos.
    pub r#type: i64,
    /// The state type that events are made states of, unless they name another.
    pub state_type: Option<i64>,
    /// The attribute of states that takes an event's text.
    pub text_attribute: Option<String>,
}

/// A recording as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub id: i64,
    pub project: i64,
    /// The live media.
    pub media: i64,
    pub account: i64,
    /// The uid of the job that does it.
    pub job: String,
    pub status: Status,
    /// What is wrong at the moment, or was in the end; empty otherwise.
    pub message: String,
    pub spec: Spec,
    pub parts: Vec<Part>,
    /// UTC milliseconds.
    pub created_at: i64,
    pub stopped_at: Option<i64>,
}

/// A recording as the journal has it: what people say of it, and how far it is.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Journaled<'r> {
    id: i64,
    project: i64,
    media: i64,
    created_by: i64,
    #[serde(serialize_with = "time::serialize")]
    created_datetime: i64,
    #[serde(serialize_with = "time::serialize_opt")]
    stopped_datetime: Option<i64>,
    status: Status,
    #[serde(flatten)]
    spec: &'r Spec,
}

impl Recording {
    /// What the journal keeps of it.
    pub fn journaled(&self) -> Journaled<'_> {
        Journaled {
            id: self.id,
            project: self.project,
            media: self.media,
            created_by: self.account,
            created_datetime: self.created_at,
            stopped_datetime: self.stopped_at,
            status: self.status,
            spec: &self.spec,
        }
    }
}

/// A stretch of the feed whose times run on, which became a video.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub part: i64,
    /// The video; none where the stretch cannot be read.
    pub media: Option<i64>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Who says when a segment was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Clock {
    /// The feed states it.
    Program,
    /// It was worked out from the moment when the segment was first listed.
    Arrival,
}

impl Clock {
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Arrival => "arrival",
        }
    }

    pub fn from_name(name: &str) -> Self {
        if name == "program" {
            Self::Program
        } else {
            Self::Arrival
        }
    }
}

/// One segment of a feed, or a run of them that is missing.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Segment {
    /// Its place in the recording.
    pub number: i64,
    pub part: i64,
    /// The feed's number of it; of the last one in a gap.
    pub sequence: i64,
    /// How many discontinuities the feed counts before it.
    #[serde(skip)]
    pub discontinuity: i64,
    /// When its first picture was, in UTC microseconds.
    #[serde(rename = "utc", serialize_with = "time::serialize_us")]
    pub utc_us: i64,
    pub clock: Clock,
    #[serde(rename = "duration", serialize_with = "secs")]
    pub duration_us: i64,
    /// Its length; zero for a gap.
    #[serde(rename = "size")]
    pub size_bytes: i64,
    /// The initialization section that goes before it.
    #[serde(skip)]
    pub init: Option<i64>,
    /// How many segments are missing here; zero for one that is there.
    pub lost: i64,
    /// Why they are missing.
    pub message: String,
    /// The ordinal of its first frame in the video of its part.
    pub first_frame: Option<i64>,
    pub num_frames: Option<i64>,
}

impl Segment {
    /// When the next one begins, if the feed goes on without a pause.
    pub fn end_us(&self) -> i64 {
        self.utc_us + self.duration_us
    }

    pub fn is_gap(&self) -> bool {
        self.lost > 0
    }
}

fn secs<S: serde::Serializer>(us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*us as f64 / 1e6)
}

/// What somebody noted, as it is stored and as the journal has it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Event {
    pub id: i64,
    pub project: i64,
    pub recording: i64,
    pub user: i64,
    pub utc_us: i64,
    pub r#type: Option<i64>,
    pub text: String,
    pub values: Map<String, Json>,
    pub version: Option<i64>,
    pub elemental_id: String,
    #[serde(serialize_with = "time::serialize")]
    pub created_datetime: i64,
}

/// An event to be noted, or what is to be changed of one.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventPatch {
    pub utc: Option<String>,
    pub r#type: Option<i64>,
    pub text: Option<String>,
    pub attributes: Option<Map<String, Json>>,
    pub version: Option<i64>,
}

impl EventPatch {
    /// The time that is given, in UTC microseconds. Errors: `Invalid` for what is no time.
    pub fn utc_us(&self) -> Result<Option<i64>> {
        self.utc.as_deref().map(utc_us).transpose()
    }
}

/// Reads a UTC time of a request. Errors: `Invalid`.
pub(super) fn utc_us(text: &str) -> Result<i64> {
    time::parse_us(text).ok_or_else(|| {
        Error::invalid(format!(
            "{text} is no time; give it as 2026-11-20T14:56:15.250Z"
        ))
    })
}

/// A recording to be begun.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewRecording {
    pub media_id: i64,
    #[serde(default)]
    pub stream: usize,
    pub feed: Option<String>,
    pub url: Option<String>,
    pub name: Option<String>,
    pub r#type: Option<i64>,
    pub state_type: Option<i64>,
    pub text_attribute: Option<String>,
}

/// What is to be changed of a recording.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RecordingPatch {
    pub status: Option<String>,
    pub state_type: Option<i64>,
    pub text_attribute: Option<String>,
}
