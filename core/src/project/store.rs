//! Rows of projects and memberships.

use super::types::Level;
use crate::database::Tx;
use crate::error::Result;
use crate::values;

pub async fn exists(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx
        .row("select id from project where id = $1", &values![id])
        .await?
        .is_some())
}

pub async fn level(tx: &mut Tx, project: i64, account: i64) -> Result<Option<Level>> {
    let sql = "select permission from membership where account = $1 and project = $2";
    let name: Option<String> = tx.scalar(sql, &values![account, project]).await?;
    Ok(name.map(|name| Level::from_name(&name)))
}

pub async fn count_of_organization(tx: &mut Tx, organization: i64) -> Result<i64> {
    let sql = "select count(*) from project where organization = $1";
    Ok(tx
        .scalar(sql, &values![organization])
        .await?
        .unwrap_or_default())
}
