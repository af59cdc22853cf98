//! Import: references files on this machine in place, or copies them, as media of a project.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::chapters::{self, Chapters, Scheme};
use super::create::{self, Links, Sourced};
use super::join::{self, Joined};
use super::source::{self, Bytes, Source, State};
use super::types::{NewMedia, dtype_of_name};
use super::{indexer, store};
use crate::account::{self, Actor};
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change};
use crate::{entity_type, organization, project, storage};

/// Endings beyond those that the registry of media types knows as pictures or videos.
const MORE_VIDEOS: [&str; 12] = [
    "mts", "m2ts", "ts", "mxf", "mkv", "webm", "mov", "mp4", "avi", "m4v", "mpg", "h264",
];

/// What to import, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Import {
    /// Files, and folders that are searched through.
    pub paths: Vec<PathBuf>,
    /// The project's name; it is made if there is none of that name.
    pub project: String,
    /// A folder of the project, made if there is none of that name.
    pub section: Option<String>,
    /// Copies the bytes into the station's own store instead of referring to the files.
    pub copy: bool,
    /// Leaves chapters of one recording apart instead of making one media that shows them all.
    #[serde(default)]
    pub no_join: bool,
    /// Shows a file that took the place of another under the annotations that were made on that one.
    #[serde(default)]
    pub replace: bool,
}

/// What became of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Imported {
    /// The file.
    pub path: String,
    /// The media, if one was made or was there.
    pub media: Option<i64>,
    /// `joined` for a recording whose chapters are one media now, `ready`, `failed`, `skipped` for a file that is a media of the project already and has not
    /// changed, or `indexing` for one that the station will try again.
    pub state: String,
    /// Why it failed, was skipped or still waits; empty otherwise.
    pub message: String,
    /// Pictures in the file.
    pub num_frames: Option<i64>,
    /// How many files are done, this one included.
    pub done: usize,
    /// How many files there are.
    pub total: usize,
}

/// Imports files one after another and tells `report` of each as it is done.
///
/// Errors: `NotFound` for a path that does not exist, `Invalid` when there is no account or no
/// media file at all, `StorageFull`. A file that cannot be read is a media with the state `failed`,
/// not an error; imported again, it is tried again.
pub async fn import(cx: &Context, what: Import, report: mpsc::Sender<Imported>) -> Result<()> {
    let paths = what.paths.clone();
    let files = tokio::task::spawn_blocking(move || find_files(&paths))
        .await
        .map_err(|error| Error::internal("look for media files", error))??;
    if files.is_empty() {
        return Err(Error::invalid(
            "there is no video or image file among the given paths",
        ));
    }
    let actor = owner(cx).await?;
    let project = ensure_project(cx, &actor, &what.project).await?;
    let total = files.len();
    let gone = |_| Error::Busy("the caller of the import has gone away".into());
    let mut ready = Vec::with_capacity(total);
    for (at, file) in files.iter().enumerate() {
        let mut done = one(cx, &actor, project, &what, file).await?;
        (done.done, done.total) = (at + 1, total);
        let usable = done.num_frames.is_some() && done.state != "failed";
        ready.push(done.media.filter(|_| usable));
        report.send(done).await.map_err(gone)?;
    }
    if what.no_join {
        return Ok(());
    }
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    for found in chapters::find(&paths) {
        if let Some(mut told) = joined(cx, &actor, project, &what, &paths, &ready, &found).await? {
            (told.done, told.total) = (total, total);
            report.send(told).await.map_err(gone)?;
        }
    }
    Ok(())
}

/// Joins chapters that were imported; tells what came of it, if there is something to tell.
async fn joined(
    cx: &Context,
    actor: &Actor,
    project: i64,
    what: &Import,
    paths: &[&Path],
    ready: &[Option<i64>],
    found: &Chapters,
) -> Result<Option<Imported>> {
    let parts: Option<Vec<i64>> = found.files.iter().map(|at| ready[*at]).collect();
    let Some(parts) = parts else {
        return Ok(None);
    };
    let files: Vec<&Path> = found.files.iter().map(|at| paths[*at]).collect();
    let mut changed_at = Vec::new();
    for file in &files {
        changed_at.push(look(file).await.map_or(0, |look| look.modified_at));
    }
    let section = what.section.as_deref();
    let (media, state, message, num_frames) =
        match join::join(cx, actor, project, section, found, parts, changed_at).await? {
            Joined::Made(media, frames) => (Some(media), "joined", join::said(&files), frames),
            Joined::There => return Ok(None),
            Joined::Apart(why) if found.scheme == Scheme::Chapters => {
                let message = format!("its chapters were left apart, because {why}");
                (None, "skipped", message, None)
            }
            // The names alone mean little.
            Joined::Apart(_) => return Ok(None),
        };
    Ok(Some(Imported {
        path: files[0]
            .with_file_name(&found.name)
            .to_string_lossy()
            .into_owned(),
        media,
        state: state.into(),
        message,
        num_frames,
        done: 0,
        total: 0,
    }))
}

/// The account that imports on behalf of the command line: the first administrator.
async fn owner(cx: &Context) -> Result<Actor> {
    let accounts = account::service::list(cx).await?;
    let first = accounts
        .iter()
        .find(|user| user.is_staff)
        .or(accounts.first());
    first.map(Actor::from).ok_or_else(|| {
        Error::invalid(
            "there is no account yet; make one first: transect user create NAME --admin --password-stdin",
        )
    })
}

/// A file to import, or why there is none.
#[derive(Debug)]
struct Found {
    /// Where it is, without links and detours: one file is one path.
    path: PathBuf,
    /// Its name as it was met.
    name: String,
    /// Why it, or the folder of this path, cannot be read.
    problem: Option<String>,
}

impl Found {
    fn new(path: &Path) -> Self {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match std::fs::canonicalize(path) {
            Ok(path) if path.to_str().is_none() => Self {
                problem: Some("its name is not UTF-8; rename it and import it again".into()),
                path,
                name,
            },
            Ok(path) => Self {
                path,
                name,
                problem: None,
            },
            Err(error) => Self::unreadable(path, &error),
        }
    }

    fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            path: path.to_owned(),
            name: String::new(),
            problem: Some(format!("cannot read: {error}")),
        }
    }
}

/// Every media file among the paths, each once, folders searched through in the order of names.
fn find_files(paths: &[PathBuf]) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for path in paths {
        let absolute = std::path::absolute(path)?;
        let facts = std::fs::metadata(&absolute).map_err(|error| {
            Error::NotFound(format!("cannot read: {error}: {}", absolute.display()))
        })?;
        if facts.is_dir() {
            walk(&absolute, &mut files);
        } else {
            // A file that was named is tried, whatever its ending.
            files.push(Found::new(&absolute));
        }
    }
    let mut seen = HashSet::new();
    files.retain(|found| seen.insert(found.path.clone()));
    Ok(files)
}

/// Collects the media files below a folder; what cannot be read is told of and does not stop the rest.
fn walk(folder: &Path, files: &mut Vec<Found>) {
    let entries =
        std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return files.push(Found::unreadable(folder, &error)),
    };
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, files),
            Ok(_) if dtype(&path).is_some() && path.is_file() => files.push(Found::new(&path)),
            Ok(_) => {}
            Err(error) => files.push(Found::unreadable(&path, &error)),
        }
    }
}

/// What a file is by its ending, `image` or `video`.
pub(super) fn dtype(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    if MORE_VIDEOS.contains(&ending.as_str()) {
        return Some("video");
    }
    dtype_of_name(&path.file_name()?.to_string_lossy())
}

async fn ensure_project(cx: &Context, actor: &Actor, name: &str) -> Result<i64> {
    let (account, wanted) = (actor.id, name.to_owned());
    let found = cx
        .database
        .read(move |tx| {
            Box::pin(async move { project::service::find_by_name(tx, account, &wanted).await })
        })
        .await?;
    let id = match found {
        Some(id) => id,
        None => {
            let organization = organization::service::first_of(cx, actor).await?;
            project::service::create_named(cx, actor, organization, name).await?
        }
    };
    entity_type::ensure_defaults(cx, actor, id).await?;
    Ok(id)
}

async fn one(
    cx: &Context,
    actor: &Actor,
    project: i64,
    what: &Import,
    file: &Found,
) -> Result<Imported> {
    let path = file.path.to_string_lossy().into_owned();
    let told = |media: Option<i64>, state: &str, message: String| Imported {
        path: path.clone(),
        media,
        state: state.into(),
        message,
        num_frames: None,
        done: 0,
        total: 0,
    };
    if let Some(problem) = &file.problem {
        return Ok(told(None, "failed", problem.clone()));
    }
    let look = look(&file.path).await;
    let origin = Origin {
        path: path.clone(),
        name: file.name.clone(),
        copied: look.as_ref().ok().copied().filter(|_| what.copy),
    };
    let known = cx
        .database
        .read(move |tx| Box::pin(async move { origin.media(tx, project).await }))
        .await?;
    let media = match (look, known) {
        (Ok(look), Some(media)) => {
            if !try_again(cx, media, look, what.replace).await? {
                let message = match what.section {
                    Some(_) => "it is a media of this project already, and stays in its folder",
                    None => "it is a media of this project already",
                };
                return Ok(Imported {
                    num_frames: frames_of(cx, media).await?,
                    ..told(Some(media), "skipped", message.into())
                });
            }
            media
        }
        (Ok(look), None) => match add(cx, actor, project, what, file, look).await {
            // A smaller one may find room.
            Err(error @ (Error::StorageFull(_) | Error::QuotaExceeded(_))) => {
                return Ok(told(None, "failed", error.explained()));
            }
            added => added?,
        },
        // The file went since it was found.
        (Err(error), known) => {
            let message = format!("cannot read: {error}: {path}");
            return Ok(told(known, "failed", message));
        }
    };
    let (state, message) = indexer::index(cx, media).await?;
    Ok(Imported {
        num_frames: frames_of(cx, media).await?,
        ..told(Some(media), state.name(), message)
    })
}

async fn frames_of(cx: &Context, media: i64) -> Result<Option<i64>> {
    let row = cx
        .database
        .read(move |tx| Box::pin(store::find(tx, media)))
        .await?;
    Ok(row.and_then(|media| media.num_frames))
}

/// What a file looks like: its length in bytes, and when it was changed in UTC milliseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub size_bytes: i64,
    pub modified_at: i64,
}

/// What tells whether a file is a media already.
struct Origin {
    path: String,
    name: String,
    /// What the file looks like, where it is to be copied.
    copied: Option<Look>,
}

impl Origin {
    /// The media that was made of the file, in place or as a copy. An import that was cut off so goes on where it was.
    async fn media(&self, tx: &mut Tx, project: i64) -> Result<Option<i64>> {
        let known = source::find_path(tx, project, &self.path).await?;
        match self.copied {
            Some(look) if known.is_none() => {
                let facts = (look.size_bytes, look.modified_at);
                source::find_copy(tx, project, &self.name, facts).await
            }
            _ => Ok(known),
        }
    }
}

pub(super) async fn look(file: &Path) -> std::io::Result<Look> {
    let facts = tokio::fs::metadata(file).await?;
    let modified = facts.modified()?.duration_since(std::time::UNIX_EPOCH);
    let ms = |since: std::time::Duration| i64::try_from(since.as_millis()).unwrap_or_default();
    Ok(Look {
        size_bytes: i64::try_from(facts.len()).unwrap_or(i64::MAX),
        modified_at: modified.map_or(0, ms),
    })
}

/// Lets a media that failed, or whose file has changed, wait to be indexed anew; says whether it
/// waits now. Without `replace`, a file under annotations must be the one that they were made on.
async fn try_again(cx: &Context, media: i64, look: Look, replace: bool) -> Result<bool> {
    let waits = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                let Some(source) = source::find(tx, media).await? else {
                    return Ok(false);
                };
                let seen = Look {
                    size_bytes: source.size_bytes,
                    modified_at: source.modified_at,
                };
                if source.state == State::Ready && seen == look {
                    return Ok(false);
                }
                let again = Source {
                    size_bytes: look.size_bytes,
                    modified_at: look.modified_at,
                    state: State::Indexing,
                    message: String::new(),
                    // It tells the indexer what the annotations were made on.
                    fingerprint: source.fingerprint.filter(|_| !replace),
                    ..source
                };
                source::put(tx, &again).await?;
                Ok(true)
            })
        })
        .await?;
    cx.indexing.forget(media);
    Ok(waits)
}

/// Makes the media and its source, which waits to be indexed; returns the media.
async fn add(
    cx: &Context,
    actor: &Actor,
    project: i64,
    what: &Import,
    file: &Found,
    look: Look,
) -> Result<i64> {
    let name = file.name.clone();
    let copied = if what.copy {
        Some(storage::service::put_file(cx, &file.path).await?)
    } else {
        None
    };
    let new = NewMedia {
        r#type: 0,
        name: name.clone(),
        section: what.section.clone(),
        ..NewMedia::default()
    };
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let dtype = dtype(&file.path).unwrap_or("video");
    let origin = Origin {
        path: file.path.to_string_lossy().into_owned(),
        name: name.clone(),
        copied: what.copy.then_some(look),
    };
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                // Another import may have added it since it was looked for.
                if let Some(media) = origin.media(tx, project).await? {
                    return Ok(media);
                }
                let new = NewMedia {
                    r#type: type_of(tx, project, dtype).await?,
                    ..new
                };
                let sourced = Sourced {
                    new,
                    links: Links::default(),
                };
                let media = create::one(tx, &stamp, &actor, project, sourced).await?;
                let bytes = match copied {
                    Some(stored) => {
                        let key = storage::service::owner(tx, project)
                            .await?
                            .rendition(media.id, Some(&name));
                        storage::service::adopt(tx, &key, stored, stamp.at_ms).await?;
                        storage::quota::check_kept(tx, &key).await?;
                        Bytes::Stored(key)
                    }
                    None => Bytes::InPlace(origin.path),
                };
                let source = Source::waiting(media.id, bytes, look.size_bytes, look.modified_at);
                source::put(tx, &source).await?;
                journal::record(
                    tx,
                    &stamp,
                    Some(project),
                    "media",
                    Change::created(media.id, &media)?,
                )
                .await?;
                Ok(media.id)
            })
        })
        .await
}

pub(super) async fn type_of(tx: &mut Tx, project: i64, dtype: &str) -> Result<i64> {
    let types = entity_type::service::list_of_project(tx, Kind::Media, project).await?;
    let fitting = types
        .into_iter()
        .filter(|of| of.dtype == dtype)
        .min_by_key(|of| of.id);
    fitting
        .map(|of| of.id)
        .ok_or_else(|| Error::invalid(format!("project {project} has no media type for {dtype}s")))
}
