//! Rows of leaves.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::path;
use super::types::Leaf;
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::journal::Stamp;
use crate::project::Level;
use crate::query::{Selection, among};
use crate::undo::{As, Shape};
use crate::{id, values};

/// Ids that one statement lists.
const CHUNK: usize = 5000;

const COLUMNS: &str = "t.id, t.type, t.project, t.path, t.name, t.parent, t.attributes";

/// How leaves stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "leaf",
    table: "leaf",
    level: Level::Full,
    columns: &[
        ("type", "type", As::Plain),
        ("project", "project", As::Plain),
        ("path", "path", As::Plain),
        ("name", "name", As::Plain),
        ("parent", "parent", As::Plain),
    ],
    attributes: Some(Kind::Leaf),
    kept: true,
    settle: |tx, _, rows| Box::pin(settle_paths(tx, rows)),
    ..Shape::PLAIN
};

fn leaf(mut row: Row) -> Result<Leaf> {
    Ok(Leaf {
        id: row.take()?,
        r#type: row.take()?,
        project: row.take()?,
        path: row.take()?,
        name: row.take()?,
        parent: row.take()?,
        attributes: document(row.take()?),
    })
}

fn document(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(document) => document,
        _ => Map::new(),
    }
}

/// The selected leaves, in order.
pub async fn list(tx: &mut Tx, selection: &Selection) -> Result<Vec<Leaf>> {
    let mut found = Vec::new();
    selection
        .each(tx, COLUMNS, |row| {
            found.push(leaf(row)?);
            Ok(())
        })
        .await?;
    Ok(found)
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Leaf>> {
    let sql = format!("select {COLUMNS} from leaf t where t.id = $1 and not t.deleted");
    tx.row(&sql, &values![id]).await?.map(leaf).transpose()
}

/// Some leaves and everything below them, each once; of a single one, the leaf first.
pub async fn subtrees(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Leaf>> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "with recursive below (id, level) as (\
               select id, 0 from leaf where {} and not deleted \
               union all select l.id, b.level + 1 from leaf l \
               join below b on l.parent = b.id where not l.deleted) \
             select {COLUMNS} from leaf t join below b on b.id = t.id order by b.level, t.id",
            among("id", chunk)
        );
        for row in tx.rows(&sql, &[]).await? {
            let leaf = leaf(row)?;
            if known.insert(leaf.id) {
                found.push(leaf);
            }
        }
    }
    Ok(found)
}

pub async fn insert(tx: &mut Tx, leaves: &[Leaf], stamp: &Stamp) -> Result<()> {
    let columns = [
        "id",
        "project",
        "type",
        "name",
        "path",
        "path_folded",
        "depth",
        "parent",
        "attributes",
        "elemental_id",
        "created_at",
        "created_by",
        "modified_at",
        "modified_by",
        "deleted",
    ];
    let rows = leaves.iter().map(|leaf| {
        values![
            leaf.id,
            leaf.project,
            leaf.r#type,
            &leaf.name,
            &leaf.path,
            leaf.path.to_lowercase(),
            path::depth(&leaf.path),
            leaf.parent,
            &Json::Object(leaf.attributes.clone()),
            id::uuid(),
            stamp.at_ms,
            stamp.account,
            stamp.at_ms,
            stamp.account,
            false
        ]
        .to_vec()
    });
    tx.insert_many("leaf", &columns, rows.collect()).await
}

pub async fn update(tx: &mut Tx, leaves: &[Leaf], stamp: &Stamp) -> Result<()> {
    let columns = [
        "name",
        "path",
        "path_folded",
        "depth",
        "parent",
        "attributes",
        "modified_at",
        "modified_by",
    ];
    let rows = leaves.iter().map(|leaf| {
        values![
            leaf.id,
            &leaf.name,
            &leaf.path,
            leaf.path.to_lowercase(),
            path::depth(&leaf.path),
            leaf.parent,
            &Json::Object(leaf.attributes.clone()),
            stamp.at_ms,
            stamp.account
        ]
        .to_vec()
    });
    let rows: Vec<_> = rows.collect();
    tx.update_many("leaf", &["id"], &columns, &rows).await
}

pub async fn set_deleted(tx: &mut Tx, ids: &[i64], stamp: &Stamp) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "update leaf set deleted = true, modified_at = $1, modified_by = $2 where {}",
            among("id", chunk)
        );
        tx.execute(&sql, &values![stamp.at_ms, stamp.account])
            .await?;
    }
    Ok(())
}

/// The name of a project: the first part of its paths.
pub async fn project_name(tx: &mut Tx, project: i64) -> Result<Option<String>> {
    let sql = "select name from project where id = $1";
    tx.scalar(sql, &values![project]).await
}

/// The type of the leaf that has this path, in any case.
pub async fn type_of_path(tx: &mut Tx, project: i64, path: &str) -> Result<Option<i64>> {
    let sql = "select type from leaf where project = $1 and path_folded = $2 and not deleted \
               order by id limit 1";
    tx.scalar(sql, &values![project, path.to_lowercase()]).await
}

/// A leaf that may be suggested: its name and attributes, and its parent's.
pub struct Candidate {
    pub name: String,
    pub attributes: Map<String, Json>,
    pub parent: Option<(String, Map<String, Json>)>,
}

/// Leaves of a type at or below a path, at least so deep, whose name fits a `like` pattern.
pub async fn candidates(
    tx: &mut Tx,
    project: i64,
    type_id: i64,
    path: &str,
    min_level: i64,
    pattern: &str,
) -> Result<Vec<Candidate>> {
    let path = path.to_lowercase();
    let inside = format!("{path}.");
    let length = inside.chars().count() as i64;
    let folded = tx.dialect().lower("t.name");
    let sql = format!(
        "select t.name, t.attributes, p.name, p.attributes \
         from leaf t left join leaf p on p.id = t.parent and not p.deleted \
         where t.project = $1 and t.type = $2 and not t.deleted and t.depth >= $3 \
         and (t.path_folded = $4 or substr(t.path_folded, 1, cast($5 as integer)) = $6) \
         and {folded} like $7 escape '\\' order by t.name, t.id"
    );
    let values = values![project, type_id, min_level, path, length, inside, pattern];
    let rows = tx.rows(&sql, &values).await?;
    rows.into_iter()
        .map(|mut row| {
            let (name, attributes) = (row.take()?, document(row.take()?));
            let above: Option<String> = row.take()?;
            let parent =
                above.map(|name| Ok::<_, crate::error::Error>((name, document(row.take()?))));
            Ok(Candidate {
                name,
                attributes,
                parent: parent.transpose()?,
            })
        })
        .collect()
}

/// Works out again what is kept beside the paths of some leaves.
async fn settle_paths(tx: &mut Tx, rows: Vec<Map<String, Json>>) -> Result<()> {
    for row in rows {
        let (Some(id), Some(path)) = (
            row.get("id").and_then(Json::as_i64),
            row.get("path").and_then(Json::as_str),
        ) else {
            continue;
        };
        let sql = "update leaf set path_folded = $2, depth = $3 where id = $1 and path = $4";
        let given = values![id, path.to_lowercase(), path::depth(path), path];
        tx.execute(sql, &given).await?;
    }
    Ok(())
}

/// Removes leaves that were deleted before a time for good, at most so many; returns how many went.
pub async fn purge(tx: &mut Tx, before_ms: i64, most: usize) -> Result<usize> {
    let sql =
        format!("select id from leaf where deleted and modified_at < $1 order by id limit {most}");
    let rows = tx.rows(&sql, &values![before_ms]).await?;
    let count = rows.len();
    for mut row in rows {
        let id: i64 = row.take()?;
        tx.execute("delete from leaf where id = $1", &values![id])
            .await?;
    }
    Ok(count)
}
