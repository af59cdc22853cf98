//! Rows of applets.

use super::types::Applet;
use crate::database::{Row, Tx, Value};
use crate::error::Result;
use crate::values;

const APPLET: &str = "select id, project, name, html_file, description, categories, template, tparams, headers, \
     extended_info from applet";

fn applet(mut row: Row) -> Result<Applet> {
    Ok(Applet {
        rendered: None,
        id: row.take()?,
        project: row.take()?,
        name: row.take()?,
        html_file: row.take()?,
        description: row.take()?,
        categories: serde_json::from_str(&row.take::<String>()?)?,
        template: row.take()?,
        tparams: serde_json::from_str(&row.take::<String>()?)?,
        headers: serde_json::from_str(&row.take::<String>()?)?,
        extended_info: serde_json::from_str(&row.take::<String>()?)?,
    })
}

async fn where_(tx: &mut Tx, condition: &str, values: &[Value]) -> Result<Vec<Applet>> {
    let sql = format!("{APPLET} where {condition} order by id");
    tx.rows(&sql, values)
        .await?
        .into_iter()
        .map(applet)
        .collect()
}

/// Applets of a project, by id.
pub async fn list(tx: &mut Tx, project: i64) -> Result<Vec<Applet>> {
    where_(tx, "project = $1", &values![project]).await
}

/// Applets that use a template.
pub async fn with_template(tx: &mut Tx, template: i64) -> Result<Vec<Applet>> {
    where_(tx, "template = $1", &values![template]).await
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Applet>> {
    Ok(where_(tx, "id = $1", &values![id]).await?.pop())
}

pub async fn insert(tx: &mut Tx, row: &Applet, account: i64, now_ms: i64) -> Result<()> {
    tx.execute(
        "insert into applet (id, project, name, html_file, description, categories, template, tparams, headers, \
         extended_info, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &values![
            row.id,
            row.project,
            &row.name,
            row.html_file.clone(),
            row.description.clone(),
            serde_json::to_string(&row.categories)?,
            row.template,
            serde_json::to_string(&row.tparams)?,
            serde_json::to_string(&row.headers)?,
            serde_json::to_string(&row.extended_info)?,
            account,
            now_ms
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, row: &Applet) -> Result<()> {
    tx.execute(
        "update applet set name = $2, html_file = $3, description = $4, categories = $5, template = $6, \
         tparams = $7, headers = $8, extended_info = $9 where id = $1",
        &values![
            row.id,
            &row.name,
            row.html_file.clone(),
            row.description.clone(),
            serde_json::to_string(&row.categories)?,
            row.template,
            serde_json::to_string(&row.tparams)?,
            serde_json::to_string(&row.headers)?,
            serde_json::to_string(&row.extended_info)?
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from applet where id = $1", &values![id])
        .await?;
    Ok(())
}
