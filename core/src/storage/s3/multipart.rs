//! Uploads in parts.

use std::sync::Arc;

use md5::{Digest, Md5};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::access::{Call, Need, PUT};
use super::acl::{self, Wanted, wanted};
use super::checksum::{Expected, announced, combine, promised};
use super::condition::Conditions;
use super::object::{
    New, check_key, find_source, headers, keep_or_delete, kept_metadata, refuse, source,
    store_bytes, sum_type, write_entry,
};
use super::types::{About, Entry, PartAbout, Sums, Upload, UploadedPart, Versioning};
use super::{Answer, error, store, tagging, timestamp};
use crate::context::Context;
use crate::id;
use crate::storage::quota::{self, Scope};
use crate::storage::service;
use crate::storage::types::Place;

/// What every part but the last has at least.
const LEAST_BYTES: u64 = 5 << 20;
const MOST_PARTS: i32 = 10_000;

const ABORT: Need = Need::write("s3:AbortMultipartUpload", super::types::Permission::Write);
const LIST: Need = Need::read(
    "s3:ListMultipartUploadParts",
    super::types::Permission::Write,
);

pub async fn create(
    cx: &Arc<Context>,
    request: S3Request<CreateMultipartUploadInput>,
) -> Answer<CreateMultipartUploadOutput> {
    let call = Call::of(&request);
    let input = request.input;
    refuse!(input)?;
    check_key(&input.key)?;
    let algorithm = input.checksum_algorithm.clone();
    let whole = input
        .checksum_type
        .as_ref()
        .map(|kind| kind.as_str() == ChecksumType::FULL_OBJECT);
    let sha = algorithm
        .as_ref()
        .is_some_and(|name| name.as_str().starts_with("SHA"));
    let nvme = algorithm
        .as_ref()
        .is_some_and(|name| name.as_str() == "CRC64NVME");
    if sha && whole == Some(true) || nvme && whole == Some(false) {
        return Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with this algorithm.",
            if sha { "FULL_OBJECT" } else { "COMPOSITE" }
        ));
    }
    let access = wanted!(input);
    let (id, now) = (id::random_uuid(), cx.now());
    let mut upload = Upload {
        id: id.clone(),
        key: input.key.clone(),
        owner: String::new(),
        created_at: now,
        about: About {
            headers: headers!(input),
            metadata: kept_metadata(input.metadata.clone())?,
            tags: tagging::of_header(input.tagging.as_deref())?,
            whole_sums: whole.unwrap_or(nvme),
            algorithm: algorithm.as_ref().map(|name| name.as_str().to_owned()),
            ..About::default()
        },
    };
    let name = input.bucket.clone();
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (caller, bucket) = call.enter(tx, &name, Some(&upload.key), PUT).await?;
            upload.owner = caller.id().to_owned();
            let (owner, bucket_owner) = (upload.owner.clone(), bucket.owner.clone());
            upload.about.acl =
                acl::resolve(tx, Some(&bucket), &owner, Some(&bucket_owner), &access).await?;
            Ok(store::insert_upload(tx, bucket.id, &upload).await?)
        })
    })
    .await?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_type: algorithm.as_ref().map(|_| {
            ChecksumType::from_static(if whole.unwrap_or(nvme) {
                ChecksumType::FULL_OBJECT
            } else {
                ChecksumType::COMPOSITE
            })
        }),
        checksum_algorithm: algorithm,
        ..CreateMultipartUploadOutput::default()
    }))
}

/// An upload that is under way, to which the caller may do something.
async fn under_way(
    cx: &Context,
    call: &Call,
    bucket: &str,
    key: &str,
    id: &str,
    need: Need,
) -> S3Result<Upload> {
    let call = call.clone();
    let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
    error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &bucket, Some(&key), need).await?;
            let found = store::find_upload(tx, bucket.id, &key, &id).await?;
            found.ok_or_else(error::no_such_upload)
        })
    })
    .await
}

/// Refuses what would not fit into the bucket's quota before its bytes are taken.
async fn check_room(cx: &Context, bucket: &str, length: Option<i64>) -> S3Result<()> {
    let (name, length) = (bucket.to_owned(), length.unwrap_or_default());
    error::read(cx, move |tx| {
        Box::pin(async move {
            match store::find_bucket(tx, &name).await? {
                Some(bucket) => Ok(quota::check(tx, Scope::Bucket(bucket.id), length).await?),
                None => Ok(()),
            }
        })
    })
    .await
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=MOST_PARTS).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidArgument,
        "Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
    ))
}

/// Records a part, as long as its upload is under way.
async fn write_part(
    cx: &Context,
    call: Call,
    bucket: String,
    key: String,
    upload: String,
    part: UploadedPart,
) -> S3Result<()> {
    let blob = part.blob.clone();
    let written = error::write(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &bucket, Some(&key), PUT).await?;
            let found = store::find_upload(tx, bucket.id, &key, &upload).await?;
            found.ok_or_else(error::no_such_upload)?;
            store::put_part(tx, &upload, &part).await?;
            Ok(quota::check(tx, Scope::Bucket(bucket.id), 0).await?)
        })
    });
    let written = written.await;
    keep_or_delete(cx, &blob, written).await
}

pub async fn put_part(
    cx: &Arc<Context>,
    request: S3Request<UploadPartInput>,
) -> Answer<UploadPartOutput> {
    let call = Call::of(&request);
    let trailers = request.trailing_headers.clone();
    let promised = promised(&request.headers);
    let input = request.input;
    if input.sse_customer_algorithm.is_some() {
        return Err(error::not_offered("encryption with a client's key"));
    }
    check_number(input.part_number)?;
    let (bucket, key, id) = (&input.bucket, &input.key, &input.upload_id);
    let upload = under_way(cx, &call, bucket, key, id, PUT).await?;
    check_room(cx, bucket, input.content_length).await?;
    let told = input.checksum_algorithm.as_ref().map(|name| name.as_str());
    let expected = Expected {
        announced: announced!(input),
        md5: input.content_md5.clone(),
        algorithm: told.map(str::to_owned).or(upload.about.algorithm),
        trailers,
        promised,
    };
    let (stored, sums) = store_bytes(cx, input.body, input.content_length, expected).await?;
    let part = UploadedPart {
        number: input.part_number,
        size_bytes: stored.size_bytes,
        etag: stored.md5.clone(),
        blob: stored.blob,
        created_at: cx.now(),
        sums: sums.clone(),
    };
    write_part(cx, call, input.bucket, input.key, input.upload_id, part).await?;
    Ok(S3Response::new(UploadPartOutput {
        e_tag: Some(ETag::Strong(stored.md5)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..UploadPartOutput::default()
    }))
}

/// The bytes of `bytes=first-last`, both within an object.
fn copied_range(text: &str, length: u64) -> S3Result<std::ops::Range<u64>> {
    let wrong = || {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy"
        )
    };
    let (first, last) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or_else(wrong)?;
    let first: u64 = first.parse().map_err(|_| wrong())?;
    let last: u64 = last.parse().map_err(|_| wrong())?;
    if first > last {
        return Err(wrong());
    }
    if last >= length {
        return Err(s3_error!(
            InvalidRange,
            "Range specified is not valid for source object of size: {length}"
        ));
    }
    Ok(first..last + 1)
}

pub async fn copy_part(
    cx: &Arc<Context>,
    request: S3Request<UploadPartCopyInput>,
) -> Answer<UploadPartCopyOutput> {
    let call = Call::of(&request);
    let input = request.input;
    if input.sse_customer_algorithm.is_some() || input.copy_source_sse_customer_algorithm.is_some()
    {
        return Err(error::not_offered("encryption with a client's key"));
    }
    check_number(input.part_number)?;
    let (bucket, key, id) = (&input.bucket, &input.key, &input.upload_id);
    let upload = under_way(cx, &call, bucket, key, id, PUT).await?;
    let conditions = Conditions {
        is_match: input.copy_source_if_match,
        none_match: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let from = source(&input.copy_source)?;
    let (source_bucket, found) = find_source(cx, &call, &from, &conditions).await?;
    let range = match &input.copy_source_range {
        Some(text) => copied_range(text, found.size_bytes)?,
        None => 0..found.size_bytes,
    };
    let object = found.object().ok_or_else(error::no_such_key)?;
    let bytes = service::read(cx, &object, range.clone()).await?;
    let bytes = bytes.ok_or_else(error::no_such_key)?;
    let body = s3s::Body::http_body_unsync(axum::body::Body::from_stream(bytes));
    let expected = Expected {
        announced: Sums::default(),
        md5: None,
        algorithm: upload.about.algorithm,
        trailers: None,
        promised: Vec::new(),
    };
    let length = i64::try_from(range.end - range.start).ok();
    let (stored, sums) = store_bytes(cx, Some(StreamingBlob::from(body)), length, expected).await?;
    let now = cx.now();
    let part = UploadedPart {
        number: input.part_number,
        size_bytes: stored.size_bytes,
        etag: stored.md5.clone(),
        blob: stored.blob,
        created_at: now,
        sums: sums.clone(),
    };
    write_part(cx, call, input.bucket, input.key, input.upload_id, part).await?;
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(ETag::Strong(stored.md5)),
            last_modified: Some(timestamp(now)),
            checksum_crc32: sums.crc32,
            checksum_crc32c: sums.crc32c,
            checksum_crc64nvme: sums.crc64nvme,
            checksum_sha1: sums.sha1,
            checksum_sha256: sums.sha256,
        }),
        copy_source_version_id: super::object::shown_version(&source_bucket, &found),
        ..UploadPartCopyOutput::default()
    }))
}

/// The parts that a completion names, out of those that were sent.
fn choose(sent: &[UploadedPart], wanted: &[CompletedPart]) -> S3Result<Vec<UploadedPart>> {
    let mut chosen: Vec<UploadedPart> = Vec::new();
    for part in wanted {
        let number = part.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|last| last.number >= number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ));
        }
        let etag = part.e_tag.as_ref().map(ETag::value).unwrap_or_default();
        let told = announced!(part);
        let found = sent
            .iter()
            .find(|one| one.number == number && one.etag == etag);
        let fits = found.is_some_and(|found| {
            let names = told.algorithms();
            names.iter().all(|name| {
                found
                    .sums
                    .get(name)
                    .is_none_or(|sum| told.get(name) == Some(sum))
            })
        });
        match found {
            Some(found) if fits => chosen.push(found.clone()),
            _ => return Err(invalid_part()),
        }
    }
    let all_but_last = chosen.len().saturating_sub(1);
    if chosen[..all_but_last]
        .iter()
        .any(|part| part.size_bytes < LEAST_BYTES)
    {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed object size."
        ));
    }
    Ok(chosen)
}

fn invalid_part() -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag."
    )
}

/// The MD5 of the parts' MD5s, and their number.
fn etag_of<'e>(etags: impl Iterator<Item = &'e str>) -> Option<String> {
    let (mut md5, mut count) = (Md5::new(), 0);
    for etag in etags {
        md5.update(hex::decode(etag).ok()?);
        count += 1;
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}

pub async fn complete(
    cx: &Arc<Context>,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Answer<CompleteMultipartUploadOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let wanted = input
        .multipart_upload
        .as_ref()
        .and_then(|all| all.parts.clone());
    let wanted = wanted.unwrap_or_default();
    if wanted.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let (asked, name, key) = (call.clone(), input.bucket.clone(), input.key.clone());
    let id = input.upload_id.clone();
    let reading = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = asked.enter(tx, &name, Some(&key), PUT).await?;
            let current = store::find(tx, bucket.id, &key).await?;
            let Some(upload) = store::find_upload(tx, bucket.id, &key, &id).await? else {
                return Ok((bucket, current, None));
            };
            let parts = store::parts(tx, &id, 0, 10_000).await?;
            Ok((bucket, current, Some((upload, parts))))
        })
    });
    let (bucket, current, found) = reading.await?;
    let Some((upload, sent)) = found else {
        // A completion that is sent again succeeds again.
        let told = wanted
            .iter()
            .map(|part| part.e_tag.as_ref().map_or("", ETag::value));
        let etag = etag_of(told);
        return match current {
            Some(entry) if Some(&entry.etag) == etag.as_ref() => {
                Ok(S3Response::new(completed(&input, &bucket, &entry)))
            }
            _ => Err(error::no_such_upload()),
        };
    };
    let parts = choose(&sent, &wanted)?;
    let size: u64 = parts.iter().map(|part| part.size_bytes).sum();
    if input
        .mpu_object_size
        .is_some_and(|told| u64::try_from(told) != Ok(size))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header does not match the size of the parts"
        ));
    }
    let mut about = upload.about.clone();
    about.owner = upload.owner.clone();
    about.parts = parts
        .iter()
        .map(|part| PartAbout {
            number: part.number,
            size: part.size_bytes,
            sums: part.sums.clone(),
        })
        .collect();
    if let Some(algorithm) = &upload.about.algorithm {
        let sums: Vec<(&Sums, u64)> = parts
            .iter()
            .map(|part| (&part.sums, part.size_bytes))
            .collect();
        about
            .sums
            .set(algorithm, combine(algorithm, about.whole_sums, &sums));
        let told = announced!(input);
        if let (Some(told), Some(found)) = (told.get(algorithm), about.sums.get(algorithm))
            && told != found
        {
            return Err(s3_error!(
                BadDigest,
                "The {algorithm} you specified did not match the calculated checksum."
            ));
        }
    }
    let etag = etag_of(parts.iter().map(|part| part.etag.as_str())).ok_or_else(invalid_part)?;
    let conditions = Conditions {
        is_match: input.if_match.clone(),
        none_match: input.if_none_match.clone(),
        ..Conditions::default()
    };
    let blobs = parts.into_iter().map(|part| part.blob).collect();
    let head = cx.objects.join(blobs).await?;
    let entry = Entry {
        key: input.key.clone(),
        version: String::new(),
        number: 0,
        size_bytes: head.size_bytes,
        etag,
        place: Some(Place::Blob(head.blob.clone())),
        created_at: cx.now(),
        about,
    };
    let new = New {
        bucket: input.bucket.clone(),
        entry,
        access: Wanted::default(),
        conditions,
        upload: Some(input.upload_id.clone()),
        shared: false,
    };
    let written = write_entry(cx, call, new).await;
    let (bucket, entry) = keep_or_delete(cx, &head.blob, written).await?;
    Ok(S3Response::new(completed(&input, &bucket, &entry)))
}

fn completed(
    input: &CompleteMultipartUploadInput,
    bucket: &super::types::Bucket,
    entry: &Entry,
) -> CompleteMultipartUploadOutput {
    let sums = entry.about.sums.clone();
    CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        e_tag: Some(ETag::Strong(entry.etag.clone())),
        version_id: (bucket.versioning == Versioning::Enabled)
            .then(|| entry.version_id().to_owned()),
        checksum_type: (!sums.algorithms().is_empty()).then(|| sum_type(entry)),
        checksum_crc32: sums.crc32,
        checksum_crc32c: sums.crc32c,
        checksum_crc64nvme: sums.crc64nvme,
        checksum_sha1: sums.sha1,
        checksum_sha256: sums.sha256,
        ..CompleteMultipartUploadOutput::default()
    }
}

pub async fn abort(
    cx: &Arc<Context>,
    request: S3Request<AbortMultipartUploadInput>,
) -> Answer<AbortMultipartUploadOutput> {
    let call = Call::of(&request);
    let input = request.input;
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call
                .enter(tx, &input.bucket, Some(&input.key), ABORT)
                .await?;
            let found = store::find_upload(tx, bucket.id, &input.key, &input.upload_id).await?;
            found.ok_or_else(error::no_such_upload)?;
            Ok(super::super::store::remove_multipart(tx, &input.upload_id).await?)
        })
    })
    .await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub async fn list(
    cx: &Arc<Context>,
    request: S3Request<ListPartsInput>,
) -> Answer<ListPartsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let most = input.max_parts.unwrap_or(1000).clamp(0, 1000);
    let after = input.part_number_marker.unwrap_or_default();
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call
                .enter(tx, &input.bucket, Some(&input.key), LIST)
                .await?;
            let found = store::find_upload(tx, bucket.id, &input.key, &input.upload_id).await?;
            let upload = found.ok_or_else(error::no_such_upload)?;
            let wanted = usize::try_from(most).unwrap_or_default();
            let mut parts = store::parts(tx, &upload.id, after, wanted + 1).await?;
            let more = parts.len() > wanted;
            parts.truncate(wanted);
            let owner = acl::wire_owner(tx, &upload.owner).await?;
            let kind = if upload.about.whole_sums {
                ChecksumType::FULL_OBJECT
            } else {
                ChecksumType::COMPOSITE
            };
            let algorithm = upload.about.algorithm.clone();
            Ok(ListPartsOutput {
                bucket: Some(input.bucket),
                checksum_type: algorithm.as_ref().map(|_| ChecksumType::from_static(kind)),
                checksum_algorithm: algorithm.map(ChecksumAlgorithm::from),
                initiator: Some(Initiator {
                    display_name: owner.display_name.clone(),
                    id: owner.id.clone(),
                }),
                is_truncated: Some(more),
                key: Some(input.key),
                max_parts: Some(most),
                next_part_number_marker: Some(parts.last().map_or(0, |last| last.number)),
                owner: Some(owner),
                part_number_marker: Some(after),
                parts: Some(parts.into_iter().map(shown).collect()),
                storage_class: Some(StorageClass::from_static("STANDARD")),
                upload_id: Some(input.upload_id),
                ..ListPartsOutput::default()
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

fn shown(part: UploadedPart) -> Part {
    Part {
        checksum_crc32: part.sums.crc32,
        checksum_crc32c: part.sums.crc32c,
        checksum_crc64nvme: part.sums.crc64nvme,
        checksum_sha1: part.sums.sha1,
        checksum_sha256: part.sums.sha256,
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.created_at)),
        part_number: Some(part.number),
        size: i64::try_from(part.size_bytes).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_range_lies_within_its_source() {
        assert_eq!(copied_range("bytes=0-4", 5).unwrap(), 0..5);
        for (text, code) in [
            ("bytes=0-5", "InvalidRange"),
            ("bytes=4-2", "InvalidArgument"),
            ("bytes=-2", "InvalidArgument"),
            ("0-2", "InvalidArgument"),
            ("bytes=0-2,4-5", "InvalidArgument"),
        ] {
            assert_eq!(copied_range(text, 5).unwrap_err().code().as_str(), code);
        }
    }

    #[test]
    fn an_etag_of_parts_counts_them() {
        let part = "5d41402abc4b2a76b9719d911017c592";
        let etag = etag_of([part, part].into_iter()).unwrap();
        assert!(etag.ends_with("-2") && etag.len() == 34);
        assert_eq!(etag_of(["x"].into_iter()), None);
    }
}
