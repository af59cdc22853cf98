//! Beginning, watching, ending and removing recordings.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::bind::{self, Made, WireTime, secs};
use super::events::check_state_type;
use super::jobs::RECORDING;
use super::store::{self, Sums};
use super::timeline::{Found, Moments};
use super::types::{NewRecording, Part, Recording, RecordingPatch, Segment, Spec, Status, utc_us};
use crate::account::Actor;
use crate::attribute::{Dtype, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::jobs::{self, NewJob};
use crate::journal::{self, Change, Stamp};
use crate::media::{self, Media};
use crate::project::{self, Level};
use crate::query::{Page, Schema};
use crate::{client, entity_type, id, time};

/// Gaps that a recording shows; the list of its segments has all.
const GAPS: usize = 100;
/// Frames and times that are answered at once.
const MOST: usize = 10_000;

/// A recording as the wire shows it.
#[derive(Debug, Serialize)]
pub(super) struct WireRecording {
    id: i64,
    project: i64,
    media: i64,
    name: String,
    url: String,
    feed: String,
    r#type: i64,
    state_type: Option<i64>,
    text_attribute: Option<String>,
    status: Status,
    message: String,
    created_by: i64,
    #[serde(serialize_with = "time::serialize")]
    created_datetime: i64,
    #[serde(serialize_with = "time::serialize_opt")]
    stopped_datetime: Option<i64>,
    #[serde(serialize_with = "time::serialize_opt_us")]
    start_utc: Option<i64>,
    duration: f64,
    num_segments: i64,
    num_lost: i64,
    size: i64,
    num_events: i64,
    gaps: Vec<WireGap>,
    parts: Vec<Part>,
}

/// What is missing of a feed.
#[derive(Debug, Serialize)]
struct WireGap {
    #[serde(serialize_with = "time::serialize_us")]
    utc: i64,
    duration: f64,
    lost: i64,
    message: String,
}

impl WireRecording {
    pub fn id(&self) -> i64 {
        self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn of(recording: Recording, sums: &Sums, gaps: Vec<Segment>) -> Self {
        let spec = recording.spec;
        Self {
            id: recording.id,
            project: recording.project,
            media: recording.media,
            name: spec.name,
            url: spec.url,
            feed: spec.feed,
            r#type: spec.r#type,
            state_type: spec.state_type,
            text_attribute: spec.text_attribute,
            status: recording.status,
            message: recording.message,
            created_by: recording.account,
            created_datetime: recording.created_at,
            stopped_datetime: recording.stopped_at,
            start_utc: sums.start_us,
            duration: secs(sums.duration_us),
            num_segments: sums.segments,
            num_lost: sums.lost,
            size: sums.size_bytes,
            num_events: sums.events,
            gaps: gaps
                .into_iter()
                .map(|gap| WireGap {
                    utc: gap.utc_us,
                    duration: secs(gap.duration_us),
                    lost: gap.lost,
                    message: gap.message,
                })
                .collect(),
            parts: recording.parts,
        }
    }
}

/// A recording that the actor may use this much. Errors: `NotFound`, `Forbidden`.
pub(super) async fn visible(
    tx: &mut Tx,
    actor: &Actor,
    id: i64,
    least: Level,
) -> Result<Recording> {
    let found = store::find(tx, id).await?;
    let recording = found.ok_or_else(|| Error::no_match("Recording"))?;
    project::access(tx, actor, recording.project, least).await?;
    Ok(recording)
}

async fn wire(tx: &mut Tx, recording: Recording) -> Result<WireRecording> {
    let sums = store::sums(tx, recording.id).await?;
    let mut gaps = Vec::new();
    if sums.lost > 0 {
        gaps = store::segments(tx, recording.id).await?;
        gaps.retain(Segment::is_gap);
        gaps.truncate(GAPS);
    }
    Ok(WireRecording::of(recording, &sums, gaps))
}

/// A page of the recordings of a project, or of a live media of it, oldest first.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    media: Option<i64>,
    page: Page,
) -> Result<Vec<WireRecording>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let found = store::list(tx, project, media, &page).await?;
                let mut shown = Vec::with_capacity(found.len());
                for one in found {
                    shown.push(wire(tx, one).await?);
                }
                Ok(shown)
            })
        })
        .await
}

/// One recording.
pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<WireRecording> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let recording = visible(tx, &actor, id, Level::View).await?;
                wire(tx, recording).await
            })
        })
        .await
}

/// Everything that was fetched, and what is missing, in its order.
pub(super) async fn segments(cx: &Context, actor: &Actor, id: i64) -> Result<Vec<Segment>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let recording = visible(tx, &actor, id, Level::View).await?;
                store::segments(tx, recording.id).await
            })
        })
        .await
}

/// The feed of a live media that is to be recorded.
struct Feed {
    url: String,
    name: String,
    height: Option<u32>,
}

/// Errors: `Invalid` when the media has no such stream or feed.
fn feed(media: &Media, new: &NewRecording) -> Result<Feed> {
    let name = new.feed.clone().unwrap_or_default();
    let streams = media.media_files.as_ref();
    let stream = streams.and_then(|files| files.get("live")?.get(new.stream));
    let feeds = stream.and_then(|stream| stream["feeds"].as_array());
    let known = feeds
        .into_iter()
        .flatten()
        .find(|one| one["name"] == name.as_str());
    if let (true, None, Some(feeds)) = (!name.is_empty(), known, feeds) {
        let names: Vec<&str> = feeds
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        return Err(Error::invalid(format!(
            "the live stream has no feed {name}; it has: {}",
            names.join(", ")
        )));
    }
    let height = known.and_then(|known| known["resolution"].get(0)?.as_u64());
    let url = match &new.url {
        Some(url) => url.clone(),
        None => stream
            .and_then(|stream| stream["url"].as_str())
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "media {} has no live stream {}; give it one (PATCH live), or name a url",
                    media.id, new.stream
                ))
            })?,
    };
    Ok(Feed {
        url,
        name,
        height: height.and_then(|height| u32::try_from(height).ok()),
    })
}

/// Begins to record a feed of a live media.
///
/// Errors: `Forbidden` for a URL of an origin that is not allowed; `Invalid` for a media that is not live,
/// types that do not fit, or a feed that is recorded already.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewRecording,
) -> Result<WireRecording> {
    let (reader, id) = (actor.clone(), new.media_id);
    let live = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &reader, project, Level::Transfer).await?;
                let live = media::service::find(tx, id).await?;
                let live = live.filter(|live| live.project == Some(project));
                live.ok_or_else(|| {
                    Error::invalid(format!("Media {id} is not part of project {project}!"))
                })
            })
        })
        .await?;
    let feed = feed(&live, &new)?;
    client::check(cx, &feed.url).await?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Transfer).await?;
                check_live(tx, &live).await?;
                let spec = spec(tx, project, &live, feed, new, stamp.at_ms).await?;
                let mut recording = Recording {
                    id: tx.allocate("recording", 1).await?,
                    project,
                    media: live.id,
                    account: actor.id,
                    job: String::new(),
                    status: Status::Recording,
                    message: String::new(),
                    spec,
                    parts: Vec::new(),
                    created_at: stamp.at_ms,
                    stopped_at: None,
                };
                check_alone(tx, &recording).await?;
                give_job(tx, &mut recording, stamp.at_ms).await?;
                store::put(tx, &recording).await?;
                let changes = Change::created(recording.id, &recording.journaled())?;
                journal::record(tx, &stamp, Some(project), "recording", changes).await?;
                wire(tx, recording).await
            })
        })
        .await?;
    cx.jobs.ring();
    Ok(made)
}

/// Checks that nothing else follows the feed of a recording. Errors: `Invalid`.
async fn check_alone(tx: &mut Tx, recording: &Recording) -> Result<()> {
    let (project, media) = (recording.project, recording.media);
    let known = store::list(tx, project, Some(media), &Page::default()).await?;
    let same = |one: &&Recording| {
        one.id != recording.id
            && one.status.is_live()
            && one.spec.url == recording.spec.url
            && one.spec.feed == recording.spec.feed
    };
    match known.iter().find(same) {
        None => Ok(()),
        Some(running) => Err(Error::invalid(format!(
            "this feed is recorded already by recording {}; end that first",
            running.id
        ))),
    }
}

async fn check_live(tx: &mut Tx, live: &Media) -> Result<()> {
    let of = entity_type::service::get(tx, Kind::Media, live.type_id).await?;
    if of.dtype == "live" {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "media {} is of dtype {}; make a media of a type of dtype live for the feed",
        live.id, of.dtype
    )))
}

async fn spec(
    tx: &mut Tx,
    project: i64,
    live: &Media,
    feed: Feed,
    new: NewRecording,
    now_ms: i64,
) -> Result<Spec> {
    let r#type = match new.r#type {
        Some(id) => id,
        None => media::service::first_type(tx, project, "video").await?,
    };
    let of = entity_type::service::of_project(tx, Kind::Media, [r#type], project).await?;
    if of[&r#type].dtype != "video" {
        return Err(Error::invalid(
            "a recording becomes videos; give a media type of dtype video",
        ));
    }
    check_states(tx, project, new.state_type, new.text_attribute.as_deref()).await?;
    let name = new.name.unwrap_or_else(|| {
        let at = time::wire(now_ms);
        let second: String = at.chars().take("2026-11-20T14:56:15".len()).collect();
        format!("{} {}Z", live.name, second.replace(':', ""))
    });
    if name.is_empty() || name.chars().count() > 200 {
        return Err(Error::invalid("a recording's name has 1 to 200 characters"));
    }
    Ok(Spec {
        name,
        url: feed.url,
        feed: feed.name,
        height: feed.height,
        r#type,
        state_type: new.state_type,
        text_attribute: new.text_attribute,
    })
}

async fn check_states(
    tx: &mut Tx,
    project: i64,
    state_type: Option<i64>,
    text_attribute: Option<&str>,
) -> Result<()> {
    if let Some(id) = state_type {
        check_state_type(tx, project, id).await?;
        let schema = Schema::load(tx, project).await?;
        let definitions = schema.of_type(Kind::State, id);
        let takes = |name: &str| {
            let found = definitions.iter().find(|one| one.name == name);
            found.is_some_and(|one| one.dtype == Dtype::String)
        };
        if let Some(name) = text_attribute.filter(|name| !takes(name)) {
            return Err(Error::invalid(format!(
                "state type {id} has no attribute {name} of dtype string for the texts of events"
            )));
        }
    }
    Ok(())
}

/// Ends a recording, or says what its events become.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: RecordingPatch,
) -> Result<WireRecording> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let changed = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Transfer).await?;
                let mut recording = before.clone();
                if patch.status.is_some() {
                    end(tx, &mut recording, stamp.at_ms).await?;
                }
                let spec = &mut recording.spec;
                spec.state_type = patch.state_type.or(spec.state_type);
                spec.text_attribute = patch.text_attribute.or(spec.text_attribute.take());
                let text = spec.text_attribute.clone();
                check_states(
                    tx,
                    recording.project,
                    recording.spec.state_type,
                    text.as_deref(),
                )
                .await?;
                write(tx, &stamp, &before, &recording).await?;
                wire(tx, recording).await
            })
        })
        .await?;
    cx.jobs.ring();
    Ok(changed)
}

/// Writes what changed of a recording, with its entry in the journal if it is anything that stands there.
pub(super) async fn write(
    tx: &mut Tx,
    stamp: &Stamp,
    before: &Recording,
    after: &Recording,
) -> Result<()> {
    store::put(tx, after).await?;
    let (was, is) = (before.journaled(), after.journaled());
    if was == is {
        return Ok(());
    }
    let changes = Change::updated(after.id, &was, &is)?;
    journal::record(tx, stamp, Some(after.project), "recording", changes).await
}

/// Asks a recording to end. One whose job is over without its videos is given another.
async fn end(tx: &mut Tx, recording: &mut Recording, now_ms: i64) -> Result<()> {
    if recording.status == Status::Recording {
        recording.status = Status::Stopping;
        recording.stopped_at = Some(now_ms);
    }
    let runs = unfinished_job(tx, &recording.job).await?.is_some();
    if runs || recording.status == Status::Finished {
        return Ok(());
    }
    recording.parts.retain(|part| part.media.is_some());
    recording.status = Status::Assembling;
    recording.stopped_at = recording.stopped_at.or(Some(now_ms));
    recording.message.clear();
    give_job(tx, recording, now_ms).await
}

/// The id of a job that waits or runs.
async fn unfinished_job(tx: &mut Tx, uid: &str) -> Result<Option<i64>> {
    match jobs::find(tx, uid).await {
        Ok(job) => Ok((!job.status.is_over()).then_some(job.id)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a recording, which is yet to be written, another job.
async fn give_job(tx: &mut Tx, recording: &mut Recording, now_ms: i64) -> Result<()> {
    let job = NewJob {
        kind: RECORDING,
        uid: id::uuid(),
        gid: id::uuid(),
        project: Some(recording.project),
        account: Some(recording.account),
        media: vec![recording.media],
        payload: json!({"recording": recording.id}),
    };
    jobs::enqueue(tx, &job, now_ms).await?;
    recording.job = job.uid;
    Ok(())
}

/// Bytes that recordings of a project have fetched and that are no video yet.
pub async fn held_bytes(tx: &mut Tx, project: i64) -> Result<i64> {
    let mut held = 0;
    for recording in store::unfinished(tx, project).await? {
        for (part, bytes) in store::bytes_by_part(tx, recording.id).await? {
            let is_video = |one: &Part| one.part == part && one.media.is_some();
            if !recording.parts.iter().any(is_video) {
                held += bytes;
            }
        }
    }
    Ok(held)
}

/// Lets the unfinished recordings of a project that came back go on: their jobs were called off with it.
/// What the feeds no longer list is missing. Ring the bell of the jobs behind the transaction.
pub async fn resume(tx: &mut Tx, project: i64, now_ms: i64) -> Result<()> {
    for recording in store::list(tx, project, None, &Page::default()).await? {
        resume_one(tx, recording, now_ms).await?;
    }
    Ok(())
}

async fn resume_one(tx: &mut Tx, mut recording: Recording, now_ms: i64) -> Result<()> {
    if recording.status.is_over() || unfinished_job(tx, &recording.job).await?.is_some() {
        return Ok(());
    }
    give_job(tx, &mut recording, now_ms).await?;
    store::put(tx, &recording).await
}

/// What follows when undo wrote recordings: one that is there and not over goes on, the job of one that
/// went is called off.
///
/// Errors: `Invalid` for one that would be set back behind its end, or whose feed another one follows by now.
pub(super) async fn settle(tx: &mut Tx, stamp: &Stamp, rows: Vec<Map<String, Json>>) -> Result<()> {
    let mut states: BTreeMap<i64, Vec<Status>> = BTreeMap::new();
    for row in &rows {
        let id = row.get("id").and_then(Json::as_i64).unwrap_or_default();
        let status = row.get("status").and_then(Json::as_str).unwrap_or_default();
        states
            .entry(id)
            .or_default()
            .push(Status::from_name(status));
    }
    for (id, states) in states {
        // One that changed stands there as it was and as it is.
        let goes_back = states.windows(2).any(|pair| pair[0] != pair[1]);
        if goes_back && !states.iter().all(|status| status.is_live()) {
            return Err(Error::invalid(format!(
                "the end of recording {id} can not be taken back any more: it is {}; begin another one",
                states[0].name()
            )));
        }
        let Some(recording) = store::find(tx, id).await? else {
            let uid = store::job_of(tx, id).await?.unwrap_or_default();
            let job = unfinished_job(tx, &uid).await?;
            jobs::call_off(tx, job.as_slice(), stamp.at_ms).await?;
            continue;
        };
        if states.len() == 1 || goes_back {
            if recording.status.is_live() {
                check_alone(tx, &recording).await?;
            }
            resume_one(tx, recording, stamp.at_ms).await?;
        }
    }
    Ok(())
}

/// Deletes a recording with its events. Its videos stay, and no longer have times; what was not made a
/// video of yet stays on the disk as long as the deletion can be taken back.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let recording = visible(tx, &actor, id, Level::Transfer).await?;
                store::mark_deleted(tx, &stamp, id).await?;
                let job = unfinished_job(tx, &recording.job).await?;
                jobs::call_off(tx, job.as_slice(), stamp.at_ms).await?;
                let changes = Change::deleted(id, &recording.journaled())?;
                let project = Some(recording.project);
                journal::record(tx, &stamp, project, "recording", changes).await
            })
        })
        .await?;
    jobs::heed(cx).await
}

/// Makes states of the events that are none yet.
///
/// Errors: `Invalid` before the recording is over.
pub(super) async fn make_states(cx: &Context, actor: &Actor, id: i64) -> Result<Made> {
    let actor = actor.clone();
    let recording = cx
        .database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::Edit).await }))
        .await?;
    if !recording.status.is_over() {
        return Err(Error::invalid(format!(
            "recording {id} is not over: which frames its events mean is known when it is; end it first"
        )));
    }
    bind::states(cx, &recording).await
}

/// Times of frames of a media that was recorded.
///
/// Errors: `NotFound` for a media without a recording, `Invalid` for a frame or a time that it does not have.
pub(super) async fn frame_times(
    cx: &Context,
    actor: &Actor,
    id: i64,
    frames: Vec<i64>,
    times: Vec<String>,
) -> Result<Vec<WireTime>> {
    if frames.len() + times.len() > MOST {
        return Err(Error::invalid(format!(
            "at most {MOST} frames and times are answered at once"
        )));
    }
    let actor = actor.clone();
    let recording = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let (_, project) = media::service::visible(tx, &actor, id, Level::View).await?;
                let found = store::of_media(tx, project, id).await?;
                found.ok_or_else(|| {
                    Error::NotFound(format!(
                        "media {id} was not recorded by this station: nothing says when its frames were"
                    ))
                })
            })
        })
        .await?;
    let mut all = bind::timelines(cx, &recording).await?;
    all.retain(|one| one.media == id);
    let Some(timeline) = all.first() else {
        return Err(Error::Busy(format!(
            "media {id} is being indexed; try again in a moment"
        )));
    };
    let mut found: Vec<WireTime> = Vec::with_capacity(frames.len() + times.len());
    for frame in frames {
        let timed = timeline.timed(frame);
        let timed =
            timed.ok_or_else(|| Error::invalid(format!("media {id} has no frame {frame}")))?;
        found.push(timed.into());
    }
    let moments = Moments::of(&all);
    for text in times {
        match moments.find(utc_us(&text)?) {
            Some(Found::Frame(timed)) => found.push(timed.into()),
            Some(Found::Gap(timed) | Found::Before(timed) | Found::After(timed)) => {
                return Err(Error::invalid(format!(
                    "media {id} has no frame at {text}; the nearest is frame {}, from {} to {}",
                    timed.frame,
                    time::wire_us(timed.utc_us),
                    time::wire_us(timed.end_us)
                )));
            }
            None => return Err(Error::invalid(format!("media {id} has no frames"))),
        }
    }
    Ok(found)
}

/// What became of events, for people.
pub(super) fn told(made: &Made) -> Json {
    let count = made.states.len();
    json!({
        "message": format!("Successfully created {count} states!"),
        "id": made.states,
        "problems": made.problems,
    })
}
