//! Rows of media.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::types::{Media, Stats};
use crate::attribute::Kind;
use crate::database::{Row, Sink, Tx, Value};
use crate::error::Result;
use crate::project::Level;
use crate::query::{Selection, among};
use crate::undo::{As, Shape};
use crate::values;

/// Ids that one statement lists.
const CHUNK: usize = 5000;
/// Rows that go on together.
const BATCH: usize = 100;

const COLUMNS: [&str; 26] = [
    "id",
    "name",
    "media_files",
    "last_edit_start",
    "last_edit_end",
    "attributes",
    "elemental_id",
    "primary_section",
    "project",
    "type",
    "created_at",
    "created_by",
    "modified_at",
    "modified_by",
    "md5",
    "num_frames",
    "fps",
    "codec",
    "width",
    "height",
    "summary_level",
    "gid",
    "uid",
    "archive_state",
    "archive_status_date",
    "master_section",
];

/// How media stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "media",
    table: "media",
    level: Level::Edit,
    columns: &[
        ("name", "name", As::Plain),
        ("media_files", "media_files", As::Json),
        ("last_edit_start", "last_edit_start", As::Time),
        ("last_edit_end", "last_edit_end", As::Time),
        ("elemental_id", "elemental_id", As::Plain),
        ("primary_section", "primary_section", As::Plain),
        ("project", "project", As::Plain),
        ("type", "type", As::Plain),
        ("created_datetime", "created_at", As::Time),
        ("created_by", "created_by", As::Plain),
        ("md5", "md5", As::Plain),
        ("num_frames", "num_frames", As::Plain),
        ("fps", "fps", As::Number),
        ("codec", "codec", As::Plain),
        ("width", "width", As::Plain),
        ("height", "height", As::Plain),
        ("summary_level", "summary_level", As::Plain),
        ("gid", "gid", As::Plain),
        ("uid", "uid", As::Plain),
        ("archive_state", "archive_state", As::Plain),
        ("archive_status_date", "archive_status_date", As::Time),
        ("master_section", "master_section", As::Plain),
    ],
    attributes: Some(Kind::Media),
    found_out: &[
        "media_files",
        "num_frames",
        "fps",
        "codec",
        "width",
        "height",
        "md5",
    ],
    kept: true,
    ..Shape::PLAIN
};

fn select_list() -> String {
    COLUMNS
        .iter()
        .map(|column| format!("t.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn media(row: &mut Row) -> Result<Media> {
    let id = row.take()?;
    Ok(Media {
        id,
        name: row.take()?,
        media_files: match row.take::<Json>()? {
            Json::Object(files) => Some(files),
            _ => None,
        },
        last_edit_start: row.take()?,
        last_edit_end: row.take()?,
        attributes: row.take()?,
        elemental_id: row.take()?,
        primary_section: row.take()?,
        project: row.take()?,
        type_id: row.take()?,
        created_datetime: row.take()?,
        created_by: row.take()?,
        modified_datetime: row.take()?,
        modified_by: row.take()?,
        md5: row.take()?,
        num_frames: row.take()?,
        fps: row.take()?,
        codec: row.take()?,
        width: row.take()?,
        height: row.take()?,
        summary_level: row.take()?,
        gid: row.take()?,
        uid: row.take()?,
        archive_state: row.take()?,
        archive_status_date: row.take()?,
        master_section: row.take()?,
        effective_permission: None,
        incident: None,
    })
}

/// The media of a project that show others one after another, each with the ids of those.
pub(super) async fn joined(tx: &mut Tx, project: i64) -> Result<Vec<(i64, Vec<i64>)>> {
    let sql = "select id, media_files from media where project = $1 and not deleted \
               and media_files like '%\"concat\":%' order by id";
    let mut found = Vec::new();
    for mut row in tx.rows(sql, &values![project]).await? {
        let (id, files): (i64, Json) = (row.take()?, row.take()?);
        let parts = files["concat"].as_array();
        let parts = parts
            .into_iter()
            .flatten()
            .filter_map(|part| part["id"].as_i64());
        found.push((id, parts.collect()));
    }
    Ok(found)
}

fn row_values(media: &Media) -> Vec<Value> {
    let files = media
        .media_files
        .clone()
        .map(Json::Object)
        .unwrap_or(Json::Null);
    values![
        media.id,
        &media.name,
        &files,
        media.last_edit_start,
        media.last_edit_end,
        media.attributes.text(),
        &media.elemental_id,
        media.primary_section,
        media.project,
        media.type_id,
        media.created_datetime,
        media.created_by,
        media.modified_datetime,
        media.modified_by,
        &media.md5,
        media.num_frames,
        media.fps,
        media.codec.clone(),
        media.width,
        media.height,
        media.summary_level,
        media.gid.clone(),
        media.uid.clone(),
        &media.archive_state,
        media.archive_status_date,
        media.master_section
    ]
    .to_vec()
}

/// The selected rows, in order; `incident` is an SQL expression that counts hits.
pub async fn list(
    tx: &mut Tx,
    selection: &Selection,
    incident: Option<(String, Vec<Value>)>,
) -> Result<Vec<Media>> {
    let mut found = Vec::new();
    selection
        .each(tx, &select_list(), |mut row| {
            found.push(media(&mut row)?);
            Ok(())
        })
        .await?;
    if let Some((expression, values)) = incident {
        for some in found.chunks_mut(CHUNK) {
            let ids: Vec<i64> = some.iter().map(|media| media.id).collect();
            let among = among("t.id", &ids);
            let sql = format!("select t.id, {expression} from media t where {among}");
            let mut hits = HashMap::with_capacity(ids.len());
            for mut row in tx.rows(&sql, &values).await? {
                hits.insert(row.take::<i64>()?, row.take()?);
            }
            for media in some {
                media.incident = hits.remove(&media.id);
            }
        }
    }
    Ok(found)
}

/// Hands on the selected rows, in order, some at a time.
pub async fn flow(tx: &mut Tx, selection: &Selection, sink: &mut Sink<Vec<Media>>) -> Result<()> {
    let mut found = Vec::new();
    selection
        .flow(tx, &select_list(), sink, |columns| {
            found.push(media(&mut Row::of(columns, COLUMNS.len())?)?);
            Ok((found.len() == BATCH).then(|| std::mem::take(&mut found)))
        })
        .await?;
    sink.send(found).await
}

/// A media that is not deleted.
pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Media>> {
    let sql = format!(
        "select {} from media t where t.id = $1 and not t.deleted",
        select_list()
    );
    tx.row(&sql, &values![id])
        .await?
        .map(|mut row| media(&mut row))
        .transpose()
}

pub async fn insert(tx: &mut Tx, rows: &[Media]) -> Result<()> {
    let columns = [COLUMNS.as_slice(), &["deleted"]].concat();
    let values = rows
        .iter()
        .map(|media| [row_values(media), values![false].to_vec()].concat())
        .collect();
    tx.insert_many("media", &columns, values).await
}

pub async fn update(tx: &mut Tx, row: &Media) -> Result<()> {
    let sets: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .skip(1)
        .map(|(at, column)| format!("{column} = ${}", at + 1))
        .collect();
    let sql = format!("update media set {} where id = $1", sets.join(", "));
    tx.execute(&sql, &row_values(row)).await?;
    Ok(())
}

/// Overwrites rows.
pub async fn update_all(tx: &mut Tx, rows: &[Media]) -> Result<()> {
    let values: Vec<Vec<Value>> = rows.iter().map(row_values).collect();
    tx.update_many("media", &COLUMNS[..1], &COLUMNS[1..], &values)
        .await
}

pub async fn set_deleted(tx: &mut Tx, ids: &[i64], at_ms: i64, account: Option<i64>) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "update media set deleted = true, modified_at = $1, modified_by = $2 where {}",
            among("id", chunk)
        );
        tx.execute(&sql, &values![at_ms, account]).await?;
    }
    Ok(())
}

/// Which of some ids are media of the project.
pub async fn of_project(tx: &mut Tx, ids: &[i64], project: i64) -> Result<Vec<i64>> {
    let mut known = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "select id from media where project = $1 and not deleted and {}",
            among("id", chunk)
        );
        for mut row in tx.rows(&sql, &values![project]).await? {
            known.push(row.take()?);
        }
    }
    Ok(known)
}

/// The neighbour of a media in the order of name and id among the selected rows.
pub async fn neighbour(
    tx: &mut Tx,
    mut selection: Selection,
    of: &Media,
    next: bool,
) -> Result<Option<i64>> {
    let (name, id) = (selection.bind(&of.name), selection.bind(of.id));
    let (sign, order) = if next { (">", "asc") } else { ("<", "desc") };
    selection.require(format!(
        "(t.name {sign} {name} or (t.name = {name} and t.id {sign} {id}))"
    ));
    selection.order_by(format!("t.name {order}, t.id {order}"));
    let (sql, values) = selection.select("t.id");
    tx.scalar(&format!("{sql} limit 1"), &values).await
}

/// Counts, bytes and seconds of the selected media.
pub async fn stats(tx: &mut Tx, selection: &Selection) -> Result<Stats> {
    let mut stats = Stats {
        count: 0,
        download_size: 0,
        total_size: 0,
        duration: 0.0,
    };
    let (sql, values) = selection.select("t.media_files, t.num_frames, t.fps");
    tx.each(&sql, &values, |mut row| {
        let (files, frames, fps): (Json, Option<i64>, Option<f64>) =
            (row.take()?, row.take()?, row.take()?);
        stats.count += 1;
        let size = |role: &str| -> i64 {
            let records = files[role].as_array().map_or(&[][..], Vec::as_slice);
            records
                .iter()
                .filter_map(|record| record["size"].as_i64())
                .sum()
        };
        stats.total_size += [
            "archival",
            "streaming",
            "audio",
            "image",
            "thumbnail",
            "thumbnail_gif",
            "attachment",
        ]
        .into_iter()
        .map(size)
        .sum::<i64>();
        stats.download_size += match (size("archival"), size("image")) {
            (0, 0) => size("streaming"),
            (archival, image) => archival + image,
        };
        if let (Some(frames), Some(fps)) = (frames, fps.filter(|fps| *fps > 0.0)) {
            stats.duration += frames as f64 / fps;
        }
        Ok(())
    })
    .await?;
    Ok(stats)
}

/// Media that were deleted before a time, oldest first, at most so many.
pub async fn deleted_before(tx: &mut Tx, before_ms: i64, most: usize) -> Result<Vec<Media>> {
    let sql = format!(
        "select {} from media t where t.deleted and t.modified_at < $1 order by t.id limit {most}",
        select_list()
    );
    let rows = tx.rows(&sql, &values![before_ms]).await?;
    rows.into_iter().map(|mut row| media(&mut row)).collect()
}

/// Removes a row for good.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from media where id = $1", &values![id])
        .await?;
    Ok(())
}
