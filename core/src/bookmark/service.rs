//! Rules of bookmarks.

use super::store;
use super::types::{Bookmark, BookmarkPatch, Target};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Ledger, Stamp};
use crate::project::{self, Level};

/// The caller's bookmarks by name; `name` is exact.
pub async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    name: Option<String>,
) -> Result<Vec<Bookmark>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let mut bookmarks = store::bookmarks(tx, project, actor.id).await?;
                bookmarks.retain(|one| name.as_ref().is_none_or(|name| one.name == *name));
                Ok(bookmarks)
            })
        })
        .await
}

async fn own(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Bookmark> {
    let found = store::find_bookmark(tx, id).await?;
    let bookmark = found
        .filter(|bookmark| bookmark.user == actor.id)
        .ok_or_else(|| Error::no_match("Bookmark"))?;
    project::access(tx, actor, bookmark.project, least).await?;
    Ok(bookmark)
}

pub async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Bookmark> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { own(tx, &actor, id, Level::View).await }))
        .await
}

/// A key that the published body leaves open, and that a new row must have.
pub(super) fn required<T>(value: Option<T>, key: &str) -> Result<T> {
    value.ok_or_else(|| {
        Error::invalid_because(
            "Request body validation error",
            format!("body: '{key}' is a required property"),
        )
    })
}

fn check(bookmark: &Bookmark) -> Result<()> {
    if bookmark.name.chars().count() > 128 {
        return Err(Error::invalid(
            "a bookmark's name has at most 128 characters",
        ));
    }
    if bookmark.uri.chars().count() > 1024 {
        return Err(Error::invalid(
            "a bookmark's uri has at most 1024 characters",
        ));
    }
    Ok(())
}

pub async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: BookmarkPatch,
) -> Result<Bookmark> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                let bookmark = Bookmark {
                    id: tx.allocate("bookmark", 1).await?,
                    project,
                    user: actor.id,
                    name: required(new.name, "name")?,
                    uri: required(new.uri, "uri")?,
                    effective_permission: 0,
                };
                check(&bookmark)?;
                store::insert_bookmark(tx, &bookmark).await?;
                let changes = Change::created(bookmark.id, &bookmark)?;
                journal::record(tx, &stamp, Some(project), "bookmark", changes).await?;
                Ok(bookmark)
            })
        })
        .await
}

pub async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: BookmarkPatch,
) -> Result<Bookmark> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = own(tx, &actor, id, Level::Edit).await?;
                let mut bookmark = before.clone();
                bookmark.name = patch.name.unwrap_or(bookmark.name);
                bookmark.uri = patch.uri.unwrap_or(bookmark.uri);
                check(&bookmark)?;
                store::update_bookmark(tx, &bookmark).await?;
                let changes = Change::updated(id, &before, &bookmark)?;
                journal::record(tx, &stamp, Some(bookmark.project), "bookmark", changes).await?;
                Ok(bookmark)
            })
        })
        .await
}

pub async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = own(tx, &actor, id, Level::Edit).await?;
                store::remove_bookmark(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(before.project), "bookmark", changes).await
            })
        })
        .await
}

/// Removes the bookmarks and favorites of an account that goes away, as part of its own entry in
/// the journal.
pub async fn forget_account(tx: &mut Tx, account: i64) -> Result<()> {
    store::remove_of(tx, account).await
}

/// Removes everybody's favorites that fill in annotations of a type that goes away.
pub async fn forget_type(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    kind: Kind,
    id: i64,
) -> Result<()> {
    let Some(target) = Target::of_kind(kind) else {
        return Ok(());
    };
    let mut ledger = Ledger::default();
    for favorite in store::favorites_of_type(tx, project, target, id).await? {
        store::remove_favorite(tx, favorite.id).await?;
        ledger.deleted("favorite", favorite.id, &favorite)?;
    }
    ledger.write(tx, stamp, project).await
}
