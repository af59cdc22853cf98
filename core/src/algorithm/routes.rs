//! Routes of algorithms.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (many, one) = ("/rest/Algorithms/{project}", "/rest/Algorithm/{id}");
    vec![
        Operation::get(many, "GetAlgorithmList", list)
            .about("List the algorithms of a project.")
            .answers("[Algorithm]"),
        Operation::post(many, "RegisterAlgorithm", create)
            .about("Register a workflow whose manifest was saved before, or comes from a hosted template.")
            .body("AlgorithmSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetAlgorithm", get)
            .about("Read one algorithm.")
            .answers("Algorithm"),
        Operation::patch(one, "UpdateAlgorithm", update)
            .about("Edit an algorithm; a cluster or template of 0 takes it away.")
            .body("AlgorithmUpdateSpec")
            .as_given()
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteAlgorithm", remove)
            .about("Delete an algorithm; its jobs go on.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("project")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Successfully registered algorithm {}!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Algorithm {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Algorithm {id} successfully deleted!"))
}
