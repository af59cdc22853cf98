//! Timelines: bins of frames or of time.

use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::{Value as Json, json};

use super::types::Interval;
use crate::time;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// How a timeline is divided. Bins are numbered; bin 0 is that of frame 0, or of 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Division {
    Frames(i64),
    Time(Interval),
}

impl Division {
    /// The number of the bin of a frame, or of a time in UTC milliseconds.
    pub fn bin(self, at: f64) -> i64 {
        let at = at as i64;
        match self {
            Self::Frames(frames) => at.div_euclid(frames),
            Self::Time(Interval::Minute) => at.div_euclid(MINUTE_MS),
            Self::Time(Interval::Hour) => at.div_euclid(60 * MINUTE_MS),
            Self::Time(Interval::Day) => at.div_euclid(DAY_MS),
            // 1 January 1970 was a Thursday.
            Self::Time(Interval::Week) => (at + 3 * DAY_MS).div_euclid(7 * DAY_MS),
            Self::Time(Interval::Month) => {
                let date = date(at);
                i64::from(date.year() - 1970) * 12 + i64::from(date.month0())
            }
            Self::Time(Interval::Year) => i64::from(date(at).year() - 1970),
        }
    }

    /// The first frame or instant of a bin, as the wire shows it.
    pub fn start(self, bin: i64) -> Json {
        let ms = match self {
            Self::Frames(frames) => return json!(bin * frames),
            Self::Time(Interval::Minute) => bin * MINUTE_MS,
            Self::Time(Interval::Hour) => bin * 60 * MINUTE_MS,
            Self::Time(Interval::Day) => bin * DAY_MS,
            Self::Time(Interval::Week) => bin * 7 * DAY_MS - 3 * DAY_MS,
            Self::Time(Interval::Month) => first_of(bin.div_euclid(12), bin.rem_euclid(12)),
            Self::Time(Interval::Year) => first_of(bin, 0),
        };
        json!(time::wire(ms))
    }
}

fn date(at_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .date_naive()
}

/// Midnight of the first of a month; years count from 1970, months from 0.
fn first_of(years: i64, month: i64) -> i64 {
    let year = i32::try_from(1970 + years).unwrap_or(1970);
    let first = NaiveDate::from_ymd_opt(year, month as u32 + 1, 1).unwrap_or_default();
    first
        .and_hms_opt(0, 0, 0)
        .unwrap_or_default()
        .and_utc()
        .timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_starts_where_it_should_and_ends_at_the_next() {
        let at = time::parse("2024-02-29T13:37:21.5Z").unwrap();
        for (interval, start, end) in [
            (
                Interval::Minute,
                "2024-02-29T13:37:00.000Z",
                "2024-02-29T13:38:00.000Z",
            ),
            (
                Interval::Hour,
                "2024-02-29T13:00:00.000Z",
                "2024-02-29T14:00:00.000Z",
            ),
            (
                Interval::Day,
                "2024-02-29T00:00:00.000Z",
                "2024-03-01T00:00:00.000Z",
            ),
            (
                Interval::Week,
                "2024-02-26T00:00:00.000Z",
                "2024-03-04T00:00:00.000Z",
            ),
            (
                Interval::Month,
                "2024-02-01T00:00:00.000Z",
                "2024-03-01T00:00:00.000Z",
            ),
            (
                Interval::Year,
                "2024-01-01T00:00:00.000Z",
                "2025-01-01T00:00:00.000Z",
            ),
        ] {
            let division = Division::Time(interval);
            let bin = division.bin(at as f64);
            assert_eq!(division.start(bin), start);
            assert_eq!(division.start(bin + 1), end);
            let first = time::parse(start).unwrap() as f64;
            assert_eq!(
                (division.bin(first), division.bin(first - 1.0)),
                (bin, bin - 1)
            );
        }
    }

    #[test]
    fn times_before_1970_have_bins_too() {
        let at = time::parse("1969-12-31").unwrap() as f64;
        for interval in [Interval::Month, Interval::Year, Interval::Day] {
            let division = Division::Time(interval);
            assert_eq!(division.bin(at), -1, "{interval:?}");
        }
        assert_eq!(
            Division::Time(Interval::Month).start(-1),
            "1969-12-01T00:00:00.000Z"
        );
    }

    #[test]
    fn frames_are_divided_evenly() {
        let division = Division::Frames(25);
        assert_eq!((division.bin(24.0), division.bin(25.0)), (0, 1));
        assert_eq!(division.start(3), 75);
    }
}
