//! Routes of the journal: the change log.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/ChangeLog/{project}", "GetChangeLogList", list)
            .about("Read what changed in a project; at least one filter is required.")
            .query("user_id: int, entity_id: int, entity_type: enum(media|localization|state|leaf)")
            .answers("[ChangeLog]"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let (project, query) = (call.id("project"), call.query()?);
    let lines = service::change_log(&call.cx, call.actor()?, project, query).await?;
    Ok(Answer::items(lines))
}
