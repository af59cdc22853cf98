//! Routes of leaves.

use serde::Deserialize;
use serde_json::json;

use super::filter::{Filter, IdQuery, PARAMETERS};
use super::types::{LeafPatch, NewLeaf};
use super::{change, read};
use crate::attribute::AttributePatch;
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
    let (many, one) = ("/rest/Leaves/{project}", "/rest/Leaf/{id}");
    let (suggestion, count) = (
        "/rest/Leaves/Suggestion/{ancestor}/{project}",
        "/rest/LeafCount/{project}",
    );
    vec![
        Operation::get(suggestion, "LeafSuggestion", suggest)
            .about("Suggest leaves below an ancestor for what was typed.")
            .query("min_level: int=1, *query: string")
            .answers("[LeafSuggestion]"),
        filtered(Operation::get(many, "GetLeafList", list))
            .about("List leaves.")
            .answers("[Leaf]"),
        Operation::post(many, "CreateLeafList", create)
            .about("Create one or many leaves.")
            .body("(LeafSpec | [LeafSpec]{0..500})")
            .answers("CreateListResponse"),
        filtered(Operation::put(many, "GetLeafListById", list))
            .about("List leaves; the body holds ids, similarity or a search object.")
            .body("LeafIdQuery")
            .answers("[Leaf]"),
        filtered(Operation::patch(many, "UpdateLeafList", update_list))
            .about("Change the attributes of every matching leaf.")
            .query("count: int<0..>")
            .body("LeafBulkUpdate")
            .answers("MessageResponse"),
        filtered(Operation::delete(many, "DeleteLeafList", remove_list))
            .about("Delete every matching leaf.")
            .query("count: int<0..>")
            .body_optional("LeafIdQuery")
            .answers("MessageResponse"),
        Operation::get(one, "GetLeaf", get)
            .about("Read one leaf.")
            .answers("Leaf"),
        Operation::patch(one, "UpdateLeaf", update)
            .about("Change a leaf; another parent moves everything below it too.")
            .body("LeafUpdate")
            .answers("MessageResponse"),
        Operation::delete(one, "DeleteLeaf", remove)
            .about("Delete a leaf and everything below it.")
            .answers("MessageResponse"),
        filtered(Operation::get(count, "GetLeafCount", count_all))
            .about("Count matching leaves.")
            .answers("int"),
        filtered(Operation::put(count, "GetLeafCountById", count_all))
            .about("Count matching leaves; the body holds ids or a search object.")
            .body("LeafIdQuery")
            .answers("int"),
    ]
}

/// What the query and the body select together.
fn selected(call: &Call) -> Result<(Filter, IdQuery)> {
    let ids = match call.json() {
        serde_json::Value::Null => IdQuery::default(),
        body => serde_json::from_value(body.clone())?,
    };
    Ok((call.query()?, ids))
}

#[derive(Deserialize)]
struct Typed {
    min_level: i64,
    query: String,
}

async fn suggest(call: Call) -> Result<Answer> {
    let typed: Typed = call.query()?;
    let (project, ancestor) = (call.id("project"), call.text("ancestor"));
    let (level, text) = (typed.min_level, &typed.query);
    Answer::list(read::suggest(&call.cx, call.actor()?, project, ancestor, level, text).await?)
}

async fn list(call: Call) -> Result<Answer> {
    let (filter, ids) = selected(&call)?;
    let (project, type_id) = (call.id("project"), filter.r#type);
    let lines = read::list(&call.cx, call.actor()?, project, filter, ids).await?;
    let columns = match call.format() {
        Some("csv") => read::table(&call.cx, project, type_id).await?,
        _ => Vec::new(),
    };
    Ok(Answer::rows(lines, columns))
}

async fn count_all(call: Call) -> Result<Answer> {
    let (filter, ids) = selected(&call)?;
    Answer::json(&read::count(&call.cx, call.actor()?, call.id("project"), filter, ids).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let news: Vec<NewLeaf> = if call.json().is_array() {
        call.body()?
    } else {
        vec![call.body()?]
    };
    let ids = change::create(&call.cx, call.actor()?, call.id("project"), news).await?;
    let message = match ids.len() {
        1 => "Successfully created 1 leaf!".to_owned(),
        many => format!("Successfully created {many} leaves!"),
    };
    Answer::json(&json!({"message": message, "id": ids}))
}

async fn update_list(mut call: Call) -> Result<Answer> {
    let (filter, ids) = selected(&call)?;
    let patch: AttributePatch = call.body()?;
    let project = call.id("project");
    let count = change::update_all(&call.cx, call.actor()?, project, filter, ids, patch).await?;
    Answer::message(format!("Successfully updated {count} leaves!"))
}

async fn remove_list(call: Call) -> Result<Answer> {
    let (filter, ids) = selected(&call)?;
    let project = call.id("project");
    let count = change::remove_all(&call.cx, call.actor()?, project, filter, ids).await?;
    Answer::message(format!("Successfully deleted {count} leaves!"))
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&read::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch: LeafPatch = call.body()?;
    let id = call.id("id");
    change::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Leaf {id} successfully updated!"))
}

async fn remove(call: Call) -> Result<Answer> {
    let id = call.id("id");
    let below = change::remove(&call.cx, call.actor()?, id).await?;
    let children = if below == 1 { "child" } else { "children" };
    // The blank at the end is the original's.
    Answer::message(format!(
        "Leaf {id} and {below} {children} successfully deleted! "
    ))
}
