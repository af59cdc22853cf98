//! Links to objects, and the cache that keeps them stable.

use std::collections::HashMap;
use std::sync::Mutex;

use super::key::UPLOADS;
use super::remote;
use super::signature::{Credentials, Refusal};
use crate::account::Actor;
use crate::context::Context;
use crate::error::{Error, Result};

/// The station's own bucket.
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

/// What the paths of objects begin with.
pub(super) const OBJECTS: &str = "/objects/";
/// The parameter of a link that stores its bytes in a bucket of another store.
pub(super) const INTO: &str = "bucket-id";

/// The path of an object, not yet percent-encoded.
pub(super) fn path_of(bucket: &str, key: &str) -> String {
    format!("{OBJECTS}{bucket}/{key}")
}

/// The key of a path; links to what is in a bucket of another store have that one's name in place of our own.
pub(super) fn key_of_path(path: &str) -> Option<&str> {
    let (_, key) = path.strip_prefix(OBJECTS)?.split_once('/')?;
    Some(key)
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
    let place = (actor.id, key.to_owned());
    if !no_cache {
        let given = links.given.lock().expect("no holder panics");
        if let Some(known) = given.get(&place)
            && known.until_ms > now
            && known.origin == origin
        {
            return known.url.clone();
        }
    }
    let url = fresh(cx, origin, key, expires_secs, now).await;
    if no_cache {
        return url;
    }
    let mut given = links.given.lock().expect("no holder panics");
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

async fn fresh(cx: &Context, origin: &str, key: &str, expires_secs: i64, now_ms: i64) -> String {
    let mut bucket = BUCKET.to_owned();
    if let Some(sign) = remote::signpost(cx, key).await {
        // Temporary uploads are read by this station, which follows its own links only.
        let external = sign.external_host.filter(|_| !key.starts_with(UPLOADS));
        if let Some(host) = external
            && let Some(link) = cx.places.direct_link(&sign.blob, &host, expires_secs).await
        {
            return link;
        }
        if !sign.bucket.contains('/') {
            bucket = sign.bucket;
        }
    }
    let path = path_of(&bucket, key);
    let credentials = &cx.link_key.credentials;
    credentials.link("GET", origin, &path, &[], expires_secs, now_ms)
}

/// A link that writes `key` (in this bucket, or the one that it belongs in), or one part of a multipart upload.
pub(super) fn presign_put(
    cx: &Context,
    origin: &str,
    key: &str,
    bucket: Option<i64>,
    part: Option<(&str, i64)>,
    expires_secs: i64,
) -> String {
    let number = part
        .map(|(_, number)| number.to_string())
        .unwrap_or_default();
    let into = bucket.map(|bucket| bucket.to_string()).unwrap_or_default();
    let parameters: &[(&str, &str)] = match (part, bucket) {
        (Some((upload, _)), _) => &[("partNumber", &number), ("uploadId", upload)],
        (None, Some(_)) => &[(INTO, &into)],
        (None, None) => &[],
    };
    let path = path_of(BUCKET, key);
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
    let key = key_of_path(&path)?;
    let credentials = &cx.link_key.credentials;
    match credentials.verify("GET", host, &path, query, cx.now()) {
        Ok(()) => Some(Ok(key.to_owned())),
        Err(Refusal::Expired) => Some(Err(Error::invalid(format!(
            "the link has expired; ask for a new one: {key}"
        )))),
        Err(Refusal::Unsigned | Refusal::Early | Refusal::Forged) => None,
    }
}
