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
use crate::query::{geo, value as read};
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

/// A search object as it is kept and shown. Older clients check what they read, but no deeper than the
/// outermost node, and know neither `iendswith` nor `matches` nor a method in capitals.
pub fn shown(mut node: Json) -> Json {
    respell(&mut node);
    if node.get("operation").and_then(Json::as_str) == Some("matches") {
        return json!({"method": "and", "operations": [node]});
    }
    node
}

/// Writes operations and methods as the published document spells them.
fn respell(node: &mut Json) {
    if let Some(method) = node.get_mut("method")
        && let Some(text) = method.as_str()
    {
        *method = json!(text.to_ascii_lowercase());
    }
    if let Some(operation) = node.get_mut("operation")
        && operation == "iendswith"
    {
        *operation = json!("iendswidth");
    }
    let parts = node.get_mut("operations").and_then(Json::as_array_mut);
    parts.into_iter().flatten().for_each(respell);
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
    check_form(operation, wanted)?;
    let Some((dtype, value)) = field(name, section, definitions) else {
        return Ok(false);
    };
    let inverse = node.get("inverse").and_then(Json::as_bool) == Some(true);
    Ok(holds(operation, dtype, &value, wanted)? != inverse)
}

/// Errors: `Invalid` for an operation that there is not, or a value of another form than it takes.
fn check_form(operation: &str, wanted: &Json) -> Result<()> {
    let fits = match operation {
        "eq" | "gt" | "gte" | "lt" | "lte" | "date_eq" | "date_gt" | "date_gte" | "date_lt"
        | "date_lte" | "icontains" | "istartswith" | "iendswith" | "iendswidth" | "isnull"
        | "distance_lte" => true,
        "in" => wanted.is_array(),
        "date_range" => wanted.as_array().is_some_and(|bounds| bounds.len() == 2),
        "descendants" => wanted.is_string(),
        _ => return Err(malformed(&format!("there is no operation {operation:?}"))),
    };
    match fits {
        true => Ok(()),
        false => Err(malformed(&format!(
            "{operation} takes another value than {wanted}"
        ))),
    }
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
    if !fits(operation, dtype) {
        let dtype = dtype.name();
        return Err(malformed(&format!(
            "{operation} does not go with the type {dtype}"
        )));
    }
    let compared = |wanted: &Json| compare(dtype, value, wanted);
    let folded = |test: fn(&str, &str) -> bool| {
        let (value, wanted) = (stored_text(value), read::text(wanted).to_lowercase());
        value.is_some_and(|value| test(&value.to_lowercase(), &wanted))
    };
    let listed = || wanted.as_array().into_iter().flatten();
    Ok(match operation {
        "eq" | "date_eq" => compared(wanted)? == Some(Ordering::Equal),
        "gt" | "date_gt" => compared(wanted)? == Some(Ordering::Greater),
        "gte" | "date_gte" => compared(wanted)?.is_some_and(Ordering::is_ge),
        "lt" | "date_lt" => compared(wanted)? == Some(Ordering::Less),
        "lte" | "date_lte" => compared(wanted)?.is_some_and(Ordering::is_le),
        "date_range" => {
            let (low, high) = (compared(&wanted[0])?, compared(&wanted[1])?);
            low.is_some_and(Ordering::is_ge) && high.is_some_and(Ordering::is_le)
        }
        "icontains" => folded(|value, wanted| value.contains(wanted)),
        "istartswith" => folded(|value, wanted| value.starts_with(wanted)),
        "iendswith" | "iendswidth" => folded(|value, wanted| value.ends_with(wanted)),
        "in" => {
            let orders = listed().map(compared).collect::<Result<Vec<_>>>()?;
            orders.contains(&Some(Ordering::Equal))
        }
        "distance_lte" => {
            let parts: Option<Vec<f64>> = listed().map(read::number).collect();
            let Some([km, latitude, longitude]) = parts.as_deref() else {
                return Err(malformed("distance_lte takes [km, lat, lon]"));
            };
            place(value).is_some_and(|from| geo::distance_km(from, (*latitude, *longitude)) <= *km)
        }
        "descendants" => match (value.as_str(), wanted.as_str()) {
            (Some(value), Some(ancestor)) => path::is_within(value, ancestor),
            _ => false,
        },
        _ => {
            let wanted = read::flag(wanted);
            value.is_null() == wanted.ok_or_else(|| malformed("isnull takes true or false"))?
        }
    })
}

/// Whether values of a type may be compared so; an operation that there is not goes with every type.
fn fits(operation: &str, dtype: Dtype) -> bool {
    let text = matches!(dtype, Dtype::String | Dtype::Enum);
    let number = matches!(dtype, Dtype::Int | Dtype::Float | Dtype::Datetime);
    match operation.trim_start_matches("date_") {
        "eq" | "in" => number || text || dtype == Dtype::Bool,
        "gt" | "gte" | "lt" | "lte" | "range" => number || text,
        "icontains" | "istartswith" | "iendswith" | "iendswidth" | "descendants" => text,
        "distance_lte" => dtype == Dtype::Geopos,
        _ => true,
    }
}

/// How a value stands to the one searched for; none for null.
///
/// Errors: `Invalid` for something that is not of the type.
fn compare(dtype: Dtype, value: &Json, wanted: &Json) -> Result<Option<Ordering>> {
    let order = match dtype {
        Dtype::Int | Dtype::Float => match (value.as_i64(), read::integer(wanted)) {
            // Floats can not tell large integers apart.
            (Some(value), Some(wanted)) => Some(Some(value.cmp(&wanted))),
            _ => read::number(wanted).map(|wanted| read::number(value)?.partial_cmp(&wanted)),
        },
        Dtype::Bool => read::truth(wanted).map(|wanted| Some(read::truth(value)?.cmp(&wanted))),
        Dtype::Datetime => instant(wanted).map(|wanted| Some(instant(value)?.cmp(&wanted))),
        _ => Some(stored_text(value).map(|value| value.cmp(&read::text(wanted)))),
    };
    order.ok_or_else(|| malformed(&format!("{wanted} is not of the type {}", dtype.name())))
}

/// The text of a stored value; none of null.
fn stored_text(value: &Json) -> Option<String> {
    (!value.is_null()).then(|| read::text(value))
}

fn instant(value: &Json) -> Option<i64> {
    time::parse(value.as_str()?)
}

/// (latitude, longitude) of a stored `[lon, lat]`.
fn place(value: &Json) -> Option<(f64, f64)> {
    Some((value.get(1)?.as_f64()?, value.get(0)?.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_shown_as_older_clients_know_them() {
        let leaf = json!({"attribute": "$text", "operation": "matches", "value": "cod"});
        assert_eq!(
            shown(leaf.clone()),
            json!({"method": "and", "operations": [leaf]})
        );
        let ends =
            |operation: &str| json!({"attribute": "$name", "operation": operation, "value": "4"});
        assert_eq!(shown(ends("iendswith")), ends("iendswidth"));
        let deep = json!({"method": "NOT", "operations": [ends("iendswith")]});
        let wanted = json!({"method": "not", "operations": [ends("iendswidth")]});
        assert_eq!(shown(deep), wanted);
        for same in [Json::Null, wanted, ends("icontains")] {
            assert_eq!(shown(same.clone()), same);
        }
    }
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
            leaf("Depth", "icontains", json!("5")),
            leaf("Depth", "gt", json!("deep")),
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
