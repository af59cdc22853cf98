//! Rows of row protections.

use super::types::{GranteeKind, RowProtection, TargetKind};
use crate::database::{Row, Tx};
use crate::error::{Error, Result};
use crate::values;

const GRANT: &str = "select id, created_at, created_by, target_kind, target, grantee_kind, grantee, \
     permission from row_protection";

fn grant(mut row: Row) -> Result<RowProtection> {
    let (id, created_at, created_by) = (row.take()?, row.take()?, row.take()?);
    let unknown =
        |key: &str| Error::internal("read a row protection", format!("it is for a {key}"));
    let key: String = row.take()?;
    let kind = TargetKind::ALL.into_iter().find(|kind| kind.key() == key);
    let target = (kind.ok_or_else(|| unknown(&key))?, row.take()?);
    let key: String = row.take()?;
    let kind = GranteeKind::ALL.into_iter().find(|kind| kind.key() == key);
    let grantee = (kind.ok_or_else(|| unknown(&key))?, row.take()?);
    Ok(RowProtection {
        id,
        created_at,
        created_by,
        target,
        grantee,
        permission: row.take()?,
    })
}

/// Grants by id; all, or those on this target and for this grantee.
pub async fn list(
    tx: &mut Tx,
    target: Option<(TargetKind, i64)>,
    grantee: Option<(GranteeKind, i64)>,
) -> Result<Vec<RowProtection>> {
    let mut sql = format!("{GRANT} where true");
    let mut values = Vec::new();
    let mut must = |what: &str, key: &str, id: i64| {
        let n = values.len();
        sql.push_str(&format!(
            " and {what}_kind = ${} and {what} = ${}",
            n + 1,
            n + 2
        ));
        values.extend(values![key, id]);
    };
    if let Some((kind, id)) = target {
        must("target", kind.key(), id);
    }
    if let Some((kind, id)) = grantee {
        must("grantee", kind.key(), id);
    }
    sql.push_str(" order by id");
    tx.rows(&sql, &values)
        .await?
        .into_iter()
        .map(grant)
        .collect()
}

/// The project of a row of another noun; none when there is no such row.
pub async fn project_of(tx: &mut Tx, table: &str, id: i64) -> Result<Option<i64>> {
    let gone = match table {
        "media" | "file" => " and not deleted",
        _ => "",
    };
    let sql = format!("select project from {table} where id = $1{gone}");
    let found: Option<Option<i64>> = tx.scalar(&sql, &values![id]).await?;
    Ok(found.flatten())
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<RowProtection>> {
    let sql = format!("{GRANT} where id = $1");
    tx.row(&sql, &values![id]).await?.map(grant).transpose()
}

pub async fn insert(tx: &mut Tx, grant: &RowProtection) -> Result<()> {
    tx.execute(
        "insert into row_protection (id, target_kind, target, grantee_kind, grantee, permission, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &values![
            grant.id,
            grant.target.0.key(),
            grant.target.1,
            grant.grantee.0.key(),
            grant.grantee.1,
            grant.permission,
            grant.created_by,
            grant.created_at
        ],
    )
    .await?;
    Ok(())
}

pub async fn set_permission(tx: &mut Tx, id: i64, permission: i64) -> Result<()> {
    let sql = "update row_protection set permission = $2 where id = $1";
    tx.execute(sql, &values![id, permission]).await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from row_protection where id = $1", &values![id])
        .await?;
    Ok(())
}
