//! From rendition to file to record.

use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};
use transect_frame_client::{Output, Produced, VideoCodec};

use super::jobs::Subject;
use super::recipe::{Codec, Encoding, GOP, Recipe, Rendition, THUMBNAIL_WIDTH};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::jobs::{self, Run};
use crate::journal::Stamp;
use crate::media::source;
use crate::storage::objects::Stored;
use crate::{media, storage};

/// What the engine is asked for.
pub(super) fn output(rendition: &Rendition, file: PathBuf) -> Output {
    match rendition {
        Rendition::Streaming(how) => stream(how, file, GOP, true),
        Rendition::Proxy(how, gop) => stream(how, file, *gop, true),
        Rendition::Archival(how) => stream(how, file, GOP, false),
        Rendition::Remux => Output::Copy {
            file,
            fragmented: true,
        },
        Rendition::Audio => Output::Audio { file },
        Rendition::Thumbnail => Output::Thumbnail {
            file,
            width: THUMBNAIL_WIDTH,
        },
        Rendition::ThumbnailGif => Output::Gif {
            file,
            width: THUMBNAIL_WIDTH,
        },
    }
}

fn stream(how: &Encoding, file: PathBuf, gop: u32, fragmented: bool) -> Output {
    Output::Stream {
        file,
        codec: match how.codec {
            Codec::H264 => VideoCodec::H264,
            Codec::Hevc => VideoCodec::Hevc,
            Codec::Av1 => VideoCodec::Av1,
        },
        height: how.height,
        crf: how.crf,
        preset: how.preset.clone(),
        tune: how.tune.clone(),
        pixel_format: how.pixel_format.clone(),
        gop,
        fragmented,
    }
}

/// A rendition and its file.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub rendition: Rendition,
    pub produced: Produced,
}

/// Stores a file and records it, both or neither, unless the job was called off meanwhile.
///
/// It runs to its end even when the job is dropped in the middle, so that no bytes are left behind
/// that nothing stands for.
pub(super) async fn record(run: &Run, subject: &Subject, made: Made) -> Result<()> {
    let keeping = Keeping {
        job: run.job.id,
        account: run.job.account,
        media: subject.media.id,
        project: subject.media.project.unwrap_or_default(),
        fingerprint: subject.source.fingerprint.clone(),
    };
    let cx = run.cx.clone();
    let task = tokio::spawn(async move { keep(&cx, keeping, made).await });
    task.await
        .map_err(|error| Error::internal("store a rendition", error))?
}

struct Keeping {
    job: i64,
    account: Option<i64>,
    media: i64,
    project: i64,
    fingerprint: Option<String>,
}

async fn keep(cx: &Context, keeping: Keeping, made: Made) -> Result<()> {
    let video = storage::put_file(cx, &made.produced.file).await?;
    let mut blobs = vec![video.blob.clone()];
    let segments = match segments(cx, &made).await {
        Ok(segments) => segments,
        Err(error) => return Err(discard(cx, blobs, error).await),
    };
    blobs.extend(segments.as_ref().map(|stored| stored.blob.clone()));
    let stamp = cx.clock.stamp_of_job(keeping.account, cx.now());
    let written = cx.database.write(move |tx| {
        Box::pin(async move { adopt(tx, &stamp, keeping, made, video, segments).await })
    });
    match written.await {
        Ok(()) => Ok(()),
        Err(error) => Err(discard(cx, blobs, error).await),
    }
}

/// Deletes blobs that certainly got no key; returns the error that was the reason.
async fn discard(cx: &Context, blobs: Vec<String>, error: Error) -> Error {
    // The database may have taken them all the same; the sweep knows.
    if !matches!(error, Error::Internal { .. }) {
        for blob in blobs {
            if let Err(error) = cx.objects.delete(&blob).await {
                tracing::warn!(error = %Chain(&error), blob, "an unused blob stays until the next sweep");
            }
        }
    }
    error
}

/// Stores the segment file of a streaming rendition.
async fn segments(cx: &Context, made: &Made) -> Result<Option<Stored>> {
    let Some(index) = &made.produced.segments else {
        return Ok(None);
    };
    let bytes = serde_json::to_vec(index)?;
    let length = bytes.len() as u64;
    let bytes = futures::stream::iter([Ok(bytes.into())]);
    let stored = cx.objects.put(Box::pin(bytes), Some(length)).await?;
    Ok(Some(stored))
}

async fn adopt(
    tx: &mut Tx,
    stamp: &Stamp,
    keeping: Keeping,
    made: Made,
    video: Stored,
    segments: Option<Stored>,
) -> Result<()> {
    if !jobs::is_running(tx, keeping.job).await? {
        return Err(Error::invalid("the job was called off"));
    }
    let source = source::find(tx, keeping.media).await?;
    if source.and_then(|source| source.fingerprint) != keeping.fingerprint {
        return Err(Error::Busy(
            "the media got another file meanwhile; its renditions are made anew".into(),
        ));
    }
    let owner = storage::owner(tx, keeping.project).await?;
    let name = made.rendition.file_name();
    let key = owner.rendition(keeping.media, Some(&name));
    storage::adopt(tx, &key, video, stamp.at_ms).await?;
    storage::quota::check_kept(tx, &key).await?;
    let mut record = record_of(&made, &key);
    if let Some(segments) = segments {
        let name = std::path::Path::new(&name).with_extension("json");
        let key = owner.rendition(keeping.media, name.to_str());
        storage::adopt(tx, &key, segments, stamp.at_ms).await?;
        record.insert("segment_info".into(), json!(key));
    }
    let role = made.rendition.role();
    media::service::amend_files(tx, stamp, keeping.media, |files| {
        let records = files.entry(role).or_insert_with(|| json!([]));
        if !records.is_array() {
            *records = json!([]);
        }
        let records = records.as_array_mut().expect("it was just made one");
        records.push(Json::Object(record));
        Ok(())
    })
    .await
}

/// What `media_files` says of a file.
fn record_of(made: &Made, key: &str) -> Map<String, Json> {
    let file = &made.produced;
    let mut record = Map::new();
    record.insert("path".into(), json!(key));
    record.insert("size".into(), json!(file.size_bytes));
    match &made.rendition {
        Rendition::Thumbnail | Rendition::ThumbnailGif => {
            record.insert("mime".into(), json!(file.codec_mime));
        }
        _ => {
            record.insert("codec".into(), json!(file.codec));
            record.insert("codec_mime".into(), json!(file.codec_mime));
            record.insert("codec_description".into(), json!(file.codec_description));
            record.insert("bit_rate".into(), json!(file.bit_rate));
        }
    }
    if made.rendition != Rendition::Audio {
        record.insert("resolution".into(), json!([file.height, file.width]));
    }
    record
}

/// Makes the archival copies those of the configuration: with the original or without it.
pub(super) async fn settle(run: &Run, subject: &Subject, recipe: &Recipe) -> Result<()> {
    let original = subject.original.clone();
    let (keeps, plays) = (recipe.keeps_original, recipe.names_original);
    let media = subject.media.id;
    if keeps && !plays {
        return Ok(());
    }
    let cx = run.cx.as_ref();
    let stamp = cx.clock.stamp_of_job(run.job.account, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                media::service::amend_files(tx, &stamp, media, |files| {
                    settle_files(files, &original, keeps);
                    Ok(())
                })
                .await
            })
        })
        .await
}

fn settle_files(files: &mut Map<String, Json>, original: &str, keeps: bool) {
    let Some(copies) = files.get_mut("archival").and_then(Json::as_array_mut) else {
        return;
    };
    if !keeps && copies.iter().any(|copy| copy["path"] != original) {
        copies.retain(|copy| copy["path"] != original);
    }
    for copy in copies.iter_mut().filter(|copy| copy["path"] == original) {
        if copy["codec_mime"].is_null() {
            copy["codec_mime"] = json!("video/mp4");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_leaves_only_for_a_copy() {
        let settled = |copies: Json, keeps: bool| {
            let mut files = Map::from_iter([("archival".to_owned(), copies)]);
            settle_files(&mut files, "a", keeps);
            files["archival"].clone()
        };
        let (a, b) = (
            json!({"path": "a", "codec_mime": "x"}),
            json!({"path": "b"}),
        );
        assert_eq!(settled(json!([a, b]), false), json!([b]));
        assert_eq!(settled(json!([a]), false), json!([a]));
        assert_eq!(
            settled(json!([{"path": "a"}, b]), true),
            json!([{"path": "a", "codec_mime": "video/mp4"}, b])
        );
    }
}
