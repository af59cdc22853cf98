//! Following a feed: what it lists is fetched and kept, in its order, until somebody ends it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::keep;
use super::playlist::{self, Choice, Listed, Listing, Piece};
use super::store;
use super::types::{Clock, Recording, Segment, Status};
use crate::client;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::storage::quota::{self, Scope};

/// How often a segment that cannot be fetched is tried before it counts as missing.
const TRIES: u32 = 4;
/// Lists in a row that end before what was fetched last: then the feed was begun anew.
const STALE: u32 = 3;
/// Between two looks at a list; half of what the feed takes for a segment, within these.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// After a list that could not be read, doubled with each further one.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// Segments that are fetched before the list is read again.
const AT_ONCE: usize = 32;
/// How soon somebody who ends a recording is heard.
const EAR: Duration = Duration::from_millis(250);
/// Arrival is vague: a clock that is worked out from it is set anew only beyond this.
const VAGUE_US: i64 = 3_000_000;

/// Why a feed is followed no longer.
#[derive(Debug)]
pub(super) enum End {
    /// Somebody asked for it.
    Asked,
    /// The feed ended, or has nothing that can be recorded; the text says why, if that is a trouble.
    Feed(String),
}

/// Records until somebody ends it, the feed does, or it gives nothing for too long.
///
/// Errors: `NotFound` when the recording was removed, or is another job's by now; `Internal` when the
/// database cannot be used.
pub(super) async fn follow(cx: &Context, recording: &Recording) -> Result<End> {
    let (id, job) = (recording.id, recording.job.as_str());
    let mut follower = Follower::resume(cx, recording).await?;
    let choice = Choice {
        feed: &recording.spec.feed,
        height: recording.spec.height,
    };
    let patience = Duration::from_secs(cx.settings.recording.patience_secs);
    let mut heard = Instant::now();
    let mut told = String::new();
    // The playlist that a list of several leads to is asked directly, until it fails.
    let mut place = None;
    let mut retry = RETRY;
    loop {
        let stopping = status(cx, id, job).await? == Status::Stopping;
        let url = place.as_deref().unwrap_or(recording.spec.url.as_str());
        let (message, pause) = match playlist::load(cx, url, choice).await {
            Ok(list) if list.encrypted => {
                return Ok(End::Feed(
                    "the feed is encrypted, which is not supported; record one that is not".into(),
                ));
            }
            Ok(list) => {
                place = Some(list.url.clone());
                retry = RETRY;
                let taken = follower.take(cx, &list).await;
                let message = match taken {
                    Ok(some) => {
                        if some {
                            heard = Instant::now();
                        }
                        follower.trouble.clone()
                    }
                    // What goes missing meanwhile is listed as a gap.
                    Err(error @ Error::StorageFull(_)) => {
                        // The feed gives; there is no room.
                        heard = Instant::now();
                        error.explained()
                    }
                    Err(error @ Error::Busy(_)) => error.explained(),
                    Err(Error::QuotaExceeded(why)) => {
                        return Ok(End::Feed(format!(
                            "the recording ended here for want of room; what was recorded is kept: {why}"
                        )));
                    }
                    Err(error) => return Err(error),
                };
                let all = follower.has_all(&list);
                if list.ended && all {
                    return Ok(End::Feed(String::new()));
                }
                let half = Duration::from_millis(list.target_secs.saturating_mul(500));
                let pause = match all || !message.is_empty() {
                    true => half.clamp(SHORTEST, LONGEST),
                    false => SHORTEST,
                };
                (message, pause)
            }
            Err(error) => {
                place = None;
                let pause = retry;
                retry = (retry * 2).min(LONGEST_RETRY);
                (error.explained(), pause)
            }
        };
        if told != message {
            tell(cx, id, &message).await?;
            told = message;
        }
        if stopping {
            return Ok(End::Asked);
        }
        if heard.elapsed() > patience {
            let secs = patience.as_secs();
            return Ok(End::Feed(format!(
                "the feed gave nothing new for {secs} s: {told}"
            )));
        }
        let next = Instant::now() + pause;
        while Instant::now() < next && status(cx, id, job).await? == Status::Recording {
            tokio::time::sleep(EAR.min(next.saturating_duration_since(Instant::now()))).await;
        }
    }
}

async fn status(cx: &Context, id: i64, job: &str) -> Result<Status> {
    let job = job.to_owned();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { store::status(tx, id, &job).await }));
    found.await?.ok_or_else(removed)
}

pub(super) fn removed() -> Error {
    Error::NotFound("the recording was removed".into())
}

async fn tell(cx: &Context, id: i64, message: &str) -> Result<()> {
    let message = message.to_owned();
    cx.database
        .write(move |tx| Box::pin(async move { store::tell(tx, id, &message).await }))
        .await
}

/// What a recording knows of its feed from one list to the next.
struct Follower {
    recording: i64,
    project: i64,
    /// The uid of the job that follows it.
    job: String,
    last: Option<Segment>,
    /// The initialization section that was used last: where it is, its number, its bytes' hash.
    init: Option<(Option<Piece>, i64, blake3::Hash)>,
    /// Which segment cannot be fetched, and how often that was tried.
    tries: (i64, u32),
    /// Why it cannot.
    trouble: String,
    stale: u32,
}

impl Follower {
    /// Goes on behind what was kept last.
    async fn resume(cx: &Context, recording: &Recording) -> Result<Self> {
        let (recording, project, job) = (recording.id, recording.project, recording.job.clone());
        let last = cx
            .database
            .read(move |tx| Box::pin(async move { store::last_segment(tx, recording).await }))
            .await?;
        let mut init = None;
        if let Some(number) = last.as_ref().and_then(|last| last.init) {
            let file = keep::init_file(&keep::folder(cx, recording), number);
            let bytes = tokio::fs::read(file).await?;
            init = Some((None, number, blake3::hash(&bytes)));
        }
        Ok(Self {
            recording,
            project,
            job,
            last,
            init,
            tries: (-1, 0),
            trouble: String::new(),
            stale: 0,
        })
    }

    fn has_all(&self, list: &Listed) -> bool {
        let newest = list.segments.last().map(|newest| newest.sequence);
        newest <= self.last.as_ref().map(|last| last.sequence)
    }

    /// Fetches what is new in a list, oldest first; says whether there was anything. A segment that
    /// cannot be fetched is tried again with the next list, before those behind it.
    async fn take(&mut self, cx: &Context, list: &Listed) -> Result<bool> {
        let (Some(first), Some(newest)) = (list.segments.first(), list.segments.last()) else {
            return Ok(false);
        };
        let listed_us = cx.now() * 1000;
        let mut anew = false;
        if let Some(last) = &self.last
            && newest.sequence < last.sequence
        {
            self.stale += 1;
            if self.stale < STALE {
                return Ok(false);
            }
            anew = true;
        }
        self.stale = 0;
        let next = match &self.last {
            Some(last) if !anew => last.sequence + 1,
            _ => first.sequence,
        };
        if let Some(last) = &self.last
            && first.sequence > next
        {
            let missed = Missed {
                lost: first.sequence - next,
                sequence: first.sequence - 1,
                discontinuity: list.discontinuity,
                breaks: list.discontinuity > last.discontinuity,
                until_us: first.utc_us,
                message: "the feed no longer listed them".into(),
            };
            self.miss(cx, missed).await?;
        }
        let mut some = false;
        // A list may hold hours: between the pieces of it somebody who ends the recording is heard.
        let new = list.segments.iter().filter(|one| one.sequence >= next);
        for one in new.take(AT_ONCE) {
            match self.fetch(cx, one).await {
                Ok((bytes, init)) => {
                    let behind = list.segments.iter().rev();
                    let behind = behind.take_while(|other| other.sequence >= one.sequence);
                    let behind_us: i64 = behind.map(|other| other.duration_us).sum();
                    let arrived_us = listed_us.saturating_sub(behind_us);
                    self.keep(cx, one, anew && !some, bytes, init, arrived_us)
                        .await?;
                    some = true;
                }
                Err(error @ (Error::StorageFull(_) | Error::Busy(_) | Error::Internal { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    let before = if self.tries.0 == one.sequence {
                        self.tries.1
                    } else {
                        0
                    };
                    self.tries = (one.sequence, before + 1);
                    self.trouble = error.explained();
                    if before + 1 < TRIES {
                        return Ok(some);
                    }
                    let missed = Missed {
                        lost: 1,
                        sequence: one.sequence,
                        discontinuity: one.discontinuity,
                        breaks: one.breaks || (anew && !some),
                        until_us: one.utc_us.map(|utc_us| utc_us + one.duration_us),
                        message: self.trouble.clone(),
                    };
                    self.miss(cx, missed).await?;
                    self.trouble.clear();
                    some = true;
                }
            }
        }
        self.trouble.clear();
        Ok(some)
    }

    /// The bytes of a segment, and the number of the initialization section that goes before it.
    async fn fetch(&mut self, cx: &Context, one: &Listing) -> Result<(Bytes, Option<i64>)> {
        let init = match &one.init {
            None => None,
            Some(piece) => Some(self.init(cx, piece).await?),
        };
        let bytes = bytes_of(cx, &one.piece).await?;
        if bytes.is_empty() {
            return Err(Error::invalid(format!(
                "the segment {} is empty",
                one.sequence
            )));
        }
        Ok((bytes, init))
    }

    /// The number of an initialization section; one with the same bytes as the last keeps its number.
    async fn init(&mut self, cx: &Context, piece: &Piece) -> Result<i64> {
        if let Some((Some(known), number, _)) = &self.init
            && known == piece
        {
            return Ok(*number);
        }
        let bytes = bytes_of(cx, piece).await?;
        let hash = blake3::hash(&bytes);
        let number = match &self.init {
            Some((_, number, known)) if *known == hash => *number,
            Some((_, number, _)) => number + 1,
            None => 0,
        };
        if self
            .init
            .as_ref()
            .is_none_or(|(_, known, _)| *known != number)
        {
            let file = keep::init_file(&keep::folder(cx, self.recording), number);
            keep::write(cx, file, bytes).await?;
        }
        self.init = Some((Some(piece.clone()), number, hash));
        Ok(number)
    }

    /// Keeps a segment: first its bytes, then its row.
    async fn keep(
        &mut self,
        cx: &Context,
        one: &Listing,
        anew: bool,
        bytes: Bytes,
        init: Option<i64>,
        arrived_us: i64,
    ) -> Result<()> {
        let number = self.last.as_ref().map_or(0, |last| last.number + 1);
        let (utc_us, clock) = self.time(one, anew, arrived_us);
        let part = match &self.last {
            None => 0,
            Some(last) => {
                let began = !last.is_gap() || last.init.is_some();
                let other = began && last.init != init;
                last.part + i64::from(one.breaks || anew || other)
            }
        };
        let segment = Segment {
            number,
            part,
            sequence: one.sequence,
            discontinuity: one.discontinuity,
            utc_us,
            clock,
            duration_us: one.duration_us,
            size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            init,
            lost: 0,
            message: String::new(),
            first_frame: None,
            num_frames: None,
        };
        let file = keep::segment_file(&keep::folder(cx, self.recording), number);
        keep::write(cx, file.clone(), bytes).await?;
        let kept = self.insert(cx, segment).await;
        if matches!(kept, Err(Error::QuotaExceeded(_)))
            && let Err(error) = tokio::fs::remove_file(&file).await
        {
            tracing::warn!(%error, "a segment that is not kept stays with its recording: {}", file.display());
        }
        kept
    }

    /// When a segment begins: as the feed states, else behind the one before it, else as it arrived.
    fn time(&self, one: &Listing, anew: bool, arrived_us: i64) -> (i64, Clock) {
        if let Some(utc_us) = one.utc_us {
            return (utc_us, Clock::Program);
        }
        let follows = self.last.as_ref();
        let follows = follows.filter(|last| !last.is_gap() && !one.breaks && !anew);
        match follows {
            Some(last) if last.clock == Clock::Program => (last.end_us(), Clock::Program),
            Some(last) if (last.end_us() - arrived_us).abs() <= VAGUE_US => {
                (last.end_us(), Clock::Arrival)
            }
            _ => (arrived_us, Clock::Arrival),
        }
    }

    async fn miss(&mut self, cx: &Context, missed: Missed) -> Result<()> {
        let now_us = cx.now() * 1000;
        let last = self.last.as_ref();
        let start_us = last.map_or(now_us, Segment::end_us);
        let until_us = missed.until_us.unwrap_or(now_us).max(start_us);
        let gap = Segment {
            number: last.map_or(0, |last| last.number + 1),
            part: last.map_or(0, |last| last.part) + i64::from(missed.breaks && last.is_some()),
            sequence: missed.sequence,
            discontinuity: missed.discontinuity,
            utc_us: start_us,
            clock: last.map_or(Clock::Arrival, |last| last.clock),
            duration_us: until_us - start_us,
            size_bytes: 0,
            init: last.and_then(|last| last.init),
            lost: missed.lost,
            message: missed.message,
            first_frame: None,
            num_frames: None,
        };
        tracing::warn!(
            recording.id = self.recording,
            lost = gap.lost,
            "segments of a feed are missing: {}",
            gap.message
        );
        self.insert(cx, gap).await
    }

    /// Errors: `QuotaExceeded` when the project has no room for it.
    async fn insert(&mut self, cx: &Context, segment: Segment) -> Result<()> {
        let (recording, project, job) = (self.recording, self.project, self.job.clone());
        let row = segment.clone();
        cx.database
            .write(move |tx| {
                Box::pin(async move {
                    // Whoever removed it meanwhile wants nothing more of it.
                    let status = store::status(tx, recording, &job).await?;
                    status.ok_or_else(removed)?;
                    store::insert_segment(tx, recording, &row).await?;
                    match row.is_gap() {
                        true => Ok(()),
                        false => quota::check(tx, Scope::Project(project), 0).await,
                    }
                })
            })
            .await?;
        self.last = Some(segment);
        Ok(())
    }
}

/// Segments that cannot be had.
struct Missed {
    lost: i64,
    sequence: i64,
    discontinuity: i64,
    /// Whether the times behind them do not go on from those before.
    breaks: bool,
    /// When they end, if the feed says so.
    until_us: Option<i64>,
    message: String,
}

async fn bytes_of(cx: &Context, piece: &Piece) -> Result<Bytes> {
    let limit = cx.settings.recording.segment_bytes;
    let Some(range) = &piece.range else {
        return client::bytes(cx, &piece.url, &[], limit).await;
    };
    let wanted = range.end.saturating_sub(range.start);
    if wanted == 0 || wanted > limit {
        return Err(Error::invalid(format!(
            "the feed lists a segment of {wanted} bytes; recording.segment_bytes allows {limit}"
        )));
    }
    let header = format!("bytes={}-{}", range.start, range.end - 1);
    let headers = [("range".to_owned(), header)];
    let bytes = client::bytes(cx, &piece.url, &headers, limit).await?;
    let length = bytes.len() as u64;
    // A server that knows no ranges gives the whole file.
    match (usize::try_from(range.start), usize::try_from(range.end)) {
        _ if length == wanted => Ok(bytes),
        (Ok(start), Ok(end)) if length >= range.end => Ok(bytes.slice(start..end)),
        _ => Err(Error::invalid(format!(
            "the feed's server gave {length} bytes where {wanted} were listed"
        ))),
    }
}
