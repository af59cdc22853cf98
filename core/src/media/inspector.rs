//! The inspector: while nobody asks for frames, looks at the random access points that only the container of a source vouches
//! for, so that no request has to. It works in short turns of a worker at low priority, which a request for a frame ends. How far
//! it came stands in the index file, so that a killed station goes on where it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::source::{self, Source, State};
use crate::context::Context;
use crate::error::{Chain, Result};
use crate::frames;

/// What one turn looks at, in time.
const TURN: Duration = Duration::from_secs(2);
/// Between two turns.
const PAUSE: Duration = Duration::from_millis(500);
/// Media whose file cannot be read now are tried again so much later.
const AGAIN: Duration = Duration::from_secs(3600);

/// Looks at one source after the other while the station is idle, for ever.
pub async fn run(cx: Arc<Context>) {
    let idle = Duration::from_secs(cx.settings.frames.inspect_after_secs);
    if idle.is_zero() {
        return std::future::pending().await;
    }
    let (mut after, mut passed_over, mut since) = (0, HashSet::new(), Instant::now());
    loop {
        cx.frames.idle(idle).await;
        if since.elapsed() > AGAIN {
            (passed_over, since) = (HashSet::new(), Instant::now());
        }
        match next(&cx, after).await {
            Ok(None) => {
                after = 0;
                tokio::time::sleep(idle).await;
            }
            Ok(Some(media)) if passed_over.contains(&media) => after = media,
            Ok(Some(media)) => {
                let turn = turn(&cx, media);
                let done = tokio::select! {
                    done = turn => done,
                    // Dropping the turn ends its worker.
                    () = cx.frames.asked() => continue,
                };
                if let Err(error) = done {
                    let error = Chain(&error).to_string();
                    tracing::info!(
                        media.id = media,
                        error,
                        "key frames of a media cannot be looked at now"
                    );
                    passed_over.insert(media);
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "what is to be looked at could not be read; it is tried again");
                tokio::time::sleep(idle).await;
            }
        }
    }
}

async fn next(cx: &Context, after: i64) -> Result<Option<i64>> {
    let next = cx
        .database
        .read(move |tx| Box::pin(source::unverified(tx, after)));
    next.await
}

/// Looks at some random access points of a media, and notes how many are left.
async fn turn(cx: &Context, media: i64) -> Result<()> {
    // Nobody else writes the index file meanwhile.
    let _claim = cx.indexing.claim(media).await;
    let source = cx
        .database
        .read(move |tx| Box::pin(source::find(tx, media)))
        .await?;
    let Some(source) = source.filter(|source: &Source| source.state == State::Ready) else {
        return Ok(());
    };
    let inspection = frames::inspect(cx, &source, TURN).await?;
    if inspection.refuted > 0 {
        tracing::warn!(
            media.id = media,
            refuted = inspection.refuted,
            "the file says that decoding can start where it cannot; decoding starts earlier there"
        );
    }
    let left = i64::try_from(inspection.left).unwrap_or(i64::MAX);
    cx.database
        .write(move |tx| Box::pin(async move { source::note_unverified(tx, &source, left).await }))
        .await
}
