//! How many requests per second anybody gets, in memory.
//!
//! Whoever has credentials is counted by account, everybody else by address. Requests from this
//! machine are not counted unless the settings say so: bulk scripts beside the station run freely.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config;
use crate::error::{Error, Result};

/// After how many requests those who stopped asking are forgotten.
const SWEEP: u32 = 4096;

/// Counts requests.
pub struct Limits {
    anonymous: Option<DefaultKeyedRateLimiter<IpAddr>>,
    user: Option<DefaultKeyedRateLimiter<i64>>,
    loopback: bool,
    requests: AtomicU32,
    clock: DefaultClock,
}

impl Limits {
    /// Limits as the settings have them; 0 per second means none.
    pub fn new(settings: &config::Limits) -> Self {
        Self {
            anonymous: limiter(settings.anonymous_per_second, settings.burst_secs),
            user: limiter(settings.user_per_second, settings.burst_secs),
            loopback: settings.loopback,
            requests: AtomicU32::new(1),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of an account, or of whoever is at the address.
    ///
    /// Errors: `TooMany` when it comes too early.
    pub fn check(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        account: Option<i64>,
    ) -> Result<()> {
        // Without a peer it was no connection that brought the request.
        let Some(address) = peer.map(|peer| address(peer, headers)) else {
            return Ok(());
        };
        if address.is_loopback() && !self.loopback {
            return Ok(());
        }
        if self
            .requests
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SWEEP)
        {
            self.forget();
        }
        match account {
            Some(account) => self.take(self.user.as_ref(), account),
            None => self.take(self.anonymous.as_ref(), address),
        }
    }

    fn take<K: Hash + Eq + Clone>(
        &self,
        limiter: Option<&DefaultKeyedRateLimiter<K>>,
        key: K,
    ) -> Result<()> {
        let Some(limiter) = limiter else {
            return Ok(());
        };
        limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Error::TooMany {
                retry_after_secs: wait.as_secs() + 1,
            }
        })
    }

    fn forget(&self) {
        if let Some(limiter) = &self.anonymous {
            limiter.retain_recent();
        }
        if let Some(limiter) = &self.user {
            limiter.retain_recent();
        }
    }
}

fn limiter<K: Hash + Eq + Clone>(
    per_second: u32,
    burst_secs: u32,
) -> Option<DefaultKeyedRateLimiter<K>> {
    let rate = NonZeroU32::new(per_second)?;
    let burst = NonZeroU32::new(per_second.saturating_mul(burst_secs)).unwrap_or(rate);
    Some(RateLimiter::dashmap(
        Quota::per_second(rate).allow_burst(burst),
    ))
}

/// Where a request comes from: a proxy on this machine says so in the last part of
/// `X-Forwarded-For`; nobody else is believed. An IPv6 network counts as one address.
fn address(peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    let told = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .filter(|_| peer.is_loopback())
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    match told.map_or(peer, |told| told.to_canonical()) {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)))
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn limits(loopback: bool) -> Limits {
        Limits::new(&config::Limits {
            anonymous_per_second: 1,
            user_per_second: 2,
            burst_secs: 2,
            loopback,
        })
    }

    fn passed(
        limits: &Limits,
        peer: &str,
        forwarded: Option<&'static str>,
        account: Option<i64>,
    ) -> usize {
        let headers = forwarded
            .map(|list| {
                (
                    "x-forwarded-for".parse().unwrap(),
                    HeaderValue::from_static(list),
                )
            })
            .into_iter()
            .collect();
        let peer = Some(peer.parse().unwrap());
        (0..10)
            .filter(|_| limits.check(peer, &headers, account).is_ok())
            .count()
    }

    #[test]
    fn accounts_and_addresses_are_counted_apart() {
        let limits = limits(false);
        assert_eq!(passed(&limits, "10.0.0.1", None, None), 2);
        assert_eq!(passed(&limits, "10.0.0.1", None, Some(7)), 4);
        assert_eq!(passed(&limits, "10.0.0.2", None, Some(7)), 0);
        assert_eq!(passed(&limits, "10.0.0.2", None, None), 2);
        assert_eq!(passed(&limits, "2001:db8::1", None, None), 2);
        assert_eq!(passed(&limits, "2001:db8::2", None, None), 0);
    }

    #[test]
    fn this_machine_is_free_unless_it_passes_something_on() {
        let limits = limits(false);
        assert_eq!(passed(&limits, "127.0.0.1", None, None), 10);
        assert_eq!(
            passed(&limits, "127.0.0.1", Some("127.0.0.1, 10.0.0.9"), None),
            2
        );
        assert_eq!(
            passed(&limits, "::ffff:127.0.0.1", Some("10.0.0.9"), None),
            0
        );
        // Strangers may claim what they like.
        assert_eq!(passed(&limits, "10.0.0.3", Some("127.0.0.1"), None), 2);
        assert_eq!(passed(&self::limits(true), "127.0.0.1", None, None), 2);
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_zero_is_no_limit() {
        let mut settings = config::Limits {
            anonymous_per_second: 1,
            user_per_second: 0,
            burst_secs: 0,
            loopback: false,
        };
        let limits = Limits::new(&settings);
        assert_eq!(passed(&limits, "10.0.0.1", None, Some(1)), 10);
        assert_eq!(passed(&limits, "10.0.0.1", None, None), 1);
        let refused = limits.check(Some("10.0.0.1".parse().unwrap()), &HeaderMap::new(), None);
        assert!(
            matches!(
                refused,
                Err(Error::TooMany {
                    retry_after_secs: 1
                })
            ),
            "{refused:?}"
        );
        settings.anonymous_per_second = 0;
        assert_eq!(passed(&Limits::new(&settings), "10.0.0.1", None, None), 10);
    }
}
