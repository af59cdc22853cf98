//! Rows of organizations and affiliations.

use super::types::{Affiliation, Organization, Role};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::values;

const COLUMNS: &str = "o.id, a.permission, o.name, o.default_membership_permission, o.thumb";

fn organization(mut row: Row) -> Result<Organization> {
    Ok(Organization {
        id: row.take()?,
        permission: Role::from_name(&row.take::<String>()?),
        name: row.take()?,
        default_membership_permission: row
            .take::<Option<String>>()?
            .unwrap_or_else(|| "No Access".into()),
        thumb: row.take()?,
        effective_permission: 0,
    })
}

/// Organizations that the account is affiliated with, by name.
pub async fn list(tx: &mut Tx, account: i64) -> Result<Vec<Organization>> {
    let sql = format!(
        "select {COLUMNS} from affiliation a join organization o on o.id = a.organization \
         where a.account = $1 order by o.name, o.id"
    );
    tx.rows(&sql, &values![account])
        .await?
        .into_iter()
        .map(organization)
        .collect()
}

pub async fn find(tx: &mut Tx, id: i64, account: i64) -> Result<Option<Organization>> {
    let sql = format!(
        "select {COLUMNS} from affiliation a join organization o on o.id = a.organization \
         where a.organization = $1 and a.account = $2"
    );
    tx.row(&sql, &values![id, account])
        .await?
        .map(organization)
        .transpose()
}

pub async fn name(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let sql = "select name from organization where id = $1";
    tx.scalar(sql, &values![id]).await
}

pub async fn exists(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx
        .row("select id from organization where id = $1", &values![id])
        .await?
        .is_some())
}

pub async fn any(tx: &mut Tx) -> Result<bool> {
    Ok(tx
        .row("select id from organization limit 1", &[])
        .await?
        .is_some())
}

pub async fn insert(tx: &mut Tx, organization: &Organization, now_ms: i64) -> Result<()> {
    tx.execute(
        "insert into organization (id, name, thumb, default_membership_permission, created_at) \
         values ($1, $2, $3, $4, $5)",
        &values![
            organization.id,
            &organization.name,
            organization.thumb.clone(),
            &organization.default_membership_permission,
            now_ms
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, organization: &Organization) -> Result<()> {
    tx.execute(
        "update organization set name = $2, thumb = $3, default_membership_permission = $4 where id = $1",
        &values![
            organization.id,
            &organization.name,
            organization.thumb.clone(),
            &organization.default_membership_permission
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute(
        "delete from affiliation where organization = $1",
        &values![id],
    )
    .await?;
    tx.execute("delete from organization where id = $1", &values![id])
        .await?;
    Ok(())
}

const AFFILIATION: &str = "select a.id, a.account, u.username, u.first_name, u.last_name, u.email, a.permission, \
     a.organization from affiliation a join account u on u.id = a.account";

fn affiliation(mut row: Row) -> Result<Affiliation> {
    let (id, user): (i64, i64) = (row.take()?, row.take()?);
    let (username, first_name, last_name, email) =
        (row.take()?, row.take()?, row.take()?, row.take()?);
    let permission = Role::from_name(&row.take::<String>()?);
    let organization = row.take()?;
    Ok(Affiliation {
        id,
        user_id: user,
        username,
        first_name,
        last_name,
        email,
        permission,
        organization_id: organization,
        user,
        organization,
    })
}

pub async fn affiliations(tx: &mut Tx, organization: i64) -> Result<Vec<Affiliation>> {
    let sql = format!("{AFFILIATION} where a.organization = $1 order by u.last_name, u.username");
    tx.rows(&sql, &values![organization])
        .await?
        .into_iter()
        .map(affiliation)
        .collect()
}

pub async fn find_affiliation(tx: &mut Tx, id: i64) -> Result<Option<Affiliation>> {
    let sql = format!("{AFFILIATION} where a.id = $1");
    tx.row(&sql, &values![id])
        .await?
        .map(affiliation)
        .transpose()
}

/// Affiliations of an account, by id.
pub async fn affiliations_of(tx: &mut Tx, account: i64) -> Result<Vec<Affiliation>> {
    let sql = format!("{AFFILIATION} where a.account = $1 order by a.id");
    tx.rows(&sql, &values![account])
        .await?
        .into_iter()
        .map(affiliation)
        .collect()
}

pub async fn role(tx: &mut Tx, organization: i64, account: i64) -> Result<Option<Role>> {
    let sql = "select permission from affiliation where organization = $1 and account = $2";
    let name: Option<String> = tx.scalar(sql, &values![organization, account]).await?;
    Ok(name.map(|name| Role::from_name(&name)))
}

pub async fn insert_affiliation(
    tx: &mut Tx,
    id: i64,
    organization: i64,
    account: i64,
    permission: Role,
) -> Result<()> {
    tx.execute(
        "insert into affiliation (id, organization, account, permission) values ($1, $2, $3, $4)",
        &values![id, organization, account, permission.name()],
    )
    .await?;
    Ok(())
}

pub async fn set_role(tx: &mut Tx, id: i64, permission: Role) -> Result<()> {
    tx.execute(
        "update affiliation set permission = $2 where id = $1",
        &values![id, permission.name()],
    )
    .await?;
    Ok(())
}

pub async fn remove_affiliation(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from affiliation where id = $1", &values![id])
        .await?;
    Ok(())
}
