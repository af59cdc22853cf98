//! The published OpenAPI 3 document, built from the operations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::shape::{COMPONENTS, Shape, component};

/// The document that describes exactly these operations and the components they reach.
pub fn document(operations: &[Operation]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut reached = BTreeSet::from([
        "BadRequestResponse".to_owned(),
        "NotFoundResponse".to_owned(),
    ]);
    for operation in operations {
        paths
            .entry(operation.path)
            .or_default()
            .insert(operation.method.into(), describe(operation));
        let shapes = operation.body.iter().chain(&operation.answer);
        for shape in shapes.chain(operation.query.iter().map(|field| &field.shape)) {
            shape.references(&mut |name| reach(name, &mut reached));
        }
    }
    let schemas: Map<String, Value> = COMPONENTS
        .iter()
        .filter(|(name, _)| reached.contains(*name))
        .map(|(name, shape)| (name.clone(), shape.openapi()))
        .collect();
    json!({
        "openapi": "3.0.2",
        "info": {
            "title": "Transect REST API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Annotate video and images where they are.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "TokenAuth": {"type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "`Token` and the API token"},
                "SessionAuth": {"type": "apiKey", "in": "cookie", "name": "transect_session"},
            },
        },
        "security": [{"TokenAuth": []}, {"SessionAuth": []}],
    })
}

fn reach(name: &str, reached: &mut BTreeSet<String>) {
    if reached.insert(name.to_owned()) {
        component(name).references(&mut |inner| reach(inner, reached));
    }
}

fn describe(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = path_parameters(operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": path_schema(name)}))
        .collect();
    for field in &operation.query {
        let mut schema = field.shape.openapi();
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        let mut parameter = json!({"name": field.name, "in": "query", "required": field.required, "schema": schema});
        if matches!(field.shape, Shape::List(..)) {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        parameters.push(parameter);
    }
    let mut description = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "parameters": parameters,
    });
    if !operation.details.is_empty() {
        description["description"] = json!(operation.details);
    }
    if let Some(body) = &operation.body {
        description["requestBody"] = json!({
            "required": operation.body_required,
            "content": {"application/json": {"schema": body.openapi()}},
        });
    }
    let mut success = json!({"description": "Success."});
    if let Some(media_type) = operation.binary {
        success["content"] =
            json!({media_type: {"schema": {"type": "string", "format": "binary"}}});
    } else if let Some(shape) = &operation.answer {
        success["content"] = json!({"application/json": {"schema": shape.openapi()}});
    }
    description["responses"] = json!({
        operation.success.to_string(): success,
        "400": failure("Bad request.", "BadRequestResponse"),
        "404": failure("Not found.", "NotFoundResponse"),
    });
    if operation.open {
        description["security"] = json!([]);
    }
    description
}

fn failure(description: &str, component: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{component}")});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn tag(path: &str) -> &str {
    path.trim_start_matches("/rest/")
        .split('/')
        .next()
        .unwrap_or_default()
}

/// The names in braces, in order.
pub(super) fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Whether a path parameter is an integer.
pub(super) fn is_integer(name: &str) -> bool {
    !matches!(name, "uid" | "elemental_id" | "ancestor" | "name")
}

fn path_schema(name: &str) -> Value {
    if is_integer(name) {
        json!({"type": "integer"})
    } else {
        json!({"type": "string"})
    }
}
