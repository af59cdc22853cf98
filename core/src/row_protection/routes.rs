//! Routes of row protections.

use serde_json::{Map, Value as Json};

use super::service::{self, Filter};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

const FILTERS: &str = "project: int<1..>, media: int<1..>, file: int<1..>, section: int<1..>, \
     algorithm: int<1..>, version: int<1..>, target_organization: int<1..>, target_group: int<1..>, \
     job_cluster: int<1..>, bucket: int<1..>, hosted_template: int<1..>, user: int<1..>, \
     organization: int<1..>, group: int<1..>";

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (list_path, one) = ("/rest/RowProtections", "/rest/RowProtection/{id}");
    vec![
        Operation::get(list_path, "GetRowProtectionList", list)
            .about("List the row protections on what the caller may grant rights on.")
            .query(FILTERS)
            .answers("[RowProtection]"),
        Operation::post(list_path, "CreateRowProtection", create)
            .about("Grant a mask on one target to one user, organization or group; it is kept and decides nothing.")
            .body("RowProtectionSpec")
            .answers("CreateResponse"),
        Operation::delete(list_path, "destroyRowProtectionListAPI", remove_list)
            .about("Delete every matching row protection.")
            .query(FILTERS)
            .answers("MessageResponse"),
        Operation::get(one, "GetRowProtection", get)
            .about("Read one row protection.")
            .answers("RowProtection"),
        Operation::patch(one, "UpdateRowProtection", update)
            .about("Change the mask of a row protection.")
            .body("RowProtectionUpdateSpec")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteRowProtection", remove)
            .about("Delete a row protection.")
            .answers("MessageResponse"),
    ]
}

fn filter(call: &Call) -> Result<Filter> {
    Ok(Filter::new(&call.query::<Map<String, Json>>()?))
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, filter(&call)?).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let body: Map<String, Json> = call.body()?;
    let made = service::create(&call.cx, call.actor()?, &body).await?;
    Answer::created("Row Protection created!", made.id, &made)
}

async fn remove_list(call: Call) -> Result<Answer> {
    let count = service::remove_list(&call.cx, call.actor()?, filter(&call)?).await?;
    Answer::message(format!("Successfully deleted {count} row protections!"))
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": format!("Row Protection {id} successfully updated!"),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Row Protection {id} successfully deleted!"))
}
