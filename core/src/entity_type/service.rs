//! Rules of entity types.

use std::collections::HashMap;

use super::store;
use super::types::EntityType;
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::{Error, Result};

/// A type that a body or a stored row refers to.
///
/// Errors: `NotFound` in the wire's words for references.
pub async fn get(tx: &mut Tx, kind: Kind, id: i64) -> Result<EntityType> {
    store::find(tx, kind, id)
        .await?
        .ok_or_else(|| Error::no_reference(kind.name()))
}

/// The types with these ids, by id.
///
/// Errors: `Invalid` when one of them is not of the project.
pub async fn of_project(
    tx: &mut Tx,
    kind: Kind,
    ids: impl IntoIterator<Item = i64>,
    project: i64,
) -> Result<HashMap<i64, EntityType>> {
    let mut found = HashMap::new();
    for id in ids {
        if found.contains_key(&id) {
            continue;
        }
        let one = store::find(tx, kind, id).await?;
        let one = one.filter(|one| one.project == project).ok_or_else(|| {
            Error::invalid(format!(
                "{} {id} is not part of project {project}!",
                kind.name()
            ))
        })?;
        found.insert(id, one);
    }
    Ok(found)
}

/// Every type of a kind in a project: file types in the order of ids, the others by name.
pub async fn list_of_project(tx: &mut Tx, kind: Kind, project: i64) -> Result<Vec<EntityType>> {
    let mut types = store::list(tx, kind, project).await?;
    if kind != Kind::File {
        types.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    }
    Ok(types)
}
