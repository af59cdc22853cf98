//! Reading files.

use super::filter::{Filter, select};
use super::store;
use super::types::File;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};

/// A file that the actor may see at a level. Errors: `NotFound`, `Forbidden`.
pub(super) async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<File> {
    let file = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("File"))?;
    project::access(tx, actor, file.project, level).await?;
    Ok(file)
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<File> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
) -> Result<Vec<File>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let selection = select(tx, project, &filter).await?;
                store::list(tx, &selection).await
            })
        })
        .await
}
