//! Routes of versions.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        // `media_id` is published, and has no effect in the original either.
        Operation::get("/rest/Versions/{project}", "GetVersionList", list)
            .about("List the versions of a project.")
            .query("media_id: [int]")
            .answers("[Version]"),
        Operation::post("/rest/Versions/{project}", "CreateVersion", create)
            .about("Create a version.")
            .body("VersionSpec")
            .answers("CreateResponse"),
        Operation::get("/rest/Version/{id}", "GetVersion", get)
            .about("Read one version.")
            .answers("Version"),
        Operation::patch("/rest/Version/{id}", "UpdateVersion", update)
            .about("Edit a version.")
            .body("VersionUpdate")
            .as_given()
            .answers("MessageResponse"),
        Operation::delete("/rest/Version/{id}", "DeleteVersion", remove)
            .about("Delete a version that has no annotations left.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Version {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Version {id} updated successfully!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Version {id} deleted successfully!"))
}
