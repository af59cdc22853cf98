//! PostgreSQL ≥ 15 through a connection pool.
//!
//! Every statement is prepared without parameter types, so that the server infers them from the
//! columns, and each [`Value`] is then encoded as the type that the server named. One SQL text thus
//! means the same on both engines, whatever Rust type a caller holds.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow, PgTypeInfo};
use sqlx::{
    Arguments, AssertSqlSafe, Column, Either, Executor, PgConnection, PgPool, Row as _, SqlSafeStr,
    Statement, TypeInfo, ValueRef as _,
};
use tokio::sync::Mutex;

use super::{Answer, Dialect, Engine, Inner, Job, Row, Tx, Value, migrate};
use crate::error::{Error, Result, storage_full_message};

const CONNECTIONS: u32 = 16;
/// A job reads rows, decides, and writes them whole, as it may on SQLite: nobody else writes between.
/// The lock holds back writers of other processes; those of this one wait before they take a
/// connection, so that reads always find one.
const WRITERS_TAKE_TURNS: &str = "select pg_advisory_xact_lock(8317205)";
const ONE_SNAPSHOT: &str = "set transaction isolation level repeatable read read only";
/// PostgreSQL takes at most 65,535 values in one statement.
const MOST_VALUES: usize = 60_000;

pub(super) struct Postgres {
    pool: PgPool,
    turn: Mutex<()>,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(10))
            .connect(url)
            .await?;
        migrate::postgres(&pool).await?;
        Ok(Self {
            pool,
            turn: Mutex::new(()),
        })
    }

    async fn transaction(&self, job: Job, begin: &'static str) -> Result<Answer> {
        let mut transaction = self.pool.begin().await?;
        transaction.execute(begin).await?;
        let mut tx = Tx::new(Inner::Postgres(transaction));
        let answer = job(&mut tx).await?;
        let Inner::Postgres(transaction) = tx.inner else {
            unreachable!("made above")
        };
        transaction.commit().await?;
        Ok(answer)
    }
}

impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn read(&self, job: Job) -> BoxFuture<'_, Result<Answer>> {
        self.transaction(job, ONE_SNAPSHOT).boxed()
    }

    fn write(&self, job: Job) -> BoxFuture<'_, Result<Answer>> {
        async move {
            let _turn = self.turn.lock().await;
            self.transaction(job, WRITERS_TAKE_TURNS).await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.pool.close().boxed()
    }
}

async fn bind(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
) -> Result<(sqlx::postgres::PgStatement, PgArguments)> {
    let statement = connection
        .prepare(AssertSqlSafe(sql).into_sql_str())
        .await?;
    let mut arguments = PgArguments::default();
    if let Some(Either::Left(types)) = statement.parameters() {
        for (value, kind) in values.iter().zip(types) {
            add(&mut arguments, value, kind).map_err(|source| Error::Internal {
                context: format!("bind {value:?} as {kind}"),
                source,
            })?;
        }
    }
    Ok((statement, arguments))
}

fn add(
    arguments: &mut PgArguments,
    value: &Value,
    kind: &PgTypeInfo,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match kind.name() {
        "BOOL" => arguments.add(match value {
            Value::Bool(value) => Some(*value),
            Value::Int(value) => Some(*value != 0),
            _ => None,
        }),
        "INT8" => arguments.add(match value {
            Value::Int(value) => Some(*value),
            Value::Real(value) => Some(*value as i64),
            Value::Bool(value) => Some(i64::from(*value)),
            Value::Text(value) => value.parse().ok(),
            _ => None,
        }),
        "INT4" => arguments.add(match value {
            Value::Int(value) => Some(i32::try_from(*value)?),
            _ => None,
        }),
        "FLOAT8" => arguments.add(match value {
            Value::Real(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            _ => None,
        }),
        "BYTEA" => arguments.add(match value {
            Value::Blob(value) => Some(value.as_slice()),
            _ => None,
        }),
        "TEXT" | "VARCHAR" => arguments.add(match value {
            // PostgreSQL has no NUL in text.
            Value::Text(value) => Some(value.replace('\0', "\u{fffd}")),
            Value::Int(value) => Some(value.to_string()),
            Value::Real(value) => Some(value.to_string()),
            _ => None,
        }),
        other => Err(format!("no column of this schema has the type {other}").into()),
    }
}

fn row(found: &PgRow) -> Result<Row> {
    let mut values = Vec::with_capacity(found.columns().len());
    for column in found.columns() {
        let index = column.ordinal();
        if found.try_get_raw(index)?.is_null() {
            values.push(Value::Null);
            continue;
        }
        values.push(match column.type_info().name() {
            "BOOL" => Value::Bool(found.try_get(index)?),
            "INT8" => Value::Int(found.try_get(index)?),
            "INT4" => Value::Int(i64::from(found.try_get::<i32, _>(index)?)),
            "FLOAT8" => Value::Real(found.try_get(index)?),
            "BYTEA" => Value::Blob(found.try_get(index)?),
            "TEXT" | "VARCHAR" => Value::Text(found.try_get(index)?),
            other => {
                return Err(Error::internal(
                    "read a column",
                    format!("its type is {other}"),
                ));
            }
        });
    }
    Ok(Row::new(values))
}

pub(super) async fn each(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
    mut visit: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let (statement, arguments) = bind(connection, sql, values).await?;
    let mut rows = statement.query_with(arguments).fetch(connection);
    while let Some(found) = rows.try_next().await? {
        visit(row(&found)?)?;
    }
    Ok(())
}

pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
) -> Result<u64> {
    let (statement, arguments) = bind(connection, sql, values).await?;
    Ok(statement
        .query_with(arguments)
        .execute(connection)
        .await?
        .rows_affected())
}

pub(super) async fn insert_many(
    connection: &mut PgConnection,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    for chunk in rows.chunks((MOST_VALUES / columns.len()).max(1)) {
        let mut sql = format!("insert into {table} ({}) values ", columns.join(", "));
        let mut place = 0;
        for index in 0..chunk.len() {
            sql.push_str(if index == 0 { "(" } else { ", (" });
            for column in 0..columns.len() {
                place += 1;
                if column > 0 {
                    sql.push_str(", ");
                }
                sql.push('$');
                sql.push_str(&place.to_string());
            }
            sql.push(')');
        }
        let values: Vec<Value> = chunk.iter().flatten().cloned().collect();
        execute(connection, &sql, &values).await?;
    }
    Ok(())
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned()));
        match (code.as_deref(), &error) {
            (Some("53100"), _) => Self::StorageFull(storage_full_message()),
            (_, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) => {
                Self::Busy(format!(
                    "the database does not answer; is PostgreSQL running? ({error})"
                ))
            }
            _ => Self::internal("a database statement failed", error),
        }
    }
}
