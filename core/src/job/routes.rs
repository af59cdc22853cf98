//! Routes of jobs.

use serde_json::json;

use super::service;
use super::types::LogQuery;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

const FILTERS: &str = "gid: string, media_id: [int]";

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (many, one) = ("/rest/Jobs/{project}", "/rest/Job/{uid}");
    vec![
        Operation::get(many, "GetJobList", list)
            .about("List the jobs of a project.")
            .query(FILTERS)
            .answers("[Job]"),
        Operation::post(many, "CreateJobList", launch)
            .about("Launch an algorithm over media: one workflow for each batch of files_per_job.")
            .body("JobSpec")
            .answers("CreateListResponse"),
        Operation::delete(many, "DeleteJobList", cancel_list)
            .about("Call jobs off, and kill what runs of them.")
            .query(FILTERS)
            .answers("MessageResponse"),
        Operation::get(one, "GetJob", get)
            .about("Read one job.")
            .answers("Job"),
        Operation::delete(one, "DeleteJob", cancel_one)
            .about("Call one job off, and kill what runs of it.")
            .answers("MessageResponse"),
        Operation::get("/rest/JobLog/{uid}", "GetJobLog", log)
            .about("What a step of a job printed, or all of them.")
            .query("node: string")
            .binary("text/plain", &["text"]),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let project = call.id("project");
    Answer::list(service::list(&call.cx, call.actor()?, project, call.query()?).await?)
}

async fn launch(mut call: Call) -> Result<Answer> {
    let new: super::types::NewJob = call.body()?;
    let message = format!("Algorithm {} started successfully!", new.algorithm_name);
    let made = service::launch(&call.cx, call.actor()?, call.id("project"), new).await?;
    let uids: Vec<&str> = made.iter().map(|job| job.uid.as_str()).collect();
    Answer::json(&json!({"message": message, "id": uids, "object": made}))
}

async fn cancel_list(call: Call) -> Result<Answer> {
    let project = call.id("project");
    let count = service::cancel_list(&call.cx, call.actor()?, project, call.query()?).await?;
    Answer::message(format!("Deleted {count} jobs for project {project}!"))
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.text("uid")).await?)
}

async fn cancel_one(call: Call) -> Result<Answer> {
    let uid = call.text("uid");
    service::cancel_one(&call.cx, call.actor()?, uid).await?;
    Answer::message(format!("Job with UID {uid} deleted!"))
}

async fn log(call: Call) -> Result<Answer> {
    let query: LogQuery = call.query()?;
    let uid = call.text("uid");
    let text = service::log(&call.cx, call.actor()?, uid, query.node.as_deref()).await?;
    Ok(Answer::bytes(
        "text/plain; charset=utf-8",
        text.into_bytes(),
    ))
}
