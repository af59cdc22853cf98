//! Listings: pages by key, with keys below a delimiter rolled up.
//!
//! A page reads as many rows as it shows. What is rolled up is skipped by asking for the first key
//! behind it, so a page costs the same wherever it begins and whatever lies below a prefix.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, *};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{Call, LIST, LIST_UPLOADS, LIST_VERSIONS, owner_of};
use super::acl::Names;
use super::store::{self, Start};
use super::types::{Bucket, Entry, Upload};
use super::{Answer, error, timestamp};
use crate::context::Context;
use crate::database::Tx;

/// The largest page.
const MOST: i32 = 1000;
/// Rows read at once where a delimiter may skip most of them.
const STRIDE: usize = 64;

/// What is left as it is where a listing is asked to encode names.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The first text behind everything that begins with `prefix`, in the order of UTF-8; none where
/// nothing comes behind it.
pub fn behind(prefix: &str) -> Option<String> {
    let mut signs: Vec<char> = prefix.chars().collect();
    while let Some(last) = signs.pop() {
        let next = match u32::from(last) + 1 {
            0xd800 => char::from_u32(0xe000),
            next => char::from_u32(next),
        };
        if let Some(next) = next {
            signs.push(next);
            return Some(signs.into_iter().collect());
        }
    }
    None
}

/// What a key is rolled up into: its beginning up to the first delimiter behind the prefix.
pub fn rolled<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// What a page is to hold.
#[derive(Debug, Clone, Default)]
struct Wanted {
    prefix: String,
    delimiter: String,
    /// Where it begins: behind this key or rolled-up prefix.
    after: String,
    most: usize,
}

impl Wanted {
    fn new(
        prefix: Option<&String>,
        delimiter: Option<&String>,
        after: Option<&String>,
        most: Option<i32>,
    ) -> S3Result<Self> {
        let most = most.unwrap_or(MOST);
        if most < 0 {
            return Err(s3_error!(
                InvalidArgument,
                "Argument maxKeys must be an integer between 0 and 2147483647"
            ));
        }
        Ok(Self {
            prefix: prefix.cloned().unwrap_or_default(),
            delimiter: delimiter.cloned().unwrap_or_default(),
            after: after.cloned().unwrap_or_default(),
            most: usize::try_from(most.min(MOST)).unwrap_or_default(),
        })
    }

    /// Where reading begins and ends.
    fn bounds(&self) -> (Start, Option<String>) {
        let rolled_up =
            rolled(&self.after, &self.prefix, &self.delimiter) == Some(self.after.as_str());
        let from = match behind(&self.after) {
            _ if self.after.is_empty() || self.after < self.prefix => {
                Start::At(self.prefix.clone())
            }
            Some(next) if rolled_up => Start::At(next),
            _ => Start::After(self.after.clone()),
        };
        let end = if self.prefix.is_empty() {
            None
        } else {
            behind(&self.prefix)
        };
        (from, end)
    }

    fn stride(&self, shown: usize) -> usize {
        let left = self.most + 1 - shown;
        if self.delimiter.is_empty() {
            left
        } else {
            left.min(STRIDE)
        }
    }
}

/// A page of rows and of what others were rolled up into, both in the order of keys.
#[derive(Debug)]
struct Page<T> {
    rows: Vec<T>,
    prefixes: Vec<String>,
    /// The last of both; the next page begins behind it. None where nothing is left.
    next: Option<String>,
}

impl<T> Page<T> {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            prefixes: Vec::new(),
            next: None,
        }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.prefixes.len()
    }

    fn is_full(&self, wanted: &Wanted) -> bool {
        self.len() >= wanted.most
    }
}

async fn current(tx: &mut Tx, bucket: i64, wanted: &Wanted) -> S3Result<Page<Entry>> {
    let mut page = Page::new();
    if wanted.most == 0 {
        return Ok(page);
    }
    let (mut from, end) = wanted.bounds();
    let mut last = String::new();
    loop {
        let stride = wanted.stride(page.len());
        let rows = store::page(tx, bucket, &from, end.as_deref(), stride).await?;
        let exhausted = rows.len() < stride;
        let mut skipping: Option<String> = None;
        for entry in rows {
            if skipping
                .as_deref()
                .is_some_and(|over| entry.key.starts_with(over))
            {
                continue;
            }
            skipping = None;
            if page.is_full(wanted) {
                page.next = Some(last);
                return Ok(page);
            }
            match rolled(&entry.key, &wanted.prefix, &wanted.delimiter) {
                Some(prefix) => {
                    last = prefix.to_owned();
                    page.prefixes.push(last.clone());
                    skipping = Some(last.clone());
                }
                None => {
                    last.clone_from(&entry.key);
                    page.rows.push(entry);
                }
            }
        }
        if exhausted {
            return Ok(page);
        }
        from = match skipping.map(|over| behind(&over)) {
            Some(Some(next)) => Start::At(next),
            Some(None) => return Ok(page),
            None => Start::After(last.clone()),
        };
    }
}

fn encode(text: String, encoding: Option<&EncodingType>) -> String {
    match encoding {
        Some(_) => utf8_percent_encode(&text, ENCODED).to_string(),
        None => text,
    }
}

fn shown_delimiter(told: Option<String>, encoding: Option<&EncodingType>) -> Option<String> {
    let told = told.filter(|text| !text.is_empty());
    told.map(|text| encode(text, encoding))
}

fn check_encoding(encoding: Option<&EncodingType>) -> S3Result<()> {
    match encoding {
        Some(other) if other.as_str() != EncodingType::URL => Err(s3_error!(
            InvalidArgument,
            "Invalid Encoding Method specified in Request"
        )),
        _ => Ok(()),
    }
}

fn prefixes(page: Vec<String>, encoding: Option<&EncodingType>) -> Option<Vec<CommonPrefix>> {
    let shown: Vec<_> = page
        .into_iter()
        .map(|prefix| CommonPrefix {
            prefix: Some(encode(prefix, encoding)),
        })
        .collect();
    Some(shown)
}

async fn objects(
    tx: &mut Tx,
    bucket: &Bucket,
    rows: Vec<Entry>,
    encoding: Option<&EncodingType>,
    with_owner: bool,
) -> S3Result<Vec<Object>> {
    let mut names = Names::default();
    let mut shown = Vec::with_capacity(rows.len());
    for entry in rows {
        let owner = match with_owner {
            true => Some(names.owner(tx, owner_of(&entry, bucket)).await?),
            false => None,
        };
        let algorithms = entry.about.sums.algorithms().into_iter();
        let algorithms: Vec<_> = algorithms.map(ChecksumAlgorithm::from_static).collect();
        shown.push(Object {
            checksum_algorithm: Some(algorithms).filter(|list| !list.is_empty()),
            checksum_type: None,
            e_tag: Some(ETag::Strong(entry.etag)),
            last_modified: Some(timestamp(entry.created_at)),
            owner,
            restore_status: None,
            size: i64::try_from(entry.size_bytes).ok(),
            storage_class: Some(ObjectStorageClass::from_static("STANDARD")),
            key: Some(encode(entry.key, encoding)),
        });
    }
    Ok(shown)
}

pub async fn first(
    cx: &Arc<Context>,
    request: S3Request<ListObjectsInput>,
) -> Answer<ListObjectsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    check_encoding(input.encoding_type.as_ref())?;
    let wanted = Wanted::new(
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.marker.as_ref(),
        input.max_keys,
    )?;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &input.bucket, None, LIST).await?;
            let page = current(tx, bucket.id, &wanted).await?;
            let encoding = input.encoding_type.as_ref();
            let next = page.next.clone().filter(|_| !wanted.delimiter.is_empty());
            Ok(ListObjectsOutput {
                is_truncated: Some(page.next.is_some()),
                contents: Some(objects(tx, &bucket, page.rows, encoding, true).await?),
                common_prefixes: prefixes(page.prefixes, encoding),
                next_marker: next.map(|next| encode(next, encoding)),
                name: Some(input.bucket),
                // Clients decode every name of this answer but this one.
                prefix: Some(wanted.prefix),
                marker: Some(encode(wanted.after, encoding)),
                max_keys: Some(input.max_keys.unwrap_or(MOST)),
                delimiter: shown_delimiter(input.delimiter, encoding),
                encoding_type: input.encoding_type,
                request_charged: None,
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

pub async fn second(
    cx: &Arc<Context>,
    request: S3Request<ListObjectsV2Input>,
) -> Answer<ListObjectsV2Output> {
    let call = Call::of(&request);
    let input = request.input;
    check_encoding(input.encoding_type.as_ref())?;
    let token = input.continuation_token.as_deref();
    let token = match token.filter(|token| !token.is_empty()) {
        Some(token) => Some(of_token(token)?),
        None => None,
    };
    let wanted = Wanted::new(
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        token.as_ref().or(input.start_after.as_ref()),
        input.max_keys,
    )?;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &input.bucket, None, LIST).await?;
            let page = current(tx, bucket.id, &wanted).await?;
            let encoding = input.encoding_type.as_ref();
            let with_owner = input.fetch_owner == Some(true);
            Ok(ListObjectsV2Output {
                is_truncated: Some(page.next.is_some()),
                key_count: i32::try_from(page.len()).ok(),
                next_continuation_token: page.next.as_deref().map(token_of),
                contents: Some(objects(tx, &bucket, page.rows, encoding, with_owner).await?),
                common_prefixes: prefixes(page.prefixes, encoding),
                name: Some(input.bucket),
                prefix: Some(encode(wanted.prefix, encoding)),
                max_keys: Some(input.max_keys.unwrap_or(MOST)),
                continuation_token: input.continuation_token,
                delimiter: shown_delimiter(input.delimiter, encoding),
                start_after: input.start_after.map(|text| encode(text, encoding)),
                encoding_type: input.encoding_type,
                request_charged: None,
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

/// A continuation token says where the next page begins, in a form that survives any encoding.
fn token_of(key: &str) -> String {
    hex::encode(key)
}

fn of_token(token: &str) -> S3Result<String> {
    let wrong = || {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    };
    let bytes = hex::decode(token).map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}

pub async fn versions(
    cx: &Arc<Context>,
    request: S3Request<ListObjectVersionsInput>,
) -> Answer<ListObjectVersionsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    check_encoding(input.encoding_type.as_ref())?;
    let key_marker = input.key_marker.clone().filter(|text| !text.is_empty());
    let version_marker = input
        .version_id_marker
        .clone()
        .filter(|text| !text.is_empty());
    if version_marker.is_some() && key_marker.is_none() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let wanted = Wanted::new(
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        key_marker.as_ref(),
        input.max_keys,
    )?;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &input.bucket, None, LIST_VERSIONS).await?;
            let page = all_versions(tx, bucket.id, &wanted, version_marker.as_deref()).await?;
            let encoding = input.encoding_type.as_ref();
            let (next_key, next_version) = match page.next {
                Some(next) => {
                    let (key, version) = next.split_once('\0').unwrap_or((&next, ""));
                    let version = Some(version.to_owned()).filter(|text| !text.is_empty());
                    (Some(encode(key.to_owned(), encoding)), version)
                }
                None => (None, None),
            };
            let mut names = Names::default();
            let (mut shown, mut markers) = (Vec::new(), Vec::new());
            for (entry, is_latest) in page.rows {
                let owner = Some(names.owner(tx, owner_of(&entry, &bucket)).await?);
                let version_id = Some(entry.version_id().to_owned());
                let last_modified = Some(timestamp(entry.created_at));
                let is_latest = Some(is_latest);
                if entry.place.is_none() {
                    markers.push(DeleteMarkerEntry {
                        is_latest,
                        last_modified,
                        owner,
                        version_id,
                        key: Some(encode(entry.key, encoding)),
                    });
                    continue;
                }
                shown.push(ObjectVersion {
                    is_latest,
                    last_modified,
                    owner,
                    version_id,
                    e_tag: Some(ETag::Strong(entry.etag)),
                    size: i64::try_from(entry.size_bytes).ok(),
                    storage_class: Some(ObjectVersionStorageClass::from_static("STANDARD")),
                    key: Some(encode(entry.key, encoding)),
                    ..ObjectVersion::default()
                });
            }
            Ok(ListObjectVersionsOutput {
                common_prefixes: prefixes(page.prefixes, encoding),
                delete_markers: Some(markers),
                delimiter: shown_delimiter(input.delimiter, encoding),
                is_truncated: Some(next_key.is_some()),
                key_marker: Some(encode(wanted.after, encoding)),
                max_keys: Some(input.max_keys.unwrap_or(MOST)),
                name: Some(input.bucket),
                next_key_marker: next_key,
                next_version_id_marker: next_version,
                prefix: Some(encode(wanted.prefix, encoding)),
                request_charged: None,
                version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
                versions: Some(shown),
                encoding_type: input.encoding_type,
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

/// A page of all versions, each with whether it is the latest of its key. The page's end names the
/// key and, behind a NUL, the version.
async fn all_versions(
    tx: &mut Tx,
    bucket: i64,
    wanted: &Wanted,
    version_marker: Option<&str>,
) -> S3Result<Page<(Entry, bool)>> {
    let mut page = Page::new();
    if wanted.most == 0 {
        return Ok(page);
    }
    let (mut from, end) = wanted.bounds();
    let mut within: Option<(String, i64)> = None;
    let mut last_key = String::new();
    if let Some(marker) = version_marker {
        last_key.clone_from(&wanted.after);
        let version = if marker == super::types::NULL {
            ""
        } else {
            marker
        };
        let found = match store::find(tx, bucket, &last_key).await? {
            Some(current) if current.version == version => Some(current),
            _ => store::find_old(tx, bucket, &last_key, version).await?,
        };
        // A version that is gone has a place in the order all the same: its number is in its name.
        let number = match found {
            Some(found) => found.number,
            None => {
                i64::from_str_radix(version.get(..16).unwrap_or_default(), 16).unwrap_or_default()
            }
        };
        within = Some((last_key.clone(), number));
    }
    let mut next = String::new();
    loop {
        let stride = wanted.stride(page.len());
        let inside = within.as_ref().map(|(key, number)| (key.as_str(), *number));
        let rows = store::version_page(tx, bucket, &from, inside, end.as_deref(), stride).await?;
        let exhausted = rows.len() < stride;
        let mut skipping: Option<String> = None;
        let mut last_number = 0;
        for entry in rows {
            if skipping
                .as_deref()
                .is_some_and(|over| entry.key.starts_with(over))
            {
                continue;
            }
            skipping = None;
            if page.is_full(wanted) {
                page.next = Some(next);
                return Ok(page);
            }
            match rolled(&entry.key, &wanted.prefix, &wanted.delimiter) {
                Some(prefix) => {
                    next = prefix.to_owned();
                    page.prefixes.push(next.clone());
                    skipping = Some(next.clone());
                }
                None => {
                    let is_latest = entry.key != last_key;
                    last_key.clone_from(&entry.key);
                    last_number = entry.number;
                    next = format!("{}\0{}", entry.key, entry.version_id());
                    page.rows.push((entry, is_latest));
                }
            }
        }
        if exhausted {
            return Ok(page);
        }
        (from, within) = match skipping.map(|over| behind(&over)) {
            Some(Some(next)) => (Start::At(next), None),
            Some(None) => return Ok(page),
            None => (
                Start::After(last_key.clone()),
                Some((last_key.clone(), last_number)),
            ),
        };
    }
}

pub async fn uploads(
    cx: &Arc<Context>,
    request: S3Request<ListMultipartUploadsInput>,
) -> Answer<ListMultipartUploadsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    check_encoding(input.encoding_type.as_ref())?;
    let wanted = Wanted::new(
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.key_marker.as_ref(),
        input.max_uploads,
    )?;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &input.bucket, None, LIST_UPLOADS).await?;
            let id_marker = input
                .upload_id_marker
                .as_deref()
                .filter(|_| !wanted.after.is_empty());
            let page = under_way(tx, bucket.id, &wanted, id_marker).await?;
            let encoding = input.encoding_type.as_ref();
            let (next_key, next_id) = match page.next {
                Some(next) => {
                    let (key, id) = next.split_once('\0').unwrap_or((&next, ""));
                    (Some(encode(key.to_owned(), encoding)), Some(id.to_owned()))
                }
                None => (None, None),
            };
            let mut names = Names::default();
            let mut shown = Vec::new();
            for upload in page.rows {
                let owner = names.owner(tx, &upload.owner).await?;
                shown.push(MultipartUpload {
                    checksum_algorithm: upload.about.algorithm.map(dto::ChecksumAlgorithm::from),
                    checksum_type: None,
                    initiated: Some(timestamp(upload.created_at)),
                    initiator: Some(Initiator {
                        display_name: owner.display_name.clone(),
                        id: owner.id.clone(),
                    }),
                    key: Some(encode(upload.key, encoding)),
                    owner: Some(owner),
                    storage_class: Some(StorageClass::from_static("STANDARD")),
                    upload_id: Some(upload.id),
                });
            }
            Ok(ListMultipartUploadsOutput {
                bucket: Some(input.bucket),
                common_prefixes: prefixes(page.prefixes, encoding),
                delimiter: shown_delimiter(input.delimiter, encoding),
                is_truncated: Some(next_key.is_some()),
                key_marker: Some(encode(wanted.after, encoding)),
                max_uploads: Some(input.max_uploads.unwrap_or(MOST)),
                next_key_marker: next_key,
                next_upload_id_marker: next_id,
                prefix: Some(encode(wanted.prefix, encoding)),
                request_charged: None,
                upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
                uploads: Some(shown),
                encoding_type: input.encoding_type,
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

async fn under_way(
    tx: &mut Tx,
    bucket: i64,
    wanted: &Wanted,
    id_marker: Option<&str>,
) -> S3Result<Page<Upload>> {
    let mut page = Page::new();
    if wanted.most == 0 {
        return Ok(page);
    }
    let (mut from, end) = wanted.bounds();
    let mut within = id_marker.map(|id| (wanted.after.clone(), id.to_owned()));
    let mut next = String::new();
    loop {
        let stride = wanted.stride(page.len());
        let inside = within.as_ref().map(|(key, id)| (key.as_str(), id.as_str()));
        let rows = store::upload_page(tx, bucket, &from, inside, end.as_deref(), stride).await?;
        let exhausted = rows.len() < stride;
        let mut skipping: Option<String> = None;
        let mut last = None;
        for upload in rows {
            if skipping
                .as_deref()
                .is_some_and(|over| upload.key.starts_with(over))
            {
                continue;
            }
            skipping = None;
            if page.is_full(wanted) {
                page.next = Some(next);
                return Ok(page);
            }
            match rolled(&upload.key, &wanted.prefix, &wanted.delimiter) {
                Some(prefix) => {
                    next = prefix.to_owned();
                    page.prefixes.push(next.clone());
                    skipping = Some(next.clone());
                }
                None => {
                    next = format!("{}\0{}", upload.key, upload.id);
                    last = Some((upload.key.clone(), upload.id.clone()));
                    page.rows.push(upload);
                }
            }
        }
        if exhausted {
            return Ok(page);
        }
        (from, within) = match (skipping.map(|over| behind(&over)), last) {
            (Some(Some(next)), _) => (Start::At(next), None),
            (None, Some((key, id))) => (Start::After(key.clone()), Some((key, id))),
            _ => return Ok(page),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_prefix() {
        for (prefix, next) in [
            ("a", Some("b")),
            ("a/", Some("a0")),
            ("", None),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(behind(prefix).as_deref(), next, "{prefix:?}");
            if let Some(next) = next {
                assert!(format!("{prefix}\u{10ffff}").as_str() < next);
            }
        }
    }

    #[test]
    fn keys_are_rolled_up_behind_the_prefix() {
        for (key, prefix, delimiter, expected) in [
            ("a/b/c", "", "/", Some("a/")),
            ("a/b/c", "a/", "/", Some("a/b/")),
            ("a/b", "a/", "/", None),
            ("a", "", "", None),
            ("foo--bar", "", "--", Some("foo--")),
            ("b", "a", "/", None),
        ] {
            assert_eq!(rolled(key, prefix, delimiter), expected, "{key}");
        }
    }

    #[test]
    fn a_page_begins_behind_what_was_shown() {
        let bounds = |prefix: &str, after: &str| {
            Wanted {
                prefix: prefix.into(),
                delimiter: "/".into(),
                after: after.into(),
                most: 10,
            }
            .bounds()
        };
        assert_eq!(bounds("", ""), (Start::At("".into()), None));
        assert_eq!(bounds("", "a"), (Start::After("a".into()), None));
        assert_eq!(bounds("", "a/"), (Start::At("a0".into()), None));
        assert_eq!(
            bounds("b/", "a"),
            (Start::At("b/".into()), Some("b0".into()))
        );
        assert_eq!(
            bounds("b/", "b/c"),
            (Start::After("b/c".into()), Some("b0".into()))
        );
    }

    #[test]
    fn a_token_brings_its_key_back() {
        assert_eq!(of_token(&token_of("é/ b")).unwrap(), "é/ b");
        assert!(of_token("zz").is_err());
    }
}
