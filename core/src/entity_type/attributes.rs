//! Rules of changing the attributes that a type declares: every instance follows.

use serde_json::{Map, Value as Json, json};

use super::store;
use super::types::noun;
use crate::account::Actor;
use crate::attribute::{self, Definition, Dtype, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Stamp};
use crate::project::{self, Level};

/// What becomes of the keys of a definition that a change does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// They stay.
    Merge,
    /// They go.
    Replace,
}

/// What declares attributes: a type, or for sections the project.
struct Owner {
    kind: Kind,
    id: i64,
    project: i64,
    name: String,
}

/// Finds the owner, checks for Full Control, and keeps others from changing definitions meanwhile.
async fn owner(tx: &mut Tx, actor: &Actor, kind: Kind, id: i64) -> Result<Owner> {
    let (project, name) = if kind == Kind::Section {
        (id, kind.name().to_owned())
    } else {
        let found = store::find(tx, kind, id).await?;
        let found = found.ok_or_else(|| Error::no_match(kind.name()))?;
        (found.project, found.name)
    };
    project::access(tx, actor, project, Level::Full).await?;
    attribute::lock(tx).await?;
    Ok(Owner {
        kind,
        id,
        project,
        name,
    })
}

fn position(definitions: &[Definition], name: &str) -> Option<usize> {
    definitions.iter().position(|one| one.name == name)
}

fn already(name: &str) -> Error {
    Error::invalid(format!("{name} is already an attribute."))
}

fn unknown(owner: &Owner, name: &str) -> Error {
    Error::invalid(format!(
        "Could not find attribute name {name} in entity type {}",
        owner.name
    ))
}

async fn record(tx: &mut Tx, stamp: &Stamp, owner: &Owner, before: &[Definition]) -> Result<()> {
    let after = attribute::definitions_of_type(tx, owner.kind, owner.id).await?;
    let document = |definitions: &[Definition]| {
        let wire = definitions.iter().map(|one| &one.wire).collect::<Vec<_>>();
        json!({"attribute_types": wire})
    };
    let changes = journal::Change::updated(owner.id, &document(before), &document(&after))?;
    journal::record(tx, stamp, Some(owner.project), noun(owner.kind), changes).await
}

/// Declares another attribute and writes its default, if it has one, into every instance, deleted
/// ones too. Returns its name.
pub(super) async fn add(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    id: i64,
    addition: Map<String, Json>,
) -> Result<String> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let owner = owner(tx, &actor, kind, id).await?;
                let before = attribute::definitions_of_type(tx, kind, id).await?;
                let name = Definition::from_wire(0, kind, id, addition.clone())?.name;
                attribute::check_name(&name)?;
                if position(&before, &name).is_some() {
                    return Err(already(&name));
                }
                let position = attribute::next_position(tx, kind, id).await?;
                let made = attribute::insert(tx, kind, id, position, addition).await?;
                match made.default()? {
                    Some(value) => attribute::set_all(tx, &made, &value).await?,
                    None => attribute::adopt(tx, &made).await?,
                }
                record(tx, &stamp, &owner, &before).await?;
                Ok(name)
            })
        })
        .await
}

/// Renames or alters an attribute; a new name moves the values of every instance. Returns a
/// message that says what happened, one line each.
pub(super) async fn change(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    id: i64,
    current_name: String,
    update: Map<String, Json>,
    how: Change,
) -> Result<String> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let owner = owner(tx, &actor, kind, id).await?;
                let definitions = attribute::definitions_of_type(tx, kind, id).await?;
                let before = position(&definitions, &current_name)
                    .map(|index| &definitions[index])
                    .ok_or_else(|| unknown(&owner, &current_name))?;
                let after = changed(before, &update, how)?;
                let mut lines = Vec::new();
                if after.name != before.name {
                    attribute::check_name(&after.name)?;
                    if position(&definitions, &after.name).is_some() {
                        return Err(already(&after.name));
                    }
                    attribute::rename_all(tx, before, &after.name).await?;
                    lines.push(format!(
                        "Attribute '{}' renamed to '{}'",
                        before.name, after.name
                    ));
                }
                if mutates(&before.wire, &after.wire) {
                    lines.push(if before.dtype == after.dtype {
                        format!("Attribute '{}' mutated", after.name)
                    } else {
                        let (from, to) = (before.dtype.name(), after.dtype.name());
                        format!("Attribute '{}' mutated from {from} to {to}", after.name)
                    });
                }
                if lines.is_empty() {
                    return Ok(format!("Attribute '{current_name}' unchanged"));
                }
                attribute::replace(tx, &after).await?;
                record(tx, &stamp, &owner, &definitions).await?;
                Ok(lines.join("\n"))
            })
        })
        .await
}

/// Whether two definitions differ in more than the name.
fn mutates(before: &Map<String, Json>, after: &Map<String, Json>) -> bool {
    let rest = |wire: &Map<String, Json>| {
        let mut rest = wire.clone();
        rest.shift_remove("name");
        rest
    };
    rest(before) != rest(after)
}

/// The definition after a change. Errors: `Invalid` when a part is missing, the default does not
/// fit, or the dtype may not become the other.
fn changed(before: &Definition, update: &Map<String, Json>, how: Change) -> Result<Definition> {
    let checked = |wire: &Map<String, Json>| {
        Definition::from_wire(before.id, before.kind, before.type_id, wire.clone())
    };
    let dtype = update.get("dtype").and_then(Json::as_str);
    if let Some(dtype) = dtype.and_then(Dtype::from_name)
        && !before.dtype.may_become(dtype)
    {
        return Err(Error::invalid(format!(
            "Attempted mutation of {} from {} to {} is not allowed!",
            before.name,
            before.dtype.name(),
            dtype.name()
        )));
    }
    let wire = match how {
        Change::Replace => update.clone(),
        Change::Merge => {
            let mut merged = before.wire.clone();
            merged.extend(update.clone());
            if !update.contains_key("name") || mutates(&before.wire, &merged) {
                // A mutation must be complete by itself.
                checked(update)?;
            }
            merged
        }
    };
    checked(&wire)
}

/// Removes an attribute from a type, and its values from every instance; undo can bring them back
/// for a while.
///
/// Errors: `Invalid` for an unknown name, except of sections, where it changes nothing.
pub(super) async fn remove(
    cx: &Context,
    actor: &Actor,
    kind: Kind,
    id: i64,
    name: String,
) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let owner = owner(tx, &actor, kind, id).await?;
                let before = attribute::definitions_of_type(tx, kind, id).await?;
                let Some(index) = position(&before, &name) else {
                    return if kind == Kind::Section {
                        Ok(())
                    } else {
                        Err(unknown(&owner, &name))
                    };
                };
                attribute::set_aside_all(tx, &stamp, &before[index]).await?;
                attribute::remove(tx, before[index].id).await?;
                record(tx, &stamp, &owner, &before).await
            })
        })
        .await
}
