//! Reading and changing the records of a media's files.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::super::read::visible;
use super::super::types::Media;
use super::super::{change, family, files, source};
use super::types::{InsertQuery, PlaceQuery};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change};
use crate::project::Level;
use crate::storage::{self, Owner};

type Record = Map<String, Json>;

/// The records of a role, as they are stored.
pub(super) async fn list(cx: &Context, actor: &Actor, id: i64, role: String) -> Result<Vec<Json>> {
    let actor = actor.clone();
    let reading = cx.database.read(move |tx| {
        Box::pin(async move {
            let (media, _) = visible(tx, &actor, id, Level::View).await?;
            Ok(records(&media, &role).to_vec())
        })
    });
    reading.await
}

/// One record. Errors: `Invalid` beyond the end of the list.
pub(super) async fn get(cx: &Context, actor: &Actor, id: i64, place: PlaceQuery) -> Result<Json> {
    let mut found = list(cx, actor, id, place.role.clone()).await?;
    check_index(&place, found.len())?;
    Ok(found.swap_remove(place.index))
}

/// Adds a record.
///
/// Errors: `Forbidden` for a key that is not the media's, `Invalid` for what is no record of the role.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    id: i64,
    query: InsertQuery,
    record: Record,
) -> Result<()> {
    let bucket = query
        .bucket_id
        .or(record.get("bucket_id").and_then(Json::as_i64));
    let step = Step::Insert(query.index, record);
    edit(cx, actor, id, query.role, bucket, step).await
}

/// Puts another record in the place of one. Errors: as [`create`], and beyond the end of the list.
pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    place: PlaceQuery,
    record: Record,
) -> Result<()> {
    let (role, step) = (place.role.clone(), Step::Replace(place, record));
    edit(cx, actor, id, role, None, step).await
}

/// Removes a record. Errors: `Invalid` beyond the end of the list.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64, place: PlaceQuery) -> Result<()> {
    let (role, step) = (place.role.clone(), Step::Remove(place));
    edit(cx, actor, id, role, None, step).await
}

/// What happens to a list of records.
enum Step {
    Insert(Option<usize>, Record),
    Replace(PlaceQuery, Record),
    Remove(PlaceQuery),
}

async fn edit(
    cx: &Context,
    actor: &Actor,
    id: i64,
    role: String,
    bucket: Option<i64>,
    step: Step,
) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            let (before, project) = visible(tx, &actor, id, Level::Transfer).await?;
            let owner = storage::owner(tx, project).await?;
            if let Some(bucket) = bucket {
                storage::check_bucket(tx, owner, bucket).await?;
            }
            let mut media = before.clone();
            let mut listed = records(&before, &role).to_vec();
            match step {
                Step::Insert(index, record) => {
                    if role == "thumbnail" {
                        drop_made(tx, id, &mut listed).await?;
                    }
                    let record = accept(tx, owner, &before, &role, record).await?;
                    let index = index.unwrap_or(listed.len()).min(listed.len());
                    listed.insert(index, record);
                }
                Step::Replace(place, record) => {
                    check_index(&place, listed.len())?;
                    listed[place.index] = accept(tx, owner, &before, &role, record).await?;
                }
                Step::Remove(place) => {
                    check_index(&place, listed.len())?;
                    listed.remove(place.index);
                }
            }
            let files = media.media_files.get_or_insert_default();
            files.insert(role, Json::Array(listed));
            media.modified_datetime = stamp.at_ms;
            media.modified_by = stamp.account;
            let waits = change::write_files(tx, owner, &before, &media, stamp.at_ms).await?;
            let changes = Change::updated(id, &before, &media)?;
            journal::record(tx, &stamp, Some(project), "media", changes).await?;
            Ok(waits)
        })
    });
    if writing.await? {
        cx.indexing.forget(id);
        cx.indexing.notify_one();
    }
    storage::collect(cx).await
}

/// Takes the thumbnail that the station made by itself out of the list, for one that was uploaded.
async fn drop_made(tx: &mut Tx, id: i64, listed: &mut Vec<Json>) -> Result<()> {
    let Some(mut source) = source::find(tx, id).await? else {
        return Ok(());
    };
    let paths: HashSet<&str> = listed
        .iter()
        .filter_map(|record| record["path"].as_str())
        .collect();
    let (gone, kept): (Vec<String>, Vec<String>) = source
        .made
        .into_iter()
        .partition(|key| paths.contains(key.as_str()));
    source.made = kept;
    source::put(tx, &source).await?;
    listed.retain(|record| {
        let path = record["path"].as_str().unwrap_or_default();
        !gone.iter().any(|key| key == path)
    });
    Ok(())
}

/// Checks a record and completes its size from the stored object.
async fn accept(
    tx: &mut Tx,
    owner: Owner,
    media: &Media,
    role: &str,
    mut record: Record,
) -> Result<Json> {
    let own = media.media_files.as_ref();
    let composed = ["ids", "concat", "live"];
    if matches!(role, "streaming" | "archival" | "audio")
        && let Some(of) = composed
            .iter()
            .find(|key| own.is_some_and(|files| files::is_given(files.get(**key))))
    {
        return Err(Error::invalid(format!(
            "media {} consists of other media or streams ({of}) and has no {role} files of its own",
            media.id
        )));
    }
    let reference = record.get("reference_only").and_then(Json::as_i64) == Some(1);
    let segments = record.get("segment_info").and_then(Json::as_str);
    if role == "streaming" && !reference && segments.is_none_or(str::is_empty) {
        return Err(Error::invalid(
            "a streaming file needs segment_info, the key of its segment JSON, unless it is reference_only",
        ));
    }
    let one = Map::from_iter([(role.to_owned(), json!([record]))]);
    let shared = family::shared(tx, media.id).await?;
    files::check(owner, media.id, &one, own, &shared)?;
    files::complete(tx, &mut record).await?;
    Ok(Json::Object(record))
}

fn records<'m>(media: &'m Media, role: &str) -> &'m [Json] {
    let files = media.media_files.as_ref();
    let listed = files.and_then(|files| files.get(role)?.as_array());
    listed.map_or(&[], Vec::as_slice)
}

fn check_index(place: &PlaceQuery, length: usize) -> Result<()> {
    if place.index < length {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Supplied index {} is larger than the {} list of {length} files!",
        place.index, place.role
    )))
}
