//! The work of making renditions of one video.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use transect_frame_client::{Output, Produced};

use super::produce::{self, Made};
use super::progress::{Memory, Node};
use super::recipe::{Config, Present, Recipe, Rendition, recipe};
use super::types::{Payload, TRANSCODE};
use super::{folder, report};
use crate::attribute::Kind;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::jobs::registry::Work;
use crate::jobs::{Pool, Run};
use crate::media::source::{self, Source};
use crate::media::{self, Media, fetch};
use crate::{entity_type, frames};

/// How often a job says how far it is.
const TELL: Duration = Duration::from_secs(2);
/// How often it is begun before a passing trouble counts as a failure.
const ATTEMPTS: i64 = 5;

/// The registry's entry.
pub const WORK: Work = Work {
    kind: TRANSCODE,
    pool: Pool::Transcode,
    attempts: ATTEMPTS,
    body: |run| Box::pin(body(run)),
};

/// Notes how a job ended, and lets go of its files; says whether it is over. One that met a passing trouble is not: it
/// is begun again, at most so often, and keeps what it has.
pub(super) async fn concluded(
    run: &Run,
    memory: &mut Memory,
    outcome: &Result<()>,
    most: i64,
) -> Result<bool> {
    if let Err(error) = outcome {
        let passes = matches!(
            error,
            Error::Busy(_) | Error::StorageFull(_) | Error::Internal { .. }
        );
        if passes && run.job.attempts < most {
            return Ok(false);
        }
        memory.fail(run.cx.now(), &error.explained());
        remember(run, memory).await?;
    }
    folder::remove(&run.cx, run.job.id);
    Ok(true)
}

async fn body(run: Run) -> Result<()> {
    let mut memory = Memory::of(&run.job.memory)?;
    let outcome = perform(&run, &mut memory).await;
    if concluded(&run, &mut memory, &outcome, ATTEMPTS).await? {
        let payload: Payload = serde_json::from_value(run.job.payload.clone())?;
        report::send(&run, &payload.spec, outcome.as_ref().err()).await;
    }
    outcome
}

/// Fetches what lies elsewhere, waits for the index, makes what is missing.
async fn perform(run: &Run, memory: &mut Memory) -> Result<()> {
    let (cx, id) = (run.cx.as_ref(), media_of(run)?);
    let payload: Payload = serde_json::from_value(run.job.payload.clone())?;
    if let Some(url) = &payload.web {
        memory.expect([Node::new("fetch", "fetch the file")]);
        step(
            run,
            memory,
            "fetch",
            fetch::bring(cx, run.job.account, id, url),
        )
        .await?;
    }
    memory.expect([Node::new("index", "index the frames")]);
    step(run, memory, "index", fetch::index(cx, id)).await?;
    make(run, memory, id).await
}

pub(super) fn media_of(run: &Run) -> Result<i64> {
    let first = run.job.media.first().copied();
    first.ok_or_else(|| Error::invalid("the job names no media"))
}

/// Does one step, which is over at once when it was done before.
async fn step(
    run: &Run,
    memory: &mut Memory,
    name: &str,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    memory.begin(name, run.cx.now());
    remember(run, memory).await?;
    work.await?;
    memory.end(name, run.cx.now(), "");
    remember(run, memory).await
}

pub(super) async fn remember(run: &Run, memory: &Memory) -> Result<()> {
    run.remember(&serde_json::to_value(memory)?).await
}

/// What a media is made from.
pub(super) struct Subject {
    pub media: Media,
    pub source: Source,
    pub config: Config,
    /// The key of the file as it was uploaded.
    pub original: String,
}

impl Subject {
    pub async fn find(cx: &Context, id: i64) -> Result<Self> {
        cx.database
            .read(move |tx| {
                Box::pin(async move {
                    let media = media::service::find(tx, id).await?.ok_or_else(deleted)?;
                    let source = source::find(tx, id).await?.ok_or_else(deleted)?;
                    let of = entity_type::service::get(tx, Kind::Media, media.type_id).await?;
                    let original = media::service::original_key(tx, &media, &source).await?;
                    let config: Config = serde_json::from_value(of.detail.into())?;
                    Ok(Self {
                        // Whoever recorded the files has decided which copies are kept.
                        config: if source.recorded {
                            config.without_copies()
                        } else {
                            config
                        },
                        media,
                        source,
                        original,
                    })
                })
            })
            .await
    }
}

pub(super) fn deleted() -> Error {
    Error::NotFound("the media was deleted before its renditions were made".into())
}

async fn make(run: &Run, memory: &mut Memory, id: i64) -> Result<()> {
    let cx = run.cx.as_ref();
    let subject = Subject::find(cx, id).await?;
    let height = subject
        .media
        .height
        .and_then(|height| u32::try_from(height).ok());
    let height = height.ok_or_else(|| Error::invalid("the file has no pictures"))?;
    let sound = frames::probe(cx, &subject.source).await?.audio.is_some();
    let present = Present::of(subject.media.media_files.as_ref(), &subject.original);
    let recipe = recipe(&subject.config, &present, height, sound);
    memory.expect(
        recipe
            .renditions
            .iter()
            .map(|one| Node::new(one.file_name(), task(one))),
    );
    let produced = produced(run, memory, &subject, &recipe).await?;
    for (rendition, produced) in recipe.renditions.iter().zip(produced) {
        let about = remark(&produced);
        let made = Made {
            rendition: rendition.clone(),
            produced,
        };
        produce::record(run, &subject, made).await?;
        let name = rendition.file_name();
        memory.produced.remove(&name);
        memory.end(&name, cx.now(), about);
        remember(run, memory).await?;
    }
    produce::settle(run, &subject, &recipe).await
}

pub(super) fn task(rendition: &Rendition) -> String {
    match rendition {
        Rendition::Streaming(how) | Rendition::Archival(how) => {
            let height = how
                .height
                .map_or("full size".into(), |height| format!("{height} lines"));
            format!(
                "encode {} ({}, {height})",
                rendition.role(),
                how.codec.name()
            )
        }
        Rendition::Proxy(how, gop) => format!(
            "encode a proxy ({}, {} lines, random access every {gop} frames), while the machine is idle",
            how.codec.name(),
            how.height.unwrap_or_default()
        ),
        Rendition::Remux => "copy the pictures into MP4, while the machine is idle".into(),
        other => format!("make {}", other.role().replace('_', " ")),
    }
}

/// What there is to say about a file that was made: nothing, unless pictures of the source could not be decoded.
pub(super) fn remark(produced: &Produced) -> String {
    match produced.repeated {
        0 => String::new(),
        1 => "1 frame does not decode: the one before it is shown in its place".into(),
        many => {
            format!("{many} frames do not decode: those before them are shown in their place")
        }
    }
}

/// The files of a recipe, in its order: those that an earlier try made, and new ones.
pub(super) async fn produced(
    run: &Run,
    memory: &mut Memory,
    subject: &Subject,
    recipe: &Recipe,
) -> Result<Vec<Produced>> {
    let cx = run.cx.as_ref();
    // Another file of the same media is another folder, so that nothing is continued wrongly.
    let fingerprint = subject.source.fingerprint.clone().unwrap_or_default();
    let place = folder::of(cx, run.job.id).join(&fingerprint);
    let expected = u64::try_from(subject.source.size_bytes).unwrap_or_default();
    folder::prepare(cx, &place, expected)?;
    memory.produced.retain(|name, made| {
        let there = std::fs::metadata(place.join(name));
        there.is_ok_and(|there| there.len() == made.size_bytes)
    });
    let (mut names, mut outputs) = (Vec::new(), Vec::new());
    for rendition in &recipe.renditions {
        let name = rendition.file_name();
        if !memory.produced.contains_key(&name) {
            outputs.push(produce::output(rendition, place.join(&name)));
            memory.begin(&name, cx.now());
            names.push(name);
        }
    }
    if !outputs.is_empty() {
        remember(run, memory).await?;
        let made = encode(run, memory, &names, subject, outputs).await?;
        memory.produced.extend(names.into_iter().zip(made));
        remember(run, memory).await?;
    }
    let made = recipe.renditions.iter().filter_map(|one| {
        let made = memory.produced.get(&one.file_name())?.clone();
        let file: PathBuf = place.join(one.file_name());
        Some(Produced { file, ..made })
    });
    Ok(made.collect())
}

/// Has the files made, and says meanwhile how far they are.
async fn encode(
    run: &Run,
    memory: &mut Memory,
    names: &[String],
    subject: &Subject,
    outputs: Vec<Output>,
) -> Result<Vec<Produced>> {
    let percent = Arc::new(AtomicU8::new(0));
    let told = percent.clone();
    let progress = move |how: transect_frame_client::Progress| {
        let share = how.frames_done * 100 / how.frames_total.max(1);
        told.store(
            u8::try_from(share).unwrap_or(100).min(100),
            Ordering::Relaxed,
        );
    };
    let mut encoding = Box::pin(frames::transcode(
        &run.cx,
        &subject.source,
        outputs,
        progress,
    ));
    loop {
        tokio::select! {
            made = &mut encoding => return made,
            () = tokio::time::sleep(TELL) => {}
        }
        let percent = percent.load(Ordering::Relaxed);
        let mut news = false;
        for name in names {
            news |= memory.advance(name, percent);
        }
        if news {
            remember(run, memory).await?;
        }
    }
}
