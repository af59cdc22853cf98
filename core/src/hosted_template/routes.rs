//! Routes of hosted templates.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let many = "/rest/HostedTemplates/{organization}";
    let one = "/rest/HostedTemplate/{id}";
    vec![
        Operation::get(many, "GetHostedTemplateList", list)
            .about("List the hosted templates of an organization.")
            .answers("[HostedTemplate]"),
        Operation::post(many, "CreateHostedTemplate", create)
            .about("Register a text elsewhere that algorithms and applets can be made from.")
            .body("HostedTemplateSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetHostedTemplate", get)
            .about("Read one hosted template.")
            .answers("HostedTemplate"),
        Operation::patch(one, "UpdateHostedTemplate", update)
            .about("Edit a hosted template.")
            .body("HostedTemplateSpec")
            .as_given()
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteHostedTemplate", remove)
            .about("Delete a hosted template; algorithms and applets that use it lose it.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("organization")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("organization"), new).await?;
    let message = format!("Hosted template {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Hosted Template {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    service::remove(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::message("Hosted template deleted successfully!")
}
