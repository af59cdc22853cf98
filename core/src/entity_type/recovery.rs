//! What the end of a type or of an attribute takes from instances: it is set aside under the change
//! that took it, and undo gives it back.

use serde_json::{Map, Value as Json};

use super::{set_aside, store};
use crate::attribute::{self, Definition, Indexing, Kind};
use crate::database::Tx;
use crate::error::Result;
use crate::journal::Stamp;

type Declared = Map<String, Json>;

/// What a type declares, or for sections a project, by name: before a change none for one that came
/// back, after it none for one that goes.
pub struct Redeclared {
    /// Of what it is a type.
    pub kind: Kind,
    /// The type.
    pub id: i64,
    /// Its definitions so far.
    pub before: Option<Declared>,
    /// Its definitions from now on.
    pub after: Option<Declared>,
}

/// Brings definitions, and everything that instances hold under them, in step with a type that undo
/// has written. `undone` is the change that is taken back: what it set aside returns.
pub async fn redeclare(
    tx: &mut Tx,
    stamp: &Stamp,
    undone: &str,
    declared: Redeclared,
) -> Result<()> {
    let Redeclared {
        kind,
        id,
        before,
        after,
    } = declared;
    match (before, after) {
        (None, Some(after)) => {
            let mut definitions = Vec::new();
            for (position, wire) in (0..).zip(after.into_values()) {
                definitions.push(declare(tx, kind, id, position, wire).await?);
            }
            give_back_instances(tx, stamp, undone, kind, id).await?;
            for definition in &definitions {
                attribute::adopt(tx, definition).await?;
            }
            Ok(())
        }
        (Some(_), None) => set_aside_instances(tx, stamp, kind, id).await.map(drop),
        (Some(before), Some(after)) => alter(tx, stamp, undone, (kind, id), &before, &after).await,
        (None, None) => Ok(()),
    }
}

async fn declare(
    tx: &mut Tx,
    kind: Kind,
    id: i64,
    position: i64,
    wire: Json,
) -> Result<Definition> {
    let wire = match wire {
        Json::Object(wire) => wire,
        _ => Map::new(),
    };
    attribute::insert(tx, kind, id, position, wire).await
}

/// Makes the definitions of a type others. One that goes while another like it comes got a new name.
async fn alter(
    tx: &mut Tx,
    stamp: &Stamp,
    undone: &str,
    (kind, id): (Kind, i64),
    before: &Declared,
    after: &Declared,
) -> Result<()> {
    let only_in = |one: &Declared, other: &Declared| -> Vec<String> {
        let names = one.keys().filter(|name| !other.contains_key(*name));
        names.cloned().collect()
    };
    let (gone, come) = (only_in(before, after), only_in(after, before));
    attribute::lock(tx).await?;
    let definitions = attribute::definitions_of_type(tx, kind, id).await?;
    let replaced = |old: &str, new: &str| {
        let definition = definitions.iter().find(|one| one.name == old)?;
        let wire = after.get(new)?.as_object()?.clone();
        Some(Definition::from_wire(definition.id, kind, id, wire))
    };
    if let ([old], [new]) = (&gone[..], &come[..])
        && let Some(renamed) = replaced(old, new)
        && may_be_renamed(tx, undone, (kind, id), &before[old], &after[new]).await?
    {
        let old = definitions.iter().find(|one| one.name == *old);
        if let Some(old) = old {
            attribute::rename_all(tx, old, new).await?;
        }
        return attribute::replace(tx, &renamed?).await;
    }
    for definition in definitions.iter().filter(|one| gone.contains(&one.name)) {
        attribute::set_aside_all(tx, stamp, definition).await?;
        attribute::remove(tx, definition.id).await?;
    }
    for name in come {
        let position = attribute::next_position(tx, kind, id).await?;
        let made = declare(tx, kind, id, position, after[&name].clone()).await?;
        attribute::give_back_all(tx, undone, &made).await?;
        attribute::adopt(tx, &made).await?;
    }
    for (name, wire) in after {
        if before.get(name).is_some_and(|old| old != wire)
            && let Some(definition) = replaced(name, name)
        {
            attribute::replace(tx, &definition?).await?;
        }
    }
    Ok(())
}

/// Whether one definition may be another one renamed, rather than one that went while the other came:
/// they differ in the name alone, or the values of the other were not set aside.
async fn may_be_renamed(
    tx: &mut Tx,
    undone: &str,
    (kind, id): (Kind, i64),
    old: &Json,
    new: &Json,
) -> Result<bool> {
    let definition = |wire: &Json| {
        let wire = wire.as_object().cloned().unwrap_or_default();
        Definition::from_wire(0, kind, id, wire)
    };
    let (old, new) = (definition(old)?, definition(new)?);
    let rest = |wire: &Declared| {
        let mut rest = wire.clone();
        rest.shift_remove("name");
        rest
    };
    Ok(rest(&old.wire) == rest(&new.wire)
        || (old.dtype.may_become(new.dtype) && !attribute::is_set_aside(tx, undone, &new).await?))
}

/// Deletes every instance of a type, with media their annotations, too, and everything that the type
/// declares. Returns how many instances went.
pub(super) async fn set_aside_instances(
    tx: &mut Tx,
    stamp: &Stamp,
    kind: Kind,
    id: i64,
) -> Result<u64> {
    let count = set_aside::take(tx, stamp, kind, "type = $1", id).await?;
    if kind == Kind::Media && count > 0 {
        for (of, which) in set_aside::ON_MEDIA_OF_TYPE {
            set_aside::take(tx, stamp, of, which, id).await?;
            set_aside::forget_values(tx, stamp, of).await?;
        }
    }
    attribute::remove_of_type(tx, kind, id).await?;
    Ok(count)
}

/// Brings back what [`set_aside_instances`] took; their typed values are still missing, those of
/// annotations on media apart.
async fn give_back_instances(
    tx: &mut Tx,
    stamp: &Stamp,
    undone: &str,
    kind: Kind,
    id: i64,
) -> Result<()> {
    set_aside::give_back(tx, stamp, undone, kind, Some(id)).await?;
    if kind != Kind::Media {
        return Ok(());
    }
    for (of, _) in set_aside::ON_MEDIA_OF_TYPE {
        let mut after = 0;
        while let Some((last, by_type)) = set_aside::documents(tx, undone, of, after).await? {
            after = last;
            for (type_id, documents) in by_type {
                let definitions = attribute::definitions_of_type(tx, of, type_id).await?;
                let entities = documents.iter().map(|(entity, document)| Indexing {
                    entity: *entity,
                    definitions: &definitions,
                    before: None,
                    after: Some(document),
                });
                attribute::index(tx, entities).await?;
            }
        }
        set_aside::give_back(tx, stamp, undone, of, None).await?;
    }
    Ok(())
}

/// How many instances a type has.
pub async fn count_instances(tx: &mut Tx, kind: Kind, id: i64) -> Result<i64> {
    store::count_instances(tx, kind, id).await
}

/// How many instances have a value of an attribute that somebody gave them: another than the default.
pub async fn count_values(tx: &mut Tx, kind: Kind, id: i64, name: &str) -> Result<i64> {
    let definitions = attribute::definitions_of_type(tx, kind, id).await?;
    match definitions.iter().find(|one| one.name == name) {
        Some(definition) => attribute::count_given(tx, definition).await,
        None => Ok(0),
    }
}
