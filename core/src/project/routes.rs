//! Routes of projects and memberships.

use super::types::Removal;
use super::{members, picture, service};
use crate::error::Result;
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/Projects", "GetProjectList", list)
            .about("List the projects that the caller is a member of; with `deleted`, those that Undo can bring back.")
            .query("organization: int<1..>, elemental_id: string, deleted: bool=false")
            .answers("[Project]"),
        Operation::post("/rest/Projects", "CreateProject", create)
            .about("Create a project.")
            .query("organization: int<1..>, elemental_id: string")
            .body("ProjectSpec")
            .answers("CreateResponse"),
        Operation::get("/rest/Project/{id}", "GetProject", get)
            .about("Read one project.")
            .answers("Project"),
        Operation::patch("/rest/Project/{id}", "UpdateProject", update)
            .about("Edit a project.")
            .body("ProjectUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Project/{id}", "DeleteProject", remove)
            .about("Delete a project; only its creator may. Undo brings it back for some weeks, unless it was pruned.")
            .query("prune: int<0..1>=0")
            .answers("MessageResponse"),
        Operation::get(
            "/rest/Memberships/{project}",
            "GetMembershipList",
            members_list,
        )
        .about("List the members of a project.")
        .answers("[Membership]"),
        Operation::post(
            "/rest/Memberships/{project}",
            "CreateMembership",
            add_member,
        )
        .about("Add a member to a project.")
        .body("MembershipSpec")
        .answers("CreateResponse"),
        Operation::get("/rest/Membership/{id}", "GetMembership", member)
            .about("Read one membership.")
            .answers("Membership"),
        Operation::patch("/rest/Membership/{id}", "UpdateMembership", update_member)
            .about("Change what a member may do, or the version they annotate in.")
            .body("MembershipUpdate")
            .answers("MessageResponse"),
        Operation::delete("/rest/Membership/{id}", "DeleteMembership", remove_member)
            .about("Remove a member from a project.")
            .answers("MessageResponse"),
    ]
}

async fn list(call: Call) -> Result<Answer> {
    let mut projects = service::list(&call.cx, call.actor()?, call.query()?).await?;
    for project in &mut projects {
        picture::link(&call.cx, call.actor()?, &call.origin, project).await;
    }
    Answer::list(projects)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = service::create(&call.cx, call.actor()?, new).await?;
    let message = format!("Project {} created successfully!", made.name);
    Answer::created(message, made.id, &made)
}

async fn get(call: Call) -> Result<Answer> {
    let mut project = service::get(&call.cx, call.actor()?, call.id("id")).await?;
    picture::link(&call.cx, call.actor()?, &call.origin, &mut project).await;
    Answer::json(&project)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let mut changed = service::update(&call.cx, call.actor()?, id, patch).await?;
    picture::link(&call.cx, call.actor()?, &call.origin, &mut changed).await;
    Answer::created(format!("Project {id} updated successfully!"), id, &changed)
}

async fn remove(call: Call) -> Result<Answer> {
    let (id, manner): (i64, Removal) = (call.id("id"), call.query()?);
    service::remove(&call.cx, call.actor()?, id, manner.prune != 0).await?;
    Answer::message(format!("Project {id} deleted successfully!"))
}

async fn members_list(call: Call) -> Result<Answer> {
    Answer::list(members::list(&call.cx, call.actor()?, call.id("project")).await?)
}

async fn add_member(mut call: Call) -> Result<Answer> {
    let new = call.body()?;
    let made = members::create(&call.cx, call.actor()?, call.id("project"), new).await?;
    let message = format!(
        "Membership of {} to project {} created!",
        made.username, made.project
    );
    Answer::created(message, made.id, &made)
}

async fn member(call: Call) -> Result<Answer> {
    Answer::json(&members::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update_member(mut call: Call) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    members::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("Membership {id} successfully updated!"))
}

async fn remove_member(call: Call) -> Result<Answer> {
    let id = call.id("id");
    members::remove(&call.cx, call.actor()?, id).await?;
    Answer::message(format!("Membership {id} successfully deleted!"))
}
