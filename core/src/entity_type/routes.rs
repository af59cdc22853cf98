//! Routes of entity types and of their attributes.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::types::TypeFilter;
use super::{attributes, service};
use crate::attribute::Kind;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation};

/// The five operations of one kind; `$name` is the wire's name of its types.
macro_rules! of_kind {
    ($kind:expr, $name:literal, $noun:literal, $query:literal) => {
        [
            Operation::get(
                concat!("/rest/", $name, "s/{project}"),
                concat!("Get", $name, "List"),
                |call| list(call, $kind),
            )
            .about(concat!("List the ", $noun, " types of a project."))
            .query($query)
            .answers(concat!("[", $name, "]")),
            Operation::post(
                concat!("/rest/", $name, "s/{project}"),
                concat!("Create", $name),
                |call| create(call, $kind),
            )
            .about(concat!("Create a ", $noun, " type."))
            .body(concat!($name, "Spec"))
            .answers("CreateResponse"),
            Operation::get(
                concat!("/rest/", $name, "/{id}"),
                concat!("Get", $name),
                |call| get(call, $kind),
            )
            .about(concat!("Read one ", $noun, " type."))
            .answers($name),
            Operation::patch(
                concat!("/rest/", $name, "/{id}"),
                concat!("Update", $name),
                |call| update(call, $kind),
            )
            .about(concat!("Edit a ", $noun, " type; absent keys stay."))
            .body(concat!($name, "Update"))
            .as_given()
            .answers("MessageResponse"),
            Operation::delete(
                concat!("/rest/", $name, "/{id}"),
                concat!("Delete", $name),
                |call| remove(call, $kind),
            )
            .about(concat!("Delete a ", $noun, " type and its instances."))
            .answers("MessageResponse"),
        ]
    };
}

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    operations.extend(of_kind!(
        Kind::Media,
        "MediaType",
        "media",
        "elemental_id: string"
    ));
    operations.extend(of_kind!(
        Kind::Localization,
        "LocalizationType",
        "localization",
        "media_id: [int], type: int, elemental_id: string"
    ));
    operations.extend(of_kind!(
        Kind::State,
        "StateType",
        "state",
        "media_id: [int], type: int, elemental_id: string"
    ));
    operations.extend(of_kind!(
        Kind::Leaf,
        "LeafType",
        "leaf",
        "elemental_id: string"
    ));
    operations.extend(of_kind!(
        Kind::File,
        "FileType",
        "file",
        "elemental_id: string"
    ));
    operations.extend([
        Operation::post(
            "/rest/AttributeType/{id}",
            "CreateAttributeType",
            add_attribute,
        )
        .about("Add an attribute to a type, and its default to every instance.")
        .body("AttributeTypeSpec")
        .answers("MessageResponse"),
        Operation::patch(
            "/rest/AttributeType/{id}",
            "UpdateAttributeType",
            update_attribute,
        )
        .about("Rename or alter an attribute of a type, and rename its values.")
        .body("AttributeTypeUpdate")
        .answers("MessageResponse"),
        Operation::put(
            "/rest/AttributeType/{id}",
            "ReplaceAttributeType",
            replace_attribute,
        )
        .about("Replace the definition of an attribute of a type.")
        .body("AttributeTypeUpdate")
        .answers("MessageResponse"),
        Operation::delete(
            "/rest/AttributeType/{id}",
            "DeleteAttributeType",
            remove_attribute,
        )
        .about("Remove an attribute from a type, and its values from every instance.")
        .body("AttributeTypeDelete")
        .answers("MessageResponse"),
    ]);
    operations
}

/// What messages call a type of this kind.
fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Media => "Media",
        Kind::Localization => "Localization",
        Kind::State => "State",
        Kind::Leaf => "Leaf",
        Kind::File => "File",
        Kind::Section => "Section",
    }
}

async fn list(call: Call, kind: Kind) -> Result<Answer> {
    let filter: TypeFilter = call.query()?;
    let project = call.id("project");
    Answer::list(service::list(&call.cx, call.actor()?, kind, project, filter).await?)
}

async fn create(mut call: Call, kind: Kind) -> Result<Answer> {
    let new = call.body()?;
    let project = call.id("project");
    let (id, made) = service::create(&call.cx, call.actor()?, kind, project, new).await?;
    let message = format!("{} type created successfully!", label(kind));
    Answer::created(message, id, &made)
}

async fn get(call: Call, kind: Kind) -> Result<Answer> {
    Answer::json(&service::read(&call.cx, call.actor()?, kind, call.id("id")).await?)
}

async fn update(mut call: Call, kind: Kind) -> Result<Answer> {
    let patch = call.body()?;
    let id = call.id("id");
    let changed = service::update(&call.cx, call.actor()?, kind, id, patch).await?;
    Answer::json(&json!({
        "message": format!("{} type {id} updated successfully!", label(kind)),
        "object": changed,
    }))
}

async fn remove(call: Call, kind: Kind) -> Result<Answer> {
    let id = call.id("id");
    let instances = service::remove(&call.cx, call.actor()?, kind, id).await?;
    Answer::message(format!(
        "{} type {id} (and {instances} instances) deleted successfully!",
        label(kind)
    ))
}

#[derive(Deserialize)]
struct Addition {
    entity_type: String,
    addition: Map<String, Json>,
}

#[derive(Deserialize)]
struct Update {
    entity_type: String,
    current_name: String,
    attribute_type_update: Map<String, Json>,
}

#[derive(Deserialize)]
struct Removal {
    entity_type: String,
    name: String,
}

fn kind(name: &str) -> Result<Kind> {
    Kind::from_name(name).ok_or_else(|| Error::invalid(format!("Invalid entity type {name}")))
}

async fn add_attribute(mut call: Call) -> Result<Answer> {
    let Addition {
        entity_type,
        addition,
    } = call.body()?;
    let (kind, id) = (kind(&entity_type)?, call.id("id"));
    let name = attributes::add(&call.cx, call.actor()?, kind, id, addition).await?;
    Answer::message(format!("New attribute type '{name}' added"))
}

async fn update_attribute(call: Call) -> Result<Answer> {
    change_attribute(call, attributes::Change::Merge).await
}

async fn replace_attribute(call: Call) -> Result<Answer> {
    change_attribute(call, attributes::Change::Replace).await
}

async fn change_attribute(mut call: Call, how: attributes::Change) -> Result<Answer> {
    let Update {
        entity_type,
        current_name,
        attribute_type_update,
    } = call.body()?;
    let (kind, id) = (kind(&entity_type)?, call.id("id"));
    let message = attributes::change(
        &call.cx,
        call.actor()?,
        kind,
        id,
        current_name,
        attribute_type_update,
        how,
    )
    .await?;
    Answer::message(message)
}

async fn remove_attribute(mut call: Call) -> Result<Answer> {
    let Removal { entity_type, name } = call.body()?;
    let (kind, id) = (kind(&entity_type)?, call.id("id"));
    attributes::remove(&call.cx, call.actor()?, kind, id, name.clone()).await?;
    Answer::message(format!("Attribute '{name}' deleted"))
}
