//! Shapes as OpenAPI schemas.

use serde_json::{Map, Value, json};

use super::{Field, Shape};

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
