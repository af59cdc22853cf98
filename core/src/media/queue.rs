//! What the indexer keeps in memory beside the rows that wait: who is at which media, and when one
//! that could not be indexed is tried again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A media that took its worker down this often in a row has failed.
const STRIKES: u32 = 2;
/// How long a media rests after its first try that came to nothing; doubled with each further one.
const REST: Duration = Duration::from_secs(30);
/// The longest rest, as a power of two of the first.
const MOST_DOUBLINGS: u32 = 5;

/// The indexer's memory.
#[derive(Debug, Default)]
pub struct Queue {
    woken: Notify,
    released: Notify,
    at_work: Mutex<HashSet<i64>>,
    tries: Mutex<HashMap<i64, Tries>>,
}

#[derive(Debug, Default)]
struct Tries {
    strikes: u32,
    failures: u32,
    again_at: Option<Instant>,
}

impl Queue {
    /// Wakes the indexer: a media has a new source.
    pub fn notify_one(&self) {
        self.woken.notify_one();
    }

    /// Returns once somebody woke the indexer since the last call.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Makes the caller the only one who indexes a media; none while somebody else is at it.
    pub(super) fn try_claim(&self, media: i64) -> Option<Claim<'_>> {
        let free = lock(&self.at_work).insert(media);
        free.then(|| Claim { queue: self, media })
    }

    /// The same, once nobody else is at it.
    pub(super) async fn claim(&self, media: i64) -> Claim<'_> {
        loop {
            let released = self.released.notified();
            if let Some(claim) = self.try_claim(media) {
                return claim;
            }
            released.await;
        }
    }

    /// Whether a media may be tried now, or still rests.
    pub(super) fn is_due(&self, media: i64, now: Instant) -> bool {
        let tries = lock(&self.tries);
        let again_at = tries.get(&media).and_then(|tries| tries.again_at);
        again_at.is_none_or(|again_at| again_at <= now)
    }

    /// Lets a media rest, the longer the more often in a row.
    pub(super) fn postpone(&self, media: i64, now: Instant) {
        let mut tries = lock(&self.tries);
        let tries = tries.entry(media).or_default();
        tries.again_at = Some(now + REST * 2_u32.pow(tries.failures.min(MOST_DOUBLINGS)));
        tries.failures += 1;
    }

    /// Notes that a media took its worker down; says whether that was once too often.
    pub(super) fn strike(&self, media: i64) -> bool {
        let mut tries = lock(&self.tries);
        let tries = tries.entry(media).or_default();
        tries.strikes += 1;
        tries.strikes >= STRIKES
    }

    /// Forgets what came of a media before: it is done, or has a new source.
    pub fn forget(&self, media: i64) {
        lock(&self.tries).remove(&media);
    }
}

/// The right to index one media, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim<'q> {
    queue: &'q Queue,
    media: i64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.queue.at_work).remove(&self.media);
        self.queue.released.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_rest_longer_and_longer_and_two_strikes_end_it() {
        let (queue, start) = (Queue::default(), Instant::now());
        assert!(queue.is_due(1, start));
        for rest in [30, 60, 120, 240, 480, 960, 960] {
            queue.postpone(1, start);
            assert!(!queue.is_due(1, start + Duration::from_secs(rest - 1)));
            assert!(queue.is_due(1, start + Duration::from_secs(rest)));
        }
        assert!(queue.is_due(2, start));
        assert_eq!([queue.strike(1), queue.strike(1)], [false, true]);
        queue.forget(1);
        assert!(queue.is_due(1, start) && !queue.strike(1));
    }

    #[tokio::test]
    async fn one_at_a_time_indexes_a_media() {
        let queue = Queue::default();
        let first = queue.claim(1).await;
        assert!(queue.try_claim(1).is_none() && queue.try_claim(2).is_some());
        let (second, ()) = tokio::join!(queue.claim(1), async { drop(first) });
        assert!(queue.try_claim(1).is_none());
        drop(second);
        assert!(queue.try_claim(1).is_some());
    }
}
