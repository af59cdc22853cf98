//! How long callers may keep an answer that was made from a source.

use axum::http::{HeaderMap, StatusCode};

use crate::http::Answer;

/// An address that names the source's bytes never shows anything else.
const FOR_EVER: &str = "private, max-age=31536000, immutable";
/// Any other address may show another source tomorrow: ask first.
const ASK_FIRST: &str = "private, no-cache";

/// What an answer says about being kept.
pub(super) struct Caching {
    etag: String,
    control: &'static str,
}

impl Caching {
    /// For an answer to `request`, made from the bytes with this fingerprint; `tag` is what the
    /// caller takes the fingerprint for, if it says so.
    pub(super) fn new(fingerprint: &str, tag: Option<&str>, request: &str) -> Self {
        // Another version may draw the same frame in other bytes.
        let text = format!("{}\n{fingerprint}\n{request}", env!("CARGO_PKG_VERSION"));
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let control = if !fingerprint.is_empty() && tag == Some(fingerprint) {
            FOR_EVER
        } else {
            ASK_FIRST
        };
        Self {
            etag: format!("\"{}\"", &hash[..32]),
            control,
        }
    }

    /// Whether the caller has this answer already; none when it did not say what it has.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> Option<bool> {
        let known = headers.get("if-none-match")?.to_str().ok()?;
        let known = known.split(',').map(str::trim);
        let mut tags = known.map(|tag| tag.trim_start_matches("W/"));
        Some(tags.any(|tag| tag == "*" || tag == self.etag))
    }

    /// The answer to somebody who has it already.
    pub(super) fn unchanged(&self) -> Answer {
        let nothing = Answer::bytes("application/octet-stream", Vec::new());
        self.on(nothing.status(StatusCode::NOT_MODIFIED))
    }

    /// The answer, with what is said about keeping it.
    pub(super) fn on(&self, answer: Answer) -> Answer {
        answer
            .header("cache-control", self.control)
            .header("etag", &self.etag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_with_the_fingerprint_is_kept_for_ever() {
        let control = |fingerprint, tag| Caching::new(fingerprint, tag, "frame 1").control;
        assert_eq!(control("abc", Some("abc")), FOR_EVER);
        for (fingerprint, tag) in [("abc", None), ("abc", Some("old")), ("", Some(""))] {
            assert_eq!(control(fingerprint, tag), ASK_FIRST);
        }
    }

    #[test]
    fn tags_differ_by_source_and_request() {
        let one = Caching::new("abc", None, "frame 1");
        let known = |text: &str| {
            let headers =
                HeaderMap::from_iter([("if-none-match".parse().unwrap(), text.parse().unwrap())]);
            one.is_known(&headers)
        };
        assert_eq!(known(&format!("\"x\", W/{}", one.etag)), Some(true));
        assert_eq!(known("*"), Some(true));
        assert_eq!(one.is_known(&HeaderMap::new()), None);
        for (fingerprint, request) in [("abd", "frame 1"), ("abc", "frame 2")] {
            let other = Caching::new(fingerprint, None, request).etag;
            assert_eq!(known(&other), Some(false));
        }
    }
}
