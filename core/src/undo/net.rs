//! What a change did in the end, and whether it still stands.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::shape::{As, Shape};
use crate::time;

type Row = Map<String, Json>;

/// What became of one row: none before means that it was made, none after that it went away.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Net {
    pub before: Option<Row>,
    pub after: Option<Row>,
}

/// The net of several steps, oldest first: (id, before, after).
pub(super) fn net(
    steps: impl IntoIterator<Item = (i64, Option<Row>, Option<Row>)>,
) -> BTreeMap<i64, Net> {
    let mut found: BTreeMap<i64, Net> = BTreeMap::new();
    for (id, before, after) in steps {
        match found.get_mut(&id) {
            Some(net) => net.after = after,
            None => {
                found.insert(id, Net { before, after });
            }
        }
    }
    found.retain(|_, net| net.before.is_some() || net.after.is_some());
    found
}

/// The keys of a row that a change gave another value, with attributes as `attributes.Name`.
pub(super) fn changed(shape: &Shape, before: &Row, after: &Row) -> Vec<String> {
    let mut keys: Vec<String> = shape
        .columns
        .iter()
        .map(|(key, _, how)| (*key, *how))
        .chain(shape.lists.iter().map(|(key, ..)| (*key, As::Json)))
        .chain([before, after].into_iter().flat_map(|row| {
            let others = shape.others(row);
            others.map(|(key, _)| (key.as_str(), As::Json))
        }))
        .filter(|(key, how)| !same(*how, before.get(*key), after.get(*key)))
        .map(|(key, _)| key.to_owned())
        .collect();
    keys.sort();
    keys.dedup();
    let (old, new) = (attributes(before), attributes(after));
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    keys.extend(
        new.keys()
            .chain(gone)
            .filter(|name| !same(As::Json, old.get(*name), new.get(*name)))
            .map(|name| format!("attributes.{name}")),
    );
    keys
}

/// Which of some keys have another value now than a change left them with.
pub(super) fn disturbed(shape: &Shape, keys: &[String], left: &Row, now: &Row) -> Vec<String> {
    let since = changed(shape, left, now);
    keys.iter()
        .filter(|key| since.contains(key))
        .cloned()
        .collect()
}

/// The attributes of a row.
pub(super) fn attributes(row: &Row) -> Row {
    let found = row.get("attributes").and_then(Json::as_object);
    found.cloned().unwrap_or_default()
}

/// Sets keys of a row to what another has.
pub(super) fn set(row: &mut Row, keys: &[String], from: &Row) {
    let mut document = attributes(row);
    let source = attributes(from);
    for key in keys {
        match key.strip_prefix("attributes.") {
            Some(name) => match source.get(name) {
                Some(value) => {
                    document.insert(name.to_owned(), value.clone());
                }
                None => {
                    document.remove(name);
                }
            },
            None => {
                let value = from.get(key).cloned().unwrap_or(Json::Null);
                row.insert(key.clone(), value);
            }
        }
    }
    if row.contains_key("attributes") {
        row.insert("attributes".into(), Json::Object(document));
    }
}

/// Whether two values are the same to a column; absent is null.
fn same(how: As, one: Option<&Json>, other: Option<&Json>) -> bool {
    let (one, other) = (one.unwrap_or(&Json::Null), other.unwrap_or(&Json::Null));
    let at = |value: &Json| value.as_str().and_then(time::parse);
    match how {
        As::Time if at(one).is_some() => at(one) == at(other),
        _ => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shape;
    use super::*;

    fn row(value: Json) -> Row {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_net_of_steps_is_the_first_before_and_the_last_after() {
        let (a, b) = (Some(row(json!({"x": 1}))), Some(row(json!({"x": 2}))));
        let steps = [
            (1, None, a.clone()),
            (2, a.clone(), b.clone()),
            (1, a.clone(), b.clone()),
            (3, None, a.clone()),
            (3, a.clone(), None),
        ];
        let found = net(steps);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&1, &2]);
        let made = Net {
            before: None,
            after: b.clone(),
        };
        assert_eq!((&found[&1], &found[&2].before), (&made, &a));
    }

    #[test]
    fn only_what_a_change_changed_can_be_disturbed() {
        let shape = shape::find("localization").unwrap();
        let before = row(
            json!({"x": 0.5, "frame": 1, "created_datetime": "2026-01-01T00:00:00Z",
            "attributes": {"Species": "cod", "Count": 1}}),
        );
        let after = row(
            json!({"x": 0.75, "frame": 1, "created_datetime": "2026-01-01T00:00:00.000Z",
            "attributes": {"Species": "eel", "Count": 1.0}}),
        );
        let keys = changed(shape, &before, &after);
        assert_eq!(keys, ["x", "attributes.Species"]);
        let mut now = after.clone();
        set(
            &mut now,
            &["frame".into(), "attributes.Count".into()],
            &row(json!({"frame": 7})),
        );
        assert_eq!(now["attributes"], json!({"Species": "eel"}));
        assert!(disturbed(shape, &keys, &after, &now).is_empty());
        set(&mut now, &keys, &before);
        assert_eq!((&now["x"], &now["frame"]), (&json!(0.5), &json!(7)));
        assert_eq!(disturbed(shape, &keys, &after, &now), keys);
    }
}
