//! Rows of jobs.

use serde_json::Value as Json;

use super::types::{Filter, Job, NewJob, Pool, Status};
use crate::database::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::values;

const COLUMNS: &str = "id, uid, gid, kind, project, account, status, payload, memory, message, \
                       attempts, created_at, started_at, stopped_at";

pub(super) async fn insert(tx: &mut Tx, new: &NewJob, pool: Pool, now_ms: i64) -> Result<i64> {
    let id = tx.allocate("job", 1).await?;
    let sql = "insert into job (id, uid, gid, kind, pool, project, account, status, payload, memory, \
               message, attempts, due_at, created_at) \
               values ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, 'null', '', 0, $9, $9) \
               on conflict (uid) do nothing";
    let values = values![
        id,
        new.uid.as_str(),
        new.gid.as_str(),
        new.kind,
        pool.name(),
        new.project,
        new.account,
        new.payload.to_string(),
        now_ms
    ];
    if tx.execute(sql, &values).await? == 0 {
        return Err(Error::invalid(format!(
            "there is a job with this uid already: {}",
            new.uid
        )));
    }
    let mut media = new.media.clone();
    media.sort_unstable();
    media.dedup();
    let rows = media.into_iter().map(|media| values![media, id].to_vec());
    tx.insert_many("job_media", &["media", "job"], rows.collect())
        .await?;
    Ok(id)
}

fn read(mut row: Row) -> Result<Job> {
    let (id, uid, gid, kind) = (row.take()?, row.take()?, row.take()?, row.take()?);
    let (project, account) = (row.take()?, row.take()?);
    let (status, payload, memory): (String, String, String) =
        (row.take()?, row.take()?, row.take()?);
    Ok(Job {
        id,
        uid,
        gid,
        kind,
        project,
        account,
        media: Vec::new(),
        status: Status::from_name(&status)
            .ok_or_else(|| Error::internal(format!("read job {id}"), status))?,
        payload: serde_json::from_str(&payload)?,
        memory: serde_json::from_str(&memory)?,
        message: row.take()?,
        attempts: row.take()?,
        created_at: row.take()?,
        started_at: row.take()?,
        stopped_at: row.take()?,
    })
}

async fn with_media(tx: &mut Tx, mut jobs: Vec<Job>) -> Result<Vec<Job>> {
    for job in &mut jobs {
        let sql = "select media from job_media where job = $1 order by media";
        for mut row in tx.rows(sql, &values![job.id]).await? {
            job.media.push(row.take()?);
        }
    }
    Ok(jobs)
}

pub(super) async fn find(tx: &mut Tx, uid: &str) -> Result<Option<Job>> {
    let sql = format!("select {COLUMNS} from job where uid = $1 and status <> 'canceled'");
    let found = tx.row(&sql, &values![uid]).await?.map(read).transpose()?;
    Ok(with_media(tx, found.into_iter().collect()).await?.pop())
}

pub(super) async fn list(tx: &mut Tx, filter: &Filter) -> Result<Vec<Job>> {
    let mut sql = format!("select {COLUMNS} from job where status <> 'canceled'");
    let mut values: Vec<Value> = Vec::new();
    let mut given = |column: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" and {column} = ${}", values.len()));
        }
    };
    given("kind", filter.kind.map(Value::from));
    given("project", filter.project.map(Value::from));
    given("gid", filter.gid.as_deref().map(Value::from));
    if filter.media.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    if let Some(media) = &filter.media {
        let media: Vec<String> = media.iter().map(i64::to_string).collect();
        sql.push_str(&format!(
            " and id in (select job from job_media where media in ({}))",
            media.join(", ")
        ));
    }
    sql.push_str(" order by id");
    let rows = tx.rows(&sql, &values).await?;
    let jobs = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    with_media(tx, jobs).await
}

/// Whether anything of a pool is due; a claim that finds nothing would cost a write.
pub(super) async fn is_due(tx: &mut Tx, pool: Pool, runner: &str, now_ms: i64) -> Result<bool> {
    let due = "select 1 from job where pool = $1 and status = 'pending' and due_at <= $2 limit 1";
    let left = "select 1 from job where pool = $1 and status = 'running' and lease_until < $2 \
                and claimed_by <> $3 limit 1";
    let found = tx.row(due, &values![pool.name(), now_ms]).await?.is_some();
    Ok(found
        || tx
            .row(left, &values![pool.name(), now_ms, runner])
            .await?
            .is_some())
}

/// The next job of a pool that is due, or whose runner is gone.
pub(super) async fn claim(
    tx: &mut Tx,
    pool: Pool,
    runner: &str,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Option<Job>> {
    let sql = "select id from job where pool = $1 and status = 'pending' and due_at <= $2 \
               order by due_at, id limit 1";
    let mut next: Option<i64> = tx.scalar(sql, &values![pool.name(), now_ms]).await?;
    if next.is_none() {
        let sql = "select id from job where pool = $1 and status = 'running' and lease_until < $2 \
                   and claimed_by <> $3 order by id limit 1";
        next = tx
            .scalar(sql, &values![pool.name(), now_ms, runner])
            .await?;
    }
    let Some(id) = next else { return Ok(None) };
    let sql = format!(
        "update job set status = 'running', claimed_by = $2, lease_until = $3, message = '', \
         attempts = attempts + 1, started_at = coalesce(started_at, $4) where id = $1 \
         returning {COLUMNS}"
    );
    let values = values![id, runner, now_ms + lease_ms, now_ms];
    let claimed = tx.row(&sql, &values).await?.map(read).transpose()?;
    Ok(with_media(tx, claimed.into_iter().collect()).await?.pop())
}

/// Lengthens the leases of a runner; returns what it still holds.
pub(super) async fn keep(tx: &mut Tx, runner: &str, until_ms: i64) -> Result<Vec<i64>> {
    let sql = "update job set lease_until = $2 \
               where status = 'running' and claimed_by = $1 returning id";
    let rows = tx.rows(sql, &values![runner, until_ms]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Lets go of everything that a runner held: it ended without saying so.
pub(super) async fn release(tx: &mut Tx, runner: &str) -> Result<u64> {
    let sql = "update job set status = 'pending', claimed_by = null, lease_until = null \
               where status = 'running' and claimed_by = $1";
    tx.execute(sql, &values![runner]).await
}

/// Ends a job, unless it was called off meanwhile.
pub(super) async fn finish(
    tx: &mut Tx,
    id: i64,
    status: Status,
    message: &str,
    now_ms: i64,
) -> Result<()> {
    let sql = "update job set status = $2, message = $3, stopped_at = $4, claimed_by = null, \
               lease_until = null where id = $1 and status = 'running'";
    tx.execute(sql, &values![id, status.name(), message, now_ms])
        .await?;
    Ok(())
}

/// Puts a job back to be tried later, unless it was called off meanwhile.
pub(super) async fn postpone(tx: &mut Tx, id: i64, message: &str, due_ms: i64) -> Result<()> {
    let sql = "update job set status = 'pending', message = $2, due_at = $3, claimed_by = null, \
               lease_until = null where id = $1 and status = 'running'";
    tx.execute(sql, &values![id, message, due_ms]).await?;
    Ok(())
}

pub(super) async fn was(tx: &mut Tx, kind: &str, media: i64) -> Result<bool> {
    let sql = "select count(*) from job j join job_media m on m.job = j.id where j.kind = $1 and m.media = $2";
    let count: Option<i64> = tx.scalar(sql, &values![kind, media]).await?;
    Ok(count.is_some_and(|count| count > 0))
}

pub(super) async fn is_busy(tx: &mut Tx, kind: &str) -> Result<bool> {
    let sql = "select count(*) from job where kind = $1 and status in ('pending', 'running')";
    let count: Option<i64> = tx.scalar(sql, &values![kind]).await?;
    Ok(count.is_some_and(|count| count > 0))
}

pub(super) async fn remember(tx: &mut Tx, id: i64, memory: &Json) -> Result<()> {
    let sql = "update job set memory = $2 where id = $1";
    tx.execute(sql, &values![id, memory.to_string()]).await?;
    Ok(())
}

pub(super) async fn add_media(tx: &mut Tx, id: i64, media: &[i64]) -> Result<()> {
    let sql = "insert into job_media (media, job) values ($1, $2) on conflict do nothing";
    for media in media {
        tx.execute(sql, &values![*media, id]).await?;
    }
    Ok(())
}

pub(super) async fn is_running(tx: &mut Tx, id: i64) -> Result<bool> {
    let sql = "select 1 from job where id = $1 and status = 'running'";
    Ok(tx.row(sql, &values![id]).await?.is_some())
}

pub(super) async fn unfinished(tx: &mut Tx) -> Result<Vec<i64>> {
    let sql = "select id from job where status = 'pending' or status = 'running'";
    let rows = tx.rows(sql, &[]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// Calls jobs off; returns how many there were.
pub(super) async fn cancel(tx: &mut Tx, ids: &[i64], now_ms: i64) -> Result<u64> {
    let sql = "update job set status = 'canceled', stopped_at = coalesce(stopped_at, $2), \
               claimed_by = null, lease_until = null where id = $1 and status <> 'canceled'";
    let mut touched = 0;
    for id in ids {
        touched += tx.execute(sql, &values![*id, now_ms]).await?;
    }
    Ok(touched)
}

/// Forgets jobs that ended before a time.
pub(super) async fn forget(tx: &mut Tx, before_ms: i64) -> Result<u64> {
    let over = "select id from job where stopped_at < $1 \
                and status in ('succeeded', 'failed', 'canceled')";
    let sql = format!("delete from job_media where job in ({over})");
    tx.execute(&sql, &values![before_ms]).await?;
    let sql = format!("delete from job where id in ({over})");
    tx.execute(&sql, &values![before_ms]).await
}
