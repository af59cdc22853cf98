//! Routes of files.

use super::filter::{Filter, PARAMETERS};
use super::types::Shown;
use super::{change, read};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::query::{ATTRIBUTE_PARAMETERS, PAGE_PARAMETERS};

/// Adds the filters of a list.
pub(crate) fn filtered(operation: Operation) -> Operation {
    operation
        .query(PARAMETERS)
        .query(ATTRIBUTE_PARAMETERS)
        .query(PAGE_PARAMETERS)
}

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (many, one) = ("/rest/Files/{project}", "/rest/File/{id}");
    vec![
        filtered(Operation::get(many, "GetFileList", list))
            .about("List files.")
            .answers("[File]"),
        Operation::post(many, "CreateFile", create)
            .about("Create a file; its bytes are uploaded afterwards.")
            .body("FileSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetFile", get)
            .about("Read one file.")
            .answers("File"),
        Operation::patch(one, "UpdateFile", update)
            .about("Change a file, or say where its bytes are.")
            .body("FileUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteFile", remove)
            .about("Delete a file.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let (project, filter): (_, Filter) = (call.id("project"), call.query()?);
    let type_id = filter.r#type;
    let lines = read::list(&call.cx, call.actor()?, project, filter).await?;
    let columns = match call.format() {
        Some("csv") => read::table(&call.cx, project, type_id).await?,
        _ => Vec::new(),
    };
    Ok(Answer::rows(lines, columns))
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let file = change::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let id = file.id;
    Answer::created(
        format!("File {id} created successfully!"),
        id,
        &Shown::from(file),
    )
}

async fn get(call: Call) -> Result<Answer> {
    let file = read::get(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::json(&Shown::from(file))
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    change::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("File {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    change::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("File {id} successfully deleted!"))
}
