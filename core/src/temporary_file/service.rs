//! Rules of temporary files.

use std::path::Path;

use bytes::Bytes;

use super::store;
use super::types::{Filter, NewTemporaryFile, TemporaryFile};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Change, Changes, Stamp};
use crate::project::{self, Level};
use crate::storage::{self, generic, objects::Stored};
use crate::{client, id};

const HOUR_MS: i64 = 3_600_000;
/// The longest that a temporary file may stay.
const MOST_HOURS: i64 = 24;
/// The longest name and lookup, in characters.
const MOST_CHARACTERS: usize = 512;
const MOST_LOOKUP: usize = 256;

/// Makes a temporary file of a file of this machine, which is copied. Who may is for the caller to know.
///
/// Errors: `NotFound` when the file is gone; `Invalid` for a name that is none; `StorageFull`.
pub async fn create(
    cx: &Context,
    project: i64,
    account: i64,
    name: &str,
    path: &Path,
    hours: i64,
    lookup: &str,
) -> Result<TemporaryFile> {
    let new = draft(cx, project, account, (name, lookup), hours)?;
    let stored = storage::put_file(cx, path).await?;
    keep(cx, new, stored).await
}

/// Makes a temporary file of bytes at hand. Errors: as [`create`].
pub async fn create_from_bytes(
    cx: &Context,
    project: i64,
    account: i64,
    name: &str,
    bytes: impl Into<Bytes>,
    hours: i64,
    lookup: &str,
) -> Result<TemporaryFile> {
    let new = draft(cx, project, account, (name, lookup), hours)?;
    let bytes = bytes.into();
    let length = bytes.len() as u64;
    let stream = Box::pin(futures::stream::iter([Ok(bytes)]));
    let stored = cx.objects.put(stream, Some(length)).await?;
    keep(cx, new, stored).await
}

/// Makes a temporary file of what a URL gives.
///
/// Errors: `Forbidden` without Edit, and for a URL of no allowed origin; `Invalid` when it cannot be
/// read.
pub(super) async fn fetch(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewTemporaryFile,
) -> Result<TemporaryFile> {
    let reader = actor.clone();
    let access = cx.database.read(move |tx| {
        Box::pin(async move { project::access(tx, &reader, project, Level::Edit).await })
    });
    access.await?;
    client::check(cx, &new.url).await?;
    let draft = draft(cx, project, actor.id, (&new.name, &new.lookup), new.hours)?;
    let (length, bytes) = client::open(cx, &new.url, &[]).await?;
    let stored = storage::quota::put_fetched(cx, project, bytes, length).await?;
    keep(cx, draft, stored).await
}

/// A temporary file without its id.
fn draft(
    cx: &Context,
    project: i64,
    account: i64,
    (name, lookup): (&str, &str),
    hours: i64,
) -> Result<TemporaryFile> {
    for (key, text, most) in [
        ("name", name, MOST_CHARACTERS),
        ("lookup", lookup, MOST_LOOKUP),
    ] {
        if text.chars().count() > most {
            return Err(Error::invalid(format!(
                "a temporary file's {key} has at most {most} characters"
            )));
        }
    }
    let extension = Path::new(name)
        .extension()
        .and_then(|text| text.to_str())
        .filter(|text| text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .map(|text| format!(".{text}"));
    let stored = format!("{}{}", id::uuid(), extension.unwrap_or_default());
    let now = cx.now();
    Ok(TemporaryFile {
        id: 0,
        project,
        account,
        key: generic::key(project, &stored),
        name: name.to_owned(),
        lookup: lookup.to_owned(),
        created_at: now,
        eol_at: now + hours.clamp(1, MOST_HOURS) * HOUR_MS,
    })
}

async fn keep(cx: &Context, mut file: TemporaryFile, stored: Stored) -> Result<TemporaryFile> {
    let stamp = cx.clock.stamp(Some(file.account), cx.now());
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            file.id = tx.allocate("temporary_file", 1).await?;
            storage::adopt(tx, &file.key, stored, stamp.at_ms).await?;
            storage::quota::check_kept(tx, &file.key).await?;
            store::insert(tx, &file).await?;
            let changes = Change::created(file.id, &file)?;
            journal::record(tx, &stamp, Some(file.project), "temporary_file", changes).await?;
            Ok(file)
        })
    });
    writing.await
}

pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
) -> Result<Vec<TemporaryFile>> {
    let (actor, over_at) = (actor.clone(), over_at(cx, filter));
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                store::list(tx, project, over_at).await
            })
        })
        .await
}

fn over_at(cx: &Context, filter: Filter) -> Option<i64> {
    (filter.expired != 0).then(|| cx.now())
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<TemporaryFile> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<TemporaryFile> {
    let found = store::find(tx, id).await?;
    let file = found.ok_or_else(|| Error::no_match("TemporaryFile"))?;
    project::access(tx, actor, file.project, level).await?;
    Ok(file)
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            let file = visible(tx, &actor, id, Level::Edit).await?;
            let project = file.project;
            take_away(tx, &stamp, project, vec![file]).await
        })
    });
    writing.await?;
    storage::collect(cx).await
}

/// Removes the files of a project, or those whose time is over; returns how many.
pub(super) async fn remove_all(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
) -> Result<usize> {
    let (actor, over_at) = (actor.clone(), over_at(cx, filter));
    let stamp = cx.clock.stamp(Some(actor.id), cx.now());
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            project::access(tx, &actor, project, Level::Edit).await?;
            let files = store::list(tx, project, over_at).await?;
            let count = files.len();
            take_away(tx, &stamp, project, files).await?;
            Ok(count)
        })
    });
    let count = writing.await?;
    storage::collect(cx).await?;
    Ok(count)
}

async fn take_away(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    files: Vec<TemporaryFile>,
) -> Result<()> {
    for file in &files {
        storage::remove(tx, &file.key).await?;
        store::remove(tx, file.id).await?;
    }
    let gone = files.iter().map(|file| (file.id, Some(file), None::<()>));
    let changes = Changes::new(Action::Delete, gone)?;
    journal::record(tx, stamp, Some(project), "temporary_file", changes).await
}

/// Removes the files of every project whose time is over. The station calls it every hour.
pub async fn expire(cx: &Context) -> Result<()> {
    let now = cx.now();
    loop {
        let stamp = cx.clock.stamp(None, now);
        let writing = cx.database.write(move |tx| {
            Box::pin(async move {
                let mut files = store::over(tx, now).await?;
                let count = files.len();
                files.sort_by_key(|file| file.project);
                for files in files.chunk_by(|one, other| one.project == other.project) {
                    take_away(tx, &stamp, files[0].project, files.to_vec()).await?;
                }
                Ok(count)
            })
        });
        if writing.await? == 0 {
            return storage::collect(cx).await;
        }
    }
}
