//! Routes of the journal's tail, and of undo.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Journal/{project}", "GetJournal", journal)
            .about("Read the ordered record of every change in a project; with `wait`, follow it.")
            .query(
                "after: int<0..>, noun: string, entity_id: int, user_id: int, newest: bool=false, \
                 limit: int<1..1000>=100, wait: int<0..60>=0, detail: bool=false",
            )
            .answers("[JournalEntry]"),
        Operation::post("/rest/Undo/{project}", "Undo", undo)
            .about("Take changes back, as the journal wrote them down.")
            .body("UndoSpec")
            .status(200)
            .answers("UndoResponse"),
    ]
}

async fn journal(call: Call) -> Result<Answer> {
    let (project, query) = (call.id("project"), call.query()?);
    Answer::list(service::journal(&call.cx, call.actor()?, project, query).await?)
}

async fn undo(mut call: Call) -> Result<Answer> {
    let (project, spec) = (call.id("project"), call.body()?);
    Answer::json(&service::undo(&call.cx, call.actor()?, project, spec).await?)
}
