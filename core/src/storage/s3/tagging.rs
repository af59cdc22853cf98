//! Tags of objects and buckets.

use std::collections::HashSet;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{Call, Need};
use super::object::find_entry;
use super::types::{Bucket, Entry};
use super::{Answer, error, store};
use crate::context::Context;

/// The most tags of an object, and of a bucket.
const MOST: usize = 10;
const MOST_OF_BUCKET: usize = 50;

const GET: Need = Need::look("s3:GetObjectTagging");
const PUT: Need = Need::configure("s3:PutObjectTagging");
const DELETE: Need = Need::configure("s3:DeleteObjectTagging");

/// The tags of a header such as `a=1&b=2`; a plus is a space.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    super::super::signature::parse_query(&text.replace('+', "%20"))
}

/// Checks tags. Errors: `InvalidTag`; `BadRequest`-like for too many.
pub fn check(tags: &[(String, String)], most: usize) -> S3Result<()> {
    if tags.len() > most {
        return Err(s3_error!(
            InvalidTag,
            "Object tags cannot be greater than {most}"
        ));
    }
    let mut seen = HashSet::new();
    for (name, value) in tags {
        if name.is_empty() || name.chars().count() > 128 {
            return Err(s3_error!(
                InvalidTag,
                "The TagKey you have provided is invalid"
            ));
        }
        if value.chars().count() > 256 {
            return Err(s3_error!(
                InvalidTag,
                "The TagValue you have provided is invalid"
            ));
        }
        if !seen.insert(name) {
            return Err(s3_error!(
                InvalidTag,
                "Cannot provide multiple Tags with the same key"
            ));
        }
    }
    Ok(())
}

/// The tags that a write brings along in its header.
pub fn of_header(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let tags = header.map(pairs).unwrap_or_default();
    check(&tags, MOST)?;
    Ok(tags)
}

fn from_wire(tagging: Tagging, most: usize) -> S3Result<Vec<(String, String)>> {
    let tags: Vec<_> = tagging
        .tag_set
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect();
    check(&tags, most)?;
    Ok(tags)
}

fn to_wire(tags: &[(String, String)]) -> TagSet {
    let tag = |(key, value): &(String, String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(tag).collect()
}

/// Sets the tags of a version.
async fn change(
    cx: &Context,
    call: Call,
    place: (String, String, Option<String>),
    need: Need,
    tags: Vec<(String, String)>,
) -> S3Result<(Bucket, Entry)> {
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (name, key, version) = place;
            let (caller, bucket) = call.approach(tx, &name).await?;
            let mut entry =
                find_entry(tx, &call, &caller, &bucket, &key, version.as_deref(), need).await?;
            let mut call = call;
            for (name, value) in &tags {
                let name = format!("s3:requestobjecttag/{name}").to_lowercase();
                call.values.insert(name, value.clone());
            }
            caller.check(&call, &bucket, Some(&key), Some(&entry), need)?;
            entry.about.tags = tags;
            store::update_about(tx, bucket.id, &entry).await?;
            Ok((bucket, entry))
        })
    })
    .await
}

pub async fn put(
    cx: &Arc<Context>,
    request: S3Request<PutObjectTaggingInput>,
) -> Answer<PutObjectTaggingOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let tags = from_wire(input.tagging, MOST)?;
    let place = (input.bucket, input.key, input.version_id);
    let (bucket, entry) = change(cx, call, place, PUT, tags).await?;
    Ok(S3Response::new(PutObjectTaggingOutput {
        version_id: super::object::shown_version(&bucket, &entry),
    }))
}

pub async fn delete(
    cx: &Arc<Context>,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Answer<DeleteObjectTaggingOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let place = (input.bucket, input.key, input.version_id);
    let (bucket, entry) = change(cx, call, place, DELETE, Vec::new()).await?;
    Ok(S3Response::new(DeleteObjectTaggingOutput {
        version_id: super::object::shown_version(&bucket, &entry),
    }))
}

pub async fn get(
    cx: &Arc<Context>,
    request: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let found = error::read(cx, move |tx| {
        Box::pin(async move {
            let (caller, bucket) = call.approach(tx, &input.bucket).await?;
            let version = input.version_id.as_deref();
            let entry = find_entry(tx, &call, &caller, &bucket, &input.key, version, GET).await?;
            Ok((bucket, entry))
        })
    });
    let (bucket, entry) = found.await?;
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: to_wire(&entry.about.tags),
        version_id: super::object::shown_version(&bucket, &entry),
    }))
}

pub async fn put_bucket(
    cx: &Arc<Context>,
    request: S3Request<PutBucketTaggingInput>,
) -> Answer<PutBucketTaggingOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let tags = from_wire(input.tagging, MOST_OF_BUCKET)?;
    let need = Need::configure("s3:PutBucketTagging");
    super::bucket::configure(cx, call, input.bucket, need, move |bucket| {
        bucket.about.tags = Some(tags);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketTaggingOutput {}))
}

pub async fn delete_bucket(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketTaggingInput>,
) -> Answer<DeleteBucketTaggingOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:PutBucketTagging");
    super::bucket::configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.tags = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeleteBucketTaggingOutput {}))
}

pub async fn get_bucket(
    cx: &Arc<Context>,
    request: S3Request<GetBucketTaggingInput>,
) -> Answer<GetBucketTaggingOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketTagging");
    let bucket = super::bucket::look(cx, call, request.input.bucket, need).await?;
    let tags = bucket.about.tags;
    let tags = tags.ok_or_else(|| s3_error!(NoSuchTagSet, "The TagSet does not exist"))?;
    Ok(S3Response::new(GetBucketTaggingOutput {
        tag_set: to_wire(&tags),
    }))
}
