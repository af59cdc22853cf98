//! What was deleted long ago goes for good, together with the bytes that nothing else needs.

use crate::context::Context;
use crate::error::Result;
use crate::{annotation, entity_type, file, leaf, media, project, recording, storage};

/// Rows that go in one transaction: others wait only shortly.
const BATCH: usize = 1000;

/// Removes what was deleted more than `database.retention_days` ago.
pub(super) async fn purge(cx: &Context) -> Result<()> {
    let before = cx.settings.database.kept_since(cx.now());
    purge_rows(cx, before).await?;
    // A project goes as a whole; one that does not fit on a full disk leaves the rest gone.
    while let Some(project) = purge_project(cx, before).await? {
        tracing::info!(
            project,
            "a project that was deleted long ago is gone for good"
        );
        purge_rows(cx, before).await?;
    }
    Ok(())
}

async fn purge_project(cx: &Context, before: i64) -> Result<Option<i64>> {
    cx.database
        .write(move |tx| Box::pin(async move { project::purge_one(tx, before).await }))
        .await
}

async fn purge_rows(cx: &Context, before: i64) -> Result<()> {
    loop {
        let gone = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let media = media::purge(tx, before, BATCH / 10).await?;
                    let rows = annotation::purge(tx, before, BATCH).await?
                        + leaf::purge(tx, before, BATCH).await?
                        + file::purge(tx, before, BATCH).await?
                        + recording::purge(tx, before, BATCH / 100).await?;
                    entity_type::set_aside::purge(tx, before).await?;
                    Ok((media, rows))
                })
            })
            .await?;
        let (media, rows) = gone;
        cx.frames.forget(&media).await?;
        if media.is_empty() && rows == 0 {
            return storage::collect(cx).await;
        }
        tracing::info!(
            media = media.len(),
            rows,
            "what was deleted long ago is gone for good"
        );
    }
}
