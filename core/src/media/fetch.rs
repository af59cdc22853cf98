//! Fetching: files that a URL names become the source and the thumbnails of a media.
//!
//! The station's own links are adopted at once, without a copy. What lies elsewhere is read by a
//! job, so that a request with hundreds of images answers at once.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::create::{attach, claimed_size};
use super::source::{self, Bytes, Source, State};
use super::{files, indexer, store};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::jobs::registry::Work;
use crate::jobs::{NewJob, Pool, Run};
use crate::journal::{self, Change, Stamp};
use crate::storage::objects::Stored;
use crate::{client, id, storage};

/// The kind of the jobs that fetch.
const KIND: &str = "image";

/// The registry's entry.
pub const WORK: Work = Work {
    kind: KIND,
    pool: Pool::Small,
    attempts: 5,
    body: |run| Box::pin(body(run)),
};

/// Where the bytes behind a URL are.
#[derive(Debug, Clone)]
pub enum Origin {
    /// In an object of this station, under this key.
    Key(String),
    /// In a blob that was just stored and has no key yet.
    Blob(Stored),
    /// In such a blob, of what counted already while it was recorded.
    Recorded(Stored),
    /// Elsewhere, at this URL.
    Web(String),
}

/// Finds out where the bytes behind a URL are, without reading them.
///
/// Errors: `Forbidden` for a URL that is neither this station's nor of an allowed origin.
pub async fn origin(cx: &Context, url: &str) -> Result<Origin> {
    if let Some(key) = storage::key_of_link(cx, url) {
        return Ok(Origin::Key(key));
    }
    client::check(cx, url).await?;
    Ok(Origin::Web(url.to_owned()))
}

/// What a new media names that lies elsewhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Elsewhere {
    pub source: Option<String>,
    pub thumbnail: Option<String>,
    pub thumbnail_gif: Option<String>,
}

impl Elsewhere {
    pub(super) fn is_empty(&self) -> bool {
        self.source.is_none() && self.thumbnail.is_none() && self.thumbnail_gif.is_none()
    }

    /// The job that fetches it for a media.
    pub(super) fn job(&self, stamp: &Stamp, project: i64, media: i64, gid: &str) -> Result<NewJob> {
        Ok(NewJob {
            kind: KIND,
            uid: id::uuid(),
            gid: gid.to_owned(),
            project: Some(project),
            account: stamp.account,
            media: vec![media],
            payload: serde_json::to_value(self)?,
        })
    }
}

/// The body of a job that fetches: thumbnails first, so that the indexer keeps them, then the file.
///
/// Errors: `Invalid` for what cannot be fetched or is no picture; then the media says why, too.
async fn body(run: Run) -> Result<()> {
    let cx = run.cx.as_ref();
    let wanted: Elsewhere = serde_json::from_value(run.job.payload.clone())?;
    let account = run.job.account;
    for media in run.job.media.iter().copied() {
        let thumbnails = [
            ("thumbnail", "jpg", &wanted.thumbnail),
            ("thumbnail_gif", "gif", &wanted.thumbnail_gif),
        ];
        for (role, ending, url) in thumbnails {
            if let Some(url) = url {
                thumbnail(cx, account, media, role, ending, url).await?;
            }
        }
        if let Some(url) = &wanted.source {
            bring(cx, account, media, url).await?;
            index(cx, media).await?;
        }
    }
    Ok(())
}

/// Waits until a media is indexed. Errors: `Invalid` with the reason why it cannot be.
pub async fn index(cx: &Context, media: i64) -> Result<()> {
    match indexer::index(cx, media).await? {
        (State::Ready, _) => Ok(()),
        (State::Failed, message) => Err(Error::invalid(message)),
        (State::Indexing, message) => Err(Error::Busy(message)),
    }
}

/// Makes what a URL gives the source of a media; does nothing for one that has its file.
///
/// Errors: as of the client; a URL that cannot be read leaves the reason with the media.
pub async fn bring(cx: &Context, account: Option<i64>, media: i64, url: &str) -> Result<()> {
    let looking = cx.database.read(move |tx| {
        Box::pin(async move {
            match store::find(tx, media).await? {
                Some(row) if source::is_settled(tx, &row).await? => Ok(None),
                Some(row) => Ok(Some(row.project.ok_or_else(|| gone(media))?)),
                None => Err(gone(media)),
            }
        })
    });
    let Some(project) = looking.await? else {
        return Ok(());
    };
    let stored = match stored(cx, project, url).await {
        Ok(stored) => stored,
        Err(
            error @ (Error::Invalid { .. }
            | Error::Forbidden(_)
            | Error::NotFound(_)
            | Error::QuotaExceeded(_)),
        ) => {
            give_up(cx, media, error.explained()).await?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let (blob, stamp) = (
        stored.blob.clone(),
        cx.clock.stamp_of_job(account, cx.now()),
    );
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            let Some(row) = store::find(tx, media).await? else {
                return Err(gone(media));
            };
            let project = row.project.ok_or_else(|| gone(media))?;
            attach(tx, &stamp, project, &row, Origin::Blob(stored)).await
        })
    });
    match keep(cx, &blob, written.await).await {
        Err(error @ Error::QuotaExceeded(_)) => {
            give_up(cx, media, error.explained()).await?;
            return Err(error);
        }
        kept => {
            kept?;
        }
    }
    cx.indexing.forget(media);
    cx.indexing.notify_one();
    Ok(())
}

async fn stored(cx: &Context, project: i64, url: &str) -> Result<Stored> {
    let (length, bytes) = client::open(cx, url, &[]).await?;
    storage::quota::put_fetched(cx, project, bytes, length).await
}

/// Deletes a blob that certainly got no key.
async fn keep<T>(cx: &Context, blob: &str, written: Result<T>) -> Result<T> {
    let undone =
        matches!(&written, Err(error) if !matches!(error, Error::Internal { .. } | Error::Busy(_)));
    if undone && let Err(error) = cx.objects.delete(blob).await {
        tracing::warn!(error = %Chain(&error), blob, "an unused blob stays until the next sweep");
    }
    written
}

/// Fetches one thumbnail of a media.
async fn thumbnail(
    cx: &Context,
    account: Option<i64>,
    media: i64,
    role: &'static str,
    ending: &str,
    url: &str,
) -> Result<()> {
    let finding = cx
        .database
        .read(move |tx| Box::pin(async move { store::find(tx, media).await }));
    let project = finding.await?.and_then(|media| media.project);
    let stored = stored(cx, project.ok_or_else(|| gone(media))?, url).await?;
    let (blob, stamp) = (
        stored.blob.clone(),
        cx.clock.stamp_of_job(account, cx.now()),
    );
    let name = format!("{role}.{ending}");
    let written = cx.database.write(move |tx| {
        Box::pin(async move {
            let Some(before) = store::find(tx, media).await? else {
                return Err(gone(media));
            };
            let project = before.project.ok_or_else(|| gone(media))?;
            let owner = storage::owner(tx, project).await?;
            let own = owner.rendition(media, Some(&name));
            let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
            storage::adopt(tx, &own, stored, stamp.at_ms).await?;
            storage::quota::check_kept(tx, &own).await?;
            let mut row = before.clone();
            let record = files::record(&own, size, Some(claimed_size(&row)));
            let files = row.media_files.get_or_insert_default();
            files.insert(role.into(), json!([record]));
            row.modified_datetime = stamp.at_ms;
            store::update(tx, &row).await?;
            let changes = Change::updated(media, &before, &row)?;
            journal::record(tx, &stamp, Some(project), "media", changes).await
        })
    });
    keep(cx, &blob, written.await).await
}

/// Notes at the media why it has no file.
async fn give_up(cx: &Context, media: i64, message: String) -> Result<()> {
    let now = cx.now();
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                if store::find(tx, media).await?.is_none() {
                    return Ok(());
                }
                put_failed(tx, media, message, now).await
            })
        })
        .await
}

async fn put_failed(tx: &mut Tx, media: i64, message: String, now_ms: i64) -> Result<()> {
    let failed = Source {
        object_key: None,
        state: State::Failed,
        message,
        ..Source::waiting(media, Bytes::Stored(String::new()), 0, now_ms)
    };
    source::put(tx, &failed).await
}

fn gone(media: i64) -> Error {
    Error::NotFound(format!(
        "media {media} was deleted while its file was fetched"
    ))
}
