//! Rules of announcements.

use super::store;
use super::types::{Announcement, Dismissal};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change};

/// The longest text, in characters.
const LONGEST: usize = 2048;
const DAY_MS: i64 = 24 * 3_600_000;

/// Tells everybody something for some days; for the command line.
///
/// Errors: `Invalid` for an empty or too long text, or days that are none.
pub async fn announce(cx: &Context, markdown: String, days: i64) -> Result<Announcement> {
    if markdown.trim().is_empty() || markdown.chars().count() > LONGEST {
        return Err(Error::invalid(format!(
            "an announcement has 1 to {LONGEST} characters"
        )));
    }
    if !(1..=3650).contains(&days) {
        return Err(Error::invalid(
            "an announcement is shown for 1 to 3650 days",
        ));
    }
    let stamp = cx.clock.stamp(None, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let announcement = Announcement {
                    id: tx.allocate("announcement", 1).await?,
                    created_datetime: stamp.at_ms,
                    eol_datetime: stamp.at_ms + days * DAY_MS,
                    markdown,
                };
                store::insert(tx, &announcement).await?;
                let changes = Change::created(announcement.id, &announcement)?;
                journal::record(tx, &stamp, None, "announcement", changes).await?;
                Ok(announcement)
            })
        })
        .await
}

/// Takes an announcement back; for the command line. Errors: `NotFound`.
pub async fn withdraw(cx: &Context, id: i64) -> Result<()> {
    let stamp = cx.clock.stamp(None, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = store::find(tx, id)
                    .await?
                    .ok_or_else(|| Error::no_match("Announcement"))?;
                store::remove(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, None, "announcement", changes).await
            })
        })
        .await
}

pub(super) async fn list(cx: &Context, actor: &Actor) -> Result<Vec<Announcement>> {
    let (account, now) = (actor.id, cx.now());
    cx.database
        .read(move |tx| Box::pin(store::list(tx, account, now)))
        .await
}

/// Puts an announcement away for the actor. Errors: `NotFound` when the actor has none to see.
pub(super) async fn dismiss(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let stamp = cx.clock.stamp(Some(actor.id), cx.now());
    let user = actor.id;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let shown = store::list(tx, user, stamp.at_ms).await?;
                if !shown.iter().any(|one| one.id == id) {
                    return Err(Error::no_match("Announcement"));
                }
                let dismissal = Dismissal {
                    announcement: id,
                    user,
                };
                let id = tx.allocate("announcement_dismissal", 1).await?;
                store::insert_dismissal(tx, id, &dismissal).await?;
                let changes = Change::created(id, &dismissal)?;
                journal::record(tx, &stamp, None, "announcement_dismissal", changes).await
            })
        })
        .await
}

/// Forgets what an account that goes away has dismissed.
pub async fn forget_account(tx: &mut Tx, account: i64) -> Result<()> {
    store::remove_dismissals_of(tx, account).await
}
