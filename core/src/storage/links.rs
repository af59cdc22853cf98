//! Links to objects, and the cache that keeps them stable.

use std::collections::HashMap;
use std::sync::Mutex;

use super::signature::{Credentials, Refusal};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};

/// The one bucket.
pub(super) const BUCKET: &str = "transect";
/// What a cached link must still be good for when it is handed out.
const LEFT_MS: i64 = 3_600_000;
/// Cached links before the old ones are thrown out.
const MOST_LINKS: usize = 100_000;

/// Signs links, and remembers those it gave.
pub struct LinkKey {
    pub(crate) credentials: Credentials,
    given: Mutex<HashMap<(i64, String), Given>>,
}

struct Given {
    origin: String,
    url: String,
    until_ms: i64,
}

impl LinkKey {
    /// A key from the station's secret.
    pub fn new(secret: &str) -> Self {
        let secret = blake3::derive_key("transect links to objects 1", secret.as_bytes());
        Self {
            credentials: Credentials::new(BUCKET, hex::encode(secret)),
            given: Mutex::new(HashMap::new()),
        }
    }
}

/// The path of an object, not yet percent-encoded.
pub(super) fn path_of(key: &str) -> String {
    format!("/objects/{BUCKET}/{key}")
}

/// A link that reads `key` for `expires_secs`, below `origin` (`scheme://host`, as the caller
/// sees the station).
///
/// A second link for the same account and key is the first one, whatever its lifetime, until that
/// has less than an hour left; links of an hour or less are not kept. `no_cache` neither reads nor
/// writes what is kept. Whether the actor may read the key is for the caller to know.
pub async fn presign(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    key: &str,
    expires_secs: i64,
    no_cache: bool,
) -> String {
    let now = cx.now();
    let links = &cx.link_key;
    let fresh = || {
        let path = path_of(key);
        links
            .credentials
            .link("GET", origin, &path, &[], expires_secs, now)
    };
    if no_cache {
        return fresh();
    }
    let mut given = links.given.lock().expect("no holder panics");
    let place = (actor.id, key.to_owned());
    if let Some(known) = given.get(&place)
        && known.until_ms > now
        && known.origin == origin
    {
        return known.url.clone();
    }
    let url = fresh();
    let until_ms = now + expires_secs * 1000 - LEFT_MS;
    if until_ms > now {
        if given.len() >= MOST_LINKS {
            given.retain(|_, known| known.until_ms > now);
        }
        if given.len() >= MOST_LINKS {
            given.clear();
        }
        let origin = origin.to_owned();
        given.insert(
            place,
            Given {
                origin,
                url: url.clone(),
                until_ms,
            },
        );
    }
    url
}

/// A link that writes `key`, or one part of a multipart upload.
pub(super) fn presign_put(
    cx: &Context,
    origin: &str,
    key: &str,
    part: Option<(&str, i64)>,
    expires_secs: i64,
) -> String {
    let number = part
        .map(|(_, number)| number.to_string())
        .unwrap_or_default();
    let parameters: &[(&str, &str)] = match part {
        Some((upload, _)) => &[("partNumber", &number), ("uploadId", upload)],
        None => &[],
    };
    let path = path_of(key);
    let credentials = &cx.link_key.credentials;
    credentials.link("PUT", origin, &path, parameters, expires_secs, cx.now())
}

/// The key that one of the station's own links reads; none for anything else, and for a link that
/// is forged or expired.
pub fn key_of_link(cx: &Context, url: &str) -> Option<String> {
    own(cx, url)?.ok()
}

/// The key that a link reads; none for one that this station did not sign.
///
/// Errors: `Invalid` when the link's time is over.
pub(crate) fn own(cx: &Context, url: &str) -> Option<Result<String>> {
    let (_, rest) = url.split_once("://")?;
    let (host, rest) = rest.split_once('/')?;
    let (path, query) = rest.split_once('?')?;
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()?;
    let path = format!("/{path}");
    let key = path.strip_prefix(&path_of(""))?;
    let credentials = &cx.link_key.credentials;
    match credentials.verify("GET", host, &path, query, cx.now()) {
        Ok(()) => Some(Ok(key.to_owned())),
        Err(Refusal::Expired) => Some(Err(Error::invalid(format!(
            "the link has expired; ask for a new one: {key}"
        )))),
        Err(Refusal::Unsigned | Refusal::Early | Refusal::Forged) => None,
    }
}
