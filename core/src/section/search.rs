//! Search objects over sections: their attributes and built-in columns, evaluated in memory.

use std::cmp::Ordering;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value as Json, json};

use super::path;
use super::types::Section;
use crate::attribute::{Definition, Dtype};
use crate::error::{Error, Result};
use crate::query::geo;
use crate::time;

/// Reads `encoded_search`: base64 (either alphabet, padded or not) of a search object's JSON.
///
/// Errors: `Invalid`.
pub fn decode(encoded: &str) -> Result<Json> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = encoded.replace([' ', '-'], "+").replace('_', "/");
    let bytes = GeneralPurpose::new(&STANDARD, LENIENT).decode(text).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            Error::invalid_because(
                "Query parameter error: encoded_search",
                "the value is not base64 of JSON",
            )
        })
}

/// Whether a section satisfies a search object; `definitions` are the project's section attributes.
///
/// A name that is neither an attribute nor built in matches nothing. Null satisfies no comparison.
/// Errors: `Invalid` for an object that does not have the grammar's form.
pub fn matches(node: &Json, section: &Section, definitions: &[Definition]) -> Result<bool> {
    let Some(method) = node.get("method") else {
        return leaf(node, section, definitions);
    };
    let operations = node.get("operations").and_then(Json::as_array);
    let operations = operations.ok_or_else(|| malformed("a combinator lacks its operations"))?;
    let parts = operations
        .iter()
        .map(|part| matches(part, section, definitions))
        .collect::<Result<Vec<bool>>>()?;
    let method = method.as_str().unwrap_or_default().to_ascii_lowercase();
    match (method.as_str(), parts.as_slice()) {
        ("and" | "or" | "not", []) => Ok(true),
        ("and", parts) => Ok(parts.iter().all(|part| *part)),
        ("or", parts) => Ok(parts.iter().any(|part| *part)),
        ("not", [part]) => Ok(!part),
        ("not", _) => Err(malformed("the method not takes exactly one operation")),
        _ => Err(malformed(&format!("no method is named {method:?}"))),
    }
}

fn malformed(rule: &str) -> Error {
    Error::invalid_because("Invalid search object", rule)
}

fn leaf(node: &Json, section: &Section, definitions: &[Definition]) -> Result<bool> {
    let text = |key: &str| {
        node.get(key)
            .and_then(Json::as_str)
            .ok_or_else(|| malformed(&format!("a filter lacks its {key}")))
    };
    let (name, operation) = (text("attribute")?, text("operation")?);
    let wanted = node.get("value").unwrap_or(&Json::Null);
    let field = field(name, section, definitions);
    let (dtype, value) = match &field {
        Some((dtype, value)) => (*dtype, value),
        // Also the form of the operation is checked when nothing can match.
        None => (Dtype::String, &Json::Null),
    };
    let found = holds(operation, dtype, value, wanted)?;
    let inverse = node.get("inverse").and_then(Json::as_bool) == Some(true);
    Ok(field.is_some() && found != inverse)
}

/// The type and value of an attribute or built-in column of a section.
fn field(name: &str, section: &Section, definitions: &[Definition]) -> Option<(Dtype, Json)> {
    let built_in = match name {
        "$id" => (Dtype::Int, json!(section.id)),
        "$created_by" => (Dtype::Int, json!(section.created_by)),
        "$created_datetime" => (
            Dtype::Datetime,
            json!(section.created_datetime.map(time::wire)),
        ),
        "$name" => (Dtype::String, json!(section.name)),
        "$path" => (Dtype::String, json!(section.path)),
        "$elemental_id" => (Dtype::String, json!(section.elemental_id)),
        "tator_user_sections" => (Dtype::String, json!(section.tator_user_sections)),
        _ => {
            let definition = definitions.iter().find(|one| one.name == name)?;
            let value = section.attributes.get(name).cloned();
            return Some((definition.dtype, value.unwrap_or_default()));
        }
    };
    Some(built_in)
}

fn holds(operation: &str, dtype: Dtype, value: &Json, wanted: &Json) -> Result<bool> {
    let compared = |dtype: Dtype| compare(dtype, value, wanted);
    let folded = |test: fn(&str, &str) -> bool| -> Result<bool> {
        let wanted = wanted
            .as_str()
            .ok_or_else(|| malformed(&format!("{operation} takes a text")))?;
        let value = text(value).map(|value| value.to_lowercase());
        Ok(value.is_some_and(|value| test(&value, &wanted.to_lowercase())))
    };
    let list = |length: Option<usize>| {
        wanted
            .as_array()
            .filter(|list| length.is_none_or(|length| list.len() == length))
            .ok_or_else(|| malformed(&format!("{operation} takes another list of values")))
    };
    Ok(match operation {
        "eq" => compared(dtype) == Some(Ordering::Equal),
        "gt" => compared(dtype) == Some(Ordering::Greater),
        "gte" => compared(dtype).is_some_and(Ordering::is_ge),
        "lt" => compared(dtype) == Some(Ordering::Less),
        "lte" => compared(dtype).is_some_and(Ordering::is_le),
        "date_eq" => compared(Dtype::Datetime) == Some(Ordering::Equal),
        "date_gt" => compared(Dtype::Datetime) == Some(Ordering::Greater),
        "date_gte" => compared(Dtype::Datetime).is_some_and(Ordering::is_ge),
        "date_lt" => compared(Dtype::Datetime) == Some(Ordering::Less),
        "date_lte" => compared(Dtype::Datetime).is_some_and(Ordering::is_le),
        "date_range" => {
            let range = list(Some(2))?;
            compare(Dtype::Datetime, value, &range[0]).is_some_and(Ordering::is_ge)
                && compare(Dtype::Datetime, value, &range[1]).is_some_and(Ordering::is_le)
        }
        "icontains" => folded(|value, wanted| value.contains(wanted))?,
        "istartswith" => folded(|value, wanted| value.starts_with(wanted))?,
        "iendswith" | "iendswidth" => folded(|value, wanted| value.ends_with(wanted))?,
        "in" => list(None)?
            .iter()
            .any(|one| compare(dtype, value, one) == Some(Ordering::Equal)),
        "isnull" => {
            let wanted = truth(wanted).ok_or_else(|| malformed("isnull takes true or false"))?;
            value.is_null() == wanted
        }
        "distance_lte" => {
            let parts: Option<Vec<f64>> = list(Some(3))?.iter().map(number).collect();
            let parts = parts.ok_or_else(|| malformed("distance_lte takes [km, lat, lon]"))?;
            place(value)
                .is_some_and(|from| geo::distance_km(from, (parts[1], parts[2])) <= parts[0])
        }
        "descendants" => match (value.as_str(), wanted.as_str()) {
            (_, None) => return Err(malformed("descendants takes a path")),
            (value, Some(ancestor)) => value.is_some_and(|value| path::is_within(value, ancestor)),
        },
        _ => {
            return Err(malformed(&format!(
                "sections know no operation {operation:?}"
            )));
        }
    })
}

/// How a value stands to the one searched for; none where they cannot be compared.
fn compare(dtype: Dtype, value: &Json, wanted: &Json) -> Option<Ordering> {
    match dtype {
        Dtype::Int | Dtype::Float => number(value)?.partial_cmp(&number(wanted)?),
        Dtype::Bool => Some(truth(value)?.cmp(&truth(wanted)?)),
        Dtype::Datetime => Some(time::parse(value.as_str()?)?.cmp(&time::parse(wanted.as_str()?)?)),
        Dtype::String | Dtype::Enum => Some(text(value)?.cmp(&text(wanted)?)),
        Dtype::Geopos | Dtype::FloatArray => {
            (!value.is_null() && value == wanted).then_some(Ordering::Equal)
        }
        Dtype::Blob => None,
    }
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}

/// Booleans leniently: of texts only "false" is false, as the simple filters have it.
fn truth(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::String(text) => Some(!text.eq_ignore_ascii_case("false")),
        value => value.as_f64().map(|number| number != 0.0),
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// (latitude, longitude) of a stored `[lon, lat]`.
fn place(value: &Json) -> Option<(f64, f64)> {
    Some((value.get(1)?.as_f64()?, value.get(0)?.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Kind;
    use crate::section::types;

    fn section(attributes: Json) -> Section {
        Section {
            id: 7,
            project: 1,
            name: "Dive 1".into(),
            path: Some("Cruise.Dive_1".into()),
            dtype: types::Dtype::Folder,
            tator_user_sections: None,
            object_search: Json::Null,
            related_search: Json::Null,
            visible: true,
            elemental_id: "e".into(),
            attributes: attributes.as_object().unwrap().clone(),
            explicit_listing: None,
            created_datetime: Some(0),
            created_by: Some(3),
            media: Vec::new(),
            master_section: None,
            effective_permission: 0,
        }
    }

    #[test]
    fn leaves_compare_by_type_and_null_matches_nothing() {
        let dtypes = [
            ("Depth", "float"),
            ("Ship", "string"),
            ("When", "datetime"),
            ("Done", "bool"),
            ("Where", "geopos"),
            ("Empty", "int"),
        ];
        let definitions: Vec<Definition> = dtypes
            .iter()
            .map(|(name, dtype)| {
                let wire = json!({"name": name, "dtype": dtype});
                let wire = wire.as_object().unwrap().clone();
                Definition::from_wire(1, Kind::Section, 1, wire).unwrap()
            })
            .collect();
        let section = section(json!({
            "Depth": 900.5, "Ship": "Polarstern", "When": "2026-11-20T14:56:00", "Done": true,
            "Where": [2.3522, 48.8566], "Empty": null
        }));
        let leaf = |attribute: &str, operation: &str, value: Json| json!({"attribute": attribute, "operation": operation, "value": value});
        let cases = [
            (leaf("Depth", "gt", json!("900")), true),
            (leaf("Depth", "lte", json!(900)), false),
            (leaf("Ship", "icontains", json!("STERN")), true),
            (leaf("Ship", "iendswidth", json!("stern")), true),
            (leaf("Ship", "eq", json!("polarstern")), false),
            (leaf("Ship", "in", json!(["Sonne", "Polarstern"])), true),
            (leaf("When", "date_gte", json!("2026-11")), true),
            (
                leaf("When", "date_range", json!(["2026", "2026-11-20"])),
                false,
            ),
            (leaf("Done", "eq", json!("False")), false),
            (
                leaf("Where", "distance_lte", json!([350, 51.5074, -0.1278])),
                true,
            ),
            (
                leaf("Where", "distance_lte", json!([300, 51.5074, -0.1278])),
                false,
            ),
            (leaf("Empty", "lt", json!(5)), false),
            (leaf("Empty", "isnull", json!(true)), true),
            (leaf("Unknown", "isnull", json!(true)), false),
            (leaf("$name", "istartswith", json!("dive")), true),
            (leaf("$path", "descendants", json!("Cruise")), true),
            (json!({"method": "AND", "operations": []}), true),
            (
                json!({"method": "not", "operations": [leaf("$id", "eq", json!(7))]}),
                false,
            ),
            (
                json!({"attribute": "$id", "operation": "eq", "value": 7, "inverse": true}),
                false,
            ),
        ];
        for (node, expected) in cases {
            assert_eq!(
                matches(&node, &section, &definitions).unwrap(),
                expected,
                "{node}"
            );
        }
        for wrong in [
            json!({"method": "xor", "operations": []}),
            json!({"method": "not", "operations": [leaf("$id", "eq", json!(1)), leaf("$id", "eq", json!(2))]}),
            leaf("$related_media", "search", json!({})),
            leaf("Ship", "icontains", json!(5)),
            json!({"operation": "eq"}),
        ] {
            assert!(matches(&wrong, &section, &definitions).is_err(), "{wrong}");
        }
    }

    #[test]
    fn encoded_searches_decode_in_either_alphabet() {
        assert_eq!(decode("eyJhIjoiPz8+In0=").unwrap(), json!({"a": "??>"}));
        assert_eq!(decode("eyJhIjoiPz8-In0").unwrap(), json!({"a": "??>"}));
        assert!(decode("no base64!").is_err());
    }
}
