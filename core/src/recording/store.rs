//! Rows of recordings, their segments and their events.

use serde_json::{Map, Value as Json};

use super::types::{Clock, Event, Part, Recording, Segment, Status};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::journal::Stamp;
use crate::project::Level;
use crate::query::Page;
use crate::undo::{As, Shape};
use crate::values;

/// How recordings stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "recording",
    table: "recording",
    level: Level::Transfer,
    columns: &[
        ("project", "project", As::Plain),
        ("media", "media", As::Plain),
        ("created_by", "account", As::Plain),
        ("created_datetime", "created_at", As::Time),
        ("stopped_datetime", "stopped_at", As::Time),
        ("status", "status", As::Plain),
    ],
    rest: Some("spec"),
    found_out: &["status", "stopped_datetime"],
    kept: true,
    settle: |tx, stamp, rows| Box::pin(super::service::settle(tx, stamp, rows)),
    ..Shape::PLAIN
};

/// How events stand in the journal.
pub const EVENT_SHAPE: Shape = Shape {
    noun: "recording_event",
    table: "recording_event",
    level: Level::Edit,
    columns: &[
        ("project", "project", As::Plain),
        ("recording", "recording", As::Plain),
        ("user", "account", As::Plain),
        ("utc_us", "utc_us", As::Plain),
        ("type", "type", As::Plain),
        ("text", "text", As::Plain),
        ("values", "attributes", As::Json),
        ("version", "version", As::Plain),
        ("elemental_id", "elemental_id", As::Plain),
        ("created_datetime", "created_at", As::Time),
    ],
    ..Shape::PLAIN
};

const RECORDING: &str = "select id, project, media, account, job, status, message, spec, parts, created_at, stopped_at \
     from recording";

fn recording(mut row: Row) -> Result<Recording> {
    Ok(Recording {
        id: row.take()?,
        project: row.take()?,
        media: row.take()?,
        account: row.take()?,
        job: row.take()?,
        status: Status::from_name(&row.take::<String>()?),
        message: row.take()?,
        spec: serde_json::from_value(row.take()?)?,
        parts: serde_json::from_value(row.take()?)?,
        created_at: row.take()?,
        stopped_at: row.take()?,
    })
}

pub(super) async fn find(tx: &mut Tx, id: i64) -> Result<Option<Recording>> {
    let sql = format!("{RECORDING} where id = $1 and not deleted");
    tx.row(&sql, &values![id]).await?.map(recording).transpose()
}

/// A recording, as long as this job does it: none when it was deleted, or given to another job.
pub(super) async fn find_of(tx: &mut Tx, id: i64, job: &str) -> Result<Option<Recording>> {
    let found = find(tx, id).await?;
    Ok(found.filter(|one| one.job == job))
}

/// The uid of the job of a recording, also of one that is deleted.
pub(super) async fn job_of(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let sql = "select job from recording where id = $1";
    tx.scalar(sql, &values![id]).await
}

/// The recordings of a project, or of a live media of it, oldest first.
pub(super) async fn list(
    tx: &mut Tx,
    project: i64,
    media: Option<i64>,
    page: &Page,
) -> Result<Vec<Recording>> {
    let sql = format!(
        "{RECORDING} where project = $1 and not deleted and (cast($2 as bigint) is null or media = $2) order by id{}",
        page.sql()
    );
    let rows = tx.rows(&sql, &values![project, media]).await?;
    rows.into_iter().map(recording).collect()
}

/// The recordings of a project that are not wholly videos.
pub(super) async fn unfinished(tx: &mut Tx, project: i64) -> Result<Vec<Recording>> {
    let sql = format!("{RECORDING} where project = $1 and status <> 'finished'");
    let rows = tx.rows(&sql, &values![project]).await?;
    rows.into_iter().map(recording).collect()
}

/// How many bytes were fetched for each part of a recording.
pub(super) async fn bytes_by_part(tx: &mut Tx, recording: i64) -> Result<Vec<(i64, i64)>> {
    let sql = "select part, cast(sum(size_bytes) as bigint) from recording_segment where recording = $1 group by part";
    let rows = tx.rows(sql, &values![recording]).await?;
    rows.into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

/// Marks a recording as deleted.
pub(super) async fn mark_deleted(tx: &mut Tx, stamp: &Stamp, id: i64) -> Result<()> {
    let sql =
        "update recording set deleted = true, modified_at = $2, modified_by = $3 where id = $1";
    tx.execute(sql, &values![id, stamp.at_ms, stamp.account])
        .await?;
    Ok(())
}

/// Removes recordings that were deleted before a time for good, at most so many; returns how many. Their
/// folders go with the next sweep.
pub async fn purge(tx: &mut Tx, before_ms: i64, most: usize) -> Result<usize> {
    let sql = format!(
        "select id from recording where deleted and modified_at < $1 order by id limit {most}"
    );
    let rows = tx.rows(&sql, &values![before_ms]).await?;
    let count = rows.len();
    for mut row in rows {
        remove(tx, row.take()?).await?;
    }
    Ok(count)
}

/// The ids of all recordings, also of those that are deleted and may come back.
pub(super) async fn ids(tx: &mut Tx) -> Result<Vec<i64>> {
    let rows = tx.rows("select id from recording", &[]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Inserts a recording, or writes what changes of one.
pub(super) async fn put(tx: &mut Tx, recording: &Recording) -> Result<()> {
    let spec = serde_json::to_value(&recording.spec)?;
    let parts = serde_json::to_value(&recording.parts)?;
    tx.execute(
        "insert into recording (id, project, media, account, job, status, message, spec, parts, created_at, stopped_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do update set \
         job = $5, status = $6, message = $7, spec = $8, parts = $9, stopped_at = $11",
        &values![
            recording.id,
            recording.project,
            recording.media,
            recording.account,
            &recording.job,
            recording.status.name(),
            &recording.message,
            &spec,
            &parts,
            recording.created_at,
            recording.stopped_at
        ],
    )
    .await?;
    Ok(())
}

/// Removes a recording with its segments and events.
async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    for sql in [
        "delete from recording_event where recording = $1",
        "delete from recording_segment where recording = $1",
        "delete from recording where id = $1",
    ] {
        tx.execute(sql, &values![id]).await?;
    }
    Ok(())
}

const SEGMENT: &str = "select number, part, sequence, discontinuity, utc_us, clock, duration_us, size_bytes, init, lost, \
     message, first_frame, num_frames from recording_segment";

fn segment(mut row: Row) -> Result<Segment> {
    Ok(Segment {
        number: row.take()?,
        part: row.take()?,
        sequence: row.take()?,
        discontinuity: row.take()?,
        utc_us: row.take()?,
        clock: Clock::from_name(&row.take::<String>()?),
        duration_us: row.take()?,
        size_bytes: row.take()?,
        init: row.take()?,
        lost: row.take()?,
        message: row.take()?,
        first_frame: row.take()?,
        num_frames: row.take()?,
    })
}

/// The segments of a recording, in its order.
pub(super) async fn segments(tx: &mut Tx, recording: i64) -> Result<Vec<Segment>> {
    let sql = format!("{SEGMENT} where recording = $1 order by number");
    let rows = tx.rows(&sql, &values![recording]).await?;
    rows.into_iter().map(segment).collect()
}

/// The last segment, or gap, that a recording has.
pub(super) async fn last_segment(tx: &mut Tx, recording: i64) -> Result<Option<Segment>> {
    let sql = format!("{SEGMENT} where recording = $1 order by number desc limit 1");
    let found = tx.row(&sql, &values![recording]).await?;
    found.map(segment).transpose()
}

/// What a recording has, without its gaps, and what it lacks.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub segments: i64,
    pub lost: i64,
    pub size_bytes: i64,
    pub duration_us: i64,
    pub start_us: Option<i64>,
    pub events: i64,
}

pub(super) async fn sums(tx: &mut Tx, recording: i64) -> Result<Sums> {
    let sql = "select count(case when lost = 0 then 1 end), cast(coalesce(sum(lost), 0) as bigint), \
               cast(coalesce(sum(size_bytes), 0) as bigint), \
               cast(coalesce(sum(case when lost = 0 then duration_us else 0 end), 0) as bigint), min(utc_us) \
               from recording_segment where recording = $1";
    let Some(mut row) = tx.row(sql, &values![recording]).await? else {
        return Ok(Sums::default());
    };
    let counted = "select count(*) from recording_event where recording = $1";
    let events: Option<i64> = tx.scalar(counted, &values![recording]).await?;
    Ok(Sums {
        segments: row.take()?,
        lost: row.take()?,
        size_bytes: row.take()?,
        duration_us: row.take()?,
        start_us: row.take()?,
        events: events.unwrap_or_default(),
    })
}

pub(super) async fn insert_segment(tx: &mut Tx, recording: i64, segment: &Segment) -> Result<()> {
    tx.execute(
        "insert into recording_segment (recording, number, part, sequence, discontinuity, utc_us, clock, duration_us, \
         size_bytes, init, lost, message) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &values![
            recording,
            segment.number,
            segment.part,
            segment.sequence,
            segment.discontinuity,
            segment.utc_us,
            segment.clock.name(),
            segment.duration_us,
            segment.size_bytes,
            segment.init,
            segment.lost,
            &segment.message
        ],
    )
    .await?;
    Ok(())
}

/// Writes which frames a segment holds.
pub(super) async fn set_frames(
    tx: &mut Tx,
    recording: i64,
    number: i64,
    first: i64,
    count: i64,
) -> Result<()> {
    let sql = "update recording_segment set first_frame = $3, num_frames = $4 where recording = $1 and number = $2";
    tx.execute(sql, &values![recording, number, first, count])
        .await?;
    Ok(())
}

/// Makes the rest of a part, from a segment on, a part of its own.
pub(super) async fn split(tx: &mut Tx, recording: i64, part: i64, from: i64) -> Result<()> {
    let sql = "update recording_segment set part = (select max(part) + 1 from recording_segment where recording = $1) \
               where recording = $1 and part = $2 and number >= $3";
    tx.execute(sql, &values![recording, part, from]).await?;
    Ok(())
}

/// The recording whose part a media is: those that its project still has.
pub(super) async fn of_media(tx: &mut Tx, project: i64, media: i64) -> Result<Option<Recording>> {
    let all = list(tx, project, None, &Page::default()).await?;
    Ok(all
        .into_iter()
        .find(|one| one.parts.iter().any(|part| part.media == Some(media))))
}

const EVENT: &str = "select id, project, recording, account, utc_us, type, text, attributes, version, elemental_id, \
     created_at from recording_event";

fn event(mut row: Row) -> Result<Event> {
    Ok(Event {
        id: row.take()?,
        project: row.take()?,
        recording: row.take()?,
        user: row.take()?,
        utc_us: row.take()?,
        r#type: row.take()?,
        text: row.take()?,
        values: match row.take::<Json>()? {
            Json::Object(values) => values,
            _ => Map::new(),
        },
        version: row.take()?,
        elemental_id: row.take()?,
        created_datetime: row.take()?,
    })
}

/// The events of a recording, by their time.
pub(super) async fn events(tx: &mut Tx, recording: i64) -> Result<Vec<Event>> {
    let sql = format!("{EVENT} where recording = $1 order by utc_us, id");
    let rows = tx.rows(&sql, &values![recording]).await?;
    rows.into_iter().map(event).collect()
}

pub(super) async fn find_event(tx: &mut Tx, id: i64) -> Result<Option<Event>> {
    let sql = format!("{EVENT} where id = $1");
    tx.row(&sql, &values![id]).await?.map(event).transpose()
}

/// Inserts an event, or writes what changes of one.
pub(super) async fn put_event(tx: &mut Tx, event: &Event) -> Result<()> {
    tx.execute(
        "insert into recording_event (id, project, recording, account, utc_us, type, text, attributes, version, \
         elemental_id, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         on conflict (id) do update set utc_us = $5, type = $6, text = $7, attributes = $8, version = $9",
        &values![
            event.id,
            event.project,
            event.recording,
            event.user,
            event.utc_us,
            event.r#type,
            &event.text,
            &Json::Object(event.values.clone()),
            event.version,
            &event.elemental_id,
            event.created_datetime
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn remove_event(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "delete from recording_event where id = $1";
    tx.execute(sql, &values![id]).await?;
    Ok(())
}

/// How far a recording is, as long as this job does it.
pub(super) async fn status(tx: &mut Tx, id: i64, job: &str) -> Result<Option<Status>> {
    let sql = "select status from recording where id = $1 and job = $2 and not deleted";
    let name: Option<String> = tx.scalar(sql, &values![id, job]).await?;
    Ok(name.as_deref().map(Status::from_name))
}

/// Says what is wrong with a recording at the moment.
pub(super) async fn tell(tx: &mut Tx, id: i64, message: &str) -> Result<()> {
    let sql = "update recording set message = $2 where id = $1 and message <> $2";
    tx.execute(sql, &values![id, message]).await?;
    Ok(())
}

/// Adds the video of a part.
pub(super) async fn add_part(tx: &mut Tx, id: i64, part: Part) -> Result<()> {
    let Some(mut recording) = find(tx, id).await? else {
        return Ok(());
    };
    recording.parts.retain(|one| one.part != part.part);
    recording.parts.push(part);
    put(tx, &recording).await
}
