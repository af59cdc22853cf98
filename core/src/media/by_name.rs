//! Where media of a name are, over all projects that the caller may see.

use serde::{Deserialize, Serialize};

use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::Result;
use crate::http::{Answer, Call, Operation};
use crate::project;
use crate::values;

/// The operation that finds them.
pub fn operation() -> Operation {
    Operation::get("/rest/MediaByName", "GetMediaByName", get)
        .about("Find the media of a name, in any case of letters, over all visible projects.")
        .query("*name: string")
        .answers("[{*project: int, *media: int}]")
}

#[derive(Deserialize)]
struct ByName {
    name: String,
}

/// One media that has the name.
#[derive(Debug, Serialize)]
struct Found {
    project: i64,
    media: i64,
}

async fn get(call: Call) -> Result<Answer> {
    let ByName { name } = call.query()?;
    Answer::list(find(&call.cx, call.actor()?, name).await?)
}

async fn find(cx: &Context, actor: &Actor, name: String) -> Result<Vec<Found>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let projects = project::service::visible_to(tx, &actor).await?;
                rows(tx, &projects, &name).await
            })
        })
        .await
}

/// Media of these projects that have the name, by project and id.
async fn rows(tx: &mut Tx, projects: &[i64], name: &str) -> Result<Vec<Found>> {
    if projects.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = projects.iter().map(i64::to_string).collect();
    let sql = format!(
        "select project, id from media where project in ({}) and not deleted and {} = $1 order by project, id",
        list.join(","),
        tx.dialect().lower("name")
    );
    tx.rows(&sql, &values![name.to_lowercase()])
        .await?
        .into_iter()
        .map(|mut row| {
            Ok(Found {
                project: row.take()?,
                media: row.take()?,
            })
        })
        .collect()
}
