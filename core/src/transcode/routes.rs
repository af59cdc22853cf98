//! Routes of transcodes.

use serde_json::{Map, Value as Json, json};

use super::service::{self, Wanted};
use super::types::Spec;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::media;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let all = "/rest/Transcodes/{project}";
    let one = "/rest/Transcode/{uid}";
    let filtered = |operation: Operation| operation.query(&media::routes::filter_parameters());
    vec![
        filtered(Operation::get(all, "GetTranscodeList", list))
            .about("List the transcodes of a group, or of the project's media.")
            .answers("[Transcode]"),
        Operation::post(all, "Transcode", start)
            .about("Make a media of a video, with renditions; or many of an archive.")
            .body("TranscodeSpec")
            .answers("CreateResponse"),
        filtered(Operation::put(all, "GetTranscodeListById", list))
            .about("List the transcodes of media; the body holds ids or a search object.")
            .body("MediaIdQuery")
            .answers("[Transcode]"),
        filtered(Operation::delete(all, "DeleteTranscodeList", cancel_list))
            .about("Call off every matching transcode; what is recorded of its media stays.")
            .body_optional("MediaIdQuery")
            .answers("MessageResponse"),
        Operation::get(one, "GetTranscode", get)
            .about("Read one transcode.")
            .answers("Transcode"),
        Operation::delete(one, "DeleteTranscode", cancel)
            .about("Call off one transcode.")
            .answers("MessageResponse"),
    ]
}

/// A group alone means its jobs, also those that have no media yet; anything else selects media.
fn wanted(call: &Call) -> Result<Wanted> {
    let mut query: Map<String, Json> = call.query()?;
    let given = |value: &Json| !value.is_null() && *value != json!([]) && *value != json!(false);
    query.retain(|_, value| given(value));
    let gid = query.remove("gid");
    let ids = match call.json() {
        Json::Object(ids) => ids.clone(),
        _ => Map::new(),
    };
    let selects = !query.is_empty() || ids.values().any(given);
    let media = if selects {
        Some((call.query()?, serde_json::from_value(Json::Object(ids))?))
    } else {
        None
    };
    Ok(Wanted {
        gid: gid.as_ref().and_then(Json::as_str).map(str::to_owned),
        media,
    })
}

async fn list(call: Call) -> Result<Answer> {
    let wanted = wanted(&call)?;
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project"), wanted).await?)
}

async fn start(mut call: Call) -> Result<Answer> {
    let spec: Spec = call.body()?;
    let project = call.id("project");
    let started = service::start(&call.cx, call.actor()?, project, spec).await?;
    let spec = &started.transcode.spec;
    let message = format!(
        "Transcode job {} started for file {} on project {}",
        spec.uid, spec.name, started.project
    );
    Answer::created(message, spec.uid.as_str(), &started.transcode)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.text("uid")).await?)
}

async fn cancel_list(call: Call) -> Result<Answer> {
    let wanted = wanted(&call)?;
    let count = service::cancel_all(&call.cx, call.actor()?, call.id("project"), wanted).await?;
    Answer::message(canceled(count))
}

async fn cancel(call: Call) -> Result<Answer> {
    let count = service::cancel_one(&call.cx, call.actor()?, call.text("uid")).await?;
    Answer::message(canceled(count))
}

fn canceled(count: u64) -> String {
    format!("Successfully canceled {count} jobs!")
}
