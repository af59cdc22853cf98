//! Routes of organizations and affiliations.

use super::{affiliations as members, service};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Organizations", "GetOrganizationList", list)
            .about("List the organizations of the caller.")
            .answers("[Organization]"),
        Operation::post("/rest/Organizations", "CreateOrganization", create)
            .about("Create an organization.")
            .body("OrganizationSpec")
            .answers("CreateResponse"),
        Operation::get("/rest/Organization/{id}", "GetOrganization", get)
            .about("Read one organization.")
            .answers("Organization"),
        Operation::patch("/rest/Organization/{id}", "UpdateOrganization", update)
            .about("Edit an organization.")
            .body("OrganizationUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Organization/{id}", "DeleteOrganization", remove)
            .about("Delete an organization that has no projects.")
            .answers("MessageResponse"),
        Operation::get(
            "/rest/OrganizationUploadInfo/{organization}",
            "GetOrganizationUploadInfo",
            upload_info,
        )
        .about("Get links for the upload of an organization's picture.")
        .query("expiration: int<1..604800>=86400, num_parts: int<1..10000>=1")
        .answers("UploadInfo"),
        Operation::get(
            "/rest/Affiliations/{organization}",
            "GetAffiliationList",
            affiliations,
        )
        .about("List the members of an organization.")
        .answers("[Affiliation]"),
        Operation::post(
            "/rest/Affiliations/{organization}",
            "CreateAffiliation",
            affiliate,
        )
        .about("Add a member to an organization.")
        .body("AffiliationSpec")
        .answers("CreateResponse"),
        Operation::get("/rest/Affiliation/{id}", "GetAffiliation", affiliation)
            .about("Read one affiliation.")
            .answers("Affiliation"),
        Operation::patch(
            "/rest/Affiliation/{id}",
            "UpdateAffiliation",
            update_affiliation,
        )
        .about("Change the role of a member.")
        .body("AffiliationUpdate")
        .answers("MessageResponse"),
        Operation::delete(
            "/rest/Affiliation/{id}",
            "DeleteAffiliation",
            remove_affiliation,
        )
        .about("Remove a member from an organization.")
        .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let mut organizations = service::list(&call.cx, call.actor()?).await?;
    for organization in &mut organizations {
        service::link(&call.cx, call.actor()?, &call.origin, organization).await;
    }
    Answer::list(organizations)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let mut made = service::create(&call.cx, call.actor()?, new).await?;
    service::link(&call.cx, call.actor()?, &call.origin, &mut made).await;
    Answer::created(
        format!("Organization {} created successfully!", made.name),
        made.id,
        &made,
    )
}

async fn get(call: Call) -> Result<Answer> {
    let mut organization = service::get(&call.cx, call.actor()?, call.id("id")).await?;
    service::link(&call.cx, call.actor()?, &call.origin, &mut organization).await;
    Answer::json(&organization)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let mut changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    service::link(&call.cx, call.actor()?, &call.origin, &mut changed).await;
    Answer::json(&serde_json::json!({
        "message": format!("Organization {id} updated successfully!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Organization {id} deleted successfully!"))
}

async fn upload_info(call: Call) -> Result<Answer> {
    let (organization, query) = (call.id("organization"), call.query()?);
    let actor = call.actor()?;
    let info = service::upload_info(&call.cx, actor, &call.origin, organization, query).await?;
    Answer::json(&info)
}

async fn affiliations(call: Call) -> Result<Answer> {
    Answer::list(members::affiliations(&call.cx, call.actor()?, call.id("organization")).await?)
}

async fn affiliate(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = members::affiliate(&call.cx, call.actor()?, call.id("organization"), new).await?;
    let message = format!(
        "Affiliation of {} to organization {} created!",
        made.username, made.organization
    );
    Answer::created(message, made.id, &made)
}

async fn affiliation(call: Call) -> Result<Answer> {
    Answer::json(&members::affiliation(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update_affiliation(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    members::update_affiliation(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Affiliation {id} successfully updated!"))
}

async fn remove_affiliation(call: Call) -> Result<Answer> {
    let id = call.id("id");
    members::remove_affiliation(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Affiliation {id} successfully deleted!"))
}
