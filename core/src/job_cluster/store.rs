//! Rows of job clusters.

use super::types::JobCluster;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::secret::{self, Secret};
use crate::values;

const CLUSTER: &str = "select id, organization, name, host, port, token, cert from job_cluster";

/// What the secret seals tokens for.
const SEAL: &str = "job cluster";

fn cluster(mut row: Row, secret: &Secret) -> Result<JobCluster> {
    Ok(JobCluster {
        id: row.take()?,
        organization: row.take()?,
        effective_permission: 0,
        name: row.take()?,
        host: row.take()?,
        port: row.take()?,
        token: secret.open(SEAL, &row.take::<String>()?)?,
        cert: row.take()?,
    })
}

/// Clusters of an organization, by id.
pub async fn list(tx: &mut Tx, organization: i64) -> Result<Vec<JobCluster>> {
    let sql = format!("{CLUSTER} where organization = $1 order by id");
    let secret = secret::at_hand(tx)?;
    tx.rows(&sql, &values![organization])
        .await?
        .into_iter()
        .map(|row| cluster(row, &secret))
        .collect()
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<JobCluster>> {
    let sql = format!("{CLUSTER} where id = $1");
    let secret = secret::at_hand(tx)?;
    let row = tx.row(&sql, &values![id]).await?;
    row.map(|row| cluster(row, &secret)).transpose()
}

pub async fn insert(tx: &mut Tx, cluster: &JobCluster) -> Result<()> {
    let token = secret::at_hand(tx)?.seal(SEAL, &cluster.token);
    tx.execute(
        "insert into job_cluster (id, organization, name, host, port, token, cert) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        &values![
            cluster.id,
            cluster.organization,
            &cluster.name,
            &cluster.host,
            cluster.port,
            token,
            &cluster.cert
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, cluster: &JobCluster) -> Result<()> {
    let token = secret::at_hand(tx)?.seal(SEAL, &cluster.token);
    tx.execute(
        "update job_cluster set name = $2, host = $3, port = $4, token = $5, cert = $6 where id = $1",
        &values![
            cluster.id,
            &cluster.name,
            &cluster.host,
            cluster.port,
            token,
            &cluster.cert
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from job_cluster where id = $1", &values![id])
        .await?;
    Ok(())
}
