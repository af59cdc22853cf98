//! Sources: where the pictures of a media come from, and how far their index is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::files;
use super::types::Media;
use crate::context::Context;
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::storage;
use crate::values;

/// How far the index of a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a worker, or one is at it.
    Indexing,
    /// Every frame is known.
    Ready,
    /// The file cannot be read; the message says why.
    Failed,
}

impl State {
    /// The text in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Indexing => "indexing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> Self {
        [Self::Indexing, Self::Ready]
            .into_iter()
            .find(|state| state.name() == name)
            .unwrap_or(Self::Failed)
    }
}

/// The source of one media: a file in place, or a stored object.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The media.
    pub media: i64,
    /// The absolute path of a file in place.
    pub path: Option<String>,
    /// The key of a stored object.
    pub object_key: Option<String>,
    /// Its length.
    pub size_bytes: i64,
    /// When it was last changed, in UTC milliseconds.
    pub modified_at: i64,
    /// How far its index is.
    pub state: State,
    /// Why it failed, or empty.
    pub message: String,
    /// What identifies the bytes and their frames.
    pub fingerprint: Option<String>,
    /// Keys of what the index stored beside it, and of the object that was the source before: the
    /// next index takes their place.
    pub made: Vec<String>,
    /// Whether it follows the records of the media, rather than being an upload that became one.
    pub recorded: bool,
    /// Random access points of its index that only the container vouches for; none where nobody has
    /// counted them.
    pub unverified: Option<i64>,
    /// What its index filled in of the media. It gives way to the next index, as long as nobody said
    /// something else.
    pub filled: Filled,
}

/// What the station itself read from a source and wrote into the row of its media.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filled {
    /// How many frames there are.
    pub num_frames: Option<i64>,
    /// Frames in a second.
    pub fps: Option<f64>,
    /// Width in pixels.
    pub width: Option<i64>,
    /// Height in pixels.
    pub height: Option<i64>,
}

impl Filled {
    /// Writes what an index found where a row says nothing, or still what the index before it had
    /// found. What somebody else said stays. Returns what is the station's in the row now.
    pub(super) fn renew(&self, row: &mut Media, found: &Self) -> Self {
        fn one<T: PartialEq + Copy>(
            said: &mut Option<T>,
            before: Option<T>,
            found: Option<T>,
        ) -> Option<T> {
            if said.is_some() && *said != before {
                return None;
            }
            *said = found.or(*said);
            *said
        }
        Self {
            num_frames: one(&mut row.num_frames, self.num_frames, found.num_frames),
            fps: one(&mut row.fps, self.fps, found.fps),
            width: one(&mut row.width, self.width, found.width),
            height: one(&mut row.height, self.height, found.height),
        }
    }
}

impl Source {
    /// A source that waits to be indexed.
    pub(super) fn waiting(media: i64, bytes: Bytes, size_bytes: i64, modified_at: i64) -> Self {
        let (path, object_key) = match bytes {
            Bytes::InPlace(path) => (Some(path), None),
            Bytes::Stored(key) => (None, Some(key)),
        };
        Self {
            media,
            path,
            object_key,
            size_bytes,
            modified_at,
            state: State::Indexing,
            message: String::new(),
            fingerprint: None,
            made: Vec::new(),
            recorded: false,
            unverified: None,
            filled: Filled::default(),
        }
    }

    /// Whether another row still means the same bytes.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.path, &self.object_key) == (&other.path, &other.object_key)
            && (self.size_bytes, self.modified_at) == (other.size_bytes, other.modified_at)
    }
}

/// Where the bytes of a new source are.
pub(super) enum Bytes {
    /// In a file of this path.
    InPlace(String),
    /// In the object of this key.
    Stored(String),
}

/// What the column `facts` holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Facts {
    made: Vec<String>,
    recorded: bool,
    filled: Filled,
}

/// The state of what is left of a source whose file went; nobody else knows such a row.
const GONE: &str = "gone";

const COLUMNS: &str = "media, path, object_key, size_bytes, modified_at, state, message, fingerprint, unverified, facts";

fn source(mut row: Row) -> Result<Source> {
    let source = Source {
        media: row.take()?,
        path: row.take()?,
        object_key: row.take()?,
        size_bytes: row.take()?,
        modified_at: row.take()?,
        state: State::from_name(&row.take::<String>()?),
        message: row.take()?,
        fingerprint: row.take()?,
        unverified: row.take()?,
        made: Vec::new(),
        recorded: false,
        filled: Filled::default(),
    };
    let facts = match row.take::<Option<String>>()? {
        Some(facts) => serde_json::from_str(&facts)?,
        None => Facts::default(),
    };
    let Facts {
        made,
        recorded,
        filled,
    } = facts;
    Ok(Source {
        made,
        recorded,
        filled,
        ..source
    })
}

/// The source of a media, if it has one.
pub async fn find(tx: &mut Tx, media: i64) -> Result<Option<Source>> {
    let sql = format!("select {COLUMNS} from media_source where media = $1 and state <> '{GONE}'");
    tx.row(&sql, &values![media]).await?.map(source).transpose()
}

/// The source of a media, or what is left of the one that it had: what the station made and counted.
pub(super) async fn find_last(tx: &mut Tx, media: i64) -> Result<Option<Source>> {
    let sql = format!("select {COLUMNS} from media_source where media = $1");
    tx.row(&sql, &values![media]).await?.map(source).transpose()
}

/// Takes a media's file from its source. What was made and counted of it stays until the next file's
/// index takes its place.
async fn leave(tx: &mut Tx, media: i64) -> Result<()> {
    let sql = format!(
        "update media_source set path = null, object_key = null, size_bytes = 0, state = '{GONE}', \
         message = '', fingerprint = null, unverified = null where media = $1"
    );
    tx.execute(&sql, &values![media]).await?;
    Ok(())
}

/// Whether a media has its file, and not only a streaming copy of it: then an upload for it asks for
/// what is missing, and takes nobody's place.
pub(super) async fn is_settled(tx: &mut Tx, media: &Media) -> Result<bool> {
    let Some(source) = find(tx, media.id).await? else {
        return Ok(false);
    };
    let streams = media.media_files.as_ref();
    let streams = streams.and_then(|files| files.get("streaming")?.as_array());
    let streamed = streams.into_iter().flatten();
    let mut streamed = streamed.filter_map(|record| record["path"].as_str());
    Ok(match (&source.path, source.object_key.as_deref()) {
        _ if source.state == State::Failed => false,
        (None, None) => false,
        (None, Some(key)) => !streamed.any(|path| path == key),
        (Some(_), _) => true,
    })
}

/// The media of a project whose source is this file in place.
pub async fn find_path(tx: &mut Tx, project: i64, path: &str) -> Result<Option<i64>> {
    let sql = "select s.media from media_source s join media m on m.id = s.media \
               where s.path = $1 and m.project = $2 and not m.deleted";
    tx.scalar(sql, &values![path, project]).await
}

/// The media of a project that was made of a copy of this file: of a file of this name and length that was last changed at
/// this time (UTC milliseconds), wherever it lay.
pub async fn find_copy(
    tx: &mut Tx,
    project: i64,
    name: &str,
    (size_bytes, modified_at): (i64, i64),
) -> Result<Option<i64>> {
    let sql = "select m.id from media m join media_source s on s.media = m.id where m.project = $1 and m.name = $2 \
               and not m.deleted and s.object_key is not null and s.size_bytes = $3 and s.modified_at = $4 \
               order by m.id limit 1";
    tx.scalar(sql, &values![project, name, size_bytes, modified_at])
        .await
}

/// Files in place of media that stand, after a given media, by media: (media, path, length, time of change).
pub(super) async fn in_place(
    tx: &mut Tx,
    after: i64,
    most: usize,
) -> Result<Vec<(i64, String, i64, i64)>> {
    let sql = format!(
        "select s.media, s.path, s.size_bytes, s.modified_at from media_source s join media m on m.id = s.media \
         where s.path is not null and not m.deleted and s.media > $1 order by s.media limit {most}"
    );
    let rows = tx.rows(&sql, &values![after]).await?;
    let read = |mut row: Row| Ok((row.take()?, row.take()?, row.take()?, row.take()?));
    rows.into_iter().map(read).collect()
}

/// Media after a given one whose source waits to be indexed, oldest first.
pub async fn waiting(tx: &mut Tx, after: i64, most: usize) -> Result<Vec<i64>> {
    let sql = format!(
        "select media from media_source where state = 'indexing' and media > $1 order by media limit {most}"
    );
    let rows = tx.rows(&sql, &values![after]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// The next media after this one that is ready, and of whose random access points some were not looked at, or
/// nobody knows.
pub(super) async fn unverified(tx: &mut Tx, after: i64) -> Result<Option<i64>> {
    let sql = "select media from media_source where state = 'ready' and (unverified is null or unverified > 0) \
               and media > $1 order by media limit 1";
    tx.scalar(sql, &values![after]).await
}

/// Notes how many random access points are left to look at, unless the media got another file meanwhile.
pub(super) async fn note_unverified(tx: &mut Tx, source: &Source, left: i64) -> Result<()> {
    match find(tx, source.media).await? {
        Some(current) if current.is_same(source) && current.fingerprint == source.fingerprint => {
            let noted = Source {
                unverified: Some(left),
                ..current
            };
            put(tx, &noted).await
        }
        _ => Ok(()),
    }
}

/// Media after a given one whose source is ready, with its fingerprint, oldest first.
pub async fn ready(tx: &mut Tx, after: i64, most: usize) -> Result<Vec<(i64, String)>> {
    let sql = format!(
        "select s.media, coalesce(s.fingerprint, '') from media_source s join media m on m.id = s.media \
         where s.state = 'ready' and s.media > $1 and not m.deleted and m.project is not null \
         order by s.media limit {most}"
    );
    let rows = tx.rows(&sql, &values![after]).await?.into_iter();
    rows.map(|mut row| Ok((row.take()?, row.take()?))).collect()
}

/// Inserts or replaces the source of a media.
pub async fn put(tx: &mut Tx, source: &Source) -> Result<()> {
    let facts = serde_json::to_string(&Facts {
        made: source.made.clone(),
        recorded: source.recorded,
        filled: source.filled.clone(),
    })?;
    tx.execute(
        "insert into media_source (media, path, object_key, size_bytes, modified_at, state, message, fingerprint, facts, unverified) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (media) do update set path = $2, object_key = $3, \
         size_bytes = $4, modified_at = $5, state = $6, message = $7, fingerprint = $8, facts = $9, unverified = $10",
        &values![
            source.media,
            source.path.clone(),
            source.object_key.clone(),
            source.size_bytes,
            source.modified_at,
            source.state.name(),
            &source.message,
            source.fingerprint.clone(),
            facts,
            source.unverified
        ],
    )
    .await?;
    Ok(())
}

/// Makes the source of a clone ready where that of the original is, and of the same bytes: its frame
/// index was copied.
pub(super) async fn share_index(tx: &mut Tx, original: i64, clone: i64) -> Result<()> {
    let (Some(from), Some(to)) = (find(tx, original).await?, find(tx, clone).await?) else {
        return Ok(());
    };
    if from.state == State::Ready && to.state == State::Indexing && from.is_same(&to) {
        let ready = Source {
            state: State::Ready,
            fingerprint: from.fingerprint,
            unverified: from.unverified,
            ..to
        };
        put(tx, &ready).await?;
    }
    Ok(())
}

/// Lets the source of a media follow its records: a media that has none gets the best of them, and
/// one that was read from a record is read from another when that goes. Says whether it changed, so
/// that it waits to be indexed.
pub(super) async fn follow(
    tx: &mut Tx,
    before: Option<&Map<String, Json>>,
    after: &Media,
    now_ms: i64,
) -> Result<bool> {
    let current = find(tx, after.id).await?;
    let old = before.and_then(files::best);
    if let Some(source) = &current
        && (source.object_key.is_none() || source.object_key.as_deref() != old)
    {
        // A file in place, or an upload that no record names.
        return Ok(false);
    }
    let new = after.media_files.as_ref().and_then(files::best);
    if current.is_some() && new == old {
        return Ok(false);
    }
    let size = match new {
        Some(key) => storage::size(tx, key).await?,
        None => None,
    };
    let (Some(key), Some(size)) = (new, size) else {
        leave(tx, after.id).await?;
        return Ok(false);
    };
    let bytes = Bytes::Stored(key.to_owned());
    let mut source = Source::waiting(after.id, bytes, size, now_ms);
    if let Some(last) = find_last(tx, after.id).await? {
        source.made = last.made;
        source.filled = last.filled;
    }
    source.recorded = true;
    put(tx, &source).await?;
    Ok(true)
}

/// The file that holds the source's bytes.
///
/// Errors: `NotFound` when the file in place is gone, or the object's bytes are.
pub async fn file(cx: &Context, source: &Source) -> Result<PathBuf> {
    if let Some(path) = &source.path {
        return in_its_place(path).await;
    }
    let key = source.object_key.as_deref().unwrap_or_default();
    let path = storage::service::path(cx, key).await?;
    path.ok_or_else(|| missing(source.media, key))
}

/// As [`file()`], for a worker of the frame service's pool: it may have holes, which are filled as the worker reads.
pub async fn readable(cx: &Context, source: &Source) -> Result<PathBuf> {
    if let Some(path) = &source.path {
        return in_its_place(path).await;
    }
    let key = source.object_key.as_deref().unwrap_or_default();
    let path = storage::service::readable(cx, key).await?;
    path.ok_or_else(|| missing(source.media, key))
}

/// Whether all of the source's bytes are on this machine.
pub async fn is_here(cx: &Context, source: &Source) -> Result<bool> {
    match source.object_key.as_deref() {
        Some(key) if source.path.is_none() => storage::service::is_here(cx, key).await,
        _ => Ok(true),
    }
}

/// What cannot be looked at is opened, and tells why. Errors: `Invalid` for a file that is not there.
async fn in_its_place(path: &str) -> Result<PathBuf> {
    match tokio::fs::try_exists(path).await {
        Ok(false) => Err(Error::invalid(format!(
            "the file is not there; plug in its disk, or put it back: {path}"
        ))),
        _ => Ok(PathBuf::from(path)),
    }
}

fn missing(media: i64, key: &str) -> Error {
    Error::NotFound(format!(
        "the stored bytes of media {media} are missing: {key}"
    ))
}
