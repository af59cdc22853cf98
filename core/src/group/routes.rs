//! Routes of groups.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (list_path, one) = ("/rest/Groups/{organization}", "/rest/Group/{id}");
    vec![
        Operation::get(list_path, "GetGroupList", list)
            .about("List the groups of an organization, perhaps only those of one user.")
            .query("user: int<1..>")
            .answers("[Group]"),
        Operation::post(list_path, "CreateGroup", create)
            .about("Create a group.")
            .body("GroupSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetGroup", get)
            .about("Read one group.")
            .answers("Group"),
        Operation::patch(one, "UpdateGroup", update)
            .about("Rename a group, add and remove members.")
            .body("GroupUpdateSpec")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteGroup", remove)
            .about("Delete a group; its members stay.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let organization = call.id("organization");
    Answer::list(service::list(&call.cx, call.actor()?, organization, call.query()?).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("organization"), new).await?;
    Answer::created(
        format!("Group {} created successfully!", made.name),
        made.id,
        &made,
    )
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Group {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Group {id} successfully deleted!"))
}
