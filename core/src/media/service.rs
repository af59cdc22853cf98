//! What other nouns may ask of media.

use std::collections::HashSet;

use super::create::Upload;
use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::Media;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::Stamp;
use crate::project::Level;
use crate::query::Schema;

/// A media that the actor may use this much, with its project. Errors: `NotFound`, `Forbidden`.
pub async fn visible(tx: &mut Tx, actor: &Actor, id: i64, level: Level) -> Result<(Media, i64)> {
    super::read::visible(tx, actor, id, level).await
}

/// Makes a media of an uploaded video, or gives an existing one its file.
///
/// Errors: `Forbidden` for a URL that is not this station's, `Invalid` for a type that is no video.
pub async fn add_upload(
    cx: &Context,
    actor: &Actor,
    project: i64,
    upload: Upload,
) -> Result<Media> {
    super::create::add_upload(cx, actor, project, upload).await
}

/// The media of a project that a filter selects.
pub async fn selected(tx: &mut Tx, project: i64, filter: &Filter) -> Result<Vec<Media>> {
    let schema = Schema::load(tx, project).await?;
    let selection = select(tx, &schema, project, filter, &IdQuery::default()).await?;
    store::list(tx, &selection, None).await
}

/// Whether media of a project share the object of another media's key, as clones do.
pub async fn shares_key(tx: &mut Tx, project: i64, key: &str) -> Result<bool> {
    super::family::is_of_project(tx, project, key).await
}

/// The newest media of an upload.
pub async fn find_uid(tx: &mut Tx, uid: &str) -> Result<Option<i64>> {
    let sql = "select id from media where uid = $1 and not deleted order by id desc limit 1";
    tx.scalar(sql, &crate::values![uid]).await
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

/// The media that a `media_query` such as `?type=3&attribute=Depth::5` selects.
///
/// Errors: `Invalid` for a parameter that does not parse.
pub async fn matching(tx: &mut Tx, project: i64, text: &str) -> Result<Vec<i64>> {
    let parameters = super::routes::filter_parameters();
    let filter: Filter = crate::http::parse_query(&parameters, text.trim_start_matches('?'))?;
    let schema = Schema::load(tx, project).await?;
    select(tx, &schema, project, &filter, &IdQuery::default())
        .await?
        .ids(tx)
        .await
}
