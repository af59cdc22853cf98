//! Events: noting, changing and removing them.

use super::bind::{self, WireEvent};
use super::service::visible;
use super::store;
use super::types::{Event, EventPatch, Recording};
use crate::account::Actor;
use crate::annotation::service as annotations;
use crate::attribute::{self, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change};
use crate::project::Level;
use crate::query::Schema;
use crate::{entity_type, id, version};

/// Characters that the text of an event may have.
const LONGEST: usize = 10_000;

/// The events of a recording, by their time.
pub(super) async fn list(cx: &Context, actor: &Actor, recording: i64) -> Result<Vec<WireEvent>> {
    let actor = actor.clone();
    let (recording, events) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let recording = visible(tx, &actor, recording, Level::View).await?;
                let events = store::events(tx, recording.id).await?;
                Ok((recording, events))
            })
        })
        .await?;
    bind::shown(cx, &recording, events).await
}

/// One event.
pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<WireEvent> {
    let actor = actor.clone();
    let (recording, event) = cx
        .database
        .read(move |tx| Box::pin(async move { find(tx, &actor, id, Level::View).await }))
        .await?;
    one(cx, &recording, event).await
}

async fn one(cx: &Context, recording: &Recording, event: Event) -> Result<WireEvent> {
    let mut shown = bind::shown(cx, recording, vec![event]).await?;
    shown.pop().ok_or_else(|| Error::no_match("RecordingEvent"))
}

async fn find(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<(Recording, Event)> {
    let found = store::find_event(tx, id).await?;
    let event = found.ok_or_else(|| Error::no_match("RecordingEvent"))?;
    let recording = visible(tx, actor, event.recording, least).await;
    let recording = recording.map_err(|error| match error {
        Error::NotFound(_) => Error::no_match("RecordingEvent"),
        other => other,
    })?;
    Ok((recording, event))
}

/// Notes an event; without a time, at this moment.
///
/// Errors: `NotFound`, `Forbidden`; `Invalid` for attributes that its type does not take.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    recording: i64,
    new: EventPatch,
) -> Result<WireEvent> {
    let now = cx.now();
    let utc_us = new.utc_us()?.unwrap_or(now * 1000);
    let most = cx.settings.recording.events as i64;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), now));
    let (recording, event) = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let recording = visible(tx, &actor, recording, Level::Edit).await?;
                if store::sums(tx, recording.id).await?.events >= most {
                    return Err(Error::invalid(format!(
                        "the recording has {most} events, as many as recording.events allows; raise it, or note \
                         the rest in another recording"
                    )));
                }
                let event = Event {
                    id: tx.allocate("recording_event", 1).await?,
                    project: recording.project,
                    recording: recording.id,
                    user: actor.id,
                    utc_us,
                    r#type: new.r#type,
                    text: new.text.unwrap_or_default(),
                    values: new.attributes.unwrap_or_default(),
                    version: new.version,
                    elemental_id: id::uuid(),
                    created_datetime: now,
                };
                check(tx, &recording, &event, now).await?;
                store::put_event(tx, &event).await?;
                let changes = Change::created(event.id, &event)?;
                let project = Some(recording.project);
                journal::record(tx, &stamp, project, "recording_event", changes).await?;
                Ok((recording, event))
            })
        })
        .await?;
    one(cx, &recording, event).await
}

/// Changes an event.
///
/// Errors: as [`create`]; `Invalid` for one that a state was made of, which is what counts from then on.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: EventPatch,
) -> Result<WireEvent> {
    let (now, utc_us) = (cx.now(), patch.utc_us()?);
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), now));
    let (recording, event) = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let (recording, before) = find(tx, &actor, id, Level::Edit).await?;
                check_free(tx, &before).await?;
                let mut event = before.clone();
                event.utc_us = utc_us.unwrap_or(event.utc_us);
                event.r#type = patch.r#type.or(event.r#type);
                event.text = patch.text.unwrap_or(event.text);
                event.values = patch.attributes.unwrap_or(event.values);
                event.version = patch.version.or(event.version);
                check(tx, &recording, &event, now).await?;
                store::put_event(tx, &event).await?;
                let changes = Change::updated(id, &before, &event)?;
                let project = Some(recording.project);
                journal::record(tx, &stamp, project, "recording_event", changes).await?;
                Ok((recording, event))
            })
        })
        .await?;
    one(cx, &recording, event).await
}

/// Removes an event. Errors: as [`update`].
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let (recording, before) = find(tx, &actor, id, Level::Edit).await?;
                check_free(tx, &before).await?;
                store::remove_event(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                let project = Some(recording.project);
                journal::record(tx, &stamp, project, "recording_event", changes).await
            })
        })
        .await
}

async fn check_free(tx: &mut Tx, event: &Event) -> Result<()> {
    let living = annotations::living_states(tx, &[event.elemental_id.as_str()]).await?;
    match living.values().next() {
        None => Ok(()),
        Some(state) => Err(Error::invalid(format!(
            "state {state} was made of event {}; change that, or delete it first",
            event.id
        ))),
    }
}

/// Refuses now what could not become a state later.
async fn check(tx: &mut Tx, recording: &Recording, event: &Event, now_ms: i64) -> Result<()> {
    if event.text.chars().count() > LONGEST {
        return Err(Error::invalid(format!(
            "the text of an event has at most {LONGEST} characters"
        )));
    }
    let project = recording.project;
    let versions: Vec<i64> = event.version.into_iter().collect();
    version::service::of_project(tx, &versions, project).await?;
    let Some(type_id) = event.r#type.or(recording.spec.state_type) else {
        return Ok(());
    };
    check_state_type(tx, project, type_id).await?;
    let schema = Schema::load(tx, project).await?;
    let definitions = schema.of_type(Kind::State, type_id);
    if let Some(unknown) = event
        .values
        .keys()
        .find(|name| !definitions.iter().any(|one| one.name == **name))
    {
        return Err(Error::invalid(format!(
            "state type {type_id} has no attribute {unknown}"
        )));
    }
    let mut values = event.values.clone();
    if let Some(name) = &recording.spec.text_attribute
        && !event.text.is_empty()
    {
        values
            .entry(name.clone())
            .or_insert(event.text.clone().into());
    }
    attribute::for_create(definitions, &values, now_ms).map(drop)
}

/// Checks that states of a type can stand for events. Errors: `Invalid`.
pub(super) async fn check_state_type(tx: &mut Tx, project: i64, type_id: i64) -> Result<()> {
    let of = entity_type::service::of_project(tx, Kind::State, [type_id], project).await?;
    match of[&type_id].association() {
        "Localization" => Err(Error::invalid(format!(
            "states of type {type_id} are tracks; name a type of association Frame or Media for events"
        ))),
        _ => Ok(()),
    }
}
