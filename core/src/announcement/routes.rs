//! Routes of announcements.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Announcements", "GetAnnouncementList", list)
            .about("List the announcements that the caller has not dismissed.")
            .answers("[Announcement]"),
        Operation::delete("/rest/Announcement/{id}", "DeleteAnnouncement", dismiss)
            .about("Dismiss an announcement for the caller.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?).await?)
}

async fn dismiss(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::dismiss(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Announcement {id} successfully dismissed!"))
}
