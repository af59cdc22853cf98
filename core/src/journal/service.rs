//! Reading the journal.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::types::{Action, ChangeLogQuery, EntryFilter, Touched};
use super::{change_log, store};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::{Tx, Value};
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::among;

/// What has a change log.
const NOUNS: [&str; 5] = ["media", "localization", "state", "leaf", "file"];

/// Nouns whose changes rewrite the rows of others as a set, without entries of their own.
const CHANGES_SETS: [&str; 7] = [
    "project",
    "version",
    "media_type",
    "localization_type",
    "state_type",
    "leaf_type",
    "file_type",
];
/// Ids that one statement lists.
const CHUNK: usize = 2_000;
/// Entries beyond which nobody reads one by one.
const MOST_ENTRIES: usize = 5_000;

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

/// What the entries of a project after one of them say of a noun's entities; none when only reading
/// all of them again tells: there are too many entries, more than `most` rows, or an entry of a type, whose instances are then
/// changed as a set.
pub async fn touched(
    tx: &mut Tx,
    project: i64,
    noun: &str,
    seq: i64,
    most: usize,
) -> Result<Option<Touched>> {
    let Some(heads) = store::heads_after(tx, project, seq, MOST_ENTRIES).await? else {
        return Ok(None);
    };
    let rows = heads.iter().filter(|head| head.noun == noun);
    if rows.map(|head| head.count).sum::<i64>() > most as i64 {
        return Ok(None);
    }
    let mut touched = Touched::default();
    for head in heads {
        if CHANGES_SETS.contains(&head.noun.as_str()) {
            return Ok(None);
        }
        if head.noun != noun {
            continue;
        }
        if head.action == Action::Create {
            touched.created.push((head.first_id, head.last_id));
            continue;
        }
        for change in store::changes(tx, head.seq).await? {
            touched.ids.push(change.id);
            let identity = change
                .before
                .get("elemental_id")
                .or(change.after.get("elemental_id"));
            let identity = identity.and_then(Json::as_str).map(str::to_owned);
            touched.elemental_ids.extend(identity);
        }
    }
    Ok(Some(touched))
}

/// Whether a media of a project may have come under another master section after an entry.
pub async fn moved_media(tx: &mut Tx, project: i64, seq: i64) -> Result<bool> {
    let Some(heads) = store::heads_after(tx, project, seq, MOST_ENTRIES).await? else {
        return Ok(true);
    };
    for head in heads {
        if head.noun != "media" || head.action == Action::Create {
            continue;
        }
        let changes = store::changes(tx, head.seq).await?;
        let folder = |row: &Map<String, Json>| row.get("master_section").cloned();
        if changes
            .iter()
            .any(|change| folder(&change.before) != folder(&change.after))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ids of the rows of a kind that may have changed; none when they are more than `most`.
///
/// A change of one revision shows or hides others of the same annotation, so that all of them count.
pub async fn concerned(
    tx: &mut Tx,
    kind: Kind,
    touched: &Touched,
    most: usize,
) -> Result<Option<BTreeSet<i64>>> {
    let table = kind.table();
    let mut ids: BTreeSet<i64> = touched.ids.iter().copied().collect();
    for (first, last) in &touched.created {
        if last.saturating_sub(*first) > most as i64 {
            return Ok(None);
        }
        ids.extend(*first..=*last);
    }
    if ids.len() > most {
        return Ok(None);
    }
    if !matches!(kind, Kind::Localization | Kind::State) {
        return Ok(Some(ids));
    }
    let mut others: Vec<i64> = Vec::new();
    let known: Vec<i64> = ids.iter().copied().collect();
    for chunk in known.chunks(CHUNK) {
        let sql = format!(
            "select other.id from {table} t join {table} other \
             on other.elemental_id = t.elemental_id and other.version = t.version where {}",
            among("t.id", chunk)
        );
        for mut row in tx.rows(&sql, &[]).await? {
            others.push(row.take()?);
        }
    }
    let identities: BTreeSet<&str> = touched.elemental_ids.iter().map(String::as_str).collect();
    let identities: Vec<&str> = identities.into_iter().collect();
    for chunk in identities.chunks(CHUNK / 4) {
        let places: Vec<String> = (1..=chunk.len()).map(|place| format!("${place}")).collect();
        let places = places.join(", ");
        let sql = format!("select id from {table} where elemental_id in ({places})");
        let given: Vec<Value> = chunk.iter().map(|uuid| Value::from(*uuid)).collect();
        for mut row in tx.rows(&sql, &given).await? {
            others.push(row.take()?);
        }
    }
    ids.extend(others);
    Ok((ids.len() <= most).then_some(ids))
}

/// Whether a project has no entry after one of the journal; then the newest entry of all.
pub async fn unchanged(tx: &mut Tx, project: i64, seq: i64) -> Result<Option<i64>> {
    let (head, _) = store::newest(tx).await?;
    if head == seq {
        return Ok(Some(head));
    }
    let since = store::heads_after(tx, project, seq, 0).await?;
    Ok(since.map(|_| head))
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
