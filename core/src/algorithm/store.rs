//! Rows of algorithms.

use super::types::Algorithm;
use crate::database::{Row, Tx, Value};
use crate::error::Result;
use crate::values;

const ALGORITHM: &str = "select id, project, name, account, description, manifest, cluster, files_per_job, \
     categories, parameters, template, tparams, headers, extended_info from algorithm";

fn algorithm(mut row: Row) -> Result<Algorithm> {
    Ok(Algorithm {
        rendered: None,
        id: row.take()?,
        project: row.take()?,
        name: row.take()?,
        user: row.take()?,
        description: row.take()?,
        manifest: row.take()?,
        cluster: row.take()?,
        files_per_job: row.take()?,
        categories: serde_json::from_str(&row.take::<String>()?)?,
        parameters: serde_json::from_str(&row.take::<String>()?)?,
        template: row.take()?,
        tparams: serde_json::from_str(&row.take::<String>()?)?,
        headers: serde_json::from_str(&row.take::<String>()?)?,
        extended_info: serde_json::from_str(&row.take::<String>()?)?,
    })
}

async fn where_(tx: &mut Tx, condition: &str, values: &[Value]) -> Result<Vec<Algorithm>> {
    let sql = format!("{ALGORITHM} where {condition} order by id");
    tx.rows(&sql, values)
        .await?
        .into_iter()
        .map(algorithm)
        .collect()
}

/// Algorithms of a project, by id.
pub async fn list(tx: &mut Tx, project: i64) -> Result<Vec<Algorithm>> {
    where_(tx, "project = $1", &values![project]).await
}

/// Algorithms that use a template.
pub async fn with_template(tx: &mut Tx, template: i64) -> Result<Vec<Algorithm>> {
    where_(tx, "template = $1", &values![template]).await
}

/// How many algorithms are for a job cluster.
pub async fn count_of_cluster(tx: &mut Tx, cluster: i64) -> Result<i64> {
    let sql = "select count(*) from algorithm where cluster = $1";
    Ok(tx.scalar(sql, &values![cluster]).await?.unwrap_or(0))
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Algorithm>> {
    Ok(where_(tx, "id = $1", &values![id]).await?.pop())
}

pub async fn find_by_name(tx: &mut Tx, project: i64, name: &str) -> Result<Option<Algorithm>> {
    let values = values![project, name];
    Ok(where_(tx, "project = $1 and name = $2", &values)
        .await?
        .pop())
}

pub async fn insert(tx: &mut Tx, row: &Algorithm, account: i64, now_ms: i64) -> Result<()> {
    tx.execute(
        "insert into algorithm (id, project, name, account, description, manifest, cluster, files_per_job, \
         categories, parameters, template, tparams, headers, extended_info, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        &values![
            row.id,
            row.project,
            &row.name,
            row.user,
            row.description.clone(),
            row.manifest.clone(),
            row.cluster,
            row.files_per_job,
            serde_json::to_string(&row.categories)?,
            serde_json::to_string(&row.parameters)?,
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

pub async fn update(tx: &mut Tx, row: &Algorithm) -> Result<()> {
    tx.execute(
        "update algorithm set name = $2, account = $3, description = $4, manifest = $5, cluster = $6, \
         files_per_job = $7, categories = $8, parameters = $9, template = $10, tparams = $11, headers = $12, \
         extended_info = $13 where id = $1",
        &values![
            row.id,
            &row.name,
            row.user,
            row.description.clone(),
            row.manifest.clone(),
            row.cluster,
            row.files_per_job,
            serde_json::to_string(&row.categories)?,
            serde_json::to_string(&row.parameters)?,
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
    tx.execute("delete from algorithm where id = $1", &values![id])
        .await?;
    Ok(())
}
