//! Rows of announcements and their dismissals.

use super::types::{Announcement, Dismissal};
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::values;

const ANNOUNCEMENT: &str = "select a.id, a.created_at, a.eol_at, a.markdown from announcement a";

fn announcement(mut row: Row) -> Result<Announcement> {
    Ok(Announcement {
        id: row.take()?,
        created_datetime: row.take()?,
        eol_datetime: row.take()?,
        markdown: row.take()?,
    })
}

/// What an account has to see now, oldest first.
pub async fn list(tx: &mut Tx, account: i64, now_ms: i64) -> Result<Vec<Announcement>> {
    let sql = format!(
        "{ANNOUNCEMENT} where a.eol_at > $2 and not exists (select 1 from announcement_dismissal d \
         where d.announcement = a.id and d.account = $1) order by a.id"
    );
    tx.rows(&sql, &values![account, now_ms])
        .await?
        .into_iter()
        .map(announcement)
        .collect()
}

pub async fn find(tx: &mut Tx, id: i64) -> Result<Option<Announcement>> {
    let sql = format!("{ANNOUNCEMENT} where a.id = $1");
    tx.row(&sql, &values![id])
        .await?
        .map(announcement)
        .transpose()
}

pub async fn insert(tx: &mut Tx, announcement: &Announcement) -> Result<()> {
    let sql = "insert into announcement (id, markdown, created_at, eol_at) values ($1, $2, $3, $4)";
    tx.execute(
        sql,
        &values![
            announcement.id,
            &announcement.markdown,
            announcement.created_datetime,
            announcement.eol_datetime
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "delete from announcement_dismissal where announcement = $1";
    tx.execute(sql, &values![id]).await?;
    tx.execute("delete from announcement where id = $1", &values![id])
        .await?;
    Ok(())
}

pub async fn insert_dismissal(tx: &mut Tx, id: i64, dismissal: &Dismissal) -> Result<()> {
    let sql = "insert into announcement_dismissal (id, announcement, account) values ($1, $2, $3)";
    tx.execute(sql, &values![id, dismissal.announcement, dismissal.user])
        .await?;
    Ok(())
}

pub async fn remove_dismissals_of(tx: &mut Tx, account: i64) -> Result<()> {
    let sql = "delete from announcement_dismissal where account = $1";
    tx.execute(sql, &values![account]).await?;
    Ok(())
}
