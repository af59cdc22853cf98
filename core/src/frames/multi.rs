//! Several cameras at once: which frame of each child of a `multi` media belongs to a moment.
//!
//! The moment is counted in seconds from the first frame of the first child, whose clock is that of all.
//! A child is `timeOffset` seconds late against it, and its clock runs `timeDrift` millionths too fast;
//! where only `frameOffset` is given, frame *n* of the first child goes with frame *n + frameOffset*, as
//! far as both keep time. What a child shows is the frame whose interval holds the moment, by the time
//! stamps of its index: rates may differ, and vary.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use transect_frame_client::FrameIndex;

use super::film;
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};

/// Moments that are answered at once.
const MOST: usize = 10_000;

/// What the children show at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    /// Seconds since the first child's first frame.
    time: f64,
    children: Vec<Shown>,
}

/// What one child shows.
#[derive(Debug, Serialize)]
struct Shown {
    media: i64,
    /// None before its first frame and after its last one.
    frame: Option<i64>,
    /// Seconds since its own first frame, by its own clock.
    time: f64,
    place: Place,
}

/// Where a moment lies in a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Before,
    Frame,
    After,
}

/// The times of a child's frames.
struct Child {
    media: i64,
    /// Seconds of each frame since the first.
    starts: Vec<f64>,
    /// When the last one ends.
    end: f64,
    /// Seconds that it is late.
    offset: f64,
    /// Seconds of its own clock in a second of the first child's.
    rate: f64,
}

impl Child {
    fn of(media: i64, index: &FrameIndex) -> Self {
        let base = index.time_base.as_f64();
        let first = index.frames().next().map_or(0, |frame| frame.pts);
        let secs = |ticks: i64| ticks as f64 * base;
        let last = index
            .frame_count()
            .checked_sub(1)
            .map(|last| index.frame(last));
        Self {
            media,
            starts: index
                .frames()
                .map(|frame| secs(frame.pts - first))
                .collect(),
            end: last.map_or(0.0, |last| secs(last.pts + last.duration - first)),
            offset: 0.0,
            rate: 1.0,
        }
    }

    /// When a frame begins, also one before the first or behind the last: those are as long as the mean.
    fn start_of(&self, frame: i64) -> f64 {
        let count = self.starts.len().max(1);
        let mean = self.end / count as f64;
        match usize::try_from(frame) {
            Ok(at) if at < self.starts.len() => self.starts[at],
            Ok(at) => self.end + (at - self.starts.len()) as f64 * mean,
            Err(_) => frame as f64 * mean,
        }
    }

    /// The middle of a frame that is there: no rounding of time stamps makes it a neighbour's.
    fn middle_of(&self, frame: i64) -> Option<f64> {
        let at = usize::try_from(frame).ok()?;
        let start = *self.starts.get(at)?;
        let end = self.starts.get(at + 1).copied().unwrap_or(self.end);
        Some(f64::midpoint(start, end))
    }

    fn shown(&self, moment: f64) -> Shown {
        let time = (moment - self.offset) * self.rate;
        let behind = self.starts.partition_point(|start| *start <= time);
        let (place, frame) = match behind.checked_sub(1) {
            None => (Place::Before, None),
            Some(_) if time >= self.end => (Place::After, None),
            Some(at) => (Place::Frame, Some(at as i64)),
        };
        Shown {
            media: self.media,
            frame,
            time,
            place,
        }
    }
}

/// What the children of a multi show at the frames of its first child, and at times in seconds.
///
/// Errors: `Invalid` for a media that has no children, or a frame that the first one does not have; those
/// of films for a child that cannot be read.
pub(super) async fn moments(
    cx: &Context,
    actor: &Actor,
    id: i64,
    frames: Vec<i64>,
    times: Vec<f64>,
) -> Result<Vec<Moment>> {
    if frames.len() + times.len() > MOST {
        return Err(Error::invalid(format!(
            "at most {MOST} frames and times are answered at once"
        )));
    }
    let children = children(cx, actor, id).await?;
    let mut moments = Vec::with_capacity(frames.len() + times.len());
    for frame in frames {
        let moment = children[0].middle_of(frame).ok_or_else(|| {
            let (first, count) = (children[0].media, children[0].starts.len());
            Error::invalid(format!(
                "media {first}, the first of multi {id}, has no frame {frame}: it has {count}"
            ))
        })?;
        moments.push(moment);
    }
    moments.extend(times);
    let all = |time: f64| Moment {
        time,
        children: children.iter().map(|child| child.shown(time)).collect(),
    };
    Ok(moments.into_iter().map(all).collect())
}

async fn children(cx: &Context, actor: &Actor, id: i64) -> Result<Vec<Child>> {
    let multi = film::seen(cx, actor, id).await?.media;
    let files = multi.media_files.unwrap_or_default();
    let ids = files.get("ids").and_then(Json::as_array);
    let ids: Vec<i64> = ids.into_iter().flatten().filter_map(Json::as_i64).collect();
    if ids.is_empty() {
        return Err(Error::invalid(format!(
            "media {id} consists of no others; give it children with PATCH multi"
        )));
    }
    let mut children = Vec::with_capacity(ids.len());
    for child in ids {
        let seen = film::seen(cx, actor, child).await?;
        let film = film::whole(cx, &seen).await?;
        let workers = &cx.frames.workers;
        let index = workers.index(&film.path, &film.index_file).await?;
        children.push(Child::of(child, &index));
    }
    align(&mut children, &files);
    Ok(children)
}

/// Sets how late each child is, and how fast its clock.
fn align(children: &mut [Child], files: &Map<String, Json>) {
    let number = |key: &str, at: usize| files.get(key)?.get(at)?.as_f64();
    for at in 0..children.len() {
        let frames = number("frameOffset", at).map_or(0, |frames| frames as i64);
        let offset = match number("timeOffset", at) {
            Some(secs) => secs,
            // The child is ahead by what it shows before.
            None if frames >= 0 => -children[at].start_of(frames),
            None => children[0].start_of(-frames),
        };
        let drift = number("timeDrift", at).unwrap_or_default();
        children[at].offset = offset;
        children[at].rate = 1.0 + drift * 1e-6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn child(starts: &[f64], end: f64) -> Child {
        Child {
            media: 1,
            starts: starts.to_vec(),
            end,
            offset: 0.0,
            rate: 1.0,
        }
    }

    fn aligned(multi: Json) -> Vec<Child> {
        let steady: Vec<f64> = (0..10).map(|n| f64::from(n) * 0.1).collect();
        let mut children = vec![child(&steady, 1.0), child(&[0.0, 0.15, 0.5, 0.6], 0.7)];
        let Json::Object(files) = multi else {
            unreachable!()
        };
        align(&mut children, &files);
        children
    }

    #[test]
    fn the_interval_that_holds_the_moment_counts_not_a_rate() {
        let children = aligned(json!({}));
        let shown = |moment: f64| children[1].shown(moment).frame;
        assert_eq!(
            (shown(0.0), shown(0.149), shown(0.15)),
            (Some(0), Some(0), Some(1))
        );
        assert_eq!(
            (shown(0.49), shown(0.55), shown(0.69)),
            (Some(1), Some(2), Some(3))
        );
        assert_eq!(children[1].shown(0.7).place, Place::After);
        assert_eq!(children[1].shown(-0.1).place, Place::Before);
    }

    #[test]
    fn frames_that_go_together_may_be_ahead_or_behind() {
        // Frame 0 of the first goes with frame 2 of the second, which comes up at 0.5 s.
        let ahead = aligned(json!({"frameOffset": [0, 2]}));
        assert_eq!(ahead[1].shown(0.05).frame, Some(2));
        // Frame 3 of the first, from 0.3 s, goes with frame 0 of the second.
        let behind = aligned(json!({"frameOffset": [0, -3]}));
        assert_eq!(behind[1].shown(0.29).place, Place::Before);
        assert_eq!(behind[1].shown(0.31).frame, Some(0));
    }

    #[test]
    fn a_clock_that_runs_fast_gains() {
        let drifting = aligned(json!({"timeOffset": [0, 0.1], "timeDrift": [0, 100_000]}));
        let shown = drifting[1].shown(0.6);
        assert!((shown.time - 0.55).abs() < 1e-9);
        assert_eq!(shown.frame, Some(2));
    }
}
