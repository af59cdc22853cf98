//! A hybrid logical clock: wall time where it moves forward, a counter where it does not.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks" (2014).

use std::sync::Mutex;

/// Who changes something, and when.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The account, or none for the station itself.
    pub account: Option<i64>,
    /// UTC milliseconds.
    pub at_ms: i64,
    /// The logical time as text that sorts: milliseconds, counter, station.
    pub clock: String,
    /// Whether a job does it in the name of the account.
    pub by_job: bool,
}

/// Hands out stamps that never go backwards.
pub struct Clock {
    station: String,
    last: Mutex<(i64, u32)>,
}

impl Clock {
    /// The clock of a station.
    pub fn new(station: &str) -> Self {
        Self {
            station: station.to_owned(),
            last: Mutex::new((0, 0)),
        }
    }

    /// A stamp for a change by `account` at wall time `now_ms`.
    pub fn stamp(&self, account: Option<i64>, now_ms: i64) -> Stamp {
        let mut last = self.last.lock().expect("no holder panics");
        *last = if now_ms > last.0 {
            (now_ms, 0)
        } else {
            (last.0, last.1 + 1)
        };
        let clock = format!("{:013}-{:06}-{}", last.0, last.1, self.station);
        Stamp {
            account,
            at_ms: now_ms,
            clock,
            by_job: false,
        }
    }

    /// A stamp for a change that a job makes in the name of an account.
    pub fn stamp_of_job(&self, account: Option<i64>, now_ms: i64) -> Stamp {
        Stamp {
            by_job: true,
            ..self.stamp(account, now_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_even_when_the_wall_clock_goes_back() {
        let clock = Clock::new("s");
        let stamps: Vec<String> = [5, 9, 9, 3]
            .iter()
            .map(|at| clock.stamp(None, *at).clock)
            .collect();
        assert!(stamps.is_sorted() && stamps[2] != stamps[1], "{stamps:?}");
    }
}
