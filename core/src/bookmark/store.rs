//! Rows of bookmarks and favorites.

use serde_json::{Map, Value as Json};

use super::types::{Bookmark, Favorite, Target};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::project::Level;
use crate::undo::{As, Shape};
use crate::values;

/// How bookmarks stand in the journal.
pub const BOOKMARK_SHAPE: Shape = Shape {
    noun: "bookmark",
    table: "bookmark",
    level: Level::Edit,
    columns: &[
        ("project", "project", As::Plain),
        ("user", "account", As::Plain),
        ("name", "name", As::Plain),
        ("uri", "uri", As::Plain),
    ],
    ..Shape::PLAIN
};

const BOOKMARK: &str = "select id, project, account, name, uri from bookmark";

fn bookmark(mut row: Row) -> Result<Bookmark> {
    Ok(Bookmark {
        id: row.take()?,
        project: row.take()?,
        user: row.take()?,
        name: row.take()?,
        uri: row.take()?,
        effective_permission: 0,
    })
}

/// An account's bookmarks in a project, by name in code-point order.
pub async fn bookmarks(tx: &mut Tx, project: i64, account: i64) -> Result<Vec<Bookmark>> {
    let sql = format!("{BOOKMARK} where project = $1 and account = $2 order by id");
    let rows = tx.rows(&sql, &values![project, account]).await?.into_iter();
    let mut bookmarks: Vec<Bookmark> = rows.map(bookmark).collect::<Result<_>>()?;
    bookmarks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(bookmarks)
}

pub async fn find_bookmark(tx: &mut Tx, id: i64) -> Result<Option<Bookmark>> {
    let sql = format!("{BOOKMARK} where id = $1");
    tx.row(&sql, &values![id]).await?.map(bookmark).transpose()
}

pub async fn insert_bookmark(tx: &mut Tx, bookmark: &Bookmark) -> Result<()> {
    tx.execute(
        "insert into bookmark (id, project, account, name, uri) values ($1, $2, $3, $4, $5)",
        &values![
            bookmark.id,
            bookmark.project,
            bookmark.user,
            &bookmark.name,
            &bookmark.uri
        ],
    )
    .await?;
    Ok(())
}

pub async fn update_bookmark(tx: &mut Tx, bookmark: &Bookmark) -> Result<()> {
    tx.execute(
        "update bookmark set name = $2, uri = $3 where id = $1",
        &values![bookmark.id, &bookmark.name, &bookmark.uri],
    )
    .await?;
    Ok(())
}

pub async fn remove_bookmark(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from bookmark where id = $1", &values![id])
        .await?;
    Ok(())
}

/// How favorites stand in the journal.
pub const FAVORITE_SHAPE: Shape = Shape {
    noun: "favorite",
    table: "favorite",
    level: Level::Edit,
    columns: &[
        ("project", "project", As::Plain),
        ("user", "account", As::Plain),
        ("entity_type_name", "entity_type_name", As::Plain),
        ("type", "type", As::Plain),
        ("name", "name", As::Plain),
        ("page", "page", As::Plain),
        ("values", "attribute_values", As::Json),
    ],
    ..Shape::PLAIN
};

const FAVORITE: &str = "select id, project, account, entity_type_name, type, name, page, attribute_values from favorite";

fn favorite(mut row: Row) -> Result<Favorite> {
    let (id, project, user) = (row.take()?, row.take()?, row.take()?);
    let target = Target::from_name(&row.take::<String>()?);
    let mut favorite = Favorite {
        id,
        project,
        user,
        entity_type_name: target,
        type_id: row.take()?,
        localization_type_id: None,
        state_type_id: None,
        name: row.take()?,
        page: row.take()?,
        values: match row.take::<Json>()? {
            Json::Object(values) => values,
            _ => Map::new(),
        },
        effective_permission: 0,
    };
    favorite.aim(target);
    Ok(favorite)
}

/// An account's favorites in a project, by id.
pub async fn favorites(tx: &mut Tx, project: i64, account: i64) -> Result<Vec<Favorite>> {
    let sql = format!("{FAVORITE} where project = $1 and account = $2 order by id");
    tx.rows(&sql, &values![project, account])
        .await?
        .into_iter()
        .map(favorite)
        .collect()
}

/// Everybody's favorites of a type, by id.
pub async fn favorites_of_type(
    tx: &mut Tx,
    project: i64,
    target: Target,
    type_id: i64,
) -> Result<Vec<Favorite>> {
    let sql = format!(
        "{FAVORITE} where project = $1 and type = $2 and entity_type_name = $3 order by id"
    );
    tx.rows(&sql, &values![project, type_id, target.name()])
        .await?
        .into_iter()
        .map(favorite)
        .collect()
}

pub async fn find_favorite(tx: &mut Tx, id: i64) -> Result<Option<Favorite>> {
    let sql = format!("{FAVORITE} where id = $1");
    tx.row(&sql, &values![id]).await?.map(favorite).transpose()
}

pub async fn insert_favorite(tx: &mut Tx, favorite: &Favorite) -> Result<()> {
    tx.execute(
        "insert into favorite (id, project, account, entity_type_name, type, name, page, attribute_values) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &values![
            favorite.id,
            favorite.project,
            favorite.user,
            favorite.entity_type_name.name(),
            favorite.type_id,
            &favorite.name,
            favorite.page,
            &Json::Object(favorite.values.clone())
        ],
    )
    .await?;
    Ok(())
}

pub async fn update_favorite(tx: &mut Tx, favorite: &Favorite) -> Result<()> {
    tx.execute(
        "update favorite set name = $2, entity_type_name = $3 where id = $1",
        &values![
            favorite.id,
            &favorite.name,
            favorite.entity_type_name.name()
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove_favorite(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from favorite where id = $1", &values![id])
        .await?;
    Ok(())
}

/// Removes everything that an account keeps for itself.
pub async fn remove_of(tx: &mut Tx, account: i64) -> Result<()> {
    for table in ["bookmark", "favorite"] {
        let sql = format!("delete from {table} where account = $1");
        tx.execute(&sql, &values![account]).await?;
    }
    Ok(())
}

/// Whether a project has a type of that id for such annotations.
pub async fn type_exists(tx: &mut Tx, project: i64, target: Target, id: i64) -> Result<bool> {
    let sql = "select id from entity_type where kind = $1 and id = $2 and project = $3";
    let kind = target.type_kind().name();
    Ok(tx.row(sql, &values![kind, id, project]).await?.is_some())
}
