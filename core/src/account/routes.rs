//! Routes of accounts.

use serde::Deserialize;
use serde_json::json;

use super::service;
use super::types::{NewUser, UserPatch};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation};

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let by = "username: string, email: string, elemental_id: string";
    vec![
        Operation::post("/rest/Token", "CreateObtainAuthToken", token)
            .about("Exchange a user name and password for the API token.")
            .body("Credentials")
            .answers("Token")
            .open(),
        Operation::get("/rest/User/Exists", "UserExists", exists)
            .about("Whether a user with this name, e-mail or elemental id exists.")
            .query(by)
            .answers("bool")
            .open(),
        Operation::get("/rest/User/GetCurrent", "Whoami", whoami)
            .about("The authenticated user.")
            .query("presigned: int<1..604800>")
            .answers("User")
            .open(),
        Operation::get("/rest/User/{id}", "GetUser", get)
            .about("Read one user account.")
            .query("presigned: int<1..604800>")
            .answers("User"),
        Operation::patch("/rest/User/{id}", "UpdateUser", update)
            .about("Edit a user account.")
            .query("presigned: int<1..604800>")
            .body("UserUpdate")
            .answers("MessageResponse"),
        Operation::get("/rest/Users", "GetUserList", list)
            .about("Find users by exact name, e-mail or elemental id.")
            .query(by)
            .query("presigned: int<1..604800>")
            .answers("[User]"),
        Operation::post("/rest/Users", "CreateUser", create)
            .about("Register an account.")
            .body("UserSpec")
            .answers("CreateResponse")
            .open(),
    ]
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    refresh: bool,
}

#[derive(Deserialize)]
struct By {
    username: Option<String>,
    email: Option<String>,
    elemental_id: Option<String>,
}

async fn token(mut call: Call) -> Result<Answer> {
    let given: Credentials = call.body()?;
    let user = service::authenticate(&call.cx, &given.username, given.password).await?;
    if call.maybe_actor().is_some_and(|actor| actor.id != user.id) {
        return Err(Error::invalid(
            "The request is authenticated as a different user!",
        ));
    }
    let key = service::token(&call.cx, user.id, given.refresh).await?;
    Answer::json(&json!({"token": key}))
}

async fn exists(call: Call) -> Result<Answer> {
    let by: By = call.query()?;
    let found = service::find(&call.cx, by.elemental_id, by.username, by.email).await?;
    Answer::json(&!found.is_empty())
}

async fn whoami(call: Call) -> Result<Answer> {
    let Some(actor) = call.maybe_actor() else {
        return Err(Error::no_reference("User"));
    };
    Answer::json(&service::get(&call.cx, actor, actor.id).await?)
}

async fn get(call: Call) -> Result<Answer> {
    Answer::json(&service::get(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch: UserPatch = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.actor()?, id, patch).await?;
    Answer::message(format!("User {id} successfully updated!"))
}

async fn list(call: Call) -> Result<Answer> {
    let by: By = call.query()?;
    Answer::list(service::find(&call.cx, by.elemental_id, by.username, by.email).await?)
}

async fn create(mut call: Call) -> Result<Answer> {
    let new: NewUser = call.body()?;
    let user = service::register(&call.cx, new).await?;
    Answer::created("User created successfully!", user.id, &user)
}
