//! AWS Signature Version 4 in a query string: links that carry their own permission.
//!
//! Source: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", Amazon S3
//! API reference. The payload is not signed, the only signed header is `host`.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// The longest that a link may live: a week.
pub const MOST_SECS: i64 = 604_800;
/// How far the clock of a signer may run ahead.
const AHEAD_MS: i64 = 15 * 60_000;

const REGION: &str = "us-east-1";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What Signature Version 4 leaves as it is: letters, digits and `-._~`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no signature, or half of one.
    Unsigned,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// The signature does not fit the request.
    Forged,
}

/// A pair of access key and secret.
pub struct Credentials {
    access: String,
    secret: String,
}

impl Credentials {
    /// Credentials by name and secret.
    pub fn new(access: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            access: access.into(),
            secret: secret.into(),
        }
    }

    /// An absolute link to `path` (not yet encoded) below `origin` (`scheme://host`), with more
    /// query parameters if there are some. `expires_secs` is cut to what the scheme allows.
    pub fn link(
        &self,
        method: &str,
        origin: &str,
        path: &str,
        parameters: &[(&str, &str)],
        expires_secs: i64,
        now_ms: i64,
    ) -> String {
        let at = amz_date(now_ms);
        let expires = expires_secs.clamp(1, MOST_SECS).to_string();
        let credential = format!("{}/{}", self.access, scope(&at));
        let mut query: Vec<(String, String)> = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &at),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ]
        .iter()
        .chain(parameters)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let text = self.text_to_sign(method, host, path, &mut query, &at);
        let signature = hex::encode(self.mac(&at, &text).finalize().into_bytes());
        format!(
            "{origin}{}?{}&X-Amz-Signature={signature}",
            utf8_percent_encode(path, ENCODED_IN_PATH),
            canonical_query(&query)
        )
    }

    /// Checks a request by signing it again. `path` is decoded, `query` is as it was sent.
    pub fn verify(
        &self,
        method: &str,
        host: &str,
        path: &str,
        query: &str,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let mut pairs = parse_query(query);
        let signature = take(&mut pairs, "X-Amz-Signature").ok_or(Refusal::Unsigned)?;
        let value = |name: &str| {
            let found = pairs.iter().find(|(known, _)| known == name);
            found
                .map(|(_, value)| value.as_str())
                .ok_or(Refusal::Unsigned)
        };
        let at = value("X-Amz-Date")?.to_owned();
        let fits = value("X-Amz-Algorithm")? == ALGORITHM
            && value("X-Amz-SignedHeaders")? == "host"
            && value("X-Amz-Credential")? == format!("{}/{}", self.access, scope(&at));
        let expires: i64 = value("X-Amz-Expires")?
            .parse()
            .map_err(|_| Refusal::Forged)?;
        let at_ms = parse_amz_date(&at).ok_or(Refusal::Forged)?;
        let text = self.text_to_sign(method, host, path, &mut pairs, &at);
        let signature = hex::decode(&signature).map_err(|_| Refusal::Forged)?;
        if !fits || self.mac(&at, &text).verify_slice(&signature).is_err() {
            return Err(Refusal::Forged);
        }
        if now_ms >= at_ms + expires.clamp(0, MOST_SECS) * 1000 {
            return Err(Refusal::Expired);
        }
        if at_ms > now_ms + AHEAD_MS {
            return Err(Refusal::Early);
        }
        Ok(())
    }

    fn text_to_sign(
        &self,
        method: &str,
        host: &str,
        path: &str,
        query: &mut [(String, String)],
        at: &str,
    ) -> String {
        query.sort();
        let request = format!(
            "{method}\n{}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
            utf8_percent_encode(path, ENCODED_IN_PATH),
            canonical_query(query),
            host.trim().to_ascii_lowercase()
        );
        let digest = hex::encode(Sha256::digest(request.as_bytes()));
        format!("{ALGORITHM}\n{at}\n{}\n{digest}", scope(at))
    }

    fn mac(&self, at: &str, text: &str) -> Hmac<Sha256> {
        let day = at.get(..8).unwrap_or_default();
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, REGION, "s3", "aws4_request"] {
            key = keyed(&key, part).finalize().into_bytes().to_vec();
        }
        keyed(&key, text)
    }
}

fn keyed(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac
}

fn scope(at: &str) -> String {
    format!(
        "{}/{REGION}/s3/aws4_request",
        at.get(..8).unwrap_or_default()
    )
}

fn amz_date(at_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn parse_amz_date(text: &str) -> Option<i64> {
    let at = chrono::NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    Some(at.and_utc().timestamp_millis())
}

fn canonical_query(sorted: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let pairs: Vec<String> = sorted
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// The decoded pairs of a query string; a plus is a plus.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn take(pairs: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = pairs.iter().position(|(known, _)| known == name)?;
    Some(pairs.remove(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_369_353_600_000;

    fn credentials() -> Credentials {
        Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        )
    }

    #[test]
    fn a_link_is_signed_as_in_the_published_example() {
        let origin = "https://examplebucket.s3.amazonaws.com";
        let link = credentials().link("GET", origin, "/test.txt", &[], 86_400, NOW);
        assert!(
            link.ends_with(
                "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            ),
            "{link}"
        );
    }

    #[test]
    fn a_link_is_good_for_its_own_request_and_time() {
        let parameters = [("uploadId", "a b"), ("partNumber", "2")];
        let path = "/objects/transect/1/2/é (1).mp4";
        let link = credentials().link("PUT", "http://h:1", path, &parameters, 60, NOW);
        let (address, query) = link.split_once('?').unwrap();
        assert_eq!(
            address,
            "http://h:1/objects/transect/1/2/%C3%A9%20%281%29.mp4"
        );
        let check = |method: &str, host: &str, path: &str, query: &str, now_ms: i64| {
            credentials().verify(method, host, path, query, now_ms)
        };
        assert_eq!(check("PUT", "h:1", path, query, NOW), Ok(()));
        let shuffled: Vec<&str> = query.split('&').rev().collect();
        assert_eq!(check("PUT", "H:1", path, &shuffled.join("&"), NOW), Ok(()));
        for (method, host, path, query) in [
            ("GET", "h:1", path, query.to_owned()),
            ("PUT", "h:2", path, query.to_owned()),
            ("PUT", "h:1", "/objects/transect/1/2/x", query.to_owned()),
            (
                "PUT",
                "h:1",
                path,
                query.replace("partNumber=2", "partNumber=3"),
            ),
            (
                "PUT",
                "h:1",
                path,
                query.replace("Expires=60", "Expires=61"),
            ),
            ("PUT", "h:1", path, format!("{query}&more=1")),
        ] {
            assert_eq!(check(method, host, path, &query, NOW), Err(Refusal::Forged));
        }
        assert_eq!(
            check("PUT", "h:1", path, query, NOW + 60_000),
            Err(Refusal::Expired)
        );
        assert_eq!(
            check("PUT", "h:1", path, query, NOW - 3_600_000),
            Err(Refusal::Early)
        );
        assert_eq!(check("PUT", "h:1", path, "", NOW), Err(Refusal::Unsigned));
    }
}
