//! Conditional requests. Source: RFC 9110, section 13; "Conditional requests", Amazon S3 user guide.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::super::types::Object;

/// What a request says about the object that it expects.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    pub is_match: Option<ETagCondition>,
    pub none_match: Option<ETagCondition>,
    pub modified_since: Option<Timestamp>,
    pub unmodified_since: Option<Timestamp>,
}

/// What conditions say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fits,
    /// The client has it already.
    NotModified,
    Failed,
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == etag,
    }
}

/// Times compare by the second, for that is what HTTP can say.
fn seconds(time: &Timestamp) -> i64 {
    let mut text = Vec::new();
    if time
        .format(s3s::dto::TimestampFormat::EpochSeconds, &mut text)
        .is_err()
    {
        return 0;
    }
    let text = String::from_utf8_lossy(&text);
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().unwrap_or_default()
}

impl Conditions {
    /// What they say of an object that is to be read.
    pub fn verdict(&self, etag: &str, modified_at: i64) -> Verdict {
        let modified = modified_at.div_euclid(1000);
        match (&self.is_match, &self.unmodified_since) {
            (Some(condition), _) if !matches(condition, etag) => return Verdict::Failed,
            (None, Some(time)) if modified > seconds(time) => return Verdict::Failed,
            _ => {}
        }
        match (&self.none_match, &self.modified_since) {
            (Some(condition), _) if matches(condition, etag) => Verdict::NotModified,
            (None, Some(time)) if modified <= seconds(time) => Verdict::NotModified,
            _ => Verdict::Fits,
        }
    }

    /// Checks an object that is to be copied. Errors: `PreconditionFailed`.
    pub fn check_source(&self, object: &Object) -> S3Result<()> {
        match self.verdict(&object.etag, object.modified_at) {
            Verdict::Fits => Ok(()),
            Verdict::NotModified | Verdict::Failed => Err(failed()),
        }
    }

    /// Checks what a write is about to replace; none when the key stands for nothing.
    ///
    /// Errors: `PreconditionFailed`; `NoSuchKey` where something was expected and nothing is.
    pub fn check_target(&self, etag: Option<&str>) -> S3Result<()> {
        if let Some(condition) = &self.is_match {
            match etag {
                None => return Err(super::error::no_such_key()),
                Some(etag) if !matches(condition, etag) => return Err(failed()),
                Some(_) => {}
            }
        }
        match (&self.none_match, etag) {
            (Some(condition), Some(etag)) if matches(condition, etag) => Err(failed()),
            _ => Ok(()),
        }
    }
}

pub fn failed() -> s3s::S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::{ETag, TimestampFormat};

    const AT: i64 = 1_700_000_000_500;

    fn tag(text: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(text.into())))
    }

    fn time(seconds: &str) -> Option<Timestamp> {
        Some(Timestamp::parse(TimestampFormat::EpochSeconds, seconds).unwrap())
    }

    #[test]
    fn a_read_fits_fails_or_is_known() {
        let check = |is_match, none_match, modified_since, unmodified_since| {
            Conditions {
                is_match,
                none_match,
                modified_since,
                unmodified_since,
            }
            .verdict("a", AT)
        };
        assert_eq!(check(None, None, None, None), Verdict::Fits);
        assert_eq!(check(tag("a"), None, None, None), Verdict::Fits);
        assert_eq!(check(tag("b"), None, None, None), Verdict::Failed);
        assert_eq!(check(None, tag("a"), None, None), Verdict::NotModified);
        assert_eq!(check(None, tag("b"), None, None), Verdict::Fits);
        assert_eq!(
            check(None, Some(ETagCondition::Any), None, None),
            Verdict::NotModified
        );
        let (same, before) = (time("1700000000"), time("1699999999"));
        assert_eq!(check(None, None, same.clone(), None), Verdict::NotModified);
        assert_eq!(check(None, None, before.clone(), None), Verdict::Fits);
        assert_eq!(check(None, None, None, before.clone()), Verdict::Failed);
        assert_eq!(check(None, None, None, same), Verdict::Fits);
        // Tags win over times.
        assert_eq!(check(tag("a"), None, None, before), Verdict::Fits);
    }

    #[test]
    fn a_write_says_what_it_replaces() {
        let absent = Conditions {
            none_match: Some(ETagCondition::Any),
            ..Conditions::default()
        };
        assert!(absent.check_target(None).is_ok() && absent.check_target(Some("a")).is_err());
        let same = Conditions {
            is_match: tag("a"),
            ..Conditions::default()
        };
        assert!(same.check_target(Some("a")).is_ok() && same.check_target(Some("b")).is_err());
        assert_eq!(
            same.check_target(None).unwrap_err().code(),
            &s3s::S3ErrorCode::NoSuchKey
        );
    }
}
