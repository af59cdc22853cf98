//! What other nouns may ask of media.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::create::Upload;
use super::family::Families;
use super::files;
use super::filter::{Filter, IdQuery, select};
use super::source::{self, Source};
use super::store;
use super::types::Media;
use crate::account::Actor;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::project::Level;
use crate::query::Schema;
use crate::storage::{self, Owner};

/// A media that the actor may use this much, with its project. Errors: `NotFound`, `Forbidden`.
pub async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<(Media, i64)> {
    super::read::visible(tx, actor, id, level).await
}

/// A media that is not deleted.
pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Media>> {
    store::find(tx, id).await
}

/// The media that a media shows one after another (its `concat`), and at which second of it each begins, where given.
pub fn joined(media: &Media) -> Vec<(i64, Option<f64>)> {
    super::composite::joined(media)
}

/// Makes a media of a file, or gives an existing one its file; the actor may do so. Wake the indexer
/// (`cx.indexing`) after the transaction.
///
/// Errors: `Invalid` for what does not fit its type, or has no file.
pub async fn add_upload(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    upload: Upload,
) -> Result<Media> {
    super::create::add_upload(tx, stamp, actor, project, upload).await
}

/// Changes what is recorded of a media's files. Errors: `NotFound` when the media was deleted, and
/// those of the change.
pub async fn amend_files(
    tx: &mut Tx,
    stamp: &Stamp,
    id: i64,
    change: impl FnOnce(&mut Map<String, Json>) -> Result<()> + Send,
) -> Result<()> {
    let before = store::find(tx, id).await?;
    let before = before.ok_or_else(|| Error::no_match("Media"))?;
    let mut row = before.clone();
    change(row.media_files.get_or_insert_default())?;
    row.modified_datetime = stamp.at_ms;
    store::update(tx, &row).await?;
    let changes = Change::updated(id, &before, &row)?;
    journal::record(tx, stamp, row.project, "media", changes).await
}

/// The key under which the file of a media is read, as it was uploaded or lies in place.
pub async fn original_key(tx: &mut Tx, media: &Media, source: &Source) -> Result<String> {
    let owner = storage::owner(tx, media.project.unwrap_or_default()).await?;
    Ok(super::indexer::original_key(source, owner, media))
}

/// What a file of this name is, `image` or `video`; none for anything else.
pub fn dtype_of_file(name: &str) -> Option<&'static str> {
    super::import::dtype(Path::new(name))
}

/// The first media type of a project for `image` or `video`. Errors: `Invalid` when there is none.
pub async fn first_type(tx: &mut Tx, project: i64, dtype: &str) -> Result<i64> {
    super::import::type_of(tx, project, dtype).await
}

/// The media of a project that a filter and a body select.
pub async fn selected(
    tx: &mut Tx,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<Vec<i64>> {
    let schema = Schema::load(tx, project).await?;
    let selection = select(tx, &schema, project, filter, ids).await?;
    selection.ids(tx).await
}

/// Checks the names that a bulk change selects media by. Errors: `Invalid`.
pub async fn check_selection(
    tx: &mut Tx,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<()> {
    filter.check_known(&Schema::load(tx, project).await?, ids)
}

/// The folders that media of a project lie in, by media.
pub async fn folders(tx: &mut Tx, project: i64) -> Result<HashMap<i64, i64>> {
    let sql = "select id, primary_section from media \
               where project = $1 and primary_section is not null and not deleted";
    let mut folders = HashMap::new();
    for mut row in tx.rows(sql, &crate::values![project]).await? {
        folders.insert(row.take()?, row.take()?);
    }
    Ok(folders)
}

/// Keys of stored bytes in the records of a media that are its own, or its family's.
pub async fn own_keys(tx: &mut Tx, owner: Owner, media: &Media) -> Result<HashSet<String>> {
    let families = Families::of(tx, &[media.id]).await?;
    let recorded = media.media_files.iter().flat_map(files::keys);
    Ok(recorded
        .filter(|key| families.holds(owner, media.id, key))
        .collect())
}

/// Whether media of a project share the object of another media's key, as clones do.
pub async fn shares_key(tx: &mut Tx, project: i64, key: &str) -> Result<bool> {
    super::family::is_of_project(tx, project, key).await
}

/// Whether a media, or one that shares its files, records the object of a key or is read from it.
pub async fn needs_key(tx: &mut Tx, media: i64, key: &str) -> Result<bool> {
    let row = store::find(tx, media).await?;
    let files = row.and_then(|row| row.media_files);
    if files.is_some_and(|files| files::keys(&files).any(|known| known == key)) {
        return Ok(true);
    }
    let source = source::find(tx, media).await?;
    if source.is_some_and(|source| source.object_key.as_deref() == Some(key)) {
        return Ok(true);
    }
    Ok(super::family::needed(tx, media).await?.contains(key))
}

/// Takes the media of a folder out of it, as the folder goes away.
pub async fn leave_section(tx: &mut Tx, stamp: &Stamp, project: i64, section: i64) -> Result<()> {
    super::change::leave_section(tx, stamp, project, section).await
}

/// Checks that media exist in the project. Errors: `Invalid`, naming the first that does not.
pub async fn check_of_project(tx: &mut Tx, ids: &HashSet<i64>, project: i64) -> Result<()> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let known: HashSet<i64> = store::of_project(tx, &ids, project)
        .await?
        .into_iter()
        .collect();
    match ids.iter().find(|id| !known.contains(id)) {
        Some(missing) => Err(Error::invalid(format!(
            "Media {missing} is not part of project {project}!"
        ))),
        None => Ok(()),
    }
}

/// Checks the names that a `media_query` of a bulk change selects by. Errors: `Invalid`.
pub fn check_query(schema: &Schema, text: &str) -> Result<()> {
    parse_query(text)?.check_known(schema, &IdQuery::default())
}

fn parse_query(text: &str) -> Result<Filter> {
    let parameters = super::routes::filter_parameters();
    crate::http::parse_query(&parameters, text.trim_start_matches('?'))
}

/// The media that a `media_query` such as `?type=3&attribute=Depth::5` selects.
///
/// Errors: `Invalid` for a parameter that does not parse.
pub async fn matching(tx: &mut Tx, project: i64, text: &str) -> Result<Vec<i64>> {
    let filter = parse_query(text)?;
    let schema = Schema::load(tx, project).await?;
    select(tx, &schema, project, &filter, &IdQuery::default())
        .await?
        .ids(tx)
        .await
}
