//! Names and ids that questions and answers show for each other.

use std::collections::HashMap;

use super::document::{from_key, key};
use super::index::{Facet, Reference};
use super::plan::{Names, Needs};
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::query::among;
use crate::values;

/// Rows that one name may stand for.
const MOST_NAMED: usize = 1_000;

/// Looks up what a question names, in some projects.
pub(super) async fn names(tx: &mut Tx, projects: &[i64], needs: &Needs) -> Result<Names> {
    let mut names = Names::default();
    if !needs.fields {
        return Ok(names);
    }
    let sql = format!(
        "select distinct a.name from attribute_type a \
         join entity_type t on t.kind = a.kind and t.id = a.type where {}",
        among("t.project", projects)
    );
    for mut row in tx.rows(&sql, &[]).await? {
        names
            .attributes
            .insert(row.take::<String>()?.to_lowercase());
    }
    for (reference, name) in &needs.references {
        let found = named(tx, projects, *reference, name).await?;
        names.references.insert((*reference, name.clone()), found);
    }
    Ok(names)
}

/// What has a name, in lower case.
async fn named(
    tx: &mut Tx,
    projects: &[i64],
    reference: Reference,
    name: &str,
) -> Result<Vec<u64>> {
    let dialect = tx.dialect();
    let (columns, from, project, label) = match reference {
        Reference::Key | Reference::Kind => return Ok(Vec::new()),
        Reference::Project => ("id, ''", "project", "id", "name"),
        Reference::Type => ("id, kind", "entity_type", "project", "name"),
        Reference::Section => ("id, ''", "section", "project", "name"),
        Reference::Version => ("id, ''", "version", "project", "name"),
        Reference::Media => ("id, ''", "media", "project", "name"),
        Reference::User => ("id, ''", "account", "", "username"),
    };
    let within = if project.is_empty() {
        "true".to_owned()
    } else {
        among(project, projects)
    };
    let sql = format!(
        "select {columns} from {from} where {} = $1 and {within} order by id limit {MOST_NAMED}",
        dialect.lower(label)
    );
    let mut found = Vec::new();
    for mut row in tx.rows(&sql, &values![name]).await? {
        let (id, kind): (i64, String) = (row.take()?, row.take()?);
        match (reference, Kind::from_name(&kind)) {
            (Reference::Type, Some(kind)) => found.push(key(kind, id)),
            _ => found.push(id as u64),
        }
    }
    Ok(found)
}

/// What the numbers of a facet are called.
pub(super) async fn labels(
    tx: &mut Tx,
    facet: &Facet,
    numbers: &[u64],
) -> Result<HashMap<u64, String>> {
    let Facet::Reference(reference) = facet else {
        return Ok(HashMap::new());
    };
    let plain: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
    let mut labels = HashMap::new();
    let (table, column) = match reference {
        Reference::Project => ("project", "name"),
        Reference::Section => ("section", "name"),
        Reference::Version => ("version", "name"),
        Reference::Media => ("media", "name"),
        Reference::User => ("account", "username"),
        Reference::Type => {
            let ids: Vec<i64> = numbers.iter().map(|number| from_key(*number).1).collect();
            let sql = format!(
                "select kind, id, name from entity_type where {}",
                among("id", &ids)
            );
            for mut row in tx.rows(&sql, &[]).await? {
                let (kind, id): (String, i64) = (row.take()?, row.take()?);
                if let Some(kind) = Kind::from_name(&kind) {
                    labels.insert(key(kind, id), row.take()?);
                }
            }
            return Ok(labels);
        }
        Reference::Key | Reference::Kind => return Ok(labels),
    };
    let sql = format!(
        "select id, {column} from {table} where {}",
        among("id", &plain)
    );
    for mut row in tx.rows(&sql, &[]).await? {
        labels.insert(row.take::<i64>()? as u64, row.take()?);
    }
    Ok(labels)
}
