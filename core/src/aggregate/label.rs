//! Names of things that rows are grouped by their ids of.

use std::collections::HashMap;

use super::key::{Key, Origin};
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::query::among;
use crate::values;

/// Ids that one statement lists.
const CHUNK: usize = 5_000;

/// The names of some values of a key, by id; nothing for a key whose values are no ids.
pub(super) async fn names(
    tx: &mut Tx,
    kind: Kind,
    key: &Key,
    ids: &[i64],
) -> Result<HashMap<i64, String>> {
    let mut names = HashMap::new();
    let Some((table, column)) = named(key) else {
        return Ok(names);
    };
    for chunk in ids.chunks(CHUNK) {
        let ids = among("id", chunk);
        let rows = if table == "entity_type" {
            let sql = format!("select id, name from entity_type where kind = $1 and {ids}");
            tx.rows(&sql, &values![kind.name()]).await?
        } else {
            let sql = format!("select id, {column} from {table} where {ids}");
            tx.rows(&sql, &[]).await?
        };
        for mut row in rows {
            names.insert(row.take()?, row.take()?);
        }
    }
    Ok(names)
}

/// The table and the column that names the values of a key.
fn named(key: &Key) -> Option<(&'static str, &'static str)> {
    match &key.origin {
        Origin::StateMedia => Some(("media", "name")),
        Origin::SectionOfMedia => Some(("section", "name")),
        Origin::Column(column, _) => match *column {
            "type" => Some(("entity_type", "name")),
            "version" => Some(("version", "name")),
            "media" => Some(("media", "name")),
            "primary_section" => Some(("section", "name")),
            "created_by" | "modified_by" => Some(("account", "username")),
            _ => None,
        },
        Origin::Attribute(_) => None,
    }
}
