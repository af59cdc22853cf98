//! Closing, opening and deleting accounts; on the command line only.

use super::service::by_name;
use super::store;
use super::types::{Account, Status, User};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::{announcement, bookmark, group, organization, project, row_protection, storage};

/// Keeps an account out until it is enabled: its sessions end, its token does not work. What it
/// made and belongs to stays.
pub async fn disable(cx: &Context, username: &str) -> Result<()> {
    set(cx, username, Status::Disabled).await
}

/// Lets an account in again; an e-mail address that was never confirmed counts as confirmed.
pub async fn enable(cx: &Context, username: &str) -> Result<()> {
    set(cx, username, Status::Active).await?;
    cx.lockout.succeeded(username);
    Ok(())
}

async fn set(cx: &Context, username: &str, status: Status) -> Result<()> {
    let before = by_name(cx, username).await?;
    let stamp = cx.clock.stamp(None, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                store::set_status(tx, before.id, status).await?;
                let after = User {
                    status,
                    ..before.clone()
                };
                let changes =
                    Change::updated(before.id, &Account::from(&before), &Account::from(&after))?;
                journal::record(tx, &stamp, None, "account", changes).await
            })
        })
        .await
}

/// Deletes an account: it leaves its projects, organizations and groups, and its bookmarks,
/// favorites and picture go. What it annotated stays, under an id that nobody else gets.
///
/// Errors: `Invalid` where something would be left with nobody who looks after it.
pub async fn delete(cx: &Context, username: &str) -> Result<()> {
    let user = by_name(cx, username).await?;
    let stamp = cx.clock.stamp(None, cx.now());
    cx.database
        .write(move |tx| Box::pin(async move { erase(tx, &stamp, user).await }))
        .await?;
    storage::collect(cx).await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, user: User) -> Result<()> {
    let mut alone = project::service::only_owned_by(tx, user.id).await?;
    alone.extend(organization::service::only_administered_by(tx, user.id).await?);
    if !alone.is_empty() {
        return Err(Error::invalid(format!(
            "{} is the only one who looks after {}: give somebody else Full Control of these projects (transect user grant) \
             and make somebody else Admin of these organizations, or close the account instead (transect user disable)",
            user.username,
            alone.join(", ")
        )));
    }
    project::service::forget_account(tx, stamp, user.id).await?;
    organization::service::forget_account(tx, stamp, user.id).await?;
    group::service::forget_account(tx, stamp, user.id).await?;
    row_protection::service::forget_account(tx, stamp, user.id).await?;
    announcement::service::forget_account(tx, user.id).await?;
    bookmark::forget_account(tx, user.id).await?;
    storage::s3::forget_account(tx, user.id).await?;
    super::avatar::clear(tx, user.id, &mut user.profile.clone()).await?;
    store::remove(tx, user.id).await?;
    let changes = Change::deleted(user.id, &Account::from(&user))?;
    journal::record(tx, stamp, None, "account", changes).await
}
