//! UTC times of frames, and frames of UTC times.
//!
//! A segment's first frame has the segment's time; those behind it follow by their own time stamps. So
//! the clock of the feed and that of its pictures may drift apart without any sum of errors: where one
//! segment ends and the next begins, their difference is taken up, and can be asked for.

use transect_frame_client::FrameIndex;

use super::types::{Clock, Segment};

/// The frames of one segment.
#[derive(Debug, Clone)]
struct Span {
    number: i64,
    utc_us: i64,
    clock: Clock,
    first: usize,
    count: usize,
    /// When its last frame gives way: to the next segment, or to nothing.
    end_us: i64,
    /// How far the time of the next segment is from where this one's pictures end; none before a gap.
    drift_us: Option<i64>,
}

/// The times of one video of a recording.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    pub media: i64,
    /// Microseconds of each frame since the first.
    at_us: Vec<i64>,
    spans: Vec<Span>,
}

/// A frame with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub media: i64,
    pub frame: i64,
    /// When it comes up, and when it gives way.
    pub utc_us: i64,
    pub end_us: i64,
    /// The segment that it is of.
    pub segment: i64,
    pub clock: Clock,
    /// How far the next segment's time is from where this one's pictures end.
    pub drift_us: Option<i64>,
}

/// Where a time lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// While this frame was to be seen.
    Frame(Timed),
    /// Between frames that are there, after this one.
    Gap(Timed),
    /// Before the first frame, which this is.
    Before(Timed),
    /// After the last frame, which this is.
    After(Timed),
}

impl Timeline {
    /// The times of a video's frames. `segments` are all of the recording, in its order.
    pub fn of(media: i64, part: i64, index: &FrameIndex, segments: &[Segment]) -> Self {
        let base = index.time_base;
        let us = |ticks: i64| {
            let scaled = i128::from(ticks) * 1_000_000 * i128::from(base.num);
            i64::try_from(scaled.div_euclid(i128::from(base.den.max(1)))).unwrap_or(i64::MAX)
        };
        let start = index.frames().next().map_or(0, |frame| frame.pts);
        let at_us: Vec<i64> = index.frames().map(|frame| us(frame.pts - start)).collect();
        let own: Vec<&Segment> = segments.iter().filter(|one| one.part == part).collect();
        let mut spans: Vec<Span> = Vec::new();
        for (at, one) in own.iter().enumerate() {
            let (Some(first), Some(count)) = (one.first_frame, one.num_frames) else {
                continue;
            };
            let (Ok(first), Ok(count)) = (usize::try_from(first), usize::try_from(count)) else {
                continue;
            };
            if count == 0 || first + count > at_us.len() {
                continue;
            }
            let last = first + count - 1;
            let starts_us = one.utc_us + at_us[last] - at_us[first];
            let shown_us = us(index.frame(last).duration).max(1);
            let next = own.get(at + 1).filter(|next| !next.is_gap());
            let (end_us, drift_us) = match next {
                // A moment between two segments belongs to the picture that was still to be seen.
                Some(next) => (
                    next.utc_us.max(starts_us),
                    Some(next.utc_us - (starts_us + shown_us)),
                ),
                // Until the frame behind the gap is no time that it was shown for.
                None => (
                    one.end_us().clamp(starts_us + 1, starts_us + shown_us),
                    None,
                ),
            };
            spans.push(Span {
                number: one.number,
                utc_us: one.utc_us,
                clock: one.clock,
                first,
                count,
                end_us,
                drift_us,
            });
        }
        Self {
            media,
            at_us,
            spans,
        }
    }

    /// The time of a frame; none where there is no such frame.
    pub fn timed(&self, frame: i64) -> Option<Timed> {
        let frame = usize::try_from(frame).ok()?;
        let behind = self.spans.partition_point(|span| span.first <= frame);
        let span = self.spans.get(behind.checked_sub(1)?)?;
        (frame < span.first + span.count).then(|| self.within(span, frame))
    }

    fn within(&self, span: &Span, frame: usize) -> Timed {
        let utc_us = |frame: usize| span.utc_us + self.at_us[frame] - self.at_us[span.first];
        let is_last = frame + 1 == span.first + span.count;
        Timed {
            media: self.media,
            frame: frame as i64,
            utc_us: utc_us(frame),
            end_us: if is_last {
                span.end_us
            } else {
                utc_us(frame + 1)
            },
            segment: span.number,
            clock: span.clock,
            drift_us: span.drift_us,
        }
    }

    /// The frame of a span that is up at a time at or after its beginning.
    fn frame_of(&self, span: &Span, utc_us: i64) -> Timed {
        let frames = &self.at_us[span.first..span.first + span.count];
        let since = utc_us - span.utc_us + self.at_us[span.first];
        let behind = frames.partition_point(|at| *at <= since);
        self.within(span, span.first + behind.saturating_sub(1))
    }
}

/// Every segment of a recording that has frames, in order, so that many times are found.
pub(super) struct Moments<'t> {
    all: Vec<(&'t Timeline, &'t Span)>,
    /// The earliest beginning from each segment on: clocks may run back.
    earliest_us: Vec<i64>,
}

impl<'t> Moments<'t> {
    pub(super) fn of(timelines: &'t [Timeline]) -> Self {
        let spans =
            |timeline: &'t Timeline| timeline.spans.iter().map(move |span| (timeline, span));
        let mut all: Vec<(&Timeline, &Span)> = timelines.iter().flat_map(spans).collect();
        all.sort_by_key(|(_, span)| span.number);
        let mut earliest_us: Vec<i64> = all.iter().map(|(_, span)| span.utc_us).collect();
        for at in (1..earliest_us.len()).rev() {
            earliest_us[at - 1] = earliest_us[at - 1].min(earliest_us[at]);
        }
        Self { all, earliest_us }
    }

    /// Where a time lies: of segments whose times overlap, the later one says. None where there are no frames.
    pub(super) fn find(&self, utc_us: i64) -> Option<Found> {
        let begun = self.earliest_us.partition_point(|from| *from <= utc_us);
        let Some(at) = begun.checked_sub(1) else {
            let (timeline, span) = self.all.first()?;
            return Some(Found::Before(timeline.within(span, span.first)));
        };
        let (timeline, span) = self.all[at];
        let timed = timeline.frame_of(span, utc_us);
        Some(if utc_us < timed.end_us {
            Found::Frame(timed)
        } else if at + 1 == self.all.len() {
            Found::After(timed)
        } else {
            Found::Gap(timed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: i64, utc_ms: i64, first: Option<i64>) -> Segment {
        Segment {
            number,
            part: 0,
            sequence: number,
            discontinuity: 0,
            utc_us: utc_ms * 1000,
            clock: Clock::Program,
            duration_us: 300_000,
            size_bytes: i64::from(first.is_some()),
            init: None,
            lost: i64::from(first.is_none()),
            message: String::new(),
            first_frame: first,
            num_frames: first.map(|_| 3),
        }
    }

    /// Three segments of three frames of 100 ms; the second clock is 20 ms late, the third lies behind a gap.
    fn timeline() -> Timeline {
        let segments = [
            segment(0, 1_000, Some(0)),
            segment(1, 1_320, Some(3)),
            segment(2, 1_620, None),
            segment(3, 1_920, Some(6)),
        ];
        let at_ms = [0, 100, 200, 300, 400, 500, 900, 1_000, 1_100];
        let spans = [(0, 1_320, Some(20)), (1, 1_620, None), (3, 2_220, None)];
        let spans = spans
            .into_iter()
            .enumerate()
            .map(|(at, (number, end_ms, drift))| Span {
                number,
                utc_us: segments[number as usize].utc_us,
                clock: Clock::Program,
                first: at * 3,
                count: 3,
                end_us: end_ms * 1000,
                drift_us: drift.map(|drift: i64| drift * 1000),
            });
        Timeline {
            media: 7,
            at_us: at_ms.iter().map(|ms| ms * 1000).collect(),
            spans: spans.collect(),
        }
    }

    #[test]
    fn every_time_finds_the_frame_that_was_up() {
        let all = [timeline()];
        let moments = Moments::of(&all);
        let found = |ms: i64| moments.find(ms * 1000).unwrap();
        for (ms, frame) in [
            (1_000, 0),
            (1_099, 0),
            (1_100, 1),
            (1_310, 2),
            (1_320, 3),
            (1_619, 5),
            (1_920, 6),
            (2_219, 8),
        ] {
            let Found::Frame(timed) = found(ms) else {
                panic!("{ms}");
            };
            assert_eq!(timed.frame, frame, "{ms}");
            assert_eq!(all[0].timed(frame), Some(timed));
        }
        assert!(matches!(found(999), Found::Before(timed) if timed.frame == 0));
        assert!(matches!(found(1_700), Found::Gap(timed) if timed.frame == 5));
        assert!(matches!(found(2_220), Found::After(timed) if timed.frame == 8));
        assert_eq!(all[0].timed(9), None);
    }

    #[test]
    fn frames_without_a_segment_have_no_time() {
        assert_eq!(timeline().timed(-1), None);
        assert_eq!(Moments::of(&[]).find(0), None);
    }

    #[test]
    fn a_clock_that_runs_back_is_followed() {
        let mut back = timeline();
        back.spans[2].utc_us = 1_100_000;
        back.spans[2].end_us = 1_400_000;
        let all = [back];
        let moments = Moments::of(&all);
        for (ms, frame) in [(1_050, 0), (1_150, 6), (1_330, 8)] {
            let Some(Found::Frame(timed)) = moments.find(ms * 1000) else {
                panic!("{ms}");
            };
            assert_eq!(timed.frame, frame, "{ms}");
        }
    }
}
