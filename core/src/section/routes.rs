//! Routes of sections.

use super::types::BulkPatch;
use super::{bulk, service};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation};

/// What selects sections in lists.
const FILTER: &str = "name: string, encoded_search: string, elemental_id: string, match: string, \
     ancestors: string, descendants: string";

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Sections/{project}", "GetSectionList", list)
            .about("List folders, playlists and saved searches.")
            .query(FILTER)
            .answers("[Section]"),
        Operation::post("/rest/Sections/{project}", "CreateSection", create)
            .about("Create a folder, playlist or saved search.")
            .body("SectionSpec")
            .answers("CreateResponse"),
        Operation::patch("/rest/Sections/{project}", "UpdateSectionList", update_list)
            .about("Replace a prefix of the paths of the selected sections.")
            .query(FILTER)
            .body("SectionBulkUpdate")
            .answers("MessageResponse"),
        Operation::delete(
            "/rest/Sections/{project}",
            "destroySectionListAPI",
            remove_list,
        )
        .about("Delete the selected sections.")
        .query(FILTER)
        .answers("MessageResponse"),
        Operation::get("/rest/Section/{id}", "GetSection", get)
            .about("Read one section.")
            .answers("Section"),
        Operation::patch("/rest/Section/{id}", "UpdateSection", update)
            .about("Edit a section, or what it lists.")
            .body("SectionUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Section/{id}", "DeleteSection", remove)
            .about("Delete a section; its media stay.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let (project, filter) = (call.id("project"), call.query()?);
    Answer::list(service::list(&call.cx, call.actor()?, project, filter).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Section {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn update_list(mut call: Call) -> Result<Answer> {
    let BulkPatch { path_substitution } = call.body()?;
    let (old, new) = path_substitution
        .and_then(|given| given.old.zip(given.new))
        .ok_or_else(|| {
            Error::invalid_because(
                "Request body validation error",
                "body: 'path_substitution' with 'old' and 'new' is a required property",
            )
        })?;
    let (project, filter) = (call.id("project"), call.query()?);
    let count = bulk::substitute(&call.cx, call.actor()?, project, filter, old, new).await?;
    Answer::message(format!("Successfully updated {count} sections!"))
}

async fn remove_list(call: Call) -> Result<Answer> {
    let (project, filter) = (call.id("project"), call.query()?);
    let count = bulk::remove_matching(&call.cx, call.actor()?, project, filter).await?;
    Answer::message(format!("Successfully deleted {count} sections!"))
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Section {id} updated successfully!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Section {id} deleted successfully!"))
}
