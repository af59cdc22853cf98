//! Times: UTC milliseconds inside, RFC 3339 with three fractional digits on the wire.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// Now, in UTC milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// A time as the wire shows it, such as `2026-11-20T14:56:15.956Z`.
pub fn wire(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serializes UTC milliseconds as the wire shows them, for `#[serde(serialize_with)]`.
pub fn serialize<S: serde::Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&wire(*at_ms))
}

/// The same for a time that may be missing.
pub fn serialize_opt<S: serde::Serializer>(
    at_ms: &Option<i64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at_ms {
        Some(at_ms) => serialize(at_ms, serializer),
        None => serializer.serialize_none(),
    }
}

/// The current time as attributes store it, such as `2026-11-20T14:56:15.956000+00:00`.
pub fn iso_now(now_ms: i64) -> String {
    DateTime::from_timestamp_millis(now_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Reads a date-time leniently: RFC 3339, a space for the `T`, no zone (UTC), or a date, a month
/// or a year alone (their first instant). Returns UTC milliseconds.
///
/// ```
/// use transect::time::{parse, wire};
/// assert_eq!(wire(parse("2026-11-20 14:56").unwrap()), "2026-11-20T14:56:00.000Z");
/// assert_eq!(wire(parse("2026-11").unwrap()), "2026-11-01T00:00:00.000Z");
/// assert!(parse("yesterday").is_none());
/// ```
pub fn parse(text: &str) -> Option<i64> {
    iso(text).map(|(_, at_ms)| at_ms)
}

/// Reads a date-time leniently; returns it as ISO 8601 without forcing a zone, and as UTC milliseconds.
pub fn iso(text: &str) -> Option<(String, i64)> {
    let text = text.trim();
    if let Some(at) = with_zone(text) {
        return Some((
            at.to_rfc3339_opts(SecondsFormat::AutoSi, false),
            at.timestamp_millis(),
        ));
    }
    let at = without_zone(text)?;
    let shown = at.format(if at.and_utc().timestamp_subsec_nanos() == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f"
    });
    Some((shown.to_string(), at.and_utc().timestamp_millis()))
}

fn with_zone(text: &str) -> Option<DateTime<FixedOffset>> {
    let formats = [
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%dT%H:%M%#z",
        "%a, %d %b %Y %H:%M:%S %z",
    ];
    DateTime::parse_from_rfc3339(text).ok().or_else(|| {
        formats
            .iter()
            .find_map(|format| DateTime::parse_from_str(text, format).ok())
    })
}

fn without_zone(text: &str) -> Option<NaiveDateTime> {
    let instants = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M",
        "%Y%m%dT%H%M%S",
        "%b %d %Y %H:%M:%S",
    ];
    let days = [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%m/%d/%Y",
        "%Y%m%d",
        "%d %B %Y",
        "%B %d, %Y",
        "%d %b %Y",
    ];
    let day = |text: &str, format: &str| {
        NaiveDate::parse_from_str(text, format)
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    instants
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| days.iter().find_map(|format| day(text, format)))
        .or_else(|| day(&format!("{text}-01"), "%Y-%m-%d"))
        .or_else(|| day(&format!("{text}-01-01"), "%Y-%m-%d"))
}

/// A time as HTTP headers show it.
pub fn http(at_ms: i64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at_ms.max(0).unsigned_abs());
    httpdate::fmt_http_date(at)
}

/// Reads a time from an HTTP header, in UTC milliseconds.
pub fn parse_http(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text).ok()?;
    i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}
