//! Which frames go into the outputs, and when each is shown.

use transect_frame_client::{Fraction, FrameIndex, WorkerError};

/// The frames asked for, one after the other.
pub struct Selection {
    /// First and last display ordinals, included.
    pub runs: Vec<(usize, usize)>,
    /// When each frame begins, and after the last one when it ends, in ticks from zero.
    pub times: Vec<i64>,
    /// Seconds per tick.
    pub ticks: Fraction,
    /// True if these are all frames in their order.
    pub everything: bool,
}

impl Selection {
    /// All frames, or those of the ranges.
    ///
    /// Errors: `OutOfRange`; `Invalid` for a range that ends before it begins.
    pub fn new(index: &FrameIndex, ranges: &[(u64, u64)]) -> Result<Self, WorkerError> {
        let count = index.frame_count() as u64;
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let all = [(0, count.saturating_sub(1))];
        for &(first, last) in if ranges.is_empty() { &all[..] } else { ranges } {
            if last < first {
                return Err(WorkerError::Invalid {
                    message: format!("frame {last} comes before frame {first}"),
                });
            }
            if last >= count {
                return Err(WorkerError::OutOfRange { frame: last, count });
            }
            let (first, last) = (first as usize, last as usize);
            match runs.last_mut() {
                Some(before) if before.1 + 1 == first => before.1 = last,
                _ => runs.push((first, last)),
            }
        }
        let mut times = vec![0];
        for &(first, last) in &runs {
            // Durations are what lies between two frames, so a run is as long as it is in the source.
            for frame in index.tables.frames_of(first..last + 1) {
                times.push(times[times.len() - 1] + frame.duration.max(1));
            }
        }
        let ticks = coarser(index.time_base, &mut times);
        Ok(Selection {
            everything: runs == [(0, index.frame_count() - 1)],
            runs,
            times,
            ticks,
        })
    }

    /// The first of these with the times of all of them, one behind the other.
    pub fn joined(parts: &[&Selection]) -> Self {
        let first = parts[0];
        let same = parts.iter().all(|part| part.ticks == first.ticks);
        let ticks = if same { first.ticks } else { MICROSECOND };
        let mut times = vec![0];
        for part in parts {
            let mut own = part.times.clone();
            if !same {
                rounded(part.ticks, &mut own);
            }
            let begin = times[times.len() - 1];
            times.extend(own[1..].iter().map(|time| begin + time));
        }
        Selection {
            runs: first.runs.clone(),
            times,
            ticks,
            everything: first.everything && parts.len() == 1,
        }
    }

    /// Number of frames.
    pub fn count(&self) -> u64 {
        self.times.len() as u64 - 1
    }

    /// Display ordinal of the frame that is shown at a place of the output.
    pub fn ordinal(&self, place: u64) -> Option<usize> {
        let mut rest = usize::try_from(place).ok()?;
        for &(first, last) in &self.runs {
            let length = last - first + 1;
            if rest < length {
                return Some(first + rest);
            }
            rest -= length;
        }
        None
    }

    /// The runs from a place of the output on, each with its place.
    pub fn runs_from(&self, place: u64) -> Vec<(u64, usize, usize)> {
        let mut start = 0;
        let mut rest = Vec::new();
        for &(first, last) in &self.runs {
            let end = start + (last - first + 1) as u64;
            if place < end {
                let skipped = place.saturating_sub(start);
                rest.push((start + skipped, first + skipped as usize, last));
            }
            start = end;
        }
        rest
    }

    pub fn duration_secs(&self) -> f64 {
        self.times[self.times.len() - 1] as f64 * self.ticks.as_f64()
    }

    /// Places of the output that are `step_secs` apart, from the first frame on.
    pub fn every(&self, step_secs: f64) -> Vec<u64> {
        let mut places = Vec::new();
        let mut wanted = 0.0;
        for (place, &time) in self.times[..self.times.len() - 1].iter().enumerate() {
            // A millionth of a second allows for rounding.
            let time_secs = time as f64 * self.ticks.as_f64() + 1e-6;
            if time_secs >= wanted {
                places.push(place as u64);
                wanted = ((time_secs / step_secs).floor() + 1.0) * step_secs;
            }
        }
        places
    }
}

const MICROSECOND: Fraction = Fraction {
    num: 1,
    den: 1_000_000,
};

/// Fragments have 32 bits for the time between two pictures: ticks finer than a microsecond become one. Returns the ticks
/// that the times then have.
fn coarser(ticks: Fraction, times: &mut [i64]) -> Fraction {
    if ticks.as_f64() * 1.000_001 >= MICROSECOND.as_f64() {
        return ticks;
    }
    rounded(ticks, times);
    MICROSECOND
}

/// Counts ascending times in microseconds, each at least one behind the other.
fn rounded(ticks: Fraction, times: &mut [i64]) {
    let mut before = -1;
    for time in times {
        let exact = i128::from(*time) * i128::from(MICROSECOND.den) * i128::from(ticks.num);
        let rounded = (exact + i128::from(ticks.den) / 2) / i128::from(ticks.den);
        *time = i64::try_from(rounded).unwrap_or(i64::MAX).max(before + 1);
        before = *time;
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use transect_frame_client::{Access, DecoderSetup, Flags, Frame, Kind, Packet, Tables};

    /// An index of frames of these durations, in tenths of a second.
    pub fn index(durations: &[i64]) -> FrameIndex {
        let mut pts = 7;
        let (mut packets, mut frames) = (Vec::new(), Vec::new());
        for (at, &duration) in durations.iter().enumerate() {
            packets.push(Packet {
                position: 0,
                size: 1,
                dts: pts,
                pts,
                frame: Some(at as u32),
                flags: Flags::default(),
            });
            frames.push(Frame {
                pts,
                duration,
                packet: at as u32,
                flags: Flags::default(),
            });
            pts += duration;
        }
        FrameIndex {
            provenance: String::new(),
            changes: Vec::new(),
            checks: Vec::new(),
            fingerprint: "f".into(),
            stamp: "s".into(),
            kind: Kind::Video,
            container: "mov".into(),
            codec: "h264".into(),
            codec_string: None,
            description: None,
            time_base: Fraction { num: 1, den: 10 },
            start_pts: 7,
            frame_rate: None,
            width: 64,
            height: 48,
            mirrored: false,
            rotation_degrees: 0,
            sample_aspect_ratio: Fraction { num: 1, den: 1 },
            pixel_format: "yuv420p".into(),
            bit_rate: None,
            duration_secs: 1.0,
            has_audio: false,
            access: Access::Direct,
            decoder: DecoderSetup::default(),
            tables: Tables::new(&packets, &frames),
        }
    }

    #[test]
    fn puts_runs_behind_one_another() {
        let index = index(&[1, 2, 3, 4, 5]);
        let whole = Selection::new(&index, &[]).unwrap();
        assert_eq!(whole.times, [0, 1, 3, 6, 10, 15]);
        assert!(whole.everything);
        let parts = Selection::new(&index, &[(3, 4), (0, 0), (1, 2), (4, 4)]).unwrap();
        assert_eq!(parts.runs, [(3, 4), (0, 2), (4, 4)]);
        assert_eq!(parts.times, [0, 4, 9, 10, 12, 15, 20]);
        let ordinals: Vec<_> = (0..7).map(|place| parts.ordinal(place)).collect();
        assert_eq!(
            ordinals,
            [Some(3), Some(4), Some(0), Some(1), Some(2), Some(4), None]
        );
        assert_eq!(parts.runs_from(3), [(3, 1, 2), (5, 4, 4)]);
        assert!(!parts.everything);
    }

    #[test]
    fn refuses_what_is_not_there() {
        let index = index(&[1; 5]);
        assert!(matches!(
            Selection::new(&index, &[(3, 5)]),
            Err(WorkerError::OutOfRange { frame: 5, count: 5 })
        ));
        assert!(matches!(
            Selection::new(&index, &[(3, 2)]),
            Err(WorkerError::Invalid { .. })
        ));
    }

    #[test]
    fn has_ticks_of_a_microsecond_at_least() {
        let nano = Fraction {
            num: 1,
            den: 1_000_000_000,
        };
        let mut times = [0, 33_366_700, 33_366_800, 66_733_400];
        assert_eq!(coarser(nano, &mut times).den, 1_000_000);
        assert_eq!(times, [0, 33_367, 33_368, 66_733]);
        let mut times = [0, 512];
        let ticks = Fraction { num: 1, den: 15360 };
        assert_eq!(coarser(ticks, &mut times), ticks);
        assert_eq!(times, [0, 512]);
    }

    #[test]
    fn times_of_several_files_run_on() {
        let first = Selection::new(&index(&[1, 2, 3]), &[(1, 2)]).unwrap();
        let other = Selection::new(&index(&[4, 5]), &[]).unwrap();
        let joined = Selection::joined(&[&first, &other]);
        assert_eq!(
            (&joined.times[..], joined.count()),
            (&[0, 2, 5, 9, 14][..], 4)
        );
        assert_eq!(
            (&joined.runs[..], joined.ticks),
            (&[(1, 2)][..], first.ticks)
        );
        // Another clock: both are counted in what both can say.
        let mut finer = index(&[90, 90]);
        finer.time_base = Fraction { num: 1, den: 900 };
        let joined = Selection::joined(&[&first, &Selection::new(&finer, &[]).unwrap()]);
        assert_eq!(joined.times, [0, 200_000, 500_000, 600_000, 700_000]);
        assert_eq!(joined.ticks, MICROSECOND);
        assert!(Selection::joined(&[&other]).everything);
    }

    #[test]
    fn samples_evenly() {
        let selection = Selection::new(&index(&[1; 35]), &[]).unwrap();
        assert_eq!(selection.every(1.0), [0, 10, 20, 30]);
        assert_eq!(selection.every(100.0), [0]);
    }
}
