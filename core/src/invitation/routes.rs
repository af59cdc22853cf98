//! Routes of invitations.

use super::service;
use super::types::Acceptance;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (list_path, one) = ("/rest/Invitations/{organization}", "/rest/Invitation/{id}");
    vec![
        Operation::get(list_path, "GetInvitationList", list)
            .about("List the invitations of an organization.")
            .answers("[Invitation]"),
        Operation::post(list_path, "CreateInvitation", create)
            .about("Invite an e-mail address; the answer has the link where no letter was sent.")
            .body("InvitationSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetInvitation", get)
            .about("Read one invitation.")
            .answers("Invitation"),
        Operation::patch(one, "UpdateInvitation", update)
            .about("Change what an invitation lets in as, or mark it as accepted.")
            .body("InvitationUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteInvitation", remove)
            .about("Delete an invitation; its link stops working.")
            .answers("MessageResponse"),
        Operation::post("/rest/AcceptInvitation", "AcceptInvitation", accept)
            .about("Accept an invitation as the caller, whose e-mail address it must be for.")
            .body("InvitationAcceptanceSpec")
            .answers("CreateResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("organization")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let (organization, actor) = (call.id("organization"), call.actor()?);
    let (made, message) = service::create(&call.cx, actor, &call.origin, organization, new).await?;
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
        "message": format!("Invitation {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Invitation {id} successfully deleted!"))
}

async fn accept(mut call: Call) -> Result<Answer> {
    let Acceptance { registration_token } = call.body()?;
    let made = service::accept_as(&call.cx, call.actor()?, &registration_token).await?;
    Answer::created(
        format!("Affiliation to organization {} created!", made.organization),
        made.id,
        &made,
    )
}
