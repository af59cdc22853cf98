//! Routes of applets.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (many, one) = ("/rest/Applets/{project}", "/rest/Applet/{id}");
    vec![
        Operation::get(many, "GetAppletList", list)
            .about("List the applets of a project.")
            .answers("[Applet]"),
        Operation::post(many, "RegisterApplet", create)
            .about("Register a page that was saved before, or comes from a hosted template.")
            .body("AppletSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetApplet", get)
            .about("Read one applet.")
            .answers("Applet"),
        Operation::patch(one, "UpdateApplet", update)
            .about("Edit an applet; a template of 0 takes it away.")
            .body("AppletSpec")
            .as_given()
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteApplet", remove)
            .about("Delete an applet.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Successfully registered applet {}!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Applet {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Applet {id} successfully deleted!"))
}
