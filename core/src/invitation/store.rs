//! Rows of invitations.

use super::types::{Invitation, Status};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::organization::Role;
use crate::values;

const INVITATION: &str = "select i.id, i.organization, i.created_by, coalesce(a.username, ''), i.created_at, \
     i.accepted, i.registration_token, i.email, i.permission, i.expires_at \
     from invitation i left join account a on a.id = i.created_by";

fn invitation(mut row: Row, now_ms: i64) -> Result<Invitation> {
    let (id, organization, created_by) = (row.take()?, row.take()?, row.take()?);
    let (created_username, created_datetime) = (row.take()?, row.take()?);
    let accepted: bool = row.take()?;
    let (registration_token, email) = (row.take()?, row.take()?);
    let permission = Role::from_name(&row.take::<String>()?);
    let expires_at = row.take()?;
    let status = match accepted {
        true => Status::Accepted,
        false if expires_at <= now_ms => Status::Expired,
        false => Status::Pending,
    };
    Ok(Invitation {
        id,
        organization,
        organization_id: organization,
        created_by,
        created_by_id: created_by,
        created_username,
        created_datetime,
        status,
        registration_token,
        email,
        permission,
        expires_at,
    })
}

/// Invitations of an organization, oldest first.
pub async fn list(tx: &mut Tx, organization: i64, now_ms: i64) -> Result<Vec<Invitation>> {
    let sql = format!("{INVITATION} where i.organization = $1 order by i.created_at, i.id");
    tx.rows(&sql, &values![organization])
        .await?
        .into_iter()
        .map(|row| invitation(row, now_ms))
        .collect()
}

pub async fn find(tx: &mut Tx, id: i64, now_ms: i64) -> Result<Option<Invitation>> {
    let sql = format!("{INVITATION} where i.id = $1");
    tx.row(&sql, &values![id])
        .await?
        .map(|row| invitation(row, now_ms))
        .transpose()
}

pub async fn find_by_token(tx: &mut Tx, token: &str, now_ms: i64) -> Result<Option<Invitation>> {
    let sql = format!("{INVITATION} where i.registration_token = $1");
    tx.row(&sql, &values![token])
        .await?
        .map(|row| invitation(row, now_ms))
        .transpose()
}

pub async fn insert(tx: &mut Tx, invitation: &Invitation) -> Result<()> {
    tx.execute(
        "insert into invitation (id, organization, email, permission, accepted, registration_token, created_by, \
         created_at, expires_at) values ($1, $2, $3, $4, false, $5, $6, $7, $8)",
        &values![
            invitation.id,
            invitation.organization,
            &invitation.email,
            invitation.permission.name(),
            &invitation.registration_token,
            invitation.created_by,
            invitation.created_datetime,
            invitation.expires_at
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, invitation: &Invitation) -> Result<()> {
    tx.execute(
        "update invitation set permission = $2, accepted = $3 where id = $1",
        &values![
            invitation.id,
            invitation.permission.name(),
            invitation.status == Status::Accepted
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from invitation where id = $1", &values![id])
        .await?;
    Ok(())
}
