//! Routes of job clusters.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (list_path, one) = ("/rest/JobClusters/{organization}", "/rest/JobCluster/{id}");
    vec![
        Operation::get(list_path, "GetJobClusterList", list)
            .about("List the job clusters of an organization.")
            .answers("[JobCluster]"),
        Operation::post(list_path, "CreateJobCluster", create)
            .about("Register a job cluster.")
            .body("JobClusterSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetJobCluster", get)
            .about("Read one job cluster.")
            .answers("JobCluster"),
        Operation::patch(one, "UpdateJobCluster", update)
            .about("Replace what is known of a job cluster.")
            .body("JobClusterSpec")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteJobCluster", remove)
            .about("Delete a job cluster.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("organization")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, call.id("organization"), new).await?;
    Answer::created("Job Cluster created!", made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.actor()?, id, new).await?;
    Answer::message(format!("Job Cluster {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    service::remove(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::message("Job cluster deleted successfully!")
}
