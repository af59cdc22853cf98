//! Shapes of JSON: read from the compact notation of `components.txt`, printed as OpenAPI schemas,
//! and used to check request bodies and query strings.
//!
//! Checking also injects the schema's defaults, turns whole floats into integers where an integer
//! is declared, and treats an explicit null of an optional, non-nullable key as absence: the stock
//! clients send such nulls.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// The shape of one JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything.
    Any,
    /// true or false.
    Bool,
    /// An integer within bounds (inclusive).
    Int(Bounds),
    /// A number within bounds (inclusive).
    Number(Bounds),
    /// Text, with an OpenAPI format and bounds of its length.
    Text(Option<String>, Bounds),
    /// One of some texts.
    Enum(Vec<String>),
    /// A list of one shape, with bounds of its length.
    List(Box<Shape>, Bounds),
    /// An object with any keys, whose values have one shape.
    Map(Box<Shape>),
    /// An object with known keys; unknown ones are ignored, or kept when `open`.
    Object {
        /// The known keys.
        fields: Vec<Field>,
        /// Whether further keys are kept.
        open: bool,
    },
    /// The first that fits.
    OneOf(Vec<Shape>),
    /// A component by name.
    Ref(String),
    /// The inner shape or null.
    Nullable(Box<Shape>),
}

/// Inclusive bounds; either may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
}

/// One key of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Must be given.
    pub required: bool,
    /// The value's shape.
    pub shape: Shape,
    /// Injected when the key is absent.
    pub default: Option<Value>,
}

/// Every component of the document, by name.
pub static COMPONENTS: LazyLock<BTreeMap<String, Shape>> = LazyLock::new(|| {
    include_str!("components.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (name, text) = line.split_once(" = ").expect("a component is NAME = SHAPE");
            (name.to_owned(), parse(text))
        })
        .collect()
});

/// Reads the compact notation. Panics on a mistake: the texts are part of the program.
pub fn parse(text: &str) -> Shape {
    let mut parser = Parser { text, at: 0 };
    let shape = parser.union();
    assert_eq!(
        parser.at,
        text.len(),
        "trailing text in {text:?} at {}",
        parser.at
    );
    shape
}

/// Reads the fields of an object written without its braces, as query parameters are.
pub fn parse_fields(text: &str) -> Vec<Field> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    match parse(&format!("{{{text}}}")) {
        Shape::Object { fields, .. } => fields,
        _ => unreachable!("braces make an object"),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "expected {token:?} at {:?}", self.rest());
    }

    fn until(&mut self, stop: &[char]) -> String {
        let end = self.rest().find(stop).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    fn union(&mut self) -> Shape {
        let first = self.single();
        if !self.eat("|") {
            return first;
        }
        let mut shapes = vec![first];
        loop {
            shapes.push(self.single());
            if !self.eat("|") {
                return Shape::OneOf(shapes);
            }
        }
    }

    fn single(&mut self) -> Shape {
        let shape = self.plain();
        if self.eat("?") {
            Shape::Nullable(Box::new(shape))
        } else {
            shape
        }
    }

    fn plain(&mut self) -> Shape {
        if self.eat("{") {
            return self.object();
        }
        if self.eat("(") {
            let shape = self.union();
            self.expect(")");
            return shape;
        }
        if self.eat("[") {
            let item = self.union();
            self.expect("]");
            let bounds = if self.eat("{") {
                self.bounds("}")
            } else {
                Bounds::default()
            };
            return Shape::List(Box::new(item), bounds);
        }
        let word = self.until(&[',', '}', ')', ']', '|', '?', '=', '<', '>', ':', ' ', '(']);
        match word.as_str() {
            "any" => Shape::Any,
            "object" => Shape::Map(Box::new(Shape::Any)),
            "bool" => Shape::Bool,
            "int" => Shape::Int(self.angle()),
            "number" => Shape::Number(self.angle()),
            "string" => {
                let format = self
                    .eat(":")
                    .then(|| self.until(&[',', '}', ')', ']', '|', '?', '=', '<', '>']));
                Shape::Text(format, self.angle())
            }
            "enum" => {
                self.expect("(");
                let names = self.until(&[')']);
                self.expect(")");
                Shape::Enum(names.split('|').map(str::to_owned).collect())
            }
            "map" => {
                self.expect("<");
                let shape = self.union();
                self.expect(">");
                Shape::Map(Box::new(shape))
            }
            name => Shape::Ref(name.to_owned()),
        }
    }

    fn angle(&mut self) -> Bounds {
        if self.rest().starts_with('<') && self.eat("<") {
            self.bounds(">")
        } else {
            Bounds::default()
        }
    }

    fn bounds(&mut self, close: &str) -> Bounds {
        let text = self.until(&['>', '}']);
        self.expect(close);
        let (min, max) = text.split_once("..").expect("bounds are a..b");
        Bounds {
            min: min.parse().ok(),
            max: max.parse().ok(),
        }
    }

    fn object(&mut self) -> Shape {
        let (mut fields, mut open) = (Vec::new(), false);
        while !self.eat("}") {
            if self.eat("...") {
                open = true;
                continue;
            }
            let required = self.eat("*");
            self.space();
            let name = self.until(&[':']);
            self.expect(":");
            let shape = self.union();
            let default = self.eat("=").then(|| {
                let text = self.until_json();
                serde_json::from_str(&text).expect("a default is JSON")
            });
            fields.push(Field {
                name,
                required,
                shape,
                default,
            });
            self.eat(",");
        }
        Shape::Object { fields, open }
    }

    fn until_json(&mut self) -> String {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        values
            .next()
            .expect("a default")
            .expect("a default is JSON");
        let end = values.byte_offset();
        let text = self.rest()[..end].to_owned();
        self.at += end;
        text
    }
}

impl Shape {
    /// The OpenAPI schema of this shape.
    pub fn openapi(&self) -> Value {
        let mut schema = match self {
            Self::Any => json!({}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Int(_) => json!({"type": "integer"}),
            Self::Number(_) => json!({"type": "number"}),
            Self::Text(format, _) => match format {
                Some(format) => json!({"type": "string", "format": format}),
                None => json!({"type": "string"}),
            },
            Self::Enum(names) => json!({"type": "string", "enum": names}),
            Self::List(item, _) => json!({"type": "array", "items": item.openapi()}),
            Self::Map(value) => json!({"type": "object", "additionalProperties": value.openapi()}),
            Self::OneOf(shapes) => {
                json!({"oneOf": shapes.iter().map(Self::openapi).collect::<Vec<_>>()})
            }
            Self::Ref(name) => json!({"$ref": format!("#/components/schemas/{name}")}),
            Self::Nullable(inner) => match &**inner {
                Self::Ref(_) => json!({"nullable": true, "allOf": [inner.openapi()]}),
                _ => {
                    let mut schema = inner.openapi();
                    schema["nullable"] = json!(true);
                    schema
                }
            },
            Self::Object { fields, open } => object_schema(fields, *open),
        };
        let (bounds, names) = match self {
            Self::Int(bounds) | Self::Number(bounds) => (bounds, ["minimum", "maximum"]),
            Self::Text(_, bounds) => (bounds, ["minLength", "maxLength"]),
            Self::List(_, bounds) => (bounds, ["minItems", "maxItems"]),
            _ => return schema,
        };
        let whole = !matches!(self, Self::Number(_));
        for (bound, name) in [bounds.min, bounds.max].into_iter().zip(names) {
            if let Some(bound) = bound {
                schema[name] = if whole {
                    json!(bound as i64)
                } else {
                    json!(bound)
                };
            }
        }
        schema
    }

    /// Calls `visit` with every component name that this shape mentions directly.
    pub fn references(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Ref(name) => visit(name),
            Self::List(inner, _) | Self::Map(inner) | Self::Nullable(inner) => {
                inner.references(visit)
            }
            Self::OneOf(shapes) => shapes.iter().for_each(|shape| shape.references(visit)),
            Self::Object { fields, .. } => fields
                .iter()
                .for_each(|field| field.shape.references(visit)),
            _ => {}
        }
    }

    /// Checks `value`, injecting defaults into it; returns every violation, each with its place.
    pub fn check(&self, value: &mut Value) -> Result<(), Vec<String>> {
        let mut violations = Vec::new();
        self.visit(value, "", &mut violations);
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

    fn visit(&self, value: &mut Value, place: &str, violations: &mut Vec<String>) {
        let mut violation = |rule: String| {
            let place = if place.is_empty() { "body" } else { place };
            violations.push(format!("{place}: {rule}"));
        };
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
                    *value = json!(number);
                }
                None => violation(format!("{} is not of type integer", brief(value))),
            },
            Self::Number(bounds) => match value.as_f64() {
                Some(number) => {
                    bounds.check(number, "", &mut violation);
                    *value = json!(number);
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
                    item.visit(value, &format!("{place}[{index}]"), violations);
                }
            }
            Self::Map(shape) => {
                let Some(members) = value.as_object_mut() else {
                    violation(format!("{} is not of type object", brief(value)));
                    return;
                };
                if **shape != Self::Any {
                    for (name, value) in members {
                        shape.visit(value, &join(place, name), violations);
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

/// The component of that name. Panics when `components.txt` lacks it.
pub fn component(name: &str) -> &'static Shape {
    COMPONENTS
        .get(name)
        .unwrap_or_else(|| panic!("components.txt has no {name}"))
}

fn object_schema(fields: &[Field], open: bool) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.shape.openapi();
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        properties.insert(field.name.clone(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name.as_str())
        .collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if open {
        schema["additionalProperties"] = json!(true);
    }
    schema
}

fn visit_fields(
    fields: &[Field],
    members: &mut Map<String, Value>,
    place: &str,
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
                .visit(value, &join(place, &field.name), violations),
        }
        if members.contains_key(&field.name) {
            continue;
        }
        if let Some(default) = &field.default {
            members.insert(field.name.clone(), default.clone());
        } else if field.required {
            let place = if place.is_empty() { "body" } else { place };
            violations.push(format!("{place}: '{}' is a required property", field.name));
        }
    }
}

fn visit_one_of(shapes: &[Shape], value: &mut Value, place: &str, violations: &mut Vec<String>) {
    let fitting: Vec<&Shape> = shapes.iter().filter(|shape| shape.admits(value)).collect();
    if let [only] = fitting[..] {
        return only.visit(value, place, violations);
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

fn join(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
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
