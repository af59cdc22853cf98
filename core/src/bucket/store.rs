//! Rows of buckets.

use super::config;
use super::types::{Bucket, StoreType};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::secret::{self, Secret};
use crate::values;

const BUCKET: &str = "select id, organization, name, store_type, config, archive_sc, live_sc, \
     external_host, trusted from bucket";

/// What the secret seals configurations for.
const SEAL: &str = "bucket";

fn bucket(mut row: Row, secret: &Secret) -> Result<Bucket> {
    let (id, organization, name) = (row.take()?, row.take()?, row.take()?);
    let kind: String = row.take()?;
    let store_type = StoreType::from_name(&kind)
        .ok_or_else(|| Error::internal("read a bucket", format!("its store type is {kind}")))?;
    let settings = serde_json::from_str(&secret.open(SEAL, &row.take::<String>()?)?)?;
    Ok(Bucket {
        id,
        organization,
        endpoint_url: config::endpoint(store_type, &settings)?,
        name,
        archive_sc: row.take()?,
        live_sc: row.take()?,
        store_type,
        external_host: row.take()?,
        effective_permission: 0,
        config: settings,
        trusted: row.take()?,
    })
}

/// Buckets of an organization, by id.
pub async fn list(tx: &mut Tx, organization: i64) -> Result<Vec<Bucket>> {
    let sql = format!("{BUCKET} where organization = $1 order by id");
    let secret = secret::at_hand(tx)?;
    tx.rows(&sql, &values![organization])
        .await?
        .into_iter()
        .map(|row| bucket(row, &secret))
        .collect()
}

/// Every bucket of the station, by id.
pub async fn all(tx: &mut Tx) -> Result<Vec<Bucket>> {
    let sql = format!("{BUCKET} order by id");
    let secret = secret::at_hand(tx)?;
    let rows = tx.rows(&sql, &[]).await?;
    rows.into_iter().map(|row| bucket(row, &secret)).collect()
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Bucket>> {
    let sql = format!("{BUCKET} where id = $1");
    let secret = secret::at_hand(tx)?;
    let row = tx.row(&sql, &values![id]).await?;
    row.map(|row| bucket(row, &secret)).transpose()
}

fn sealed(tx: &Tx, bucket: &Bucket) -> Result<String> {
    Ok(secret::at_hand(tx)?.seal(SEAL, &bucket.config.to_string()))
}

pub async fn insert(tx: &mut Tx, bucket: &Bucket) -> Result<()> {
    let config = sealed(tx, bucket)?;
    tx.execute(
        "insert into bucket (id, organization, name, store_type, config, archive_sc, live_sc, external_host, trusted) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &values![
            bucket.id,
            bucket.organization,
            &bucket.name,
            bucket.store_type.name(),
            config,
            &bucket.archive_sc,
            &bucket.live_sc,
            bucket.external_host.clone(),
            bucket.trusted
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, bucket: &Bucket) -> Result<()> {
    let config = sealed(tx, bucket)?;
    tx.execute(
        "update bucket set name = $2, store_type = $3, config = $4, archive_sc = $5, live_sc = $6, \
         external_host = $7, trusted = $8 where id = $1",
        &values![
            bucket.id,
            &bucket.name,
            bucket.store_type.name(),
            config,
            &bucket.archive_sc,
            &bucket.live_sc,
            bucket.external_host.clone(),
            bucket.trusted
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from bucket where id = $1", &values![id])
        .await?;
    Ok(())
}
