//! Objects over HTTP, as S3 has them: GET and HEAD with ranges and conditions, PUT of an object or
//! of a part. The link is the permission; errors are S3's XML.

use std::ops::Range;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use futures::StreamExt;

use super::direct::outlet_of;
use super::links::{INTO, key_of_path};
use super::objects::ByteStream;
use super::service::{self, BAD_DIGEST, RETRIES};
use super::signature::{Refusal, parse_query};
use super::types::Object;
use super::upload;
use crate::context::Context;
use crate::error::{Chain, Error};
use crate::time;

/// Answers a request for a path below `/objects/`.
pub async fn serve(cx: &Context, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = answer(cx, &parts, body).await;
    answered.unwrap_or_else(|failure| failure.response(parts.uri.path(), &parts.method))
}

fn bytes_of(body: Body) -> ByteStream {
    let bytes = body.into_data_stream();
    bytes
        .map(|next| next.map_err(std::io::Error::other))
        .boxed()
}

struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// The object's length, for a range that cannot be.
    length: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            length: None,
        }
    }

    fn response(self, path: &str, method: &Method) -> Response {
        let escape = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
             <Resource>{}</Resource></Error>",
            self.code,
            escape(&self.message),
            escape(path)
        );
        let body = if method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(xml)
        };
        let kind = [(header::CONTENT_TYPE, "application/xml")];
        let mut response = (self.status, kind, body).into_response();
        if let Some(length) = self.length {
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::NotFound(_) => (StatusCode::NOT_FOUND, "NoSuchKey"),
            Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            Error::Unauthenticated(_) | Error::Forbidden(_) => {
                (StatusCode::FORBIDDEN, "AccessDenied")
            }
            Error::StorageFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "StorageFull"),
            Error::QuotaExceeded(_) => (StatusCode::INSUFFICIENT_STORAGE, "QuotaExceeded"),
            Error::Busy(_) | Error::TooMany { .. } => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Error::Internal { .. } => {
                tracing::error!(error = %Chain(&error), "a request for an object failed");
                let message = "We encountered an internal error; the station's log has the reason.";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message);
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::Unsigned => ("AccessDenied", "Access Denied"),
            Refusal::Expired => ("AccessDenied", "Request has expired"),
            Refusal::Early => ("AccessDenied", "Request is not yet valid"),
            Refusal::Forged => (
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            ),
        };
        Self::new(StatusCode::FORBIDDEN, code, message)
    }
}

fn no_such_key() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "NoSuchKey",
        "The specified key does not exist.",
    )
}

async fn answer(cx: &Context, request: &Parts, body: Body) -> Result<Response, Failure> {
    let (method, uri, headers) = (&request.method, &request.uri, &request.headers);
    let path = percent_encoding::percent_decode_str(uri.path())
        .decode_utf8()
        .map_err(|_| no_such_key())?;
    let query = uri.query().unwrap_or_default();
    let origin = crate::http::origin(headers, cx);
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let signed = |method: &str| {
        let credentials = &cx.link_key.credentials;
        credentials.verify(method, host, &path, query, cx.now())
    };
    match *method {
        Method::GET => signed("GET")?,
        // Who may read the bytes may read their headers.
        Method::HEAD => signed("GET").or_else(|_| signed("HEAD"))?,
        Method::PUT => signed("PUT")?,
        _ => {
            return Err(Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            ));
        }
    }
    let key = key_of_path(&path).ok_or_else(no_such_key)?;
    if *method == Method::PUT {
        put(cx, key, query, headers, body).await
    } else {
        get(cx, key, request).await
    }
}

/// Answers with an object, or a range of it, to somebody who may read it.
pub(super) async fn file(cx: &Context, key: &str, request: &Parts) -> Response {
    match get(cx, key, request).await {
        Ok(response) => response,
        Err(failure) => failure.response(key, &request.method),
    }
}

async fn put(
    cx: &Context,
    key: &str,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let expected = text(headers, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let bytes = bytes_of(body);
    let pairs = parse_query(query);
    let value = |name: &str| {
        let found = pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let md5 = content_md5(headers)?;
    let md5 = md5.as_deref();
    let etag = match (value("uploadId"), value("partNumber")) {
        (Some(upload), Some(number)) => {
            let number = number.parse().map_err(|_| {
                let message = "Part number must be an integer between 1 and 10000";
                Failure::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
            })?;
            upload::put_part(cx, key, upload, number, bytes, expected, md5).await
        }
        _ => {
            let bucket = match value(INTO).and_then(|id| id.parse().ok()) {
                Some(named) => Some(named),
                None => service::home(cx, key).await?,
            };
            service::put_checked(cx, key, bucket, bytes, expected, md5)
                .await
                .map(|object| object.etag)
        }
    };
    let etag = etag.map_err(|error| match error {
        Error::NotFound(message) => Failure::new(StatusCode::NOT_FOUND, "NoSuchUpload", message),
        Error::Invalid { message, .. } => {
            let code = if message == BAD_DIGEST {
                "BadDigest"
            } else {
                "IncompleteBody"
            };
            Failure::new(StatusCode::BAD_REQUEST, code, message)
        }
        other => other.into(),
    })?;
    Ok([(header::ETAG, format!("\"{etag}\""))].into_response())
}

/// The MD5 that a sender announces, in hexadecimal digits.
fn content_md5(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(given) = headers.get("content-md5") else {
        return Ok(None);
    };
    let digest = base64::engine::general_purpose::STANDARD.decode(given);
    let digest = digest.ok().filter(|digest| digest.len() == 16);
    digest
        .map(|digest| Some(hex::encode(digest)))
        .ok_or_else(|| {
            let message = "The Content-MD5 you specified was invalid.";
            Failure::new(StatusCode::BAD_REQUEST, "InvalidDigest", message)
        })
}

async fn get(cx: &Context, key: &str, request: &Parts) -> Result<Response, Failure> {
    let (method, headers) = (&request.method, &request.headers);
    let outlet = outlet_of(&request.extensions);
    for _ in 0..RETRIES {
        let object = service::find(cx, key).await?.ok_or_else(no_such_key)?;
        let etag = format!("\"{}\"", object.etag);
        if is_known(headers, &etag, object.modified_at) {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            describe(&mut response, &object, &etag);
            return Ok(response);
        }
        let length = object.size_bytes;
        let range = wanted_range(headers, &etag, &object)?;
        let bytes = range.clone().unwrap_or(0..length);
        let body = if *method == Method::HEAD {
            Body::empty()
        } else {
            match service::send(cx, &object, bytes.clone(), outlet.as_ref()).await? {
                Some(stream) => Body::from_stream(stream),
                // Replaced since: the new one is to be served.
                None => continue,
            }
        };
        let mut response = body.into_response();
        describe(&mut response, &object, &etag);
        content(&mut response, key);
        let sent = bytes.end - bytes.start;
        set(&mut response, header::CONTENT_LENGTH, &sent.to_string());
        if range.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let shown = format!("bytes {}-{}/{length}", bytes.start, bytes.end - 1);
            set(&mut response, header::CONTENT_RANGE, &shown);
        }
        return Ok(response);
    }
    Err(service::lost(key).into())
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn describe(response: &mut Response, object: &Object, etag: &str) {
    set(response, header::ETAG, etag);
    set(response, header::ACCEPT_RANGES, "bytes");
    set(response, header::CACHE_CONTROL, "private, no-cache");
    set(
        response,
        header::LAST_MODIFIED,
        &time::http(object.modified_at),
    );
}

/// Says what the bytes are, by the key's extension.
fn content(response: &mut Response, key: &str) {
    let kind = mime_guess::from_path(key).first_or_octet_stream();
    let active = ["html", "xml", "javascript"];
    if active.iter().any(|word| kind.essence_str().contains(word)) {
        // Uploaded pages must not run as the station's own.
        set(response, header::CONTENT_SECURITY_POLICY, "sandbox");
    }
    set(response, header::CONTENT_TYPE, kind.essence_str());
}

/// Whether the caller has the object as it is. Source: RFC 9110, section 13.
fn is_known(headers: &HeaderMap, etag: &str, modified_at: i64) -> bool {
    if let Some(known) = text(headers, header::IF_NONE_MATCH) {
        return known
            .split(',')
            .any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag);
    }
    let seen = text(headers, header::IF_MODIFIED_SINCE).and_then(time::parse_http);
    // Headers have no fractions of seconds.
    seen.is_some_and(|seen| modified_at / 1000 <= seen / 1000)
}

/// The range to send; none for the whole object.
fn wanted_range(
    headers: &HeaderMap,
    etag: &str,
    object: &Object,
) -> Result<Option<Range<u64>>, Failure> {
    let Some(range) = text(headers, header::RANGE) else {
        return Ok(None);
    };
    let still = text(headers, header::IF_RANGE).is_none_or(|seen| {
        seen == etag || time::parse_http(seen) == Some(object.modified_at / 1000 * 1000)
    });
    if !still {
        return Ok(None);
    }
    parse_range(range, object.size_bytes).map_err(|()| Failure {
        length: Some(object.size_bytes),
        ..Failure::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable",
        )
    })
}

/// One range of bytes; none for what is not understood (several ranges, other units), which HTTP
/// says to ignore. Errors when it lies outside. Source: RFC 9110, section 14.
fn parse_range(text: &str, length: u64) -> Result<Option<Range<u64>>, ()> {
    let Some((first, last)) = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => {
            let Ok(last) = last.parse::<u64>() else {
                return Ok(None);
            };
            length.saturating_sub(last)..length
        }
        (first, "") => {
            let Ok(first) = first.parse() else {
                return Ok(None);
            };
            first..length
        }
        (first, last) => {
            let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) else {
                return Ok(None);
            };
            if first > last {
                return Ok(None);
            }
            first..last.saturating_add(1).min(length)
        }
    };
    if range.is_empty() {
        Err(())
    } else {
        Ok(Some(range))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_are_read_as_http_says() {
        for (text, expected) in [
            ("bytes=0-4", Ok(Some(0..5))),
            ("bytes=5-", Ok(Some(5..10))),
            ("bytes=-3", Ok(Some(7..10))),
            ("bytes=-30", Ok(Some(0..10))),
            ("bytes=8-99", Ok(Some(8..10))),
            ("bytes=10-", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=4-2", Ok(None)),
            ("bytes=0-1,4-5", Ok(None)),
            ("items=0-1", Ok(None)),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Err(()));
    }
}
