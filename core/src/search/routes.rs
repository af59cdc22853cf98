//! Routes of free text.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::put("/rest/TextSearch", "TextSearch", everywhere)
            .about("Search the text of all projects that the caller is a member of.")
            .body("TextSearchQuery")
            .answers("TextSearchResult"),
        Operation::put(
            "/rest/TextSearch/{project}",
            "TextSearchInProject",
            in_project,
        )
        .about("Search the text of one project.")
        .body("TextSearchQuery")
        .answers("TextSearchResult"),
    ]
}

async fn everywhere(mut call: Call) -> Result<Answer> {
    let asked = call.body()?;
    let found = service::search(&call.cx, call.actor()?, None, asked).await?;
    Answer::json(&found)
}

async fn in_project(mut call: Call) -> Result<Answer> {
    let (project, asked) = (call.id("project"), call.body()?);
    let found = service::search(&call.cx, call.actor()?, Some(project), asked).await?;
    Answer::json(&found)
}
