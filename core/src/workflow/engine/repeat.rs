//! Over what a call is repeated, and the small grammars of numbers in manifests.

use serde_json::{Value as Json, json};

use super::scope::Scope;
use crate::workflow::expression::substitute;
use crate::workflow::manifest::Each;

/// The most repetitions of one call.
const MOST_ITEMS: usize = 2000;

/// The items of a repeated call, in order. Errors: a sentence.
pub(super) fn items(each: &Each, scope: &Scope) -> Result<Vec<Json>, String> {
    let resolve = |text: &str| substitute(text, &|name| scope.get(name));
    let items = match each {
        Each::Items(items) => items
            .iter()
            .map(|item| within(item, &resolve))
            .collect::<Result<_, _>>()?,
        Each::Param(text) => {
            let text = resolve(text)?;
            match serde_json::from_str(&text) {
                Ok(Json::Array(items)) => items,
                _ => return Err(format!("withParam is no JSON list: {}", brief(&text))),
            }
        }
        Each::Sequence {
            count,
            start,
            end,
            format,
        } => {
            let number = |text: &Option<String>| {
                let text = text.as_ref().map(|text| resolve(text)).transpose()?;
                let read = |text: String| {
                    text.trim()
                        .parse::<i64>()
                        .map_err(|_| format!("withSequence has no whole number: {}", brief(&text)))
                };
                text.map(read).transpose()
            };
            let start = number(start)?.unwrap_or(0);
            let end = match (number(count)?, number(end)?) {
                (Some(count), _) => start.saturating_add(count).saturating_sub(1),
                (_, Some(end)) => end,
                _ => return Err("withSequence has neither count nor end".into()),
            };
            let down = count.is_none() && end < start;
            let length = if down {
                start.abs_diff(end).saturating_add(1)
            } else {
                u64::try_from(end.saturating_sub(start).saturating_add(1)).unwrap_or(0)
            };
            if length > MOST_ITEMS as u64 {
                return Err(format!(
                    "a call may be repeated {MOST_ITEMS} times, not {length}"
                ));
            }
            let step = if down { -1 } else { 1 };
            (0..length as i64)
                .map(|index| formatted(format.as_deref(), start + index * step))
                .collect::<Result<_, _>>()?
        }
    };
    if items.len() > MOST_ITEMS {
        return Err(format!(
            "a call may be repeated {MOST_ITEMS} times, not {}",
            items.len()
        ));
    }
    Ok(items)
}

/// Replaces references in every text of an item.
fn within(item: &Json, resolve: &dyn Fn(&str) -> Result<String, String>) -> Result<Json, String> {
    Ok(match item {
        Json::String(text) => json!(resolve(text)?),
        Json::Array(items) => {
            let items: Result<Vec<Json>, String> =
                items.iter().map(|item| within(item, resolve)).collect();
            json!(items?)
        }
        Json::Object(members) => {
            let mut whole = serde_json::Map::new();
            for (name, value) in members {
                whole.insert(name.clone(), within(value, resolve)?);
            }
            Json::Object(whole)
        }
        other => other.clone(),
    })
}

/// A number in a format such as `clip-%03d` or `%X`; as it is without one.
fn formatted(format: Option<&str>, number: i64) -> Result<Json, String> {
    let Some(format) = format else {
        return Ok(json!(number.to_string()));
    };
    let wrong = || format!("withSequence.format has no %d, %03d, %x, %X or %o: {format}");
    let (before, rest) = format.split_once('%').ok_or_else(wrong)?;
    let at = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or_else(wrong)?;
    let (width, after) = rest.split_at(at);
    let digits = match after.as_bytes()[0] {
        b'd' => number.to_string(),
        b'x' => format!("{number:x}"),
        b'X' => format!("{number:X}"),
        b'o' => format!("{number:o}"),
        _ => return Err(wrong()),
    };
    let size: usize = if width.is_empty() {
        0
    } else {
        width
            .parse()
            .ok()
            .filter(|size| *size <= 64)
            .ok_or_else(wrong)?
    };
    let digits = if width.starts_with('0') {
        match digits.strip_prefix('-') {
            Some(rest) => format!("-{rest:0>width$}", width = size.saturating_sub(1)),
            None => format!("{digits:0>size$}"),
        }
    } else {
        format!("{digits:>size$}")
    };
    Ok(json!(format!("{before}{digits}{}", &after[1..])))
}

fn brief(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Seconds from `90`, `1.5`, `30s`, `2m`, `1h30m` or `1d`. Errors: a sentence.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no time span; write seconds, or such as 90s, 2m, 1h30m");
    let text = text.trim();
    let good = |secs: f64| (secs.is_finite() && (0.0..=1e9).contains(&secs)).then_some(secs);
    if let Ok(secs) = text.parse() {
        return good(secs).ok_or_else(wrong);
    }
    let (mut whole, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let at = rest
            .find(|letter: char| letter.is_ascii_alphabetic())
            .ok_or_else(wrong)?;
        let number: f64 = rest[..at].parse().map_err(|_| wrong())?;
        rest = &rest[at..];
        let end = rest
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        whole += number
            * match &rest[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return Err(wrong()),
            };
        rest = &rest[end..];
    }
    good(whole).filter(|_| !text.is_empty()).ok_or_else(wrong)
}

/// Bytes from a quantity such as `512Mi`, `2G` or `1e9`. Errors: a sentence.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount of memory; write such as 512Mi or 2Gi");
    let trimmed = text.trim();
    let units = [
        ("Ki", 1024.0),
        ("Mi", 1024.0_f64.powi(2)),
        ("Gi", 1024.0_f64.powi(3)),
        ("Ti", 1024.0_f64.powi(4)),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("", 1.0),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(unit, factor)| Some((trimmed.strip_suffix(unit)?, factor)))
        .ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * unit;
    if (1.0..1e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sequence(
        count: Option<&str>,
        start: Option<&str>,
        end: Option<&str>,
        format: Option<&str>,
    ) -> Result<Vec<String>, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let each = Each::Sequence {
            count: text(count),
            start: text(start),
            end: text(end),
            format: text(format),
        };
        let scope = Scope::new(&Arc::default(), &[("n".to_owned(), "3".to_owned())].into());
        let items = items(&each, &scope)?;
        Ok(items.iter().map(super::super::scope::plain).collect())
    }

    #[test]
    fn sequences() {
        assert_eq!(
            sequence(Some("{{inputs.parameters.n}}"), None, None, None).unwrap(),
            ["0", "1", "2"]
        );
        assert_eq!(
            sequence(None, Some("9"), Some("11"), Some("c-%03d.mp4")).unwrap(),
            ["c-009.mp4", "c-010.mp4", "c-011.mp4"]
        );
        assert_eq!(
            sequence(None, Some("2"), Some("0"), Some("%X")).unwrap(),
            ["2", "1", "0"]
        );
        assert_eq!(sequence(Some("0"), None, None, None).unwrap(), [""; 0]);
        assert_eq!(
            sequence(Some("2"), Some("-1"), None, Some("%04d")).unwrap(),
            ["-001", "0000"]
        );
        for (count, end, format) in [
            ("x", None, None),
            ("99999", None, None),
            ("1", None, Some("%s")),
            ("1", None, Some("%9999999999d")),
        ] {
            assert!(
                sequence(Some(count), None, end, format).is_err(),
                "{count} {format:?}"
            );
        }
    }

    #[test]
    fn spans_and_amounts() {
        for (text, secs) in [
            ("90", 90.0),
            ("1.5", 1.5),
            ("2m", 120.0),
            ("1h30m", 5400.0),
            ("1d", 86400.0),
            ("500ms", 0.5),
        ] {
            assert_eq!(seconds(text), Ok(secs), "{text}");
        }
        for text in ["", "m", "2 weeks", "-1", "inf", "1h30"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        for (text, size) in [
            ("512Mi", 536_870_912),
            ("2G", 2_000_000_000),
            ("1e3", 1000),
            ("1.5Ki", 1536),
            ("7", 7),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "Mi", "-1", "lots", "0"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
