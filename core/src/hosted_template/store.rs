//! Rows of hosted templates.

use super::types::HostedTemplate;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::values;

const TEMPLATE: &str = "select id, organization, name, url, tparams, headers from hosted_template";

fn template(mut row: Row) -> Result<HostedTemplate> {
    Ok(HostedTemplate {
        id: row.take()?,
        organization: row.take()?,
        effective_permission: 0,
        name: row.take()?,
        url: row.take()?,
        tparams: serde_json::from_str(&row.take::<String>()?)?,
        headers: serde_json::from_str(&row.take::<String>()?)?,
    })
}

/// Templates of an organization, by id.
pub async fn list(tx: &mut Tx, organization: i64) -> Result<Vec<HostedTemplate>> {
    let sql = format!("{TEMPLATE} where organization = $1 order by id");
    let rows = tx.rows(&sql, &values![organization]).await?;
    rows.into_iter().map(template).collect()
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<HostedTemplate>> {
    let sql = format!("{TEMPLATE} where id = $1");
    tx.row(&sql, &values![id]).await?.map(template).transpose()
}

pub async fn insert(tx: &mut Tx, template: &HostedTemplate) -> Result<()> {
    tx.execute(
        "insert into hosted_template (id, organization, name, url, tparams, headers) \
         values ($1, $2, $3, $4, $5, $6)",
        &values![
            template.id,
            template.organization,
            &template.name,
            &template.url,
            serde_json::to_string(&template.tparams)?,
            serde_json::to_string(&template.headers)?
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, template: &HostedTemplate) -> Result<()> {
    tx.execute(
        "update hosted_template set name = $2, url = $3, tparams = $4, headers = $5 where id = $1",
        &values![
            template.id,
            &template.name,
            &template.url,
            serde_json::to_string(&template.tparams)?,
            serde_json::to_string(&template.headers)?
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from hosted_template where id = $1", &values![id])
        .await?;
    Ok(())
}
