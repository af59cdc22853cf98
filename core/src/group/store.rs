//! Rows of groups.

use super::types::Group;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::values;

const GROUP: &str = "select g.id, g.organization, g.name from account_group g";

fn group(mut row: Row) -> Result<Group> {
    let (id, organization) = (row.take()?, row.take()?);
    Ok(Group {
        id,
        name: row.take()?,
        organization,
        organization_id: organization,
        members: Vec::new(),
    })
}

/// Groups of an organization by id; only those with `member`, if one is given.
pub async fn list(tx: &mut Tx, organization: i64, member: Option<i64>) -> Result<Vec<Group>> {
    let sql = format!(
        "{GROUP} where g.organization = $1 and (cast($2 as bigint) is null or exists \
         (select 1 from account_group_member m where m.account_group = g.id and m.account = $2)) order by g.id"
    );
    with_members(tx, &sql, &values![organization, member]).await
}

/// Groups that an account is in, by id.
pub async fn list_of(tx: &mut Tx, account: i64) -> Result<Vec<Group>> {
    let sql = format!(
        "{GROUP} join account_group_member m on m.account_group = g.id where m.account = $1 order by g.id"
    );
    with_members(tx, &sql, &values![account]).await
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Group>> {
    let sql = format!("{GROUP} where g.id = $1");
    Ok(with_members(tx, &sql, &values![id]).await?.pop())
}

async fn with_members(
    tx: &mut Tx,
    sql: &str,
    values: &[crate::database::Value],
) -> Result<Vec<Group>> {
    let rows = tx.rows(sql, values).await?.into_iter();
    let mut groups: Vec<Group> = rows.map(group).collect::<Result<_>>()?;
    for group in &mut groups {
        let sql =
            "select account from account_group_member where account_group = $1 order by account";
        let rows = tx.rows(sql, &values![group.id]).await?.into_iter();
        group.members = rows.map(|mut row| row.take()).collect::<Result<_>>()?;
    }
    Ok(groups)
}

pub async fn insert(tx: &mut Tx, group: &Group) -> Result<()> {
    let sql = "insert into account_group (id, organization, name) values ($1, $2, $3)";
    tx.execute(sql, &values![group.id, group.organization, &group.name])
        .await?;
    set_members(tx, group).await
}

pub async fn update(tx: &mut Tx, group: &Group) -> Result<()> {
    let sql = "update account_group set name = $2 where id = $1";
    tx.execute(sql, &values![group.id, &group.name]).await?;
    set_members(tx, group).await
}

async fn set_members(tx: &mut Tx, group: &Group) -> Result<()> {
    let sql = "delete from account_group_member where account_group = $1";
    tx.execute(sql, &values![group.id]).await?;
    let rows = group
        .members
        .iter()
        .map(|account| values![group.id, *account].to_vec())
        .collect();
    tx.insert_many("account_group_member", &["account_group", "account"], rows)
        .await
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "delete from account_group_member where account_group = $1";
    tx.execute(sql, &values![id]).await?;
    tx.execute("delete from account_group where id = $1", &values![id])
        .await?;
    Ok(())
}
