//! Routes of recordings.

use serde::Deserialize;

use super::types::{EventPatch, NewRecording, RecordingPatch};
use super::{events, service};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::query::Page;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let all = "/rest/Recordings/{project}";
    let one = "/rest/Recording/{id}";
    let events = "/rest/RecordingEvents/{id}";
    let event = "/rest/RecordingEvent/{id}";
    vec![
        Operation::get(all, "GetRecordingList", list)
            .about("List recordings of live feeds, oldest first.")
            .query("media_id: int, start: int<0..>, stop: int<0..>")
            .answers("[Recording]"),
        Operation::post(all, "CreateRecording", create)
            .about("Begin to record a feed of a live media; what it still lists is recorded, too.")
            .body("RecordingSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetRecording", get)
            .about("Read one recording: how far it is, what it has, what it lacks.")
            .answers("Recording"),
        Operation::patch(one, "UpdateRecording", update)
            .about("End a recording (status stopped), or say what its events become.")
            .body("RecordingUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteRecording", remove)
            .about("Delete a recording with its events; its videos stay, without the times of their frames. Undo brings it back.")
            .answers("MessageResponse"),
        Operation::get("/rest/RecordingSegments/{id}", "GetRecordingSegmentList", segments)
            .about("List the segments of a recording and its gaps, with their UTC times and frames.")
            .answers("[RecordingSegment]"),
        Operation::post("/rest/RecordingStates/{id}", "CreateRecordingStates", states)
            .about("Make states of the events of a recording that are none yet, on the frames that they mean.")
            .answers("RecordingStates"),
        Operation::get(events, "GetRecordingEventList", event_list)
            .about("List what was noted while recording, by its time, with the frames that it means.")
            .answers("[RecordingEvent]"),
        Operation::post(events, "CreateRecordingEvent", create_event)
            .about("Note an event by its UTC time; without one, at this moment.")
            .body("RecordingEventSpec")
            .answers("CreateResponse"),
        Operation::get(event, "GetRecordingEvent", get_event)
            .about("Read one event.")
            .answers("RecordingEvent"),
        Operation::patch(event, "UpdateRecordingEvent", update_event)
            .about("Edit an event that no state was made of.")
            .body("RecordingEventSpec")
            .as_given()
            .answers("MessageResponse"),
        Operation::delete(event, "DeleteRecordingEvent", remove_event)
            .about("Delete an event that no state was made of.")
            .answers("MessageResponse"),
        Operation::get("/rest/FrameTimes/{id}", "GetFrameTimes", frame_times)
            .about("UTC times of frames of a recorded media, and the frames that were up at UTC times, in the order asked.")
            .query("frame: [int], utc: [string]")
            .answers("[FrameTime]"),
    ]
}

#[derive(Deserialize)]
struct OfMedia {
    media_id: Option<i64>,
    #[serde(flatten)]
    page: Page,
}

async fn list(call: Call) -> Result<Answer> {
    let (OfMedia { media_id, page }, project) = (call.query()?, call.id("project"));
    Answer::list(service::list(&call.cx, call.actor()?, project, media_id, page).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new: NewRecording = call.body()?;
    let project = call.id("project");
    let made = service::create(&call.cx, call.actor()?, project, new).await?;
    let message = format!("Recording {} started!", made.name());
    Answer::created(message, made.id(), &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch: RecordingPatch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Recording {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Recording {id} successfully deleted!"))
}

async fn segments(call: Call) -> Result<Answer> {
    Answer::list(service::segments(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn states(call: Call) -> Result<Answer> {
    let made = service::make_states(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::json(&service::told(&made))
}

async fn event_list(call: Call) -> Result<Answer> {
    Answer::list(events::list(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn create_event(mut call: Call) -> Result<Answer> {
    let new: EventPatch = call.body()?;
    let id = call.id("id");
    let made = events::create(&call.cx, call.actor()?, id, new).await?;
    Answer::created("Event noted!", made.id, &made)
}

async fn get_event(call: Call) -> Result<Answer> {
    Answer::json(&events::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update_event(mut call: Call) -> Result<Answer> {
    let patch: EventPatch = call.body()?;
    let id = call.id("id");
    let changed = events::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("RecordingEvent {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove_event(call: Call) -> Result<Answer> {
    let id = call.id("id");
    events::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("RecordingEvent {id} successfully deleted!"))
}

#[derive(Deserialize)]
struct Asked {
    frame: Option<Vec<i64>>,
    utc: Option<Vec<String>>,
}

async fn frame_times(call: Call) -> Result<Answer> {
    let Asked { frame, utc } = call.query()?;
    let (frame, utc) = (frame.unwrap_or_default(), utc.unwrap_or_default());
    let id = call.id("id");
    Answer::list(service::frame_times(&call.cx, call.actor()?, id, frame, utc).await?)
}
