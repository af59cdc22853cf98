//! Rules by which objects expire. The station follows them every hour.

use std::collections::HashSet;

use s3s::dto::{BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, TimestampFormat};
use s3s::{S3Result, s3_error};

use super::store::{self, Start};
use super::types::{Bucket, Entry, Versioning};
use crate::context::Context;
use crate::error::Result;
use crate::id;

const DAY_MS: i64 = 24 * 3_600_000;
const MOST_RULES: usize = 1000;
/// Rows looked at in one transaction: others wait only shortly.
const BATCH: usize = 500;

/// Checks rules, and names those without a name. Errors: `MalformedXML`, `InvalidArgument`.
pub fn check(lifecycle: &mut BucketLifecycleConfiguration) -> S3Result<()> {
    let malformed = || {
        s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        )
    };
    if lifecycle.rules.is_empty() || lifecycle.rules.len() > MOST_RULES {
        return Err(malformed());
    }
    let mut names = HashSet::new();
    for rule in &mut lifecycle.rules {
        let name = rule.id.get_or_insert_with(id::random_uuid);
        if name.chars().count() > 255 {
            return Err(s3_error!(
                InvalidArgument,
                "ID length should not exceed allowed limit of 255"
            ));
        }
        if !names.insert(name.clone()) {
            return Err(s3_error!(InvalidArgument, "Rule ID must be unique."));
        }
        let known = [ExpirationStatus::ENABLED, ExpirationStatus::DISABLED];
        if !known.contains(&rule.status.as_str()) {
            return Err(malformed());
        }
        let transitions = rule.transitions.iter().flatten().next().is_some()
            || rule
                .noncurrent_version_transitions
                .iter()
                .flatten()
                .next()
                .is_some();
        if transitions {
            return Err(super::error::not_offered("other storage classes"));
        }
        let does_something = rule.expiration.is_some()
            || rule.noncurrent_version_expiration.is_some()
            || rule.abort_incomplete_multipart_upload.is_some();
        if !does_something {
            return Err(malformed());
        }
        if let Some(expiration) = &rule.expiration {
            if expiration.days.is_some_and(|days| days < 1) {
                return Err(s3_error!(
                    InvalidArgument,
                    "'Days' for Expiration action must be a positive integer"
                ));
            }
            if expiration.days.is_some() && expiration.date.is_some() {
                return Err(malformed());
            }
            if let Some(date) = &expiration.date
                && millis(date).rem_euclid(DAY_MS) != 0
            {
                return Err(s3_error!(InvalidArgument, "'Date' must be at midnight GMT"));
            }
        }
    }
    Ok(())
}

fn millis(date: &s3s::dto::Timestamp) -> i64 {
    let mut text = Vec::new();
    if date
        .format(TimestampFormat::EpochSeconds, &mut text)
        .is_err()
    {
        return i64::MAX;
    }
    let text = String::from_utf8_lossy(&text);
    let seconds = text.split('.').next().unwrap_or_default();
    seconds
        .parse::<i64>()
        .map_or(i64::MAX, |seconds| seconds * 1000)
}

/// When what was written at a time has been there for some days: at the next midnight.
fn due(written_at: i64, days: i32) -> i64 {
    let at = written_at + i64::from(days) * DAY_MS;
    (at + DAY_MS - 1).div_euclid(DAY_MS) * DAY_MS
}

fn prefix(rule: &LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let of_filter = filter.and_then(|filter| {
        let and = filter.and.as_ref().and_then(|and| and.prefix.as_ref());
        filter.prefix.as_ref().or(and)
    });
    of_filter
        .or(rule.prefix.as_ref())
        .map_or("", String::as_str)
}

/// Whether a rule means a version, by its size and tags; the prefix was looked at already.
fn means(rule: &LifecycleRule, entry: &Entry) -> bool {
    let Some(filter) = &rule.filter else {
        return true;
    };
    let and = filter.and.as_ref();
    let size = i64::try_from(entry.size_bytes).unwrap_or(i64::MAX);
    let above = filter
        .object_size_greater_than
        .or(and.and_then(|and| and.object_size_greater_than));
    let below = filter
        .object_size_less_than
        .or(and.and_then(|and| and.object_size_less_than));
    let wanted = filter
        .tag
        .iter()
        .chain(and.iter().flat_map(|and| and.tags.iter().flatten()));
    let tagged = |tag: &s3s::dto::Tag| {
        let pair = (
            tag.key.clone().unwrap_or_default(),
            tag.value.clone().unwrap_or_default(),
        );
        entry.about.tags.contains(&pair)
    };
    above.is_none_or(|above| size > above)
        && below.is_none_or(|below| size < below)
        && wanted.into_iter().all(tagged)
}

fn is_enabled(rule: &LifecycleRule) -> bool {
    rule.status.as_str() == ExpirationStatus::ENABLED
}

/// Follows the rules of every bucket.
pub async fn sweep(cx: &Context) -> Result<()> {
    let buckets = cx
        .database
        .read(|tx| Box::pin(async move { store::buckets(tx, None).await }))
        .await?;
    let mut gone = 0;
    for bucket in buckets {
        for rule in bucket.about.lifecycle.iter().flat_map(|all| &all.rules) {
            if is_enabled(rule) {
                gone += current(cx, &bucket, rule).await?;
                gone += old(cx, &bucket, rule).await?;
                gone += markers(cx, &bucket, rule).await?;
                gone += uploads(cx, &bucket, rule).await?;
            }
        }
    }
    if gone > 0 {
        tracing::info!(gone, "objects expired by the rules of their buckets");
        super::super::collect(cx).await?;
    }
    Ok(())
}

/// Current versions whose time is over.
async fn current(cx: &Context, bucket: &Bucket, rule: &LifecycleRule) -> Result<usize> {
    let Some(expiration) = rule.expiration.clone() else {
        return Ok(0);
    };
    if expiration.days.is_none() && expiration.date.is_none() {
        return Ok(0);
    }
    let now = cx.now();
    let start = prefix(rule).to_owned();
    let end = super::listing::behind(&start);
    let mut from = Start::At(start);
    let mut gone = 0;
    loop {
        let (bucket, rule, end, expiration) = (
            bucket.clone(),
            rule.clone(),
            end.clone(),
            expiration.clone(),
        );
        let at = from.clone();
        let (last, count) = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let rows = store::page(tx, bucket.id, &at, end.as_deref(), BATCH).await?;
                    let last = rows.last().map(|entry| entry.key.clone());
                    let last = last.filter(|_| rows.len() == BATCH);
                    let mut count = 0;
                    for entry in rows {
                        let over = match (expiration.days, &expiration.date) {
                            (Some(days), _) => due(entry.created_at, days) <= now,
                            (None, Some(date)) => millis(date) <= now,
                            (None, None) => false,
                        };
                        if over && means(&rule, &entry) {
                            store::delete(tx, &bucket, &entry.key, &bucket.owner, now).await?;
                            count += 1;
                        }
                    }
                    Ok((last, count))
                })
            })
            .await?;
        gone += count;
        match last {
            Some(last) => from = Start::After(last),
            None => return Ok(gone),
        }
    }
}

/// Versions that others took the place of long ago.
async fn old(cx: &Context, bucket: &Bucket, rule: &LifecycleRule) -> Result<usize> {
    let Some(expiration) = rule.noncurrent_version_expiration.clone() else {
        return Ok(0);
    };
    if bucket.versioning == Versioning::Never {
        return Ok(0);
    }
    let now = cx.now();
    let before = now - i64::from(expiration.noncurrent_days.unwrap_or(1)) * DAY_MS;
    let kept = i64::from(expiration.newer_noncurrent_versions.unwrap_or(0));
    let mut after = (String::new(), 0);
    let mut gone = 0;
    loop {
        let (bucket, rule, at) = (bucket.id, rule.clone(), after.clone());
        let (last, count) = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let at = (at.0.as_str(), at.1);
                    let rows = store::replaced_before(tx, bucket, before, at, BATCH).await?;
                    let last = rows.last().map(|entry| (entry.key.clone(), entry.number));
                    let last = last.filter(|_| rows.len() == BATCH);
                    let mut count = 0;
                    for entry in rows {
                        let meant = entry.key.starts_with(prefix(&rule)) && means(&rule, &entry);
                        if entry.place.is_none() || !meant {
                            continue;
                        }
                        if store::newer_old(tx, bucket, &entry.key, entry.number).await? >= kept {
                            store::delete_version(tx, bucket, &entry.key, &entry.version).await?;
                            count += 1;
                        }
                    }
                    Ok((last, count))
                })
            })
            .await?;
        gone += count;
        match last {
            Some(last) => after = last,
            None => return Ok(gone),
        }
    }
}

/// Delete markers that hide nothing any more.
async fn markers(cx: &Context, bucket: &Bucket, rule: &LifecycleRule) -> Result<usize> {
    let wanted = rule.expiration.as_ref();
    if wanted.and_then(|wanted| wanted.expired_object_delete_marker) != Some(true) {
        return Ok(0);
    }
    let mut after = String::new();
    let mut gone = 0;
    loop {
        let (bucket, start, at) = (bucket.id, prefix(rule).to_owned(), after.clone());
        let (last, count) = cx
            .database
            .write(move |tx| {
                Box::pin(async move {
                    let rows = store::markers(tx, bucket, &at, BATCH).await?;
                    let last = rows.last().map(|entry| entry.key.clone());
                    let last = last.filter(|_| rows.len() == BATCH);
                    let mut count = 0;
                    for entry in rows {
                        let alone = store::find(tx, bucket, &entry.key).await?.is_none()
                            && store::count_old(tx, bucket, &entry.key).await? == 1;
                        if alone && entry.key.starts_with(&start) {
                            store::delete_version(tx, bucket, &entry.key, &entry.version).await?;
                            count += 1;
                        }
                    }
                    Ok((last, count))
                })
            })
            .await?;
        gone += count;
        match last {
            Some(last) => after = last,
            None => return Ok(gone),
        }
    }
}

/// Uploads in parts that nobody finished.
async fn uploads(cx: &Context, bucket: &Bucket, rule: &LifecycleRule) -> Result<usize> {
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    let Some(days) = abort.and_then(|abort| abort.days_after_initiation) else {
        return Ok(0);
    };
    let now = cx.now();
    let (bucket, start) = (bucket.id, prefix(rule).to_owned());
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let end = super::listing::behind(&start);
                let from = Start::At(start);
                let rows = store::upload_page(tx, bucket, &from, None, end.as_deref(), 10_000);
                let mut count = 0;
                for upload in rows.await? {
                    if due(upload.created_at, days) <= now {
                        super::super::store::remove_multipart(tx, &upload.id).await?;
                        count += 1;
                    }
                }
                Ok(count)
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_goes_at_midnight() {
        assert_eq!(due(0, 1), DAY_MS);
        assert_eq!(due(1, 1), 2 * DAY_MS);
    }
}
