//! From segments to videos: the bytes of each part, as they were sent, become the file of a media.

use std::path::PathBuf;

use transect_frame_client::WorkerError;

use super::types::{Part, Recording, Segment};
use super::{keep, store};
use crate::account::{self, Actor};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::frames::{self, FrameIndex};
use crate::journal::Stamp;
use crate::media::fetch::Origin;
use crate::media::{self, Upload};
use crate::storage::objects::Stored;
use crate::{id, transcode};

/// Makes a video of every part that is none yet. A part that cannot be read is noted as such, and its
/// segments stay on the disk.
///
/// Errors: `StorageFull`; `Busy` when the frame worker cannot say yet.
pub(super) async fn assemble(cx: &Context, recording: i64, job: &str) -> Result<()> {
    while let Some((recording, part, segments)) = next(cx, recording, job).await? {
        one(cx, &recording, part, segments).await?;
    }
    Ok(())
}

/// The first part without a video, with its segments.
async fn next(cx: &Context, id: i64, job: &str) -> Result<Option<(Recording, i64, Vec<Segment>)>> {
    let job = job.to_owned();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let Some(recording) = store::find_of(tx, id, &job).await? else {
                    return Err(super::follow::removed());
                };
                let mut segments = store::segments(tx, id).await?;
                segments.retain(|one| !one.is_gap());
                let done = |part: i64| recording.parts.iter().any(|one| one.part == part);
                let Some(part) = segments
                    .iter()
                    .map(|one| one.part)
                    .find(|part| !done(*part))
                else {
                    return Ok(None);
                };
                segments.retain(|one| one.part == part);
                Ok(Some((recording, part, segments)))
            })
        })
        .await
}

async fn one(cx: &Context, recording: &Recording, part: i64, segments: Vec<Segment>) -> Result<()> {
    let name = format!("recording-{}-{part}", recording.id);
    let stored = stored(cx, recording, &segments).await?;
    let made = try_one(cx, recording, part, segments, &name, &stored).await;
    // Only a part that became a video keeps its bytes; the database may have taken them all the same.
    let unused = match &made {
        Ok(taken) => !taken,
        Err(error) => !matches!(error, Error::Internal { .. }),
    };
    if unused && let Err(error) = cx.objects.delete(&stored.blob).await {
        tracing::warn!(error = %Chain(&error), "unused bytes stay until the next sweep");
    }
    frames::drop_index(cx, &name).await;
    made.map(drop)
}

async fn stored(cx: &Context, recording: &Recording, segments: &[Segment]) -> Result<Stored> {
    let folder = keep::folder(cx, recording.id);
    let init = segments.first().and_then(|first| first.init);
    let init = init.map(|init| keep::init_file(&folder, init));
    let files = segments
        .iter()
        .map(|one| keep::segment_file(&folder, one.number));
    let files: Vec<PathBuf> = init.into_iter().chain(files).collect();
    keep::join(cx, files).await
}

/// Makes the video of a part; says whether it took the bytes.
async fn try_one(
    cx: &Context,
    recording: &Recording,
    part: i64,
    segments: Vec<Segment>,
    name: &str,
    stored: &Stored,
) -> Result<bool> {
    let path = cx.objects.path(&stored.blob).await?;
    let path = path.ok_or_else(|| Error::internal("read a recording", "its bytes are no file"))?;
    let index = match frames::index_of_file(cx, &path, name).await {
        Ok(index) if index.frame_count() > 0 => index,
        Ok(_) => return unreadable(cx, recording, part, "it has no pictures".into()).await,
        Err(
            error @ (WorkerError::Crashed { .. } | WorkerError::Timeout | WorkerError::Io { .. }),
        ) => {
            return Err(error.into());
        }
        Err(error) => return unreadable(cx, recording, part, error.to_string()).await,
    };
    let total = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
    let head = total - segments.iter().map(|one| one.size_bytes).sum::<i64>();
    let frames = match frames_of(&index, &segments, head) {
        Ok(frames) => frames,
        Err(at) => {
            // Its times run back there, though the feed did not say so.
            let (id, from) = (recording.id, segments[at].number);
            let written = cx
                .database
                .write(move |tx| Box::pin(async move { store::split(tx, id, part, from).await }));
            written.await?;
            return Ok(false);
        }
    };
    let media = add(cx, recording, part, segments, frames, stored.clone()).await?;
    frames::adopt_index(cx, name, media).await;
    cx.indexing.notify_one();
    cx.jobs.ring();
    Ok(true)
}

async fn unreadable(
    cx: &Context,
    recording: &Recording,
    part: i64,
    message: String,
) -> Result<bool> {
    let id = recording.id;
    tracing::warn!(
        recording.id = id,
        message,
        "a part of a recording cannot be read"
    );
    let part = Part {
        part,
        media: None,
        message,
    };
    cx.database
        .write(move |tx| Box::pin(async move { store::add_part(tx, id, part).await }))
        .await?;
    Ok(false)
}

/// The first frame of each segment and how many it has, by where their packets lie in the file, whose
/// segments begin behind `head` bytes.
///
/// Errors: the first segment that does not come after those before it.
fn frames_of(
    index: &FrameIndex,
    segments: &[Segment],
    head: i64,
) -> std::result::Result<Vec<(i64, i64)>, usize> {
    let mut starts = Vec::with_capacity(segments.len());
    let mut start = head;
    for one in segments {
        starts.push(start);
        start += one.size_bytes;
    }
    let segment_of = |position: u64| {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let behind = starts.partition_point(|start| *start <= position);
        behind.saturating_sub(1)
    };
    // Decoding times are as the feed sent them; times of frames may have been made up where those clash.
    let (mut current, mut newest) = (0, i64::MIN);
    for packet in index.packets() {
        let at = segment_of(packet.position);
        if at > current && packet.dts <= newest {
            return Err(at);
        }
        current = at;
        newest = newest.max(packet.dts);
    }
    let mut ranges: Vec<Option<(usize, usize)>> = vec![None; segments.len()];
    for (ordinal, frame) in index.frames().enumerate() {
        let range = &mut ranges[segment_of(index.packet(frame.packet as usize).position)];
        let (first, _) = range.unwrap_or((ordinal, ordinal));
        *range = Some((first, ordinal));
    }
    let (mut found, mut next) = (Vec::with_capacity(ranges.len()), 0);
    for (at, range) in ranges.into_iter().enumerate() {
        let Some((first, last)) = range else {
            // Sound alone, or nothing that could be decoded.
            found.push((next as i64, 0));
            continue;
        };
        if first < next && at > 0 {
            return Err(at);
        }
        found.push((first as i64, (last - first + 1) as i64));
        next = last + 1;
    }
    Ok(found)
}

/// Makes the media, its renditions' job and what is known of its segments, all at once.
async fn add(
    cx: &Context,
    recording: &Recording,
    part: i64,
    segments: Vec<Segment>,
    frames: Vec<(i64, i64)>,
    stored: Stored,
) -> Result<i64> {
    let stamp = cx.clock.stamp_of_job(Some(recording.account), cx.now());
    let recording = recording.clone();
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let found = store::find_of(tx, recording.id, &recording.job).await?;
                let Some(recording) = found else {
                    return Err(super::follow::removed());
                };
                for (one, (first, count)) in segments.iter().zip(&frames) {
                    store::set_frames(tx, recording.id, one.number, *first, *count).await?;
                }
                let ending = if segments.iter().any(|one| one.init.is_some()) {
                    "mp4"
                } else {
                    "ts"
                };
                let name = match recording
                    .parts
                    .iter()
                    .filter(|one| one.media.is_some())
                    .count()
                {
                    0 => format!("{}.{ending}", recording.spec.name),
                    before => format!("{} ({}).{ending}", recording.spec.name, before + 1),
                };
                let media = make(tx, &stamp, &recording, name, stored).await?;
                let part = Part {
                    part,
                    media: Some(media),
                    message: String::new(),
                };
                store::add_part(tx, recording.id, part).await?;
                Ok(media)
            })
        })
        .await
}

async fn make(
    tx: &mut Tx,
    stamp: &Stamp,
    recording: &Recording,
    name: String,
    stored: Stored,
) -> Result<i64> {
    let user = account::service::reference(tx, recording.account).await?;
    let live = media::service::find(tx, recording.media).await?;
    let size = i64::try_from(stored.size_bytes).unwrap_or(i64::MAX);
    let upload = Upload {
        type_id: recording.spec.r#type,
        name,
        md5: String::new(),
        gid: id::uuid(),
        uid: id::uuid(),
        origin: Some(Origin::Recorded(stored)),
        section: None,
        section_id: live.and_then(|live| live.primary_section),
        attributes: None,
        media: None,
        workflow: Some(recording.job.clone()),
    };
    let actor = Actor::from(&user);
    let project = recording.project;
    let media = media::service::add_upload(tx, stamp, &actor, project, upload).await?;
    transcode::add_renditions(tx, stamp, project, &media, size).await?;
    Ok(media.id)
}
