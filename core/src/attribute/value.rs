//! Values of attributes: converted and checked on their way in.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::definition::{Definition, Dtype};
use crate::error::{Error, Result};
use crate::time;

/// The one attribute that every media may have without declaring it: the UUID of its folder.
const USER_SECTIONS: &str = "tator_user_sections";

/// Converts a given value to the declared type.
///
/// Errors: `Invalid`, in the wire's words.
pub fn convert(definition: &Definition, value: &Json) -> Result<Json> {
    if value.is_null() {
        return Ok(Json::Null);
    }
    let name = &definition.name;
    let invalid = |kind: &str| {
        Error::invalid(format!(
            "Invalid attribute value {} for {kind} attribute {name}",
            shown(value)
        ))
    };
    match definition.dtype {
        Dtype::String | Dtype::Blob => Ok(storable(value)),
        Dtype::Bool => match value {
            Json::Bool(_) => Ok(value.clone()),
            Json::String(text) if text.eq_ignore_ascii_case("true") => Ok(json!(true)),
            Json::String(text) if text.eq_ignore_ascii_case("false") => Ok(json!(false)),
            _ => Err(invalid("boolean")),
        },
        Dtype::Int => {
            let number = integer(value).ok_or_else(|| invalid("integer"))?;
            within(definition, number as f64, &number.to_string(), "int")?;
            Ok(json!(number))
        }
        Dtype::Float => {
            let number = number(value).ok_or_else(|| invalid("float"))?;
            within(definition, number, &json!(number).to_string(), "float")?;
            Ok(json!(number))
        }
        Dtype::Enum => {
            let choices = definition.choices();
            if choices
                .as_array()
                .is_some_and(|choices| choices.contains(value))
            {
                return Ok(storable(value));
            }
            let listed: Vec<String> = choices
                .as_array()
                .into_iter()
                .flatten()
                .map(|choice| format!("'{}'", shown(choice)))
                .collect();
            Err(Error::invalid(format!(
                "Invalid attribute value {} for enum attribute {name}. Valid choices are: [{}]",
                shown(value),
                listed.join(", ")
            )))
        }
        Dtype::Datetime => {
            let parsed = value.as_str().and_then(time::iso);
            parsed
                .map(|(text, _)| json!(text))
                .ok_or_else(|| invalid("datetime"))
        }
        Dtype::Geopos => {
            place(value, name).map(|(longitude, latitude)| json!([longitude, latitude]))
        }
        Dtype::FloatArray => float_array(definition, value),
    }
}

/// The value without NUL characters, which PostgreSQL has not: each becomes U+FFFD.
fn storable(value: &Json) -> Json {
    match value {
        Json::String(text) if text.contains('\0') => json!(text.replace('\0', "\u{fffd}")),
        Json::Array(items) => items.iter().map(storable).collect(),
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| (name.replace('\0', "\u{fffd}"), storable(value)))
            .collect(),
        other => other.clone(),
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".into(),
        Json::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    }
}

fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(given) => given.as_i64().or_else(|| {
            let number = given.as_f64()?.trunc();
            (number.abs() < 9.2e18).then_some(number as i64)
        }),
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(flag) => Some(i64::from(*flag)),
        _ => None,
    }
}

fn within(definition: &Definition, number: f64, text: &str, kind: &str) -> Result<()> {
    let bound = |key: &str| {
        definition
            .bound(key)
            .map(|bound| (bound, json!(bound).to_string()))
    };
    let name = &definition.name;
    if let Some((_, shown)) = bound("minimum").filter(|(minimum, _)| number < *minimum) {
        return Err(Error::invalid(format!(
            "{text} is below minimum {shown} for {kind} attribute {name}!"
        )));
    }
    if let Some((_, shown)) = bound("maximum").filter(|(maximum, _)| number > *maximum) {
        return Err(Error::invalid(format!(
            "{text} is above maximum {shown} for {kind} attribute {name}!"
        )));
    }
    Ok(())
}

/// (longitude, latitude) of `[lon, lat]` or the text `"lat_lon"`.
fn place(value: &Json, name: &str) -> Result<(f64, f64)> {
    let invalid = || {
        Error::invalid(format!(
            "Invalid lat/lon string {} for geopos attribute {name}",
            shown(value)
        ))
    };
    let (longitude, latitude) = match value {
        Json::Array(parts) if parts.len() == 2 => (
            number(&parts[0]).ok_or_else(invalid)?,
            number(&parts[1]).ok_or_else(invalid)?,
        ),
        Json::String(text) => {
            let (latitude, longitude) = text.split_once('_').ok_or_else(invalid)?;
            let parse = |text: &str| {
                text.trim()
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
            };
            (
                parse(longitude).ok_or_else(invalid)?,
                parse(latitude).ok_or_else(invalid)?,
            )
        }
        _ => return Err(invalid()),
    };
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(Error::invalid(format!(
            "Invalid latitude {latitude} for geopos attribute {name}"
        )));
    }
    if !(-180.0..=180.0).contains(&longitude) {
        return Err(Error::invalid(format!(
            "Invalid longitude {longitude} for geopos attribute {name}"
        )));
    }
    Ok((longitude, latitude))
}

fn float_array(definition: &Definition, value: &Json) -> Result<Json> {
    let name = &definition.name;
    let parts = value.as_array().ok_or_else(|| {
        Error::invalid(format!(
            "Invalid attribute value {} for float array attribute {name}",
            shown(value)
        ))
    })?;
    let size = definition.wire.get("size").and_then(Json::as_u64);
    if size.is_some_and(|size| size != parts.len() as u64) {
        return Err(Error::invalid(format!(
            "Invalid length {} for float array attribute {name}: its size is {}",
            parts.len(),
            size.unwrap_or_default()
        )));
    }
    let numbers: Option<Vec<f64>> = parts.iter().map(number).collect();
    numbers
        .map(|numbers| json!(numbers))
        .ok_or_else(|| Error::invalid(format!("Invalid element in float array attribute {name}")))
}

/// The document of a new instance: given values converted, defaults filled in, unknown names dropped.
///
/// Errors: `Invalid` for a value that does not fit, or a required one that is missing.
pub fn for_create(
    definitions: &[Definition],
    given: &Map<String, Json>,
    now_ms: i64,
) -> Result<Map<String, Json>> {
    let mut document = Map::new();
    for definition in definitions {
        let name = &definition.name;
        let value = match given.get(name) {
            Some(value) if !value.is_null() => Some(convert(definition, value)?),
            given => match definition.default()? {
                Some(default) => Some(default),
                None if definition.dtype == Dtype::Datetime && definition.flag("use_current") => {
                    Some(json!(time::iso_now(now_ms)))
                }
                None if definition.flag("required") => {
                    return Err(Error::invalid(format!(
                        "Attribute '{name}' is required and was not given!"
                    )));
                }
                None => given.map(|_| Json::Null),
            },
        };
        if let Some(value) = value {
            document.insert(name.clone(), value);
        }
    }
    if let Some(uuid) = given.get(USER_SECTIONS) {
        document.insert(USER_SECTIONS.into(), storable(uuid));
    }
    Ok(document)
}

/// What a PATCH says of attributes.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AttributePatch {
    /// Values to merge in.
    #[serde(default)]
    pub attributes: Map<String, Json>,
    /// Names to set to null.
    #[serde(default)]
    pub null_attributes: Vec<String>,
    /// Names to set to their default, or null.
    #[serde(default)]
    pub reset_attributes: Vec<String>,
}

impl AttributePatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
            && self.null_attributes.is_empty()
            && self.reset_attributes.is_empty()
    }
}

/// The document after a PATCH; `type_name` is for the message about an unknown name.
pub fn for_patch(
    definitions: &[Definition],
    type_name: &str,
    current: &Map<String, Json>,
    patch: &AttributePatch,
) -> Result<Map<String, Json>> {
    let find = |name: &str| {
        definitions
            .iter()
            .find(|definition| definition.name == name)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid attribute {name} for entity type {type_name}"
                ))
            })
    };
    let mut document = current.clone();
    for (name, value) in &patch.attributes {
        let value = if name == USER_SECTIONS {
            storable(value)
        } else {
            convert(find(name)?, value)?
        };
        document.insert(name.clone(), value);
    }
    for name in &patch.reset_attributes {
        let default = find(name)?.default()?.unwrap_or(Json::Null);
        document.insert(name.clone(), default);
    }
    for name in &patch.null_attributes {
        let nothing = if find(name)?.dtype == Dtype::Geopos {
            json!([-1.0, -1.0])
        } else {
            Json::Null
        };
        document.insert(name.clone(), nothing);
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Kind;

    fn definition(wire: Json) -> Definition {
        let Json::Object(wire) = wire else {
            panic!("an object")
        };
        Definition::from_wire(1, Kind::Localization, 1, wire).unwrap()
    }

    #[test]
    fn values_convert_as_the_wire_says() {
        let int = definition(json!({"name": "N", "dtype": "int", "minimum": 0.0, "maximum": 10.0}));
        assert_eq!(convert(&int, &json!("7")).unwrap(), json!(7));
        assert_eq!(convert(&int, &json!(7.9)).unwrap(), json!(7));
        assert_eq!(
            convert(&int, &json!(11)).unwrap_err().to_string(),
            "11 is above maximum 10.0 for int attribute N!"
        );
        let flag = definition(json!({"name": "B", "dtype": "bool"}));
        assert_eq!(convert(&flag, &json!("FALSE")).unwrap(), json!(false));
        assert!(convert(&flag, &json!(1)).is_err());
        let place = definition(json!({"name": "P", "dtype": "geopos"}));
        assert_eq!(
            convert(&place, &json!("40.5_-70")).unwrap(),
            json!([-70.0, 40.5])
        );
        assert!(convert(&place, &json!([0, 91])).is_err());
        let at = definition(json!({"name": "T", "dtype": "datetime"}));
        assert_eq!(
            convert(&at, &json!("2026-11-20 14:56")).unwrap(),
            json!("2026-11-20T14:56:00")
        );
        assert_eq!(
            convert(&at, &json!("2026-11-20T14:56:00Z")).unwrap(),
            json!("2026-11-20T14:56:00+00:00")
        );
    }

    #[test]
    fn a_patch_merges_and_refuses_unknown_names() {
        let species = definition(json!({"name": "Species", "dtype": "string", "default": "?"}));
        let current = Map::from_iter([("Species".to_owned(), json!("cod"))]);
        let reset = AttributePatch {
            reset_attributes: vec!["Species".into()],
            ..Default::default()
        };
        assert_eq!(
            for_patch(std::slice::from_ref(&species), "Box", &current, &reset).unwrap()["Species"],
            json!("?")
        );
        let unknown = AttributePatch {
            attributes: Map::from_iter([("X".into(), json!(1))]),
            ..Default::default()
        };
        let error = for_patch(&[species], "Box", &current, &unknown).unwrap_err();
        assert_eq!(error.to_string(), "Invalid attribute X for entity type Box");
    }
}
