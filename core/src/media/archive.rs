//! Archiving: the states of a media, and the storage classes that its files have in their bucket.
//!
//! Where the files are in a bucket with another storage class for what is archived, a request stands until the background
//! has given them that class; everywhere else it is done when it is made. Thumbnails and segment files stay live, so that
//! an archived media can be looked through.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use super::types::Media;
use super::{family, source, store};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Result};
use crate::journal::Ledger;
use crate::storage::{self, Tier};
use crate::values;

/// The roles whose files change their class.
const ROLES: &[&str] = &["streaming", "archival", "audio", "image", "attachment"];
/// How long after a transaction its requests are looked at.
const AFTER: Duration = Duration::from_millis(300);
/// When what could not be done yet is tried again.
const AGAIN: Duration = Duration::from_secs(300);
/// Media that are looked at in one round.
const BATCH: usize = 100;

/// Takes a request for another state; says whether anything changed.
pub(super) async fn request(
    tx: &mut Tx,
    media: &mut Media,
    requested: &str,
    now_ms: i64,
) -> Result<bool> {
    let keys = keys(tx, media).await?;
    let lasts = storage::has_tiers(tx, &keys).await?;
    let next = match (requested, media.archive_state.as_str()) {
        ("to_archive", "live") if lasts => "to_archive",
        ("to_live", "archived") if lasts => "to_live",
        ("to_archive", "live" | "to_archive") if !lasts => "archived",
        ("to_live", "archived" | "to_live") if !lasts => "live",
        ("to_live", "to_archive") => "live",
        _ => return Ok(false),
    };
    media.archive_state = next.into();
    media.archive_status_date = Some(now_ms);
    Ok(true)
}

/// The keys of the files that change their class, the source among them.
async fn keys(tx: &mut Tx, media: &Media) -> Result<Vec<String>> {
    let mut keys: Vec<String> = media.media_files.iter().flat_map(recorded).collect();
    if let Some(source) = source::find(tx, media.id).await?
        && let Some(key) = source.object_key
        && !keys.contains(&key)
    {
        keys.push(key);
    }
    Ok(keys)
}

fn recorded(files: &Map<String, Json>) -> Vec<String> {
    let records = ROLES.iter().filter_map(|role| files.get(*role)?.as_array());
    let paths = records
        .flatten()
        .filter_map(|record| record["path"].as_str());
    paths.map(str::to_owned).collect()
}

/// Does what was requested, a moment after each transaction; what takes longer is asked for again and again.
pub async fn run(cx: &Context) {
    let mut committed = cx.database.committed();
    let mut later: HashMap<i64, Instant> = HashMap::new();
    loop {
        if let Err(error) = round(cx, &mut later).await {
            tracing::warn!(error = %Chain(&error), "requests to archive or restore media wait");
        }
        tokio::select! {
            changed = committed.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN) => {}
        }
        tokio::time::sleep(AFTER).await;
        committed.mark_unchanged();
    }
}

async fn round(cx: &Context, later: &mut HashMap<i64, Instant>) -> Result<()> {
    let now = Instant::now();
    later.retain(|_, due| *due > now);
    let mut after = 0;
    loop {
        let requested = cx
            .database
            .read(move |tx| Box::pin(async move { requested(tx, after).await }));
        let requested = requested.await?;
        for media in requested.iter().copied() {
            if later.contains_key(&media) {
                continue;
            }
            match follow(cx, media).await {
                Ok(true) => {}
                Ok(false) => {
                    later.insert(media, now + AGAIN);
                }
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), media.id = media, "a request to archive or restore waits");
                    later.insert(media, now + AGAIN);
                }
            }
        }
        match requested.last() {
            Some(last) if requested.len() == BATCH => after = *last,
            _ => return Ok(()),
        }
    }
}

/// The next media behind this one whose state is to change.
async fn requested(tx: &mut Tx, after: i64) -> Result<Vec<i64>> {
    let sql = format!(
        "select id from media where archive_state in ('to_archive', 'to_live') and id > $1 order by id limit {BATCH}"
    );
    let rows = tx.rows(&sql, &values![after]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Does what is requested of one media; says whether it is done.
async fn follow(cx: &Context, id: i64) -> Result<bool> {
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let Some(media) = store::find(tx, id).await? else {
                return Ok(None);
            };
            let mut keys = keys(tx, &media).await?;
            if media.archive_state == "to_archive" {
                // What a clone shows stays at hand.
                for other in family::others(tx, id).await? {
                    let live = store::find(tx, other).await?;
                    if let Some(live) = live.filter(|other| other.archive_state == "live") {
                        let shared = self::keys(tx, &live).await?;
                        keys.retain(|key| !shared.contains(key));
                    }
                }
            }
            Ok(Some((media, keys)))
        })
    });
    let Some((media, keys)) = reading.await? else {
        return Ok(true);
    };
    let (tier, reached) = match media.archive_state.as_str() {
        "to_archive" => (Tier::Archive, "archived"),
        "to_live" => (Tier::Live, "live"),
        _ => return Ok(true),
    };
    let mut done = true;
    for key in &keys {
        done &= storage::set_tier(cx, key, tier).await?;
    }
    if !done {
        return Ok(false);
    }
    let (requested, stamp) = (media.archive_state, cx.clock.stamp(None, cx.now()));
    let noting = cx.database.write(move |tx| {
        Box::pin(async move {
            let Some(before) = store::find(tx, id).await? else {
                return Ok(true);
            };
            if before.archive_state != requested {
                return Ok(before.archive_state != "live" || tier == Tier::Live);
            }
            let mut after = before.clone();
            after.archive_state = reached.into();
            after.archive_status_date = Some(stamp.at_ms);
            store::update(tx, &after).await?;
            let mut ledger = Ledger::default();
            ledger.updated("media", id, &before, &after)?;
            ledger
                .write(tx, &stamp, after.project.unwrap_or_default())
                .await?;
            Ok(true)
        })
    });
    if !noting.await? {
        // Somebody wanted it live after all.
        for key in &keys {
            storage::set_tier(cx, key, Tier::Live).await?;
        }
    }
    Ok(true)
}
