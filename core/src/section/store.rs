//! Rows of sections and of the media that they list.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::search;
use super::types::{Dtype, Section};
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::project::Level;
use crate::undo::{As, Shape};
use crate::values;

const COLUMNS: &str = "id, project, name, path, dtype, tator_user_sections, object_search, \
     related_search, visible, elemental_id, attributes, explicit_listing, created_at, created_by, master_section";

/// How sections stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "section",
    table: "section",
    level: Level::Edit,
    columns: &[
        ("project", "project", As::Plain),
        ("name", "name", As::Plain),
        ("path", "path", As::Plain),
        ("dtype", "dtype", As::Plain),
        ("tator_user_sections", "tator_user_sections", As::Plain),
        ("object_search", "object_search", As::Json),
        ("related_search", "related_search", As::Json),
        ("visible", "visible", As::Flag),
        ("elemental_id", "elemental_id", As::Plain),
        ("explicit_listing", "explicit_listing", As::Flag),
        ("created_datetime", "created_at", As::Time),
        ("created_by", "created_by", As::Plain),
        ("master_section", "master_section", As::Plain),
    ],
    attributes: Some(Kind::Section),
    lists: &[("media", "section_media", "section", "media")],
    ..Shape::PLAIN
};

/// Ids in one `in (…)` list.
const CHUNK: usize = 500;

/// A row; its media are still missing.
fn section(mut row: Row) -> Result<Section> {
    Ok(Section {
        id: row.take()?,
        project: row.take()?,
        name: row.take()?,
        path: row.take()?,
        dtype: Dtype::from_name(&row.take::<String>()?),
        tator_user_sections: row.take()?,
        object_search: search::shown(row.take()?),
        related_search: search::shown(row.take()?),
        visible: row.take()?,
        elemental_id: row.take()?,
        attributes: match row.take::<Json>()? {
            Json::Object(attributes) => attributes,
            _ => Map::new(),
        },
        explicit_listing: row.take()?,
        created_datetime: row.take()?,
        created_by: row.take()?,
        master_section: row.take()?,
        media: Vec::new(),
        effective_permission: 0,
    })
}

/// Sections of a project, by name in code-point order.
pub async fn list(tx: &mut Tx, project: i64) -> Result<Vec<Section>> {
    let sql = format!("select {COLUMNS} from section where project = $1 order by id");
    let rows = tx.rows(&sql, &values![project]).await?.into_iter();
    let mut sections: Vec<Section> = rows.map(section).collect::<Result<_>>()?;
    let mut listed: HashMap<i64, Vec<i64>> = HashMap::new();
    let sql = "select l.section, l.media from section s join section_media l on l.section = s.id \
               join media m on m.id = l.media where s.project = $1 and not m.deleted order by l.media";
    for mut row in tx.rows(sql, &values![project]).await? {
        listed.entry(row.take()?).or_default().push(row.take()?);
    }
    for section in &mut sections {
        section.media = listed.remove(&section.id).unwrap_or_default();
    }
    sections.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sections)
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Section>> {
    let sql = format!("select {COLUMNS} from section where id = $1");
    one(tx, &sql, &values![id]).await
}

/// (id, name) of the folders of a project, oldest first.
pub async fn folders(tx: &mut Tx, project: i64) -> Result<Vec<(i64, String)>> {
    let sql = "select id, name from section where project = $1 and dtype = 'folder' order by id";
    tx.rows(sql, &values![project])
        .await?
        .into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

pub async fn find_by_user_sections(
    tx: &mut Tx,
    project: i64,
    uuid: &str,
) -> Result<Option<Section>> {
    let sql = format!(
        "select {COLUMNS} from section where project = $1 and tator_user_sections = $2 order by id limit 1"
    );
    one(tx, &sql, &values![project, uuid]).await
}

async fn one(tx: &mut Tx, sql: &str, values: &[crate::database::Value]) -> Result<Option<Section>> {
    let Some(row) = tx.row(sql, values).await? else {
        return Ok(None);
    };
    let mut section = section(row)?;
    section.media = media(tx, section.id).await?;
    Ok(Some(section))
}

/// Media that a section lists, without deleted ones.
pub async fn media(tx: &mut Tx, section: i64) -> Result<Vec<i64>> {
    let sql = "select l.media from section_media l join media m on m.id = l.media \
               where l.section = $1 and not m.deleted order by l.media";
    tx.rows(sql, &values![section])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// Another section of the project that has the path.
pub async fn path_taken(tx: &mut Tx, project: i64, path: &str, but: i64) -> Result<bool> {
    let sql = "select id from section where project = $1 and path = $2 and id <> $3";
    Ok(tx.row(sql, &values![project, path, but]).await?.is_some())
}

pub async fn insert(tx: &mut Tx, section: &Section) -> Result<()> {
    tx.execute(
        "insert into section (id, project, name, path, dtype, tator_user_sections, object_search, related_search, \
         visible, elemental_id, attributes, explicit_listing, created_at, created_by, master_section) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        &values![
            section.id,
            section.project,
            &section.name,
            section.path.clone(),
            section.dtype.name(),
            section.tator_user_sections.clone(),
            &section.object_search,
            &section.related_search,
            section.visible,
            &section.elemental_id,
            &Json::Object(section.attributes.clone()),
            section.explicit_listing,
            section.created_datetime,
            section.created_by,
            section.master_section
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, section: &Section) -> Result<()> {
    tx.execute(
        "update section set name = $2, path = $3, dtype = $4, tator_user_sections = $5, object_search = $6, \
         related_search = $7, visible = $8, elemental_id = $9, attributes = $10, explicit_listing = $11, master_section = $12 where id = $1",
        &values![
            section.id,
            &section.name,
            section.path.clone(),
            section.dtype.name(),
            section.tator_user_sections.clone(),
            &section.object_search,
            &section.related_search,
            section.visible,
            &section.elemental_id,
            &Json::Object(section.attributes.clone()),
            section.explicit_listing,
            section.master_section
        ],
    )
    .await?;
    Ok(())
}

/// Removes a section; the media of a folder stay, without a section.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    let detach = "update media set primary_section = null where primary_section = $1";
    tx.execute(detach, &values![id]).await?;
    let project = "(select project from section where id = $1)";
    for (table, instead) in [("media", "primary_section"), ("section", "null")] {
        let sql = format!(
            "update {table} set master_section = {instead} where project = {project} and master_section = $1"
        );
        tx.execute(&sql, &values![id]).await?;
    }
    tx.execute("delete from section_media where section = $1", &values![id])
        .await?;
    tx.execute("delete from section where id = $1", &values![id])
        .await?;
    Ok(())
}

/// How many of these (distinct) ids are media of the project.
pub async fn count_media(tx: &mut Tx, project: i64, ids: &[i64]) -> Result<usize> {
    let mut count = 0;
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "select count(*) from media where project = $1 and not deleted and id in ({})",
            joined(chunk)
        );
        count += tx
            .scalar::<i64>(&sql, &values![project])
            .await?
            .unwrap_or_default() as usize;
    }
    Ok(count)
}

/// Adds media to a section's list; what is there already stays.
pub async fn add_media(tx: &mut Tx, section: i64, ids: &[i64]) -> Result<()> {
    let sql = "insert into section_media (section, media) values ($1, $2) on conflict do nothing";
    for id in ids {
        tx.execute(sql, &values![section, *id]).await?;
    }
    Ok(())
}

/// Takes media out of a section's list.
pub async fn remove_media(tx: &mut Tx, section: i64, ids: &[i64]) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "delete from section_media where section = $1 and media in ({})",
            joined(chunk)
        );
        tx.execute(&sql, &values![section]).await?;
    }
    Ok(())
}

fn joined(ids: &[i64]) -> String {
    let texts: Vec<String> = ids.iter().map(i64::to_string).collect();
    texts.join(", ")
}
