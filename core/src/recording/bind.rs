//! Binding: which frames events mean, and states made of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::store;
use super::timeline::{Found, Moments, Timed, Timeline};
use super::types::{Event, Recording, Segment};
use crate::account::{self, Actor};
use crate::annotation::service::{self as annotations, FrameState};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::media::source::{self, State};
use crate::{frames, time};

/// An event as the wire shows it, with the frame that it means.
#[derive(Debug, Serialize)]
pub(super) struct WireEvent {
    pub id: i64,
    pub recording: i64,
    #[serde(serialize_with = "time::serialize_us")]
    pub utc: i64,
    pub r#type: Option<i64>,
    pub text: String,
    pub attributes: Map<String, Json>,
    pub version: Option<i64>,
    pub created_by: i64,
    #[serde(serialize_with = "time::serialize")]
    pub created_datetime: i64,
    pub elemental_id: String,
    /// `waiting`, `frame`, `gap`, `before` or `after`.
    pub binding: &'static str,
    pub media: Option<i64>,
    /// The frame that was up; in a gap the last one before it.
    pub frame: Option<i64>,
    /// Seconds since that frame came up.
    pub offset: Option<f64>,
    /// Seconds that the feed's clock steps where the frame's segment ends.
    pub drift: Option<f64>,
    /// The state that was made of it.
    pub state: Option<i64>,
}

pub(super) fn secs(us: i64) -> f64 {
    us as f64 / 1e6
}

impl WireEvent {
    fn of(event: Event, found: Option<Found>, state: Option<i64>) -> Self {
        let (binding, timed) = match found {
            None => ("waiting", None),
            Some(Found::Frame(timed)) => ("frame", Some(timed)),
            Some(Found::Gap(timed)) => ("gap", Some(timed)),
            Some(Found::Before(timed)) => ("before", Some(timed)),
            Some(Found::After(timed)) => ("after", Some(timed)),
        };
        Self {
            id: event.id,
            recording: event.recording,
            utc: event.utc_us,
            r#type: event.r#type,
            text: event.text,
            attributes: event.values,
            version: event.version,
            created_by: event.user,
            created_datetime: event.created_datetime,
            elemental_id: event.elemental_id,
            binding,
            media: timed.map(|timed| timed.media),
            frame: timed.map(|timed| timed.frame),
            offset: timed.map(|timed| secs(event.utc_us - timed.utc_us)),
            drift: timed.and_then(|timed| timed.drift_us).map(secs),
            state,
        }
    }
}

/// The times of all videos of a recording that have an index by now.
///
/// Errors: `Invalid` when the file of one is another than was recorded.
pub(super) async fn timelines(cx: &Context, recording: &Recording) -> Result<Vec<Timeline>> {
    let parts: Vec<(i64, i64)> = recording
        .parts
        .iter()
        .filter_map(|one| Some((one.part, one.media?)))
        .collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let (id, media) = (recording.id, parts.clone());
    let (segments, sources) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let mut sources = Vec::new();
                for (_, media) in media {
                    sources.push(source::find(tx, media).await?);
                }
                Ok((store::segments(tx, id).await?, sources))
            })
        })
        .await?;
    let mut timelines = Vec::new();
    for ((part, media), source) in parts.into_iter().zip(sources) {
        let ready = source.filter(|source| source.state == State::Ready);
        if let Some(source) = ready {
            timelines.push(of_source(cx, media, part, &source, &segments).await?);
        }
    }
    Ok(timelines)
}

async fn of_source(
    cx: &Context,
    media: i64,
    part: i64,
    source: &source::Source,
    segments: &[Segment],
) -> Result<Timeline> {
    let index = frames::index(cx, source).await?;
    Ok(Timeline::of(media, part, &index, segments))
}

/// Events with the frames that they mean, and the states that were made of them.
pub(super) async fn shown(
    cx: &Context,
    recording: &Recording,
    events: Vec<Event>,
) -> Result<Vec<WireEvent>> {
    // Before the end nobody can say which frame is the last before a moment.
    let timelines = match recording.status.is_over() {
        true => timelines(cx, recording).await?,
        false => Vec::new(),
    };
    let uuids: Vec<String> = events.iter().map(|one| one.elemental_id.clone()).collect();
    let states = cx.database.read(move |tx| {
        Box::pin(async move {
            let uuids: Vec<&str> = uuids.iter().map(String::as_str).collect();
            annotations::living_states(tx, &uuids).await
        })
    });
    let states = states.await?;
    let moments = Moments::of(&timelines);
    let shown = events.into_iter().map(|event| {
        let found = moments.find(event.utc_us);
        let state = states.get(&event.elemental_id).copied();
        WireEvent::of(event, found, state)
    });
    Ok(shown.collect())
}

/// What became of events that were to be states.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub states: Vec<i64>,
    /// Why some are none.
    pub problems: Vec<String>,
}

/// Makes states of the events that are none yet, on the frames that were up at their times, each on
/// behalf of who noted it. An event without a type, or at whose time there is no frame, stays an event.
pub(super) async fn states(cx: &Context, recording: &Recording) -> Result<Made> {
    let id = recording.id;
    let events = cx
        .database
        .read(move |tx| Box::pin(async move { store::events(tx, id).await }))
        .await?;
    let mut made = Made::default();
    if events.is_empty() {
        return Ok(made);
    }
    let mut by_author: BTreeMap<i64, Vec<FrameState>> = BTreeMap::new();
    for one in shown(cx, recording, events).await? {
        let Some(type_id) = one.r#type.or(recording.spec.state_type) else {
            continue;
        };
        if one.state.is_some() || one.binding == "waiting" {
            continue;
        }
        let (Some(media), Some(frame), "frame") = (one.media, one.frame, one.binding) else {
            made.problems.push(format!(
                "event {} lies where there is no frame ({})",
                one.id, one.binding
            ));
            continue;
        };
        let mut attributes = one.attributes;
        if let Some(name) = recording.spec.text_attribute.clone()
            && !one.text.is_empty()
        {
            attributes.entry(name).or_insert(json!(one.text));
        }
        let states = by_author.entry(one.created_by).or_default();
        states.push(FrameState {
            type_id,
            media,
            frame,
            version: one.version,
            elemental_id: one.elemental_id,
            attributes,
        });
    }
    for (author, states) in by_author {
        match add(cx, author, recording.project, states).await {
            Ok(states) => made.states.extend(states),
            Err(error @ (Error::Internal { .. } | Error::Busy(_) | Error::StorageFull(_))) => {
                return Err(error);
            }
            Err(error) => {
                let problem = format!("events of user {author}: {}", error.explained());
                made.problems.push(problem);
            }
        }
    }
    Ok(made)
}

async fn add(cx: &Context, author: i64, project: i64, states: Vec<FrameState>) -> Result<Vec<i64>> {
    let author = cx
        .database
        .read(move |tx| Box::pin(async move { account::service::reference(tx, author).await }))
        .await?;
    annotations::add_frame_states(cx, &Actor::from(&author), project, states).await
}

/// The time of a frame as the wire shows it.
#[derive(Debug, Serialize)]
pub(super) struct WireTime {
    pub media: i64,
    pub frame: i64,
    #[serde(serialize_with = "time::serialize_us")]
    pub utc: i64,
    /// When it gave way to the next picture, or to nothing.
    #[serde(serialize_with = "time::serialize_us")]
    pub until: i64,
    pub segment: i64,
    pub clock: super::types::Clock,
    pub drift: Option<f64>,
}

impl From<Timed> for WireTime {
    fn from(timed: Timed) -> Self {
        Self {
            media: timed.media,
            frame: timed.frame,
            utc: timed.utc_us,
            until: timed.end_us,
            segment: timed.segment,
            clock: timed.clock,
            drift: timed.drift_us.map(secs),
        }
    }
}
