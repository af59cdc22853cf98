//! Proxies: renditions to jump around in, of videos that are slow to do so, made while nobody needs the
//! machine.
//!
//! A proxy is a streaming rendition as any other: frame *n* of it is frame *n* of the source, and the
//! frame service uses it by its usual rule. It is made by a job that anybody sees among the
//! transcodes and may call off; whatever is asked for meanwhile comes first: the work is dropped, and
//! goes on behind the last whole group of pictures once it is quiet again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use transect_frame_client::{Kind, Produced};

use super::jobs::{Subject, concluded, media_of, produced, remark, remember, task};
use super::produce::{self, Made};
use super::progress::{Memory, Node};
use super::recipe::{Codec, Encoding, Recipe, Rendition};
use super::service;
use super::types::{PROXY, TRANSCODE};
use crate::config::Proxies;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::frames::{self, FrameIndex};
use crate::jobs::registry::Work;
use crate::jobs::{self, Pool, Run};
use crate::media;
use crate::media::source::{self, State};

/// How often a job is begun before a passing trouble counts as a failure.
const ATTEMPTS: i64 = 5;
/// How often it is looked whether somebody needs the machine.
const LOOK: Duration = Duration::from_millis(500);
/// How long nothing is looked for once everything was judged.
const REST: Duration = Duration::from_secs(30);
/// Media that are judged at a time.
const BATCH: usize = 1_000;
/// Pictures that are decoded for one without anybody noticing.
const SHORT_GROUP: usize = 60;
/// Lines that are.
const FEW_LINES: u32 = 1080;

/// The registry's entry.
pub const WORK: Work = Work {
    kind: PROXY,
    pool: Pool::Proxy,
    attempts: ATTEMPTS,
    body: |run| Box::pin(body(run)),
};

/// Looks for videos that are slow to jump in, and has proxies made of them one after the other; for
/// ever, and for nothing where the settings do not want any.
pub async fn run(cx: Arc<Context>) {
    if !cx.settings.proxies.enabled {
        return std::future::pending().await;
    }
    let mut judged = HashSet::new();
    loop {
        quiet(&cx).await;
        match next(&cx, &mut judged).await {
            Ok(true) => cx.jobs.ring(),
            Ok(false) => tokio::time::sleep(REST.min(idle(&cx) * 2)).await,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "no video for a proxy could be looked for; it is tried again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn idle(cx: &Context) -> Duration {
    Duration::from_secs(cx.settings.proxies.idle_secs).max(LOOK)
}

/// Whether other things come first.
async fn is_busy(cx: &Context, quiet_for: Duration) -> bool {
    if cx.frames.quiet_for() < quiet_for {
        return true;
    }
    let asked = cx
        .database
        .read(|tx| Box::pin(async move { jobs::is_busy(tx, TRANSCODE).await }));
    asked.await.unwrap_or(true)
}

/// Waits until nobody has asked for anything for a while.
async fn quiet(cx: &Context) {
    while is_busy(cx, idle(cx)).await {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until somebody asks for something.
async fn needed(cx: &Context) {
    while !is_busy(cx, LOOK).await {
        tokio::time::sleep(LOOK / 2).await;
    }
}

/// Enqueues the next proxy that is worth making; says whether there was one.
async fn next(cx: &Context, judged: &mut HashSet<(i64, String)>) -> Result<bool> {
    let busy = cx
        .database
        .read(|tx| Box::pin(async move { jobs::is_busy(tx, PROXY).await }));
    if busy.await? {
        return Ok(false);
    }
    let mut after = 0;
    loop {
        let batch = cx
            .database
            .read(move |tx| Box::pin(async move { source::ready(tx, after, BATCH).await }));
        let batch = batch.await?;
        for one in &batch {
            if !judged.contains(one) && judge(cx, one.0, judged).await? {
                return Ok(true);
            }
        }
        match batch.last() {
            Some((last, _)) => after = *last,
            None => return Ok(false),
        }
    }
}

/// Enqueues the proxy of a media, if it is worth one and never had the chance to get it.
async fn judge(cx: &Context, id: i64, judged: &mut HashSet<(i64, String)>) -> Result<bool> {
    let found = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let had = jobs::was(tx, PROXY, id).await?;
                let media = media::service::find(tx, id).await?;
                Ok((had, media, source::find(tx, id).await?))
            })
        })
        .await?;
    let (had, Some(media), Some(source)) = found else {
        return Ok(false);
    };
    if source.state != State::Ready {
        return Ok(false);
    }
    judged.insert((id, source.fingerprint.clone().unwrap_or_default()));
    if had {
        return Ok(false);
    }
    // A file that is gone, or another by now, says so to whoever wants to see it.
    let Ok(index) = frames::index(cx, &source).await else {
        return Ok(false);
    };
    if proxy(&cx.settings.proxies, &index, &media).is_none() {
        return Ok(false);
    }
    let stamp = cx.clock.stamp_of_job(media.created_by, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let Some(project) = media.project else {
                    return Ok(false);
                };
                let size = source.size_bytes;
                service::enqueue_of(tx, &stamp, project, PROXY, &media, size).await?;
                Ok(true)
            })
        })
        .await
}

/// The proxy that a video is worth, if any.
fn proxy(settings: &Proxies, index: &FrameIndex, media: &media::Media) -> Option<Rendition> {
    if index.kind != Kind::Video || index.frame_count() <= SHORT_GROUP || has_stream(media) {
        return None;
    }
    let (_, height) = index.display_size();
    let plain = index.codec == "h264" && index.pixel_format == "yuv420p";
    let jumps = longest_group(index) <= SHORT_GROUP;
    if plain && jumps && height <= FEW_LINES {
        let detours = index.access == transect_frame_client::Access::Demuxer;
        return detours.then_some(Rendition::Remux);
    }
    let how = Encoding {
        height: Some(height.min(settings.height)),
        codec: Codec::H264,
        crf: 23,
        preset: "veryfast".into(),
        tune: Some("fastdecode".into()),
        pixel_format: "yuv420p".into(),
    };
    Some(Rendition::Proxy(how, settings.gop.max(1)))
}

/// Whether there is something to jump around in already.
fn has_stream(media: &media::Media) -> bool {
    let files = media.media_files.as_ref();
    let streams = files.and_then(|files| files.get("streaming")?.as_array());
    streams.is_some_and(|streams: &Vec<Json>| !streams.is_empty())
}

/// Pictures from one point where decoding can start to the next, at most.
fn longest_group(index: &FrameIndex) -> usize {
    let mut starts: Vec<usize> = index.key_frames().collect();
    starts.push(index.frame_count());
    let steps = starts.windows(2).map(|pair| pair[1] - pair[0]);
    steps.max().unwrap_or(index.frame_count())
}

async fn body(run: Run) -> Result<()> {
    let mut memory = Memory::of(&run.job.memory)?;
    let outcome = perform(&run, &mut memory).await;
    concluded(&run, &mut memory, &outcome, ATTEMPTS).await?;
    outcome
}

async fn perform(run: &Run, memory: &mut Memory) -> Result<()> {
    let cx = run.cx.as_ref();
    let subject = Subject::find(cx, media_of(run)?).await?;
    let index = frames::index(cx, &subject.source).await?;
    let Some(rendition) = proxy(&cx.settings.proxies, &index, &subject.media) else {
        return Ok(());
    };
    let name = rendition.file_name();
    memory.expect([Node::new(name.clone(), task(&rendition))]);
    let recipe = Recipe {
        renditions: vec![rendition.clone()],
        keeps_original: true,
        names_original: false,
    };
    let made = whenever_quiet(run, memory, &subject, &recipe).await?;
    let produced = made
        .into_iter()
        .next()
        .ok_or_else(|| Error::internal("make a proxy", "there is no file"))?;
    if produced.frames != index.frame_count() as u64 {
        return Err(Error::invalid(format!(
            "the proxy has {} frames and the video {}: it was thrown away",
            produced.frames,
            index.frame_count()
        )));
    }
    let about = remark(&produced);
    let made = Made {
        rendition,
        produced,
    };
    produce::record(run, &subject, made).await?;
    memory.end(&name, cx.now(), about);
    remember(run, memory).await
}

/// Makes the files of a recipe, and lets everything else go first.
async fn whenever_quiet(
    run: &Run,
    memory: &mut Memory,
    subject: &Subject,
    recipe: &Recipe,
) -> Result<Vec<Produced>> {
    let cx = run.cx.as_ref();
    loop {
        quiet(cx).await;
        tokio::select! {
            made = produced(run, memory, subject, recipe) => return made,
            // Dropped, it lets go of the processors at once; what is whole of its file is kept.
            () = needed(cx) => {}
        }
    }
}
