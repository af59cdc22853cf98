//! Times: UTC milliseconds inside, RFC 3339 with three fractional digits on the wire.

use std::sync::LazyLock;

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, SecondsFormat, Utc, Weekday,
};

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

/// A time of the finest that the wire shows, such as `2026-11-20T14:56:15.956250Z`, from UTC microseconds.
pub fn wire_us(at_us: i64) -> String {
    DateTime::from_timestamp_micros(at_us)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Serializes UTC microseconds as the wire shows them, for `#[serde(serialize_with)]`.
pub fn serialize_us<S: serde::Serializer>(at_us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&wire_us(*at_us))
}

/// The same for a time that may be missing.
pub fn serialize_opt_us<S: serde::Serializer>(
    at_us: &Option<i64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at_us {
        Some(at_us) => serialize_us(at_us, serializer),
        None => serializer.serialize_none(),
    }
}

/// Reads a date-time as [`parse`] does, to the microsecond where it is RFC 3339.
///
/// ```
/// use transect::time::{parse_us, wire_us};
/// let text = "2026-11-20T14:56:15.956250Z";
/// assert_eq!(wire_us(parse_us(text).unwrap()), text);
/// ```
pub fn parse_us(text: &str) -> Option<i64> {
    match DateTime::parse_from_rfc3339(text.trim()) {
        Ok(at) => Some(at.timestamp_micros()),
        Err(_) => parse(text).map(|at_ms| at_ms * 1000),
    }
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

/// Reads a date-time leniently: ISO 8601, or as people write it with the month as a number or a name
/// and a clock of 24 or 12 hours; without a zone it is UTC; a date, a month or a year alone are their
/// first instants. Returns UTC milliseconds.
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
    // As stored: nothing else needs to be tried.
    let stored = text.parse::<NaiveDateTime>().ok();
    if stored.is_none()
        && let Some(at) = with_zone(text)
    {
        return Some((
            at.to_rfc3339_opts(SecondsFormat::AutoSi, false),
            at.timestamp_millis(),
        ));
    }
    let at = stored.or_else(|| without_zone(text))?;
    let shown = at.format(if at.and_utc().timestamp_subsec_nanos() == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f"
    });
    Some((shown.to_string(), at.and_utc().timestamp_millis()))
}

/// Days, with numbers joined by `-`. Where the order is open, the month comes first and the year last.
const DAYS: [&str; 11] = [
    "%m-%d-%y", "%d-%m-%y", "%m-%d-%Y", "%d-%m-%Y", "%Y-%m-%d", "%Y%m%d", "%d %B %Y", "%d-%B-%Y",
    "%B %d %Y", "%Y %B %d", "%Y-%B-%d",
];
/// Times of a day. A blank also stands for nothing.
const CLOCKS: [&str; 5] = [
    "%H:%M:%S%.f",
    "%H:%M",
    "%I:%M:%S%.f %p",
    "%I:%M %p",
    "%H%M%S",
];

/// A year of two digits where four were meant is no year.
const EARLIEST: i32 = 1000;

/// Days with times, as people and programs write them.
static INSTANTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let clocks = |day| CLOCKS.iter().map(move |clock| format!("{day} {clock}"));
    let days = DAYS.iter().flat_map(clocks);
    days.chain(["%B %d %H:%M:%S%.f %Y".to_owned()]).collect()
});

fn with_zone(text: &str) -> Option<DateTime<FixedOffset>> {
    let plain = plain(text);
    let read = |format: &String| {
        let at = DateTime::parse_from_str(&plain, &format!("{format} %#z")).ok()?;
        (at.year() >= EARLIEST).then_some(at)
    };
    let strict = DateTime::parse_from_rfc3339(text).ok();
    strict.or_else(|| INSTANTS.iter().find_map(read))
}

fn without_zone(text: &str) -> Option<NaiveDateTime> {
    let plain = plain(text);
    let day = |text: &str, format: &str| {
        let day = NaiveDate::parse_from_str(text, format).ok()?;
        (day.year() >= EARLIEST).then(|| day.and_hms_opt(0, 0, 0))?
    };
    let instant = |format: &String| {
        let at = NaiveDateTime::parse_from_str(&plain, format).ok()?;
        (at.year() >= EARLIEST).then_some(at)
    };
    INSTANTS
        .iter()
        .find_map(instant)
        .or_else(|| DAYS.iter().find_map(|format| day(&plain, format)))
        .or_else(|| day(&format!("{text}-01"), "%Y-%m-%d"))
        .or_else(|| day(&format!("{text}-01-01"), "%Y-%m-%d"))
        .or_else(|| day(&format!("1 {plain}"), "%d %B %Y"))
}

/// A date-time without what says nothing new: the day of the week, commas, the endings of ordinals;
/// the numbers of its day joined by `-`, a blank before the time, and the zone as an offset.
fn plain(text: &str) -> String {
    let text = text.replace(',', " ");
    let mut words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| *word != "of")
        .collect();
    if words.len() > 1 && words[0].parse::<Weekday>().is_ok() {
        words.remove(0);
    }
    if let Some(zone) = words.last_mut()
        && ["UTC", "GMT", "Z"].contains(zone)
    {
        *zone = "+00:00";
    }
    let ordinal = |word: &str| {
        let number = ["st", "nd", "rd", "th"]
            .iter()
            .find_map(|end| word.strip_suffix(end));
        number.is_some_and(|number| number.parse::<u8>().is_ok())
    };
    let mut words: Vec<String> = words
        .into_iter()
        .map(|word| match ordinal(word) {
            true => word[..word.len() - 2].to_owned(),
            false => word.to_owned(),
        })
        .collect();
    if let Some(first) = words.first_mut() {
        let (day, clock) = match first.split_once('T') {
            Some((day, clock)) if day.ends_with(|c: char| c.is_ascii_digit()) => (day, Some(clock)),
            _ => (first.as_str(), None),
        };
        let day = day.replace(['/', '.'], "-");
        *first = clock.map_or(day.clone(), |clock| format!("{day} {clock}"));
    }
    // "3 PM" and "3PM" are whole hours.
    let text = words.join(" ");
    let cut = text.len().saturating_sub(2);
    let Some((clock, half)) = text.split_at_checked(cut) else {
        return text;
    };
    if !matches!(half.to_ascii_uppercase().as_str(), "AM" | "PM") {
        return text;
    }
    let (rest, hour) = clock.trim_end().rsplit_once(' ').unwrap_or(("", clock));
    match hour.trim_end().parse::<u8>() {
        Ok(hour) => format!("{rest} {hour}:00 {half}"),
        Err(_) => text,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_however_they_are_written() {
        for (text, expected) in [
            (
                "2026-11-20T14:56:15.5+02:00",
                "2026-11-20T14:56:15.500+02:00",
            ),
            ("2026-11-20 14:56:15.25", "2026-11-20T14:56:15.250000"),
            ("2026-11-20T14:56Z", "2026-11-20T14:56:00+00:00"),
            ("2026/11/20 14:56:15", "2026-11-20T14:56:15"),
            ("2026.11.20", "2026-11-20T00:00:00"),
            ("20261120T145615", "2026-11-20T14:56:15"),
            ("20261120145615", "2026-11-20T14:56:15"),
            ("20261120", "2026-11-20T00:00:00"),
            ("1/2/2026 3:04 PM", "2026-01-02T15:04:00"),
            ("1/2/26 3:04:05 am", "2026-01-02T03:04:05"),
            ("1/2/2026 12PM", "2026-01-02T12:00:00"),
            ("20/11/2026", "2026-11-20T00:00:00"),
            ("20.11.2026 14:56", "2026-11-20T14:56:00"),
            ("20 Nov 2026 14:56", "2026-11-20T14:56:00"),
            ("20-Nov-2026", "2026-11-20T00:00:00"),
            ("20th of November, 2026", "2026-11-20T00:00:00"),
            ("Nov 20, 2026 2:56 PM", "2026-11-20T14:56:00"),
            ("november 20 2026", "2026-11-20T00:00:00"),
            ("Fri Nov 20 14:56:15 2026", "2026-11-20T14:56:15"),
            (
                "Friday, 20 Nov 2026 14:56:15 +0100",
                "2026-11-20T14:56:15+01:00",
            ),
            ("Fri, 20 Nov 2026 14:56:15 GMT", "2026-11-20T14:56:15+00:00"),
            ("Nov 2026", "2026-11-01T00:00:00"),
            ("2026-11", "2026-11-01T00:00:00"),
            ("2026", "2026-01-01T00:00:00"),
        ] {
            let read = iso(text).map(|(text, _)| text);
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "Friday",
            "cod",
            "14:56",
            "2026-11-20 25:00",
            "2026-02-30",
            "5/5/5/5",
            "1e5",
            "øT5",
        ] {
            assert_eq!(iso(text), None, "{text}");
        }
    }
}
