//! Routes of temporary files.

use super::service;
use super::types::NewTemporaryFile;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (many, one) = ("/rest/TemporaryFiles/{project}", "/rest/TemporaryFile/{id}");
    let expired = "expired: int=0";
    vec![
        Operation::get(many, "GetTemporaryFileList", list)
            .about("List temporary files, or only those whose time is over.")
            .query(expired)
            .answers("[TemporaryFile]"),
        Operation::post(many, "CreateTemporaryFile", create)
            .about("Keep what a URL gives for some hours.")
            .body("TemporaryFileSpec")
            .answers("CreateResponse"),
        Operation::delete(many, "DeleteTemporaryFileList", remove_list)
            .about("Delete temporary files, or only those whose time is over.")
            .query(expired)
            .answers("MessageResponse"),
        Operation::get(one, "GetTemporaryFile", get)
            .about("Read one temporary file's record.")
            .answers("TemporaryFile"),
        Operation::delete(one, "DeleteTemporaryFile", remove)
            .about("Delete one temporary file.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let (project, filter) = (call.id("project"), call.query()?);
    let files = service::list(&call.cx, call.actor()?, project, filter).await?;
    Answer::list(files.iter().map(|file| file.wire(&call.origin)))
}

async fn create(mut call: Call) -> Result<Answer> {
    let new: NewTemporaryFile = call.body()?;
    let file = service::fetch(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!("Temporary file {} created successfully!", file.id);
    Answer::created(message, file.id, &file.wire(&call.origin))
}

async fn remove_list(call: Call) -> Result<Answer> {
    let (project, filter) = (call.id("project"), call.query()?);
    let count = service::remove_all(&call.cx, call.actor()?, project, filter).await?;
    Answer::message(format!("Successfully deleted {count} temporary files!"))
}

async fn get(call: Call) -> Result<Answer> {
    let file = service::get(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::json(&file.wire(&call.origin))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Temporary file {id} successfully deleted!"))
}
