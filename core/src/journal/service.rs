//! Reading the journal.

use super::types::{ChangeLogQuery, EntryFilter};
use super::{change_log, store};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project::{self, Level};

/// What has a change log.
const NOUNS: [&str; 5] = ["media", "localization", "state", "leaf", "file"];

/// The change log of a project as lines of JSON, oldest first.
///
/// Errors: `Invalid` without any filter.
pub(super) async fn change_log(
    cx: &Context,
    actor: &Actor,
    project: i64,
    query: ChangeLogQuery,
) -> Result<Vec<u8>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let filter = filter(query)?;
                let mut lines = Vec::new();
                store::each(tx, project, &filter, |entry| {
                    change_log::rows(entry, project, filter.entity, |row| {
                        serde_json::to_writer(&mut lines, &row)?;
                        lines.push(b'\n');
                        Ok(())
                    })
                })
                .await?;
                Ok(lines)
            })
        })
        .await
}

fn filter(query: ChangeLogQuery) -> Result<EntryFilter> {
    if query.user_id.is_none() && query.entity_id.is_none() && query.entity_type.is_none() {
        return Err(Error::invalid(
            "Must specify at least one of user_id, entity_id, or entity_type!",
        ));
    }
    let wanted = |noun: &&str| {
        query
            .entity_type
            .as_deref()
            .is_none_or(|kind| kind == *noun)
    };
    Ok(EntryFilter {
        nouns: NOUNS.into_iter().filter(wanted).collect(),
        account: query.user_id,
        entity: query.entity_id,
    })
}
