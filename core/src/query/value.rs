//! What the value of a filter means to an attribute of some type. Texts are read leniently, since
//! filters in a query are nothing else.

use serde_json::Value as Json;

/// A finite number; booleans are 0 and 1.
pub fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Json::String(text) => {
            let number = text.trim().parse().ok();
            number.filter(|number: &f64| number.is_finite())
        }
        other => other.as_f64(),
    }
}

/// An integer, exactly.
pub fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// A value of a boolean attribute: every text but "false" is true.
pub fn truth(value: &Json) -> Option<bool> {
    match value {
        Json::String(text) => Some(!text.eq_ignore_ascii_case("false")),
        other => flag(other),
    }
}

/// A yes or no of the question itself.
pub fn flag(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => number.as_i64().map(|number| number != 0),
        Json::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    }
}

/// A text; of anything else its JSON.
pub fn text(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
