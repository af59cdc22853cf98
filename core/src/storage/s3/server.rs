//! The listener of S3 clients: who may come in, under which host, and from which pages.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lru::LruCache;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::CORSRule;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::super::signature::{MOST_SECS, parse_query};
use super::access::unknown_key;
use super::door::Door;
use super::policy::like;
use super::{Api, error, store};
use crate::config;
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::http::body::Rest;
use crate::id;
use crate::storage::direct::Peer;

/// The setting that means no S3 service.
pub const OFF: &str = "off";
/// The default of the setting. If somebody else has this port, the station goes on without.
pub const DEFAULT: &str = "127.0.0.1:9000";
/// Secrets that are kept in memory.
const MOST_SECRETS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Parts of URLs that newer operations have.
const UNKNOWN: &[&str] = &[
    "abac",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "renameObject",
];
/// The name under which buckets are always subdomains.
const LOCAL: &str = "localhost";

/// The URL that clients reach; none for no service.
pub fn endpoint(settings: &config::Storage) -> Option<String> {
    let listen = &settings.s3_listen;
    if listen == OFF {
        return None;
    }
    let plain = match listen.parse::<SocketAddr>() {
        Ok(address) => crate::station::url_of(address),
        Err(_) => format!("http://{listen}"),
    };
    Some(match settings.s3_certificate.is_empty() {
        true => plain,
        false => plain.replacen("http:", "https:", 1),
    })
}

/// Opens the port of S3 clients; none where the settings want none, or the default one is taken.
/// Puts the address into the settings.
///
/// Errors: `Invalid` when a port that somebody chose cannot be had, or its certificate not be used.
pub async fn bind(settings: &mut config::Storage) -> Result<Option<Door>> {
    let listen = std::mem::replace(&mut settings.s3_listen, OFF.into());
    if listen == OFF {
        return Ok(None);
    }
    let listener = match TcpListener::bind(&listen).await {
        Ok(listener) => listener,
        Err(error) if listen == DEFAULT => {
            tracing::warn!(
                %error,
                "no S3 service: its default address is taken; choose another one (storage.s3_listen, --s3-listen), \
                 or `off`: {listen}"
            );
            return Ok(None);
        }
        Err(error) => {
            return Err(Error::invalid(format!(
                "cannot listen for S3 clients: {error}; the address is HOST:PORT (port 0 means any free one), or `off`: \
                 {listen}"
            )));
        }
    };
    settings.s3_listen = listener.local_addr()?.to_string();
    Door::open(listener, settings).map(Some)
}

#[derive(Clone)]
struct Shared {
    cx: Arc<Context>,
    service: S3Service,
}

/// Answers S3 clients until the station stops.
pub async fn serve(cx: Arc<Context>, door: Option<Door>, stopping: CancellationToken) {
    let Some(door) = door else {
        return stopping.cancelled().await;
    };
    let router = router(cx).into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(door, router).with_graceful_shutdown(stopping.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!(%error, "the S3 service has ended");
    }
}

/// Everything that S3 clients can ask, as a router.
pub fn router(cx: Arc<Context>) -> Router {
    let mut builder = S3ServiceBuilder::new(Api(Arc::clone(&cx)));
    builder.set_auth(Keys::of(&cx));
    builder.set_access(Everybody);
    builder.set_host(Hosts(cx.settings.storage.s3_domains.clone()));
    let shared = Shared {
        service: builder.build(),
        cx,
    };
    Router::new().fallback(answer).with_state(shared)
}

/// Looks secrets up. A key's secret never changes, and whether there still is such a key, every
/// operation asks itself: so those that were used lately need not be read again.
struct Keys {
    cx: Arc<Context>,
    known: Mutex<LruCache<String, SecretKey>>,
}

impl Keys {
    fn of(cx: &Arc<Context>) -> Self {
        Self {
            cx: Arc::clone(cx),
            known: Mutex::new(LruCache::new(MOST_SECRETS)),
        }
    }

    fn known(&self) -> MutexGuard<'_, LruCache<String, SecretKey>> {
        self.known.lock().expect("no holder panics")
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if let Some(secret) = self.known().get(access_key) {
            return Ok(secret.clone());
        }
        let name = access_key.to_owned();
        let found = error::read(&self.cx, move |tx| {
            Box::pin(async move { Ok(store::find_key(tx, &name).await?) })
        });
        let key = found.await?.ok_or_else(unknown_key)?;
        let secret = SecretKey::from(key.secret);
        self.known().put(access_key.to_owned(), secret.clone());
        Ok(secret)
    }
}

/// Lets every request through to the operations, which decide by bucket and object.
struct Everybody;

#[async_trait::async_trait]
impl S3Access for Everybody {
    async fn check(&self, _: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

/// Finds buckets in the names of hosts: below the domains of the settings, and below localhost.
struct Hosts(Vec<String>);

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let domains = self.0.iter().map(String::as_str).chain([LOCAL]);
        for domain in domains {
            let domain_name = domain.rsplit_once(':').map_or(domain, |(name, _)| name);
            let bucket = name
                .strip_suffix(domain_name)
                .and_then(|rest| rest.strip_suffix('.'));
            if let Some(bucket) = bucket {
                return Ok(VirtualHost::new(domain).with_bucket(bucket));
            }
        }
        Ok(VirtualHost::new(host))
    }
}

/// The bucket that a request names, in its host or its path.
fn bucket_of(shared: &Shared, request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let hosts = Hosts(shared.cx.settings.storage.s3_domains.clone());
    let found = hosts.parse_host_header(host).ok()?;
    if let Some(bucket) = found.bucket() {
        return Some(bucket.to_owned());
    }
    let path = request.uri().path().trim_start_matches('/');
    let bucket = path.split('/').next()?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

async fn answer(State(shared): State<Shared>, mut request: Request) -> Response {
    Peer::let_in(&mut request);
    let origin = text(request.headers(), header::ORIGIN);
    let preflight = request.method() == Method::OPTIONS;
    let bucket = origin.as_ref().and_then(|_| bucket_of(&shared, &request));
    let rules = match bucket {
        Some(bucket) => rules(&shared.cx, bucket).await,
        None => Ok(None),
    };
    let rules = match rules {
        Ok(rules) => rules,
        Err(refused) => return error_response(refused),
    };
    let method = text(request.headers(), header::ACCESS_CONTROL_REQUEST_METHOD)
        .or_else(|| (!preflight).then(|| request.method().to_string()));
    let wanted = text(request.headers(), header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = match (&origin, &method) {
        (Some(origin), Some(method)) => rules
            .iter()
            .flatten()
            .find_map(|rule| allowance(rule, origin, method, wanted.as_deref())),
        _ => None,
    };
    if preflight {
        return match allowed {
            Some(headers) => (StatusCode::OK, headers).into_response(),
            None if origin.is_none() => error_response(s3_error!(
                InvalidRequest,
                "Insufficient information. Origin request header needed."
            )),
            None => error_response(s3_error!(
                AccessDenied,
                "CORSResponse: This CORS request is not allowed."
            )),
        };
    }
    let query = request.uri().query().unwrap_or_default();
    let fits = check_lifetime(query).and_then(|()| check_known(query, request.headers()));
    if let Err(refused) = fits {
        return error_response(refused);
    }
    let waits = request.headers().contains_key(header::EXPECT);
    let (request, rest_of_body) = match has_body(request.headers()) {
        true => {
            let (request, rest) = Rest::of(request);
            (request, Some(rest))
        }
        false => (request, None),
    };
    let (parts, body) = request.into_parts();
    let body = s3s::Body::http_body_unsync(body);
    let request = axum::http::Request::from_parts(parts, body);
    let mut response = match shared.service.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            let error: s3s::StdError = error.into();
            tracing::error!(error = %Chain(error.as_ref()), "an S3 client got no answer");
            error_response(s3_error!(InternalError))
        }
    };
    if let Some(rest) = rest_of_body
        && !response.status().is_success()
    {
        match waits {
            // Whoever waits for leave to send has none, and what comes next may not be taken for a body.
            true => {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            false => rest.drain().await,
        }
    }
    if response.status() == StatusCode::OK && response.headers().contains_key(header::CONTENT_RANGE)
    {
        // The library says so of GET only.
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if let Ok(number) = HeaderValue::from_str(&id::random_text(b"0123456789ABCDEF", 16)) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-amz-request-id"), number);
    }
    if let Some(headers) = allowed {
        response.headers_mut().extend(headers);
    }
    response
}

/// Whether bytes come behind the headers of a request.
fn has_body(headers: &HeaderMap) -> bool {
    let length = text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length: u64| length > 0)
}

/// A signed link lives at most a week. Errors: `AccessDenied`.
fn check_lifetime(query: &str) -> S3Result<()> {
    let pairs = parse_query(query);
    let told = pairs.iter().find(|(name, _)| name == "X-Amz-Expires");
    let fits = |text: &str| {
        text.parse::<i64>()
            .is_ok_and(|seconds| (1..=MOST_SECS).contains(&seconds))
    };
    match told {
        Some((_, text)) if !fits(text) => Err(s3_error!(
            AccessDenied,
            "X-Amz-Expires must be between 1 second and a week"
        )),
        _ => Ok(()),
    }
}

/// Refuses what the library does not know, and would take for something else: these parts of a URL for those of a plain PUT,
/// which would empty an object. Errors: `NotImplemented`.
fn check_known(query: &str, headers: &HeaderMap) -> S3Result<()> {
    let pairs = parse_query(query);
    if let Some((name, _)) = pairs
        .iter()
        .find(|(name, _)| UNKNOWN.contains(&name.as_str()))
    {
        return Err(error::not_offered(name));
    }
    let source = text(headers, HeaderName::from_static("x-amz-copy-source"));
    let source = source.unwrap_or_default().to_lowercase();
    if source.starts_with("arn:") || source.starts_with("arn%3a") {
        return Err(error::not_offered("access points"));
    }
    Ok(())
}

fn error_response(refused: s3s::S3Error) -> Response {
    match refused.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The rules of a bucket for pages of other servers.
async fn rules(cx: &Context, name: String) -> S3Result<Option<Vec<CORSRule>>> {
    error::read(cx, move |tx| {
        Box::pin(async move {
            let bucket = store::find_bucket(tx, &name).await?;
            Ok(bucket
                .and_then(|bucket| bucket.about.cors)
                .map(|cors| cors.cors_rules))
        })
    })
    .await
}

/// What a rule lets a page do, as headers; none where it does not mean the request.
fn allowance(
    rule: &CORSRule,
    origin: &str,
    method: &str,
    wanted: Option<&str>,
) -> Option<HeaderMap> {
    let pattern = rule.allowed_origins.iter().find(|one| like(one, origin))?;
    rule.allowed_methods.iter().find(|one| *one == method)?;
    let patterns = rule.allowed_headers.iter().flatten();
    let patterns: Vec<String> = patterns.map(|one| one.to_lowercase()).collect();
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(wanted) = wanted {
        for name in wanted.split(',').map(|name| name.trim().to_lowercase()) {
            if !name.is_empty() && !patterns.iter().any(|pattern| like(pattern, &name)) {
                return None;
            }
        }
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, &wanted.to_lowercase());
    }
    let anybody = pattern == "*";
    set(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        if anybody { "*" } else { origin },
    );
    if !anybody {
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        &rule.allowed_methods.join(", "),
    );
    if let Some(exposed) = &rule.expose_headers {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
    }
    if let Some(age) = rule.max_age_seconds {
        set(header::ACCESS_CONTROL_MAX_AGE, &age.to_string());
    }
    set(
        header::VARY,
        "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    );
    Some(headers)
}
