//! Checking values against shapes.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{Bounds, Field, Shape, component};

impl Shape {
    /// Checks `value`, injecting defaults into it; returns every violation, each with its place.
    pub fn check(&self, value: &mut Value) -> Result<(), Vec<String>> {
        let mut violations = Vec::new();
        self.visit(value, &Place::Body, &mut violations);
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations)
        }
    }

    /// Whether a value is of the right JSON type, whatever is in it.
    fn admits(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Bool => value.is_boolean(),
            Self::Int(_) | Self::Number(_) => value.is_number(),
            Self::Text(..) | Self::Enum(_) => value.is_string(),
            Self::List(..) => value.is_array(),
            Self::Map(_) | Self::Object { .. } => value.is_object(),
            Self::OneOf(shapes) => shapes.iter().any(|shape| shape.admits(value)),
            Self::Ref(name) => component(name).admits(value),
            Self::Nullable(inner) => value.is_null() || inner.admits(value),
        }
    }

    fn visit(&self, value: &mut Value, place: &Place<'_>, violations: &mut Vec<String>) {
        let mut violation = |rule: String| violations.push(format!("{place}: {rule}"));
        match self {
            Self::Any => {}
            Self::Nullable(inner) => {
                if !value.is_null() {
                    inner.visit(value, place, violations);
                }
            }
            Self::Bool if value.is_boolean() => {}
            Self::Bool => violation(format!("{} is not of type boolean", brief(value))),
            Self::Int(bounds) => match whole(value) {
                Some(number) => {
                    bounds.check(number as f64, "", &mut violation);
                    if !value.is_i64() {
                        *value = json!(number);
                    }
                }
                None => violation(format!("{} is not of type integer", brief(value))),
            },
            Self::Number(bounds) => match value.as_f64() {
                Some(number) => {
                    bounds.check(number, "", &mut violation);
                    if !value.is_f64() {
                        *value = json!(number);
                    }
                }
                None => violation(format!("{} is not of type number", brief(value))),
            },
            Self::Text(_, bounds) => match value.as_str() {
                Some(text) => {
                    bounds.check(text.chars().count() as f64, "the length ", &mut violation)
                }
                None => violation(format!("{} is not of type string", brief(value))),
            },
            Self::Enum(names) => {
                if !value
                    .as_str()
                    .is_some_and(|text| names.iter().any(|name| name == text))
                {
                    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                    violation(format!(
                        "{} is not one of the choices. Input should be {} (literal_error)",
                        brief(value),
                        names.join(" or ")
                    ));
                }
            }
            Self::List(item, bounds) => {
                let Some(items) = value.as_array_mut() else {
                    violation(format!("{} is not of type array", brief(value)));
                    return;
                };
                bounds.check(items.len() as f64, "the number of items ", &mut violation);
                for (index, value) in items.iter_mut().enumerate() {
                    item.visit(value, &Place::Item(place, index), violations);
                }
            }
            Self::Map(shape) => {
                let Some(members) = value.as_object_mut() else {
                    violation(format!("{} is not of type object", brief(value)));
                    return;
                };
                if **shape != Self::Any {
                    for (name, value) in members {
                        shape.visit(value, &Place::Member(place, name), violations);
                    }
                }
            }
            Self::Object { fields, open } => {
                let Some(members) = value.as_object_mut() else {
                    violation(format!("{} is not of type object", brief(value)));
                    return;
                };
                if !open {
                    members.retain(|name, _| fields.iter().any(|field| field.name == *name));
                }
                visit_fields(fields, members, place, violations);
            }
            Self::OneOf(shapes) => visit_one_of(shapes, value, place, violations),
            Self::Ref(name) => component(name).visit(value, place, violations),
        }
    }
}

fn visit_fields(
    fields: &[Field],
    members: &mut Map<String, Value>,
    place: &Place<'_>,
    violations: &mut Vec<String>,
) {
    for field in fields {
        match members.get_mut(&field.name) {
            None => {}
            Some(Value::Null)
                if !matches!(field.shape, Shape::Nullable(_) | Shape::Any) && !field.required =>
            {
                members.shift_remove(&field.name);
            }
            Some(value) => field
                .shape
                .visit(value, &Place::Member(place, &field.name), violations),
        }
        if members.contains_key(&field.name) {
            continue;
        }
        if let Some(default) = &field.default {
            members.insert(field.name.clone(), default.clone());
        } else if field.required {
            violations.push(format!("{place}: '{}' is a required property", field.name));
        }
    }
}

fn visit_one_of(
    shapes: &[Shape],
    value: &mut Value,
    place: &Place<'_>,
    violations: &mut Vec<String>,
) {
    let fitting: Vec<&Shape> = shapes.iter().filter(|shape| shape.admits(value)).collect();
    if let [only] = fitting[..] {
        // A number among alternatives stays as it was given: 5 is not 5.0 to an integer attribute.
        let given = matches!(only, Shape::Number(_)).then(|| value.clone());
        only.visit(value, place, violations);
        if let Some(given) = given {
            *value = given;
        }
        return;
    }
    let mut nearest: Option<Vec<String>> = None;
    let candidates = if fitting.is_empty() {
        shapes.iter().collect()
    } else {
        fitting
    };
    for shape in candidates {
        let mut copy = value.clone();
        let mut found = Vec::new();
        shape.visit(&mut copy, place, &mut found);
        if found.is_empty() {
            *value = copy;
            return;
        }
        // The alternative with the fewest violations is the one that was meant.
        if nearest.as_ref().is_none_or(|old| found.len() < old.len()) {
            nearest = Some(found);
        }
    }
    violations.extend(nearest.unwrap_or_default());
}

/// Where in the body a value stands; only violations spell it out.
enum Place<'p> {
    Body,
    Item(&'p Place<'p>, usize),
    Member(&'p Place<'p>, &'p str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => to.write_str("body"),
            Self::Item(Self::Body, index) => write!(to, "[{index}]"),
            Self::Item(list, index) => write!(to, "{list}[{index}]"),
            Self::Member(Self::Body, name) => to.write_str(name),
            Self::Member(object, name) => write!(to, "{object}.{name}"),
        }
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
    })
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 100 {
        text
    } else {
        format!("{}…", text.chars().take(100).collect::<String>())
    }
}

impl Bounds {
    fn check(self, number: f64, what: &str, violation: &mut impl FnMut(String)) {
        if self.min.is_some_and(|min| number < min) {
            violation(format!(
                "{what}{number} is less than the minimum of {}",
                self.min.unwrap_or_default()
            ));
        }
        if self.max.is_some_and(|max| number > max) {
            violation(format!(
                "{what}{number} is greater than the maximum of {}",
                self.max.unwrap_or_default()
            ));
        }
    }
}

/// Reads one query value of a declared shape; lists may be comma-joined, repeated, or both.
///
/// Booleans may be `1`, `0`, `true`, `false` in any case. Returns none where the text does not fit.
pub fn read_query(shape: &Shape, texts: &[String]) -> Option<Value> {
    let first = texts.first()?;
    let mut value = match shape {
        Shape::Nullable(inner) => return read_query(inner, texts),
        Shape::Bool => match first.to_ascii_lowercase().as_str() {
            "1" | "true" => json!(true),
            "0" | "false" => json!(false),
            _ => return None,
        },
        Shape::Int(_) => match first.to_ascii_lowercase().as_str() {
            "true" => json!(1),
            "false" => json!(0),
            text => json!(text.trim().parse::<i64>().ok()?),
        },
        Shape::Number(_) => json!(
            first
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())?
        ),
        Shape::List(item, _) => {
            let mut items = Vec::new();
            for text in texts
                .iter()
                .flat_map(|text| text.split(','))
                .filter(|text| !text.is_empty())
            {
                items.push(read_query(item, &[text.to_owned()])?);
            }
            Value::Array(items)
        }
        _ => json!(first),
    };
    shape.check(&mut value).ok()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::shape::{COMPONENTS, parse};

    #[test]
    fn every_reference_names_a_component() {
        for shape in COMPONENTS.values() {
            shape.references(&mut |name| {
                component(name);
            });
        }
    }

    #[test]
    fn defaults_are_injected_and_nulls_of_optional_keys_vanish() {
        let mut body =
            json!({"name": "Species", "dtype": "string", "choices": null, "minimum": null});
        component("AttributeType").check(&mut body).unwrap();
        assert_eq!(
            body,
            json!({"name": "Species", "dtype": "string", "description": "", "required": false, "order": 0})
        );
    }

    #[test]
    fn violations_name_their_place() {
        let mut body = json!([{"media_id": 1, "type": "box", "frame": 0}]);
        let shape = parse("[LocalizationSpec]{0..500}");
        assert_eq!(
            shape.check(&mut body).unwrap_err(),
            ["[0].type: \"box\" is not of type integer"]
        );
        let mut dtype = json!({"name": "A", "dtype": "cat"});
        let text = component("AttributeType")
            .check(&mut dtype)
            .unwrap_err()
            .join(";");
        assert!(
            text.contains("Input should be") && text.contains("literal_error"),
            "{text}"
        );
    }

    #[test]
    fn numbers_among_alternatives_stay_as_given_and_unknown_keys_go() {
        let mut body = json!({"name": "A", "minimum": 1, "current_name": "A", "x": 5});
        let shape = parse("{name: string, minimum: number, x: AttributeValue}");
        shape.check(&mut body).unwrap();
        assert_eq!(body.to_string(), r#"{"name":"A","minimum":1.0,"x":5}"#);
    }

    #[test]
    fn query_values_are_lenient_in_form_and_strict_in_type() {
        let ids = parse("[int<1..>]");
        assert_eq!(
            read_query(&ids, &["1,2".into(), "3".into()]),
            Some(json!([1, 2, 3]))
        );
        assert_eq!(read_query(&ids, &["1,x".into()]), None);
        assert_eq!(
            read_query(&Shape::Bool, &["True".into()]),
            Some(json!(true))
        );
    }
}
