//! Routes of transcodes.

use serde_json::json;

use super::service::{self, Spec};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::media;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Transcodes/{project}", "GetTranscodeList", list)
            .about("List the transcodes of the project's media.")
            .query(&media::routes::filter_parameters())
            .answers("[Transcode]"),
        Operation::post("/rest/Transcodes/{project}", "Transcode", start)
            .about("Make a media of an uploaded video.")
            .body("TranscodeSpec")
            .answers("CreateResponse"),
        Operation::get("/rest/Transcode/{uid}", "GetTranscode", get)
            .about("Read one transcode.")
            .answers("Transcode"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let filter = call.query()?;
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project"), filter).await?)
}

async fn start(mut call: Call) -> Result<Answer> {
    let spec: Spec = call.body()?;
    let project = call.id("project");
    let made = service::start(&call.cx, call.actor()?, project, spec).await?;
    let message = format!(
        "Transcode job {} started for file {} on project {project}",
        made.job.uid, made.spec.name
    );
    let uid = made.job.uid.clone();
    let object = serde_json::to_value(&made)?;
    Answer::json(&json!({"message": message, "id": uid, "object": object}))
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.text("uid")).await?)
}
