//! Objects: putting, getting, copying and deleting them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures::{StreamExt, TryStreamExt};
use s3s::dto::{self, *};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::access::{
    Call, Caller, DELETE, DELETE_VERSION, GET, GET_VERSION, Need, PUT, find_bucket,
};
use super::acl::{Wanted, wanted};
use super::checksum::{Counted, Expected, announced, counting, promised};
use super::condition::{Conditions, Verdict};
use super::types::{About, Bucket, Entry, NULL, Sums, Versioning};
use super::{Answer, acl, error, store, tagging, timestamp};
use crate::context::Context;
use crate::database::Tx;
use crate::storage::direct::outlet_of;
use crate::storage::objects::{ByteStream, Stored};
use crate::storage::quota::{self, Scope};
use crate::storage::service::{self, RETRIES};
use crate::storage::types::Place;

/// The most bytes of user metadata.
const MOST_METADATA: usize = 2048;
/// The largest object that is written at once.
const MOST_BYTES: u64 = 5 << 30;
/// The most keys that are deleted at once.
const MOST_DELETED: usize = 1000;
const MOST_KEY_BYTES: usize = 1024;

// ---------------------------------------------------------------- finding

/// The version id that a client sees; none in a bucket that never had versions.
pub fn shown_version(bucket: &Bucket, entry: &Entry) -> Option<String> {
    let shown = bucket.versioning != Versioning::Never;
    shown.then(|| entry.version_id().to_owned())
}

/// A version id as it is stored.
pub fn stored_version(version: &str) -> &str {
    if version == NULL { "" } else { version }
}

fn with_marker(mut refused: S3Error, marker: &Entry) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(version) = HeaderValue::from_str(marker.version_id()) {
        headers.insert("x-amz-version-id", version);
    }
    refused.set_headers(headers);
    refused
}

/// A version of an object that the caller may do something with.
///
/// Errors: `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker, `AccessDenied`.
pub async fn find_entry(
    tx: &mut Tx,
    call: &Call,
    caller: &Caller,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    need: Need,
) -> S3Result<Entry> {
    caller.check_limits(&bucket.name, need)?;
    let current = store::find(tx, bucket.id, key).await?;
    let found = match version {
        None => current,
        Some(version) => {
            let version = stored_version(version);
            match current.filter(|current| current.version == version) {
                Some(current) => Some(current),
                None => store::find_old(tx, bucket.id, key, version).await?,
            }
        }
    };
    let Some(entry) = found else {
        let absent = match version {
            Some(_) => s3_error!(NoSuchVersion, "The specified version does not exist."),
            None => match store::newest_old(tx, bucket.id, key).await? {
                Some(marker) => with_marker(error::no_such_key(), &marker),
                None => error::no_such_key(),
            },
        };
        return Err(caller.missing(call, bucket, absent));
    };
    caller.check(call, bucket, Some(key), Some(&entry), need)?;
    if entry.place.is_none() {
        let refused = s3_error!(
            MethodNotAllowed,
            "The specified method is not allowed against this resource."
        );
        return Err(with_marker(refused, &entry));
    }
    Ok(entry)
}

/// A version to be read, with the length and time that a file in place has now.
async fn find(
    cx: &Context,
    call: &Call,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> S3Result<(Bucket, Entry)> {
    let (call, bucket, key) = (call.clone(), bucket.to_owned(), key.to_owned());
    let version = version.map(str::to_owned);
    let found = error::read(cx, move |tx| {
        Box::pin(async move {
            let (caller, bucket) = call.approach(tx, &bucket).await?;
            let need = if version.is_some() { GET_VERSION } else { GET };
            let entry =
                find_entry(tx, &call, &caller, &bucket, &key, version.as_deref(), need).await?;
            Ok((bucket, entry))
        })
    });
    let (bucket, mut entry) = found.await?;
    if entry.source().is_some()
        && let Some(mut object) = entry.object()
    {
        service::look(&mut object).await?;
        entry.size_bytes = object.size_bytes;
        entry.etag = object.etag;
        entry.created_at = object.modified_at;
    }
    Ok((bucket, entry))
}

// ---------------------------------------------------------------- getting

/// What part of an object a request wants.
struct Piece {
    bytes: Range<u64>,
    /// Whether less than everything was asked for.
    partial: bool,
    parts: Option<i32>,
    sums: Option<Sums>,
}

fn piece(entry: &Entry, range: Option<dto::Range>, part: Option<i32>) -> S3Result<Piece> {
    let length = entry.size_bytes;
    let parts = &entry.about.parts;
    let count = i32::try_from(parts.len()).ok().filter(|count| *count > 0);
    match (range, part) {
        (Some(_), Some(_)) => Err(s3_error!(
            InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter"
        )),
        (Some(range), None) => {
            let bytes = range.check(length).map_err(|_| unsatisfiable(length))?;
            Ok(Piece {
                partial: true,
                bytes,
                parts: None,
                sums: None,
            })
        }
        (None, Some(number)) => {
            if parts.is_empty() {
                if number != 1 {
                    return Err(no_such_part());
                }
                return Ok(Piece {
                    bytes: 0..length,
                    partial: length > 0,
                    parts: None,
                    sums: Some(entry.about.sums.clone()),
                });
            }
            let mut start = 0;
            for part in parts {
                if part.number == number {
                    return Ok(Piece {
                        bytes: start..start + part.size,
                        partial: true,
                        parts: count,
                        sums: Some(part.sums.clone()),
                    });
                }
                start += part.size;
            }
            Err(no_such_part())
        }
        (None, None) => Ok(Piece {
            bytes: 0..length,
            partial: false,
            parts: None,
            sums: Some(entry.about.sums.clone()),
        }),
    }
}

fn unsatisfiable(length: u64) -> S3Error {
    let mut refused = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    refused.set_headers(headers);
    refused
}

fn no_such_part() -> S3Error {
    let mut refused = s3_error!(InvalidPart, "The requested partnumber is not satisfiable");
    refused.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
    refused
}

fn check_conditions(conditions: &Conditions, entry: &Entry) -> S3Result<()> {
    match conditions.verdict(&entry.etag, entry.created_at) {
        Verdict::Fits => Ok(()),
        Verdict::Failed => Err(super::condition::failed()),
        Verdict::NotModified => {
            let mut refused = S3Error::new(s3s::S3ErrorCode::NotModified);
            let mut headers = HeaderMap::new();
            if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", entry.etag)) {
                headers.insert(header::ETAG, etag);
            }
            refused.set_headers(headers);
            Err(refused)
        }
    }
}

fn of_header(entry: &Entry, name: &str) -> Option<String> {
    entry.about.headers.get(name).cloned()
}

fn expires(entry: &Entry) -> Option<Timestamp> {
    let text = entry.about.headers.get("expires")?;
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

fn content_type(entry: &Entry) -> String {
    let told = of_header(entry, "content-type");
    told.unwrap_or_else(|| match entry.source() {
        Some(path) => mime_guess::from_path(path)
            .first_or_octet_stream()
            .essence_str()
            .to_owned(),
        None => "binary/octet-stream".into(),
    })
}

fn content_range(piece: &Piece, entry: &Entry) -> Option<String> {
    let (start, end) = (piece.bytes.start, piece.bytes.end);
    let shown = || format!("bytes {start}-{}/{}", end - 1, entry.size_bytes);
    piece.partial.then(shown)
}

fn metadata(entry: &Entry) -> Option<Metadata> {
    let mut shown = Metadata::default();
    for (name, value) in &entry.about.metadata {
        shown.insert(name.clone(), value.clone());
    }
    Some(shown)
}

/// Checksums of an answer, if they were asked for.
fn shown_sums(
    piece: &Piece,
    entry: &Entry,
    mode: Option<&ChecksumMode>,
) -> (Sums, Option<ChecksumType>) {
    let asked = mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    match &piece.sums {
        Some(sums) if asked && !sums.algorithms().is_empty() => {
            (sums.clone(), Some(sum_type(entry)))
        }
        _ => (Sums::default(), None),
    }
}

pub fn sum_type(entry: &Entry) -> ChecksumType {
    let composite = !entry.about.parts.is_empty() && !entry.about.whole_sums;
    ChecksumType::from_static(if composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}

fn refuse_customer_keys(algorithm: Option<&String>) -> S3Result<()> {
    match algorithm {
        Some(_) => Err(error::not_offered("encryption with a client's key")),
        None => Ok(()),
    }
}

pub async fn get(cx: &Arc<Context>, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
    let call = Call::of(&request);
    let outlet = outlet_of(&request.extensions);
    let input = request.input;
    refuse_customer_keys(input.sse_customer_algorithm.as_ref())?;
    let overrides = [
        input.response_cache_control.is_some(),
        input.response_content_disposition.is_some(),
        input.response_content_encoding.is_some(),
        input.response_content_language.is_some(),
        input.response_content_type.is_some(),
        input.response_expires.is_some(),
    ];
    if request.credentials.is_none() && overrides.contains(&true) {
        return Err(s3_error!(
            InvalidRequest,
            "Request specific response headers cannot be used for anonymous GET requests."
        ));
    }
    let conditions = Conditions {
        is_match: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    for _ in 0..RETRIES {
        let version = input.version_id.as_deref();
        let (bucket, entry) = find(cx, &call, &input.bucket, &input.key, version).await?;
        check_conditions(&conditions, &entry)?;
        let piece = piece(&entry, input.range, input.part_number)?;
        let object = entry.object().ok_or_else(error::no_such_key)?;
        // Replaced since: the new one is to be served.
        let sending = service::send(cx, &object, piece.bytes.clone(), outlet.as_ref());
        let Some(bytes) = sending.await? else {
            continue;
        };
        let body = s3s::Body::http_body_unsync(axum::body::Body::from_stream(bytes));
        let (sums, checksum_type) = shown_sums(&piece, &entry, input.checksum_mode.as_ref());
        let tags = i32::try_from(entry.about.tags.len()).ok();
        return Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            body: Some(StreamingBlob::from(body)),
            cache_control: of_header(&entry, "cache-control"),
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
            checksum_type,
            content_disposition: of_header(&entry, "content-disposition"),
            content_encoding: of_header(&entry, "content-encoding"),
            content_language: of_header(&entry, "content-language"),
            content_length: i64::try_from(piece.bytes.end - piece.bytes.start).ok(),
            content_range: content_range(&piece, &entry),
            content_type: Some(content_type(&entry)),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            expires: expires(&entry),
            last_modified: Some(timestamp(entry.created_at)),
            metadata: metadata(&entry),
            parts_count: piece.parts,
            tag_count: tags.filter(|count| *count > 0),
            version_id: shown_version(&bucket, &entry),
            website_redirect_location: of_header(&entry, "x-amz-website-redirect-location"),
            ..GetObjectOutput::default()
        }));
    }
    Err(service::lost(&input.key).into())
}

pub async fn head(
    cx: &Arc<Context>,
    request: S3Request<HeadObjectInput>,
) -> Answer<HeadObjectOutput> {
    let call = Call::of(&request);
    let input = request.input;
    refuse_customer_keys(input.sse_customer_algorithm.as_ref())?;
    let conditions = Conditions {
        is_match: input.if_match,
        none_match: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let version = input.version_id.as_deref();
    let (bucket, entry) = find(cx, &call, &input.bucket, &input.key, version).await?;
    check_conditions(&conditions, &entry)?;
    let piece = piece(&entry, input.range, input.part_number)?;
    let (sums, checksum_type) = shown_sums(&piece, &entry, input.checksum_mode.as_ref());
    let output = HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        cache_control: input
            .response_cache_control
            .or_else(|| of_header(&entry, "cache-control")),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        checksum_type,
        content_disposition: input
            .response_content_disposition
            .or_else(|| of_header(&entry, "content-disposition")),
        content_encoding: input
            .response_content_encoding
            .or_else(|| of_header(&entry, "content-encoding")),
        content_language: input
            .response_content_language
            .or_else(|| of_header(&entry, "content-language")),
        content_length: i64::try_from(piece.bytes.end - piece.bytes.start).ok(),
        content_range: content_range(&piece, &entry),
        content_type: Some(
            input
                .response_content_type
                .unwrap_or_else(|| content_type(&entry)),
        ),
        e_tag: Some(ETag::Strong(entry.etag.clone())),
        expires: input.response_expires.or_else(|| expires(&entry)),
        last_modified: Some(timestamp(entry.created_at)),
        metadata: metadata(&entry),
        parts_count: piece.parts,
        version_id: shown_version(&bucket, &entry),
        website_redirect_location: of_header(&entry, "x-amz-website-redirect-location"),
        ..HeadObjectOutput::default()
    };
    let mut answer = S3Response::new(output);
    if !entry.about.tags.is_empty() {
        let count = HeaderValue::from(entry.about.tags.len());
        answer.headers.insert("x-amz-tagging-count", count);
    }
    Ok(answer)
}

pub async fn attributes(
    cx: &Arc<Context>,
    request: S3Request<GetObjectAttributesInput>,
) -> Answer<GetObjectAttributesOutput> {
    let call = Call::of(&request);
    let input = request.input;
    refuse_customer_keys(input.sse_customer_algorithm.as_ref())?;
    let version = input.version_id.as_deref();
    let (bucket, entry) = find(cx, &call, &input.bucket, &input.key, version).await?;
    let wants = |name: &str| {
        let asked = input.object_attributes.iter();
        asked
            .flat_map(|one| one.as_str().split(','))
            .any(|one| one.trim() == name)
    };
    let sums = &entry.about.sums;
    let checksum = (wants("Checksum") && !sums.algorithms().is_empty()).then(|| dto::Checksum {
        checksum_crc32: sums.crc32.clone(),
        checksum_crc32c: sums.crc32c.clone(),
        checksum_crc64nvme: sums.crc64nvme.clone(),
        checksum_sha1: sums.sha1.clone(),
        checksum_sha256: sums.sha256.clone(),
        checksum_type: Some(sum_type(&entry)),
    });
    let parts = (wants("ObjectParts") && !entry.about.parts.is_empty()).then(|| {
        let marker = input.part_number_marker.unwrap_or_default();
        let most = input.max_parts.unwrap_or(1000).clamp(0, 1000);
        let behind = entry.about.parts.iter().filter(|part| part.number > marker);
        let left = behind.clone().count();
        let most_shown = usize::try_from(most).unwrap_or_default();
        let shown: Vec<ObjectPart> = behind
            .take(most_shown)
            .map(|part| ObjectPart {
                checksum_crc32: part.sums.crc32.clone(),
                checksum_crc32c: part.sums.crc32c.clone(),
                checksum_crc64nvme: part.sums.crc64nvme.clone(),
                checksum_sha1: part.sums.sha1.clone(),
                checksum_sha256: part.sums.sha256.clone(),
                part_number: Some(part.number),
                size: i64::try_from(part.size).ok(),
            })
            .collect();
        let has_sums = !sums.algorithms().is_empty();
        GetObjectAttributesParts {
            is_truncated: Some(left > shown.len()),
            max_parts: Some(most),
            next_part_number_marker: shown.last().and_then(|last| last.part_number),
            part_number_marker: Some(marker),
            parts: has_sums.then_some(shown),
            total_parts_count: i32::try_from(entry.about.parts.len()).ok(),
        }
    });
    Ok(S3Response::new(GetObjectAttributesOutput {
        checksum,
        e_tag: wants("ETag").then(|| ETag::Strong(entry.etag.clone())),
        last_modified: Some(timestamp(entry.created_at)),
        object_parts: parts,
        object_size: i64::try_from(entry.size_bytes)
            .ok()
            .filter(|_| wants("ObjectSize")),
        storage_class: wants("StorageClass").then(|| StorageClass::from_static("STANDARD")),
        version_id: shown_version(&bucket, &entry),
        ..GetObjectAttributesOutput::default()
    }))
}

// ---------------------------------------------------------------- what a write says

/// Gathers the headers that come back with an object.
macro_rules! headers {
    ($input:expr) => {
        $crate::storage::s3::object::kept_headers([
            ("cache-control", $input.cache_control.clone()),
            ("content-disposition", $input.content_disposition.clone()),
            ("content-encoding", $input.content_encoding.clone()),
            ("content-language", $input.content_language.clone()),
            (
                "content-type",
                $input.content_type.as_ref().map(ToString::to_string),
            ),
            (
                "expires",
                $input
                    .expires
                    .as_ref()
                    .and_then($crate::storage::s3::object::http_date),
            ),
            (
                "x-amz-website-redirect-location",
                $input.website_redirect_location.clone(),
            ),
        ])
    };
}
pub(super) use headers;

pub fn http_date(time: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

pub fn kept_headers(given: [(&str, Option<String>); 7]) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in given {
        let Some(mut value) = value else { continue };
        if name == "content-encoding" {
            // How the bytes travelled is no property of the object.
            let codings = value.split(',').map(str::trim);
            let codings: Vec<&str> = codings.filter(|coding| *coding != "aws-chunked").collect();
            value = codings.join(",");
        }
        if !value.is_empty() {
            kept.insert(name.to_owned(), value);
        }
    }
    kept
}

pub fn kept_metadata(given: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let kept: BTreeMap<String, String> = given.into_iter().flatten().collect();
    let bytes: usize = kept
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > MOST_METADATA {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    Ok(kept)
}

/// Refuses what this store does not offer for an object.
macro_rules! refuse {
    ($input:expr) => {
        $crate::storage::s3::object::refuse_extras(
            $input.server_side_encryption.is_some() || $input.ssekms_key_id.is_some(),
            $input.sse_customer_algorithm.is_some() || $input.sse_customer_key.is_some(),
            $input.object_lock_mode.is_some()
                || $input.object_lock_legal_hold_status.is_some()
                || $input.object_lock_retain_until_date.is_some(),
            $input.storage_class.as_ref().map(|class| class.as_str()),
        )
    };
}
pub(super) use refuse;

pub fn refuse_extras(
    encrypted: bool,
    customer: bool,
    locked: bool,
    class: Option<&str>,
) -> S3Result<()> {
    if encrypted {
        return Err(error::not_offered("server-side encryption"));
    }
    if customer {
        return Err(error::not_offered("encryption with a client's key"));
    }
    if locked {
        return Err(error::not_offered("object lock"));
    }
    match class {
        None | Some("STANDARD") => Ok(()),
        Some(other) => Err(s3_error!(
            InvalidStorageClass,
            "The storage class you specified is not valid: {other}"
        )),
    }
}

pub fn check_key(key: &str) -> S3Result<()> {
    if key.len() > MOST_KEY_BYTES {
        return Err(s3_error!(KeyTooLongError, "Your key is too long"));
    }
    if key.contains('\0') {
        return Err(s3_error!(InvalidArgument, "a key cannot hold a NUL"));
    }
    Ok(())
}

/// A request's bytes, as the store takes them.
pub fn incoming(body: Option<StreamingBlob>) -> ByteStream {
    match body {
        Some(body) => body.map_err(std::io::Error::other).boxed(),
        None => futures::stream::empty().boxed(),
    }
}

/// Stores bytes, which are counted meanwhile.
///
/// Errors: that of the count, if the bytes do not fit; `IncompleteBody` when they break off.
pub async fn store_bytes(
    cx: &Context,
    body: Option<StreamingBlob>,
    length: Option<i64>,
    expected: Expected,
) -> S3Result<(Stored, Sums)> {
    expected.check()?;
    let length = length.and_then(|length| u64::try_from(length).ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Err(s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        ));
    }
    let (bytes, counted) = counting(incoming(body), expected);
    let stored = cx.objects.put(bytes, length).await;
    let counted: Counted = match counted.lock() {
        Ok(mut counted) => std::mem::take(&mut *counted),
        Err(_) => Counted::default(),
    };
    match (stored, counted.refused) {
        (Ok(stored), None) => Ok((stored, counted.sums)),
        (Ok(stored), Some(refused)) => {
            cx.objects.delete(&stored.blob).await?;
            Err(refused)
        }
        (Err(_), Some(refused)) => Err(refused),
        (Err(crate::error::Error::Invalid { details, .. }), None) => Err(broken(&details)),
        (Err(error), None) => Err(error.into()),
    }
}

/// What a stream that broke off says: a signature or digest that did not fit, or just too little.
fn broken(details: &str) -> S3Error {
    let details = details.to_lowercase();
    if details.contains("signature") {
        return s3_error!(
            SignatureDoesNotMatch,
            "The signature of a chunk does not match its bytes."
        );
    }
    if details.contains("checksum") || details.contains("sha256") || details.contains("digest") {
        let mut refused = S3Error::with_message(
            s3s::S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
        refused.set_status_code(StatusCode::BAD_REQUEST);
        return refused;
    }
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

/// Writes what a blob is to be, or lets the blob go.
pub async fn keep_or_delete<T>(cx: &Context, blob: &str, written: S3Result<T>) -> S3Result<T> {
    if let Err(refused) = &written
        && error::is_undone(refused)
        && let Err(problem) = cx.objects.delete(blob).await
    {
        tracing::warn!(error = %problem, blob, "an unused blob stays until the next sweep");
    }
    written
}

// ---------------------------------------------------------------- putting

pub async fn put(cx: &Arc<Context>, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let mut call = Call::of(&request);
    let trailers = request.trailing_headers.clone();
    let promised = promised(&request.headers);
    let input = request.input;
    refuse!(input)?;
    check_key(&input.key)?;
    if input.write_offset_bytes.is_some() {
        return Err(error::not_offered("appending to objects"));
    }
    let access = wanted!(input);
    if let Some(acl) = &access.canned {
        call.values.insert("s3:x-amz-acl".into(), acl.clone());
    }
    let tags = tagging::of_header(input.tagging.as_deref())?;
    for (name, value) in &tags {
        let name = format!("s3:requestobjecttag/{name}").to_lowercase();
        call.values.insert(name, value.clone());
    }
    let mut about = About {
        headers: headers!(input),
        metadata: kept_metadata(input.metadata.clone())?,
        tags,
        ..About::default()
    };
    let conditions = Conditions {
        is_match: input.if_match.clone(),
        none_match: input.if_none_match.clone(),
        ..Conditions::default()
    };
    // Whoever may not write is told before the bytes are stored.
    let (asked, name, key) = (call.clone(), input.bucket.clone(), input.key.clone());
    let (early, length) = (conditions.clone(), input.content_length.unwrap_or_default());
    error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = asked.enter(tx, &name, Some(&key), PUT).await?;
            let current = store::find(tx, bucket.id, &key).await?;
            quota::check(
                tx,
                Scope::Bucket(bucket.id),
                grown(&bucket, current.as_ref(), length),
            )
            .await?;
            early.check_target(current.as_ref().map(|entry| entry.etag.as_str()))
        })
    })
    .await?;
    let expected = Expected {
        announced: announced!(input),
        md5: input.content_md5.clone(),
        algorithm: input
            .checksum_algorithm
            .as_ref()
            .map(|name| name.as_str().to_owned()),
        trailers,
        promised,
    };
    let (stored, sums) = store_bytes(cx, input.body, input.content_length, expected).await?;
    about.sums = sums.clone();
    let blob = stored.blob.clone();
    let entry = Entry {
        key: input.key,
        version: String::new(),
        number: 0,
        size_bytes: stored.size_bytes,
        etag: stored.md5,
        place: Some(Place::Blob(stored.blob)),
        created_at: cx.now(),
        about,
    };
    let new = New {
        bucket: input.bucket,
        entry,
        access,
        conditions,
        upload: None,
        shared: false,
    };
    let written = write_entry(cx, call, new).await;
    let (bucket, entry) = keep_or_delete(cx, &blob, written).await?;
    Ok(S3Response::new(PutObjectOutput {
        e_tag: Some(ETag::Strong(entry.etag.clone())),
        version_id: (bucket.versioning == Versioning::Enabled)
            .then(|| entry.version_id().to_owned()),
        checksum_type: (!sums.algorithms().is_empty())
            .then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..PutObjectOutput::default()
    }))
}

/// How many bytes more a bucket holds once an object of a length took its place.
fn grown(bucket: &Bucket, current: Option<&Entry>, length: i64) -> i64 {
    let replaced = current.filter(|_| bucket.versioning == Versioning::Never);
    length - replaced.map_or(0, |entry| entry.size_bytes as i64)
}

/// A version that is to be written.
pub struct New {
    pub bucket: String,
    pub entry: Entry,
    /// Who may do what with it.
    pub access: Wanted,
    /// What it may replace.
    pub conditions: Conditions,
    /// The upload in parts that it comes from: it must still be there, and ends.
    pub upload: Option<String>,
    /// Whether its blob is another object's, too.
    pub shared: bool,
}

/// Writes a new current version: decides whether it may, and under which conditions, in the same
/// transaction.
pub async fn write_entry(cx: &Context, call: Call, new: New) -> S3Result<(Bucket, Entry)> {
    let now = cx.now();
    error::write(cx, move |tx| {
        Box::pin(async move {
            let New {
                bucket,
                mut entry,
                access,
                conditions,
                upload,
                shared,
            } = new;
            let (caller, bucket) = call.enter(tx, &bucket, Some(&entry.key), PUT).await?;
            if let Some(blob) = entry.blob().filter(|_| shared)
                && !store::is_used(tx, blob).await?
            {
                // What it was copied from went meanwhile, and the bytes with it.
                return Err(error::no_such_key());
            }
            if let Some(upload) = &upload {
                let under_way = store::find_upload(tx, bucket.id, &entry.key, upload).await?;
                under_way.ok_or_else(error::no_such_upload)?;
                super::super::store::remove_multipart(tx, upload).await?;
            }
            let current = store::find(tx, bucket.id, &entry.key).await?;
            conditions.check_target(current.as_ref().map(|entry| entry.etag.as_str()))?;
            if entry.about.owner.is_empty() {
                entry.about.owner = caller.id().to_owned();
            }
            let preferred = bucket.about.ownership.as_deref() == Some("BucketOwnerPreferred")
                && access.canned.as_deref() == Some("bucket-owner-full-control");
            if preferred {
                entry.about.owner.clone_from(&bucket.owner);
            }
            let owner = entry.about.owner.clone();
            let bucket_owner = bucket.owner.clone();
            let acl = acl::resolve(tx, Some(&bucket), &owner, Some(&bucket_owner), &access).await?;
            if acl.is_some() {
                entry.about.acl = acl;
            }
            if entry.about.owner == bucket.owner {
                entry.about.owner.clear();
            }
            store::put(tx, &bucket, &mut entry, now).await?;
            quota::check(tx, Scope::Bucket(bucket.id), 0).await?;
            Ok((bucket, entry))
        })
    })
    .await
}

// ---------------------------------------------------------------- copying

/// What is copied, as the header names it.
pub struct Source {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

pub fn source(header: &CopySource) -> S3Result<Source> {
    match header {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => Ok(Source {
            bucket: bucket.to_string(),
            key: key.to_string(),
            version: version_id.as_ref().map(ToString::to_string),
        }),
        _ => Err(error::not_offered("access points")),
    }
}

/// Finds what is to be copied, which the caller must be able to read.
pub async fn find_source(
    cx: &Context,
    call: &Call,
    source: &Source,
    conditions: &Conditions,
) -> S3Result<(Bucket, Entry)> {
    let version = source.version.as_deref();
    let found = find(cx, call, &source.bucket, &source.key, version).await;
    let (bucket, entry) = found.map_err(|refused| match refused.code() {
        s3s::S3ErrorCode::MethodNotAllowed => s3_error!(
            InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id."
        ),
        _ => refused,
    })?;
    let object = entry.object().ok_or_else(error::no_such_key)?;
    conditions.check_source(&object)?;
    Ok((bucket, entry))
}

pub async fn copy(
    cx: &Arc<Context>,
    request: S3Request<CopyObjectInput>,
) -> Answer<CopyObjectOutput> {
    let call = Call::of(&request);
    let input = request.input;
    refuse!(input)?;
    check_key(&input.key)?;
    refuse_customer_keys(input.copy_source_sse_customer_algorithm.as_ref())?;
    let access = wanted!(input);
    let from = source(&input.copy_source)?;
    let conditions = Conditions {
        is_match: input.copy_source_if_match.clone(),
        none_match: input.copy_source_if_none_match.clone(),
        modified_since: input.copy_source_if_modified_since.clone(),
        unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    let new_headers = replaces(input.metadata_directive.as_ref().map(|one| one.as_str()));
    let new_tags = replaces(input.tagging_directive.as_ref().map(|one| one.as_str()));
    let itself = from.bucket == input.bucket && from.key == input.key && from.version.is_none();
    if itself && !new_headers {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let (source_bucket, found) = find_source(cx, &call, &from, &conditions).await?;
    let mut about = found.about.clone();
    about.owner = String::new();
    about.acl = None;
    if new_headers {
        about.headers = headers!(input);
        about.metadata = kept_metadata(input.metadata.clone())?;
    }
    if new_tags {
        about.tags = tagging::of_header(input.tagging.as_deref())?;
    }
    // Bytes that are stored are shared; those of a file in place are taken in.
    let (place, etag, made) = match &found.place {
        Some(Place::Blob(blob)) => (Place::Blob(blob.clone()), found.etag.clone(), None),
        _ => {
            let object = found.object().ok_or_else(error::no_such_key)?;
            let bytes = service::read(cx, &object, 0..object.size_bytes).await?;
            let bytes = bytes.ok_or_else(error::no_such_key)?;
            let stored = cx.objects.put(bytes, Some(object.size_bytes)).await?;
            let blob = stored.blob.clone();
            (Place::Blob(stored.blob), stored.md5, Some(blob))
        }
    };
    let entry = Entry {
        key: input.key,
        version: String::new(),
        number: 0,
        size_bytes: found.size_bytes,
        etag,
        place: Some(place),
        created_at: cx.now(),
        about,
    };
    let new = New {
        bucket: input.bucket,
        entry,
        access,
        conditions: Conditions::default(),
        upload: None,
        shared: made.is_none(),
    };
    let written = write_entry(cx, call, new).await;
    let (bucket, entry) = match made {
        Some(blob) => keep_or_delete(cx, &blob, written).await?,
        None => written?,
    };
    let sums = entry.about.sums.clone();
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(timestamp(entry.created_at)),
            checksum_type: (!sums.algorithms().is_empty()).then(|| sum_type(&entry)),
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
        }),
        copy_source_version_id: shown_version(&source_bucket, &found),
        version_id: (bucket.versioning == Versioning::Enabled)
            .then(|| entry.version_id().to_owned()),
        ..CopyObjectOutput::default()
    }))
}

// ---------------------------------------------------------------- deleting

/// What became of a key: whether a marker was made or removed, and the version id.
#[derive(Debug, Default)]
struct Deleted {
    marker: bool,
    version: Option<String>,
}

/// Who deletes from which bucket, and when.
struct Deletion {
    call: Call,
    caller: Caller,
    bucket: Bucket,
    now: i64,
}

impl Deletion {
    async fn begin(tx: &mut Tx, call: Call, bucket: &str, now: i64) -> S3Result<Self> {
        Ok(Self {
            caller: call.caller(tx).await?,
            bucket: find_bucket(tx, bucket).await?,
            call,
            now,
        })
    }
}

async fn delete_one(
    tx: &mut Tx,
    deletion: &Deletion,
    key: &str,
    version: Option<&str>,
    conditions: &Conditions,
) -> S3Result<Deleted> {
    let Deletion {
        call,
        caller,
        bucket,
        now,
    } = deletion;
    let need = if version.is_some() {
        DELETE_VERSION
    } else {
        DELETE
    };
    caller.check(call, bucket, Some(key), None, need)?;
    if conditions.is_match.is_some() {
        let current = store::find(tx, bucket.id, key).await?;
        conditions.check_target(current.as_ref().map(|entry| entry.etag.as_str()))?;
    }
    match version {
        Some(version) => {
            let stored = stored_version(version);
            let gone = store::delete_version(tx, bucket.id, key, stored).await?;
            Ok(Deleted {
                marker: gone.is_some_and(|gone| gone.place.is_none()),
                version: Some(version.to_owned()),
            })
        }
        None => {
            let made = store::delete(tx, bucket, key, caller.id(), *now).await?;
            Ok(Deleted {
                marker: made.is_some(),
                version: made.map(|made| made.version_id().to_owned()),
            })
        }
    }
}

pub async fn delete(
    cx: &Arc<Context>,
    request: S3Request<DeleteObjectInput>,
) -> Answer<DeleteObjectOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let now = cx.now();
    let conditions = Conditions {
        is_match: input.if_match,
        ..Conditions::default()
    };
    let deleted = error::write(cx, move |tx| {
        Box::pin(async move {
            let deletion = Deletion::begin(tx, call, &input.bucket, now).await?;
            let version = input.version_id.as_deref();
            delete_one(tx, &deletion, &input.key, version, &conditions).await
        })
    });
    let deleted = deleted.await?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version,
        request_charged: None,
    }))
}

pub async fn delete_many(
    cx: &Arc<Context>,
    request: S3Request<DeleteObjectsInput>,
) -> Answer<DeleteObjectsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let now = cx.now();
    if input.delete.objects.is_empty() || input.delete.objects.len() > MOST_DELETED {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let quiet = input.delete.quiet == Some(true);
    let work = error::write(cx, move |tx| {
        Box::pin(async move {
            let deletion = Deletion::begin(tx, call, &input.bucket, now).await?;
            let (mut deleted, mut refused) = (Vec::new(), Vec::new());
            for one in input.delete.objects {
                let version = one.version_id.as_deref();
                let conditions = Conditions {
                    is_match: one.e_tag.clone().map(ETagCondition::ETag),
                    ..Conditions::default()
                };
                match delete_one(tx, &deletion, &one.key, version, &conditions).await {
                    Ok(done) => deleted.push(DeletedObject {
                        delete_marker: done.marker.then_some(true),
                        delete_marker_version_id: done.version.filter(|_| done.marker),
                        key: Some(one.key),
                        version_id: one.version_id,
                    }),
                    // What the database could not do ends everything.
                    Err(error) if !error::is_undone(&error) => return Err(error),
                    Err(error) => refused.push(dto::Error {
                        code: Some(error.code().as_str().to_owned()),
                        key: Some(one.key),
                        message: error.message().map(str::to_owned),
                        version_id: one.version_id,
                    }),
                }
            }
            Ok((deleted, refused))
        })
    });
    let (deleted, refused) = work.await?;
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(deleted).filter(|_| !quiet),
        errors: Some(refused),
        request_charged: None,
    }))
}
