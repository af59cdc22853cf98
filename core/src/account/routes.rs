//! Routes of accounts.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::types::{NewUser, User, UserPatch};
use super::{avatar, service};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation, local_path, session_cookies};

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
            .answers("MessageResponse")
            .open(),
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
        Operation::post("/rest/PasswordReset", "CreatePasswordReset", reset)
            .about("Mail a link that sets a new password, within a day.")
            .body("PasswordResetSpec")
            .answers("MessageResponse")
            .open(),
        Operation::get(
            "/anonymous-gateway",
            "GetAnonymousGatewaySchema",
            anonymous_gateway,
        )
        .about(
            "Sign the browser in as the shared user `anonymous`, and go on to a page of this site.",
        )
        .query("redirect: string")
        .status(302)
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

#[derive(Deserialize)]
struct Presigned {
    presigned: Option<i64>,
}

/// Shows an account to the caller, with a link to its picture where one is asked for.
async fn shown(call: &Call, mut user: User) -> Result<User> {
    let Presigned { presigned } = call.query()?;
    avatar::link(&call.cx, call.actor()?, &call.origin, presigned, &mut user).await;
    Ok(user)
}

async fn whoami(call: Call) -> Result<Answer> {
    let Some(actor) = call.maybe_actor() else {
        return Err(Error::no_reference("User"));
    };
    let user = service::get(&call.cx, actor, actor.id).await?;
    Answer::json(&shown(&call, user).await?)
}

async fn get(call: Call) -> Result<Answer> {
    let user = service::get(&call.cx, call.actor()?, call.id("id")).await?;
    Answer::json(&shown(&call, user).await?)
}

async fn update(mut call: Call) -> Result<Answer> {
    let patch: UserPatch = call.body()?;
    let id = call.id("id");
    service::update(&call.cx, call.maybe_actor(), id, patch).await?;
    Answer::message(format!("User {id} successfully updated!"))
}

async fn list(call: Call) -> Result<Answer> {
    let by: By = call.query()?;
    let found = service::find(&call.cx, by.elemental_id, by.username, by.email).await?;
    let mut users = Vec::with_capacity(found.len());
    for user in found {
        users.push(shown(&call, user).await?);
    }
    Answer::list(users)
}

#[derive(Deserialize)]
struct Registration {
    #[serde(flatten)]
    new: NewUser,
    new_avatar: Option<String>,
}

async fn create(mut call: Call) -> Result<Answer> {
    let Registration { new, new_avatar } = call.body()?;
    let user = service::register(&call.cx, call.maybe_actor(), new, new_avatar).await?;
    Answer::created("User created successfully!", user.id, &user)
}

#[derive(Deserialize)]
struct Reset {
    email: String,
}

async fn reset(mut call: Call) -> Result<Answer> {
    let Reset { email } = call.body()?;
    service::request_reset(&call.cx, &email).await?;
    Answer::message(
        "If an account has this e-mail address, a link that sets a new password was sent to it!",
    )
}

#[derive(Deserialize)]
struct Gateway {
    redirect: Option<String>,
}

async fn anonymous_gateway(call: Call) -> Result<Answer> {
    let Gateway { redirect } = call.query()?;
    let account = service::anonymous(&call.cx).await?;
    let wanted = redirect.as_deref().unwrap_or("/");
    let next = local_path(wanted.strip_prefix(&call.origin).unwrap_or(wanted));
    let mut answer = Answer::redirect(StatusCode::FOUND, next).header("cache-control", "no-store");
    // Whoever is signed in stays who they are.
    if call.maybe_actor().is_none() {
        for line in session_cookies(&call.cx, &call.origin, account).await? {
            answer = answer.header("set-cookie", line);
        }
    }
    Ok(answer)
}
