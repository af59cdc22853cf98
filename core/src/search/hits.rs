//! Hits as rows: what the database says of them.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::document::{KINDS, from_key};
use super::index::{Hit, TextField};
use super::snippet::{Asked, Text, snippets};
use super::store::visible;
use super::types::TextHit;
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::query::among;
use crate::values;

/// Ids of one statement.
const CHUNK: usize = 500;

/// A row, and the texts that a snippet may be cut from.
struct Read {
    hit: TextHit,
    description: String,
    attributes: Map<String, Json>,
}

/// The rows of hits, in their order, with snippets of what was `asked` for. A hit whose row is gone,
/// hidden or of another project has none.
pub(super) async fn rows(
    tx: &mut Tx,
    hits: &[Hit],
    projects: &[i64],
    asked: &[Asked<'_>],
) -> Result<Vec<TextHit>> {
    let mut found = HashMap::new();
    for kind in KINDS {
        let of_kind = hits.iter().map(|hit| from_key(hit.key));
        let ids = of_kind.filter(|(of, _)| *of == kind).map(|(_, id)| id);
        for ids in ids.collect::<Vec<_>>().chunks(CHUNK) {
            read(tx, kind, ids, projects, &mut found).await?;
        }
    }
    let shown = hits.iter().filter_map(|hit| {
        let row = found.remove(&from_key(hit.key))?;
        Some(show(row, hit.score, asked))
    });
    Ok(shown.collect())
}

fn columns(kind: Kind) -> &'static str {
    match kind {
        Kind::Media => "t.name, null, '', cast(t.id as text), null, null, t.primary_section",
        Kind::Localization => "null, null, '', cast(t.media as text), t.frame, t.version, null",
        Kind::State => "null, null, '', t.media, t.frame, t.version, null",
        Kind::Leaf => "t.name, t.path, '', '', null, null, null",
        _ => "t.name, null, t.description, '', null, null, null",
    }
}

async fn read(
    tx: &mut Tx,
    kind: Kind,
    ids: &[i64],
    projects: &[i64],
    found: &mut HashMap<(Kind, i64), Read>,
) -> Result<()> {
    let sql = format!(
        "select t.id, t.project, t.type, e.name, t.elemental_id, t.created_at, t.modified_at, \
         t.attributes, {} from {} t left join entity_type e on e.kind = $1 and e.id = t.type \
         where {} and {} and {}",
        columns(kind),
        kind.table(),
        visible(kind),
        among("t.id", ids),
        among("t.project", projects)
    );
    for row in tx.rows(&sql, &values![kind.name()]).await? {
        let read = one(kind, row)?;
        found.insert((kind, read.hit.id), read);
    }
    Ok(())
}

fn one(kind: Kind, mut row: Row) -> Result<Read> {
    let (id, project, type_id) = (row.take()?, row.take()?, row.take()?);
    let type_name: Option<String> = row.take()?;
    let (elemental_id, created_datetime, modified_datetime) =
        (row.take()?, row.take()?, row.take()?);
    let attributes: Json = row.take()?;
    let (name, path, description) = (row.take()?, row.take()?, row.take()?);
    let media: String = row.take()?;
    let digits = media.split(|c: char| !c.is_ascii_digit());
    Ok(Read {
        hit: TextHit {
            noun: kind.table(),
            id,
            project,
            r#type: type_id,
            type_name: type_name.unwrap_or_default(),
            name,
            path,
            media: digits.filter_map(|id| id.parse().ok()).collect(),
            frame: row.take()?,
            version: row.take()?,
            section: row.take()?,
            elemental_id,
            created_datetime,
            modified_datetime,
            score: None,
            snippets: Vec::new(),
        },
        description,
        attributes: match attributes {
            Json::Object(members) => members,
            _ => Map::new(),
        },
    })
}

fn show(row: Read, score: Option<f32>, asked: &[Asked<'_>]) -> TextHit {
    let mut hit = row.hit;
    hit.score = score;
    if asked.is_empty() {
        return hit;
    }
    let mut texts = Vec::new();
    for (field, label, text) in [
        (TextField::Name, "$name", hit.name.as_deref()),
        (TextField::Path, "$path", hit.path.as_deref()),
        (
            TextField::Description,
            "$description",
            Some(row.description.as_str()),
        ),
    ] {
        if let Some(text) = text {
            texts.push(Text { field, label, text });
        }
    }
    for (name, value) in &row.attributes {
        if let Json::String(text) = value {
            texts.push(Text {
                field: TextField::Attribute(name.to_lowercase()),
                label: name,
                text,
            });
        }
    }
    hit.snippets = snippets(&texts, asked);
    hit
}
