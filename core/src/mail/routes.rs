//! Routes of letters and notices.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/rest/Email/{project}", "SendEmail", email)
            .about("Send a letter, perhaps with stored objects, to members of a project.")
            .body("EmailSpec")
            .answers("MessageResponse"),
        Operation::post("/rest/Notify", "Notify", notify)
            .about("Send a message to the administrators' channel.")
            .body("NotifySpec")
            .answers("MessageResponse")
            .status(200),
    ]
}

async fn email(mut call: Call) -> Result<Answer> {
    let spec = call.body()?;
    service::send_email(&call.cx, call.actor()?, call.id("project"), spec).await?;
    Answer::message("Email sent successfully!")
}

async fn notify(mut call: Call) -> Result<Answer> {
    let notice = call.body()?;
    service::notify(&call.cx, call.actor()?, notice).await?;
    Answer::message("Notification sent successfully!")
}
