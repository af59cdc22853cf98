//! Browser sessions: a signed cookie, and a CSRF token for unsafe requests.
//!
//! The cookie holds account, epoch and expiry under an HMAC with the station's secret, so that
//! signing in writes nothing (it works on a full disk). Raising the account's epoch ends its
//! sessions; signing out remembers the one cookie as ended until it would have expired.

use axum::http::{HeaderMap, header};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Name of the session cookie.
pub const COOKIE: &str = "transect_session";
/// Name of the CSRF cookie that pages repeat in `X-CSRFToken`.
pub const CSRF_COOKIE: &str = "csrftoken";

/// Makes and checks session cookies.
pub struct SessionKey {
    secret: Vec<u8>,
    lifetime_ms: i64,
}

impl SessionKey {
    /// A key from the station's secret; sessions live `hours`.
    pub fn new(secret: &str, hours: u32) -> Self {
        Self {
            secret: format!("session:{secret}").into_bytes(),
            lifetime_ms: i64::from(hours) * 3_600_000,
        }
    }

    /// The cookie's text for an account.
    pub fn sign(&self, account: i64, epoch: i64, now_ms: i64) -> String {
        let claim = format!("{account}.{epoch}.{}", now_ms + self.lifetime_ms);
        let seal = self.seal(&claim);
        format!("{claim}.{seal}")
    }

    /// The account and epoch of a cookie that is genuine and not expired.
    pub fn open(&self, cookie: &str, now_ms: i64) -> Option<(i64, i64)> {
        let (claim, seal) = cookie.rsplit_once('.')?;
        let mut parts = claim.split('.').map(|part| part.parse::<i64>().ok());
        let (account, epoch, expires) = (parts.next()??, parts.next()??, parts.next()??);
        let genuine =
            hex::decode(seal).is_ok_and(|seal| self.mac(claim).verify_slice(&seal).is_ok());
        (genuine && now_ms < expires).then_some((account, epoch))
    }

    /// Until when a genuine cookie of the moment `now_ms` works, in UTC milliseconds.
    pub fn expires_at(&self, cookie: &str, now_ms: i64) -> Option<i64> {
        self.open(cookie, now_ms)?;
        cookie.split('.').nth(2)?.parse().ok()
    }

    fn mac(&self, claim: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes any key");
        mac.update(claim.as_bytes());
        mac
    }

    fn seal(&self, claim: &str) -> String {
        hex::encode(self.mac(claim).finalize().into_bytes())
    }
}

/// The value of a cookie in a request.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_opens_until_it_expires_and_not_when_it_was_touched() {
        let key = SessionKey::new("secret", 1);
        let cookie = key.sign(7, 2, 1_000);
        assert_eq!(key.open(&cookie, 2_000), Some((7, 2)));
        assert_eq!(key.expires_at(&cookie, 2_000), Some(3_601_000));
        assert_eq!(key.open(&cookie, 3_601_000), None);
        assert_eq!(key.open(&cookie.replacen('7', "8", 1), 2_000), None);
        assert_eq!(SessionKey::new("other", 1).open(&cookie, 2_000), None);
    }
}
