//! `transect user …`.

use std::io::{BufRead, IsTerminal, Read};

use anyhow::{Context as _, bail};
use serde_json::Value;
use transect::station::{self, Command};

use crate::arguments::UserTask;
use crate::place::Place;
use crate::print;

/// No password is longer.
const MOST_BYTES: u64 = 4096;

/// Performs a task and prints its answer; returns the exit code.
pub async fn perform(place: &Place, task: UserTask) -> anyhow::Result<u8> {
    match task {
        UserTask::Create {
            name,
            admin,
            email,
            json,
            ..
        } => {
            let password = read_password()?;
            let command = Command::UserCreate {
                name,
                email,
                password,
                admin,
            };
            let user = ask(place, command).await?;
            if json {
                return print(&user.to_string());
            }
            print(&format!("{} can sign in", text(&user["username"])))
        }
        UserTask::Token { name } => print(text(&ask(place, Command::UserToken { name }).await?)),
        UserTask::Grant {
            name,
            project,
            level,
        } => {
            let done = format!("{name} has {level:?} in {project}");
            ask(
                place,
                Command::UserGrant {
                    name,
                    project,
                    level: level.into(),
                },
            )
            .await?;
            print(&done)
        }
        UserTask::List { json } => list(&ask(place, Command::UserList).await?, json),
        UserTask::Password { name, .. } => {
            let password = read_password()?;
            let command = Command::UserPassword {
                name: name.clone(),
                password,
            };
            ask(place, command).await?;
            print(&format!(
                "{name} has a new password and is signed out everywhere"
            ))
        }
        UserTask::Disable { name } => {
            let done = format!("{name} cannot sign in any more");
            ask(place, Command::UserDisable { name }).await?;
            print(&done)
        }
        UserTask::Enable { name } => {
            let done = format!("{name} can sign in");
            ask(place, Command::UserEnable { name }).await?;
            print(&done)
        }
        UserTask::Delete { name } => {
            let done = format!("{name} is deleted");
            ask(place, Command::UserDelete { name }).await?;
            print(&done)
        }
        UserTask::SignInLink { name } => {
            let link = ask(place, Command::UserSignInLink { name }).await?;
            print(text(&link))
        }
    }
}

async fn ask(place: &Place, command: Command) -> anyhow::Result<Value> {
    Ok(station::perform(&place.data, place.settings(&[])?, command, |_| {}).await?)
}

fn list(users: &Value, json: bool) -> anyhow::Result<u8> {
    let users = users.as_array().context("accounts are a list")?;
    let lines: Vec<String> = users
        .iter()
        .map(|user| {
            if json {
                return user.to_string();
            }
            let role = if user["is_staff"] == true {
                "admin"
            } else {
                "user"
            };
            let (name, email) = (text(&user["username"]), text(&user["email"]));
            let status = match text(&user["status"]) {
                "active" => "",
                other => other,
            };
            format!(
                "{:>6}  {role:<5}  {name:<24}  {email:<24}  {status}",
                user["id"].to_string()
            )
            .trim_end()
            .to_owned()
        })
        .collect();
    if lines.is_empty() {
        if !json {
            eprintln!(
                "no accounts yet; make one with: transect user create NAME --admin --password-stdin"
            );
        }
        return Ok(0);
    }
    print(&lines.join("\n"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let typed =
            rpassword::prompt_password("password: ").context("cannot ask for the password")?;
        let again = rpassword::prompt_password("again: ").context("cannot ask for the password")?;
        if typed.is_empty() || typed != again {
            bail!("the password is empty, or was not typed the same twice; nothing was changed");
        }
        return Ok(typed);
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(MOST_BYTES)
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        bail!("the password on standard input is empty; send it as the first line");
    }
    Ok(password.to_owned())
}
