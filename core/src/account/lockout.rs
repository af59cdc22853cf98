//! Lockout: some failed sign-ins lock a name for some minutes; success resets.
//!
//! Kept in memory: a restart forgets it, and a full disk does not keep anybody out.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Names beyond which old entries are swept.
const MOST_NAMES: usize = 10_000;

/// Counts failures per folded user name.
pub struct Lockout {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
    allowed: u32,
    duration: Duration,
    turn: tokio::sync::Mutex<()>,
}

impl Lockout {
    /// Locks after `allowed` failures for so long.
    pub fn new(allowed: u32, duration: Duration) -> Self {
        Self {
            failures: Mutex::default(),
            allowed,
            duration,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Waits until nobody else's password is being checked.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether the name is locked now.
    pub fn is_locked(&self, name: &str) -> bool {
        let failures = self.failures.lock().expect("no holder panics");
        failures
            .get(&name.to_lowercase())
            .is_some_and(|(count, since)| *count >= self.allowed && since.elapsed() < self.duration)
    }

    /// Counts a failure.
    pub fn failed(&self, name: &str) {
        let mut failures = self.failures.lock().expect("no holder panics");
        if failures.len() > MOST_NAMES {
            failures.retain(|_, (_, since)| since.elapsed() < self.duration);
        }
        let entry = failures
            .entry(name.to_lowercase())
            .or_insert((0, Instant::now()));
        if entry.1.elapsed() >= self.duration {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, Instant::now());
    }

    /// Forgets the failures of a name.
    pub fn succeeded(&self, name: &str) {
        self.failures
            .lock()
            .expect("no holder panics")
            .remove(&name.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_locks_any_spelling_and_success_resets() {
        let lockout = Lockout::new(3, Duration::from_secs(600));
        for _ in 0..3 {
            assert!(!lockout.is_locked("Ann"));
            lockout.failed("ann");
        }
        assert!(lockout.is_locked("ANN") && !lockout.is_locked("bob"));
        lockout.succeeded("Ann");
        assert!(!lockout.is_locked("ann"));
    }
    #[test]
    fn a_lock_ends_and_failures_count_anew() {
        let lockout = Lockout::new(2, Duration::from_millis(40));
        lockout.failed("ann");
        lockout.failed("ann");
        assert!(lockout.is_locked("ann"));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!lockout.is_locked("ann"));
        lockout.failed("ann");
        assert!(!lockout.is_locked("ann"));
    }
}
