//! Reads what a URL names that a caller gave: the only place that does.
//!
//! A caller must not be able to send the station where only the station may go. So a URL is either one
//! of the station's own links to an object, which is read from the store without any request, or of an
//! origin that the operator allows (`server.request_origins`). Every redirect is looked at in the same
//! way, names are resolved once, and an origin that was allowed by a pattern never leads to an address
//! that is not public.

mod address;
mod origin;

use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use reqwest::header::{CONTENT_LENGTH, LOCATION};
use reqwest::{Method, Response, Url};
use tokio::io::AsyncWriteExt;

use self::origin::Fit;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::storage::{self, objects::ByteStream};

pub use origin::Origin;

/// Redirects that are followed.
const HOPS: usize = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long what fits in memory may take.
const SMALL: Duration = Duration::from_secs(120);

/// The connections to other servers.
#[derive(Default)]
pub struct Client {
    named: OnceLock<reqwest::Client>,
    public_only: OnceLock<reqwest::Client>,
}

impl Client {
    fn of(&self, fit: Fit) -> &reqwest::Client {
        match fit {
            Fit::Named => self.named.get_or_init(|| build(false)),
            Fit::Pattern => self.public_only.get_or_init(|| build(true)),
        }
    }
}

fn build(public_only: bool) -> reqwest::Client {
    // Another part of the program may have chosen the same one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("transect/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE);
    if public_only {
        builder = builder.dns_resolver(address::PublicOnly);
    }
    builder
        .build()
        .expect("the settings of the client are constant")
}

/// A client for buckets of other stores. It follows no redirect, so that it goes where a bucket's configuration
/// says and nowhere else.
pub(crate) fn of_buckets(public_only: bool) -> reqwest::Client {
    build(public_only)
}

/// Whether the station may reach a bucket at public addresses only; none for an address of the own network that
/// neither an administrator of the station registered nor its operator named.
pub(crate) fn bucket_is_public_only(
    origins: &[Origin],
    trusted: bool,
    endpoint: &str,
) -> Option<bool> {
    let Ok(url) = Url::parse(endpoint) else {
        // The store's own default address.
        return Some(!trusted);
    };
    let named = |origin: &Origin| origin.fit(&url) == Some(Fit::Named);
    if trusted || origins.iter().any(named) {
        return Some(false);
    }
    let host = url.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    address.map_or(true, address::is_public).then_some(true)
}

/// Where a URL leads.
enum Target {
    /// To an object of this station.
    Own(String),
    /// To another server.
    Other(Url, Fit),
}

/// Checks that the station may read a URL, without reading it.
///
/// Errors: `Forbidden` for one that is neither the station's own link nor of an allowed origin,
/// `Invalid` for an own link whose time is over.
pub async fn check(cx: &Context, url: &str) -> Result<()> {
    target(cx, url).map(drop)
}

/// What a URL gives, at most `limit_bytes`. The headers are sent to the URL's own origin only.
///
/// Errors: those of [`check`]; `Invalid` when it cannot be read, or gives more than that.
pub async fn bytes(
    cx: &Context,
    url: &str,
    headers: &[(String, String)],
    limit_bytes: u64,
) -> Result<Bytes> {
    let (_, bytes) = document(cx, url, headers, limit_bytes).await?;
    Ok(bytes)
}

/// As [`bytes()`], with the URL that was read in the end, behind all redirects: what the base of relative
/// links is.
pub async fn document(
    cx: &Context,
    url: &str,
    headers: &[(String, String)],
    limit_bytes: u64,
) -> Result<(String, Bytes)> {
    let too_large = || {
        Error::invalid(format!(
            "the URL gives more than {limit_bytes} bytes: {}",
            shown(url)
        ))
    };
    let reading = async {
        let (place, length, mut stream) = found(cx, url, headers).await?;
        if length.is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            whole.extend_from_slice(&chunk.map_err(|error| unreadable(url, error))?);
            if whole.len() as u64 > limit_bytes {
                return Err(too_large());
            }
        }
        match length {
            Some(length) if length != whole.len() as u64 => {
                Err(unreadable(url, "it broke off before its end"))
            }
            _ => Ok((place, whole.freeze())),
        }
    };
    let late = |_| {
        let text = format!("it took longer than {} s", SMALL.as_secs());
        unreadable(url, text)
    };
    tokio::time::timeout(SMALL, reading).await.map_err(late)?
}

/// Writes what a URL gives to a new file; returns its length in bytes. A file that could not be
/// written whole is left for the caller to remove.
///
/// Errors: those of [`check`]; `Invalid` when it cannot be read; `StorageFull`.
pub async fn to_file(cx: &Context, url: &str, path: &Path) -> Result<u64> {
    let (length, mut stream) = open(cx, url, &[]).await?;
    let mut file = tokio::fs::File::create(path).await?;
    let mut written = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| unreadable(url, error))?;
        file.write_all(&chunk).await?;
        written += chunk.len() as u64;
    }
    file.flush().await?;
    match length {
        Some(length) if length != written => Err(unreadable(url, "it broke off before its end")),
        _ => Ok(written),
    }
}

/// The length in bytes of what a URL gives; none where the server does not say.
///
/// Errors: those of [`check`]; `Invalid` when the server cannot be reached.
pub async fn size(cx: &Context, url: &str) -> Result<Option<u64>> {
    match request(cx, Method::HEAD, url, &[]).await? {
        Found::Own(key) => Ok(Some(object(cx, url, &key).await?.size_bytes)),
        Found::Other(response) if response.status().is_success() => {
            // A response to HEAD has no body to measure.
            let length = response.headers().get(CONTENT_LENGTH);
            Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
        }
        Found::Other(_) => Ok(None),
    }
}

/// The length, if the server says it, and the bytes that a URL gives, as they come.
///
/// Errors: as [`bytes()`].
pub async fn open(
    cx: &Context,
    url: &str,
    headers: &[(String, String)],
) -> Result<(Option<u64>, ByteStream)> {
    let (_, length, stream) = found(cx, url, headers).await?;
    Ok((length, stream))
}

/// What a URL gives, and where that was found.
async fn found(
    cx: &Context,
    url: &str,
    headers: &[(String, String)],
) -> Result<(String, Option<u64>, ByteStream)> {
    match request(cx, Method::GET, url, headers).await? {
        Found::Own(key) => {
            let opened = storage::open(cx, &key).await?;
            let (object, stream) = opened.ok_or_else(|| nothing_stored(url))?;
            Ok((url.to_owned(), Some(object.size_bytes), stream))
        }
        Found::Other(response) if response.status().is_success() => {
            let length = response.content_length();
            let place = response.url().to_string();
            let stream = response.bytes_stream();
            let stream = stream.map(|chunk| chunk.map_err(std::io::Error::other));
            Ok((place, length, stream.boxed()))
        }
        Found::Other(response) => Err(unreadable(
            url,
            format!("the server answers {}", response.status()),
        )),
    }
}

enum Found {
    Own(String),
    Other(Response),
}

/// Asks for a URL, and for what it redirects to.
async fn request(
    cx: &Context,
    method: Method,
    url: &str,
    headers: &[(String, String)],
) -> Result<Found> {
    let mut place = url.to_owned();
    let mut first = None;
    for _ in 0..=HOPS {
        let (target, fit) = match target(cx, &place)? {
            Target::Own(key) => return Ok(Found::Own(key)),
            Target::Other(target, fit) => (target, fit),
        };
        let origin = target.origin();
        let mut asking = cx.client.of(fit).request(method.clone(), target.clone());
        if *first.get_or_insert_with(|| origin.clone()) == origin {
            for (name, value) in headers {
                asking = asking.header(name, value);
            }
        }
        let response = asking.send().await;
        let response = response.map_err(|error| unreadable(url, error.without_url()))?;
        let location = response.headers().get(LOCATION);
        let next = location.and_then(|location| target.join(location.to_str().ok()?).ok());
        match next {
            Some(next) if response.status().is_redirection() => place = next.into(),
            _ => return Ok(Found::Other(response)),
        }
    }
    Err(unreadable(
        url,
        format!("it redirects more than {HOPS} times"),
    ))
}

fn target(cx: &Context, text: &str) -> Result<Target> {
    if let Some(own) = storage::links::own(cx, text) {
        return own.map(Target::Own);
    }
    let origins = &cx.settings.server.request_origins;
    let url = Url::parse(text).map_err(|_| foreign(text))?;
    let fits: Vec<Fit> = origins
        .iter()
        .filter_map(|origin| origin.fit(&url))
        .collect();
    if fits.contains(&Fit::Named) {
        return Ok(Target::Other(url, Fit::Named));
    }
    // An address is not resolved, hence not filtered there.
    let host = url.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    let public = address.map_or(true, address::is_public);
    if fits.is_empty() || !public {
        return Err(foreign(text));
    }
    Ok(Target::Other(url, Fit::Pattern))
}

fn foreign(url: &str) -> Error {
    Error::Forbidden(format!(
        "The URL is not from an allowed origin; upload the file to this station first, or let its operator add \
         the origin to server.request_origins: {}",
        shown(url)
    ))
}

fn unreadable(url: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let cause = cause.into();
    Error::invalid_because(
        format!("the URL could not be read: {}", shown(url)),
        Chain(cause.as_ref()).to_string(),
    )
}

fn nothing_stored(url: &str) -> Error {
    Error::invalid(format!(
        "nothing is stored under the link; upload the file first: {}",
        shown(url)
    ))
}

async fn object(cx: &Context, url: &str, key: &str) -> Result<storage::Object> {
    let found = storage::find(cx, key).await?;
    found.ok_or_else(|| nothing_stored(url))
}

/// A URL without what may be secret in it: its user, query and fragment.
fn shown(url: &str) -> String {
    let short = |text: &str| text.chars().take(200).collect::<String>();
    let Ok(mut parsed) = Url::parse(url) else {
        return short(url.split(['?', '#']).next().unwrap_or_default());
    };
    parsed.set_query(None);
    parsed.set_fragment(None);
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    short(parsed.as_str())
}

#[cfg(test)]
mod tests;
