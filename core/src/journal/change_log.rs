//! The change log of the API, derived from journal entries.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::types::{Action, Entry, Recorded};
use crate::error::Result;
use crate::time;

/// Bits of a row's id that number the rows of one entry.
const ROW_BITS: u32 = 20;

/// Keys of rows that are worked out, not stored.
const DERIVED: [&str; 3] = ["effective_permission", "incident", "user"];

/// One row of the change log as the wire shows it.
#[derive(Debug, Serialize)]
pub(super) struct ChangeLog {
    id: i64,
    project: i64,
    user: Option<i64>,
    #[serde(serialize_with = "time::serialize")]
    modified_datetime: i64,
    description_of_change: Description,
}

/// What changed; both lists have the same names in the same order.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Description {
    old: Vec<Named>,
    new: Vec<Named>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Named {
    name: String,
    value: Json,
}

/// Turns an entry into rows: one for each entity that was made, one for all that changed or went
/// together, described by the first of them (or by `wanted`, the one entity that was asked for).
/// Revisions of annotations are no rows: they are their own history.
pub(super) fn rows(
    entry: Entry,
    project: i64,
    wanted: Option<i64>,
    mut visit: impl FnMut(ChangeLog) -> Result<()>,
) -> Result<()> {
    let one_by_one = entry.action == Action::Create;
    for (place, change) in (0_i64..).zip(&entry.changes) {
        if wanted.is_some_and(|wanted| wanted != change.id) || is_revision(&entry, change) {
            continue;
        }
        let description = describe(entry.action, change);
        if description.new.is_empty() {
            continue;
        }
        let place = if one_by_one { place } else { 0 };
        visit(ChangeLog {
            id: (entry.seq << ROW_BITS) + place,
            project,
            user: entry.account,
            modified_datetime: entry.at_ms,
            description_of_change: description,
        })?;
        if !one_by_one {
            break;
        }
    }
    Ok(())
}

fn is_revision(entry: &Entry, change: &Recorded) -> bool {
    entry.action == Action::Create
        && matches!(entry.noun.as_str(), "localization" | "state")
        && change.after.get("mark").and_then(Json::as_i64).unwrap_or(0) > 0
}

fn describe(action: Action, change: &Recorded) -> Description {
    let mut description = Description::default();
    if action == Action::Delete {
        description.add("_deleted".into(), Json::Bool(false), Json::Bool(true));
        return description;
    }
    if action == Action::Restore {
        description.add("_deleted".into(), Json::Bool(true), Json::Bool(false));
        return description;
    }
    let all = action == Action::Create;
    let (before, after) = (columns(&change.before), columns(&change.after));
    compare(
        &before,
        &after,
        all,
        |name| format!("_{name}"),
        &mut description,
    );
    let (before, after) = (attributes(&change.before), attributes(&change.after));
    compare(&before, &after, all, str::to_owned, &mut description);
    description
}

fn columns(row: &Map<String, Json>) -> Map<String, Json> {
    let stored = |name: &&String| *name != "attributes" && !DERIVED.contains(&name.as_str());
    let names = row.keys().filter(stored);
    names
        .map(|name| (name.clone(), row[name].clone()))
        .collect()
}

fn attributes(row: &Map<String, Json>) -> Map<String, Json> {
    let found = row.get("attributes").and_then(Json::as_object);
    found.cloned().unwrap_or_default()
}

/// Adds what differs, or `all` that is there; absent is null.
fn compare(
    before: &Map<String, Json>,
    after: &Map<String, Json>,
    all: bool,
    shown: impl Fn(&str) -> String,
    description: &mut Description,
) {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let old = before.get(name).unwrap_or(&Json::Null);
        let new = after.get(name).unwrap_or(&Json::Null);
        if all || old != new {
            description.add(shown(name), old.clone(), new.clone());
        }
    }
}

impl Description {
    fn add(&mut self, name: String, old: Json, new: Json) {
        self.old.push(Named {
            name: name.clone(),
            value: old,
        });
        self.new.push(Named { name, value: new });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(noun: &str, action: Action, changes: Json) -> Entry {
        Entry {
            seq: 3,
            at_ms: 0,
            clock: String::new(),
            account: Some(1),
            noun: noun.into(),
            action,
            changes: serde_json::from_value(changes).unwrap(),
        }
    }

    fn log(entry: Entry, wanted: Option<i64>) -> Json {
        let mut found = Vec::new();
        rows(entry, 9, wanted, |row| {
            found.push(serde_json::to_value(row)?);
            Ok(())
        })
        .unwrap();
        Json::Array(found)
    }

    #[test]
    fn a_creation_lists_every_column_of_each_entity() {
        let made = |id: i64, mark: i64| json!({"id": id, "after": {"id": id, "x": null, "mark": mark, "user": 1, "attributes": {"Species": "cod"}}});
        let changes = json!([made(5, 0), made(6, 1), made(7, 0)]);
        let found = log(entry("localization", Action::Create, changes), None);
        assert_eq!(found.as_array().unwrap().len(), 2);
        assert_eq!(found[1]["id"], (3 << 20) + 2);
        let names: Vec<&str> = found[0]["description_of_change"]["new"]
            .as_array()
            .unwrap()
            .iter()
            .map(|named| named["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["_id", "_x", "_mark", "Species"]);
        let old = &found[0]["description_of_change"]["old"];
        assert_eq!(old[3], json!({"name": "Species", "value": null}));
    }

    #[test]
    fn a_change_lists_what_changed_and_speaks_for_all() {
        let changed = |id: i64, old: &str| {
            json!({"id": id, "before": {"name": "a", "attributes": {"S": old, "T": 1}},
                   "after": {"name": "a", "attributes": {"S": "new"}}})
        };
        let changes = || json!([changed(1, "one"), changed(2, "two")]);
        let found = log(entry("media", Action::Update, changes()), None);
        assert_eq!(
            found[0]["description_of_change"],
            json!({"old": [{"name": "S", "value": "one"}, {"name": "T", "value": 1}],
                   "new": [{"name": "S", "value": "new"}, {"name": "T", "value": null}]})
        );
        assert_eq!(found.as_array().unwrap().len(), 1);
        let second = log(entry("media", Action::Update, changes()), Some(2));
        assert_eq!(second[0]["description_of_change"]["old"][0]["value"], "two");
        assert_eq!(second[0]["id"], found[0]["id"]);
    }

    #[test]
    fn a_deletion_is_a_flag_that_changed() {
        let changes = json!([{"id": 1, "before": {"name": "a"}}]);
        let found = log(entry("leaf", Action::Delete, changes), None);
        assert_eq!(
            found[0]["description_of_change"],
            json!({"old": [{"name": "_deleted", "value": false}],
                   "new": [{"name": "_deleted", "value": true}]})
        );
    }
}
