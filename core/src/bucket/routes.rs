//! Routes of buckets.

use super::service;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let (list_path, one) = ("/rest/Buckets/{organization}", "/rest/Bucket/{id}");
    vec![
        Operation::get(list_path, "GetBucketList", list)
            .about("List the buckets of an organization.")
            .answers("[Bucket]"),
        Operation::post(list_path, "CreateBucket", create)
            .about("Register a bucket; what signs in there is never sent back. Its store is asked: one that refuses is no bucket (400), \
                 one that does not answer may come later, and the message says so.")
            .body("BucketSpec")
            .answers("CreateResponse"),
        Operation::get(one, "GetBucket", get)
            .about("Read one bucket.")
            .answers("Bucket"),
        Operation::patch(one, "UpdateBucket", update)
            .about("Edit a bucket.")
            .body("BucketUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteBucket", remove)
            .about("Delete a bucket that no project uses and that holds nothing of this station.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    Answer::list(service::list(&call.cx, call.actor()?, call.id("organization")).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let organization = call.id("organization");
    let (made, but) = service::create(&call.cx, call.actor()?, organization, new).await?;
    let done = format!("Bucket {} created successfully!", made.name);
    Answer::created(with_doubt(done, but), made.id, &made)
}

/// What was done, and why it is of no use yet.
fn with_doubt(done: String, but: Option<String>) -> String {
    match but {
        Some(why) => format!("{done} It cannot be used yet, though: {why}"),
        None => done,
    }
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let (changed, but) = service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::json(&serde_json::json!({
        "message": with_doubt(format!("Bucket {id} updated successfully!"), but),
        "object": changed,
    }))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    service::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Bucket {id} deleted successfully!"))
}
