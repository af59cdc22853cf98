//! PostgreSQL ≥ 15 through a connection pool.
//!
//! Every statement is prepared without parameter types, so that the server infers them from the
//! columns, and each [`Value`] is then encoded as the type that the server named. One SQL text thus
//! means the same on both engines, whatever Rust type a caller holds.

use std::borrow::Cow;
use std::sync::Mutex as Lock;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow, PgTypeInfo};
use sqlx::{
    Arguments, AssertSqlSafe, Either, Executor, PgConnection, PgPool, Row as _, SqlSafeStr,
    Statement, TypeInfo, ValueRef as _,
};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::stream::{Pass, Sink};
use super::{
    Answer, Columns, Dialect, Engine, FIRST_ANALYSIS, Field, Inner, Job, Row, Tx, Value, migrate,
    next_analysis,
};
use crate::error::{Error, Result, storage_full_message};

const CONNECTIONS: u32 = 16;
/// A job reads rows, decides, and writes them whole, as it may on SQLite: nobody else writes between.
/// The lock holds back writers of other processes; those of this one wait before they take a
/// connection, so that reads always find one.
const WRITERS_TAKE_TURNS: &str = "select pg_advisory_xact_lock(8317205)";
const ONE_SNAPSHOT: &str = "set transaction isolation level repeatable read read only";
/// Rows that one statement writes.
const MOST_ROWS: usize = 10_000;

/// Tables whose statistics matter: the server takes them itself a minute or more after a bulk load,
/// and until then plans some questions as if the tables were empty.
const GROWING: &str =
    "select quote_ident(tablename) from pg_tables where schemaname = current_schema()";

pub(super) struct Postgres {
    pool: PgPool,
    turn: Mutex<()>,
    /// Rows written by this program, and the number of them at which statistics are taken.
    written: Lock<(u64, u64)>,
    analysis: Lock<Option<AbortOnDropHandle<()>>>,
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
            written: Lock::new((0, FIRST_ANALYSIS)),
            analysis: Lock::new(None),
        })
    }

    async fn transaction(&self, job: Job, begin: &'static str) -> Result<Answer> {
        let mut transaction = self.pool.begin().await?;
        transaction.execute(begin).await?;
        let mut tx = Tx::new(Inner::Postgres(transaction));
        let answer = job(&mut tx).await?;
        let written = tx.written;
        let Inner::Postgres(transaction) = tx.inner else {
            unreachable!("made above")
        };
        transaction.commit().await?;
        self.count(written);
        Ok(answer)
    }

    /// Takes statistics beside everything else, each time that as many rows were written again.
    fn count(&self, rows: u64) {
        let mut written = self.written.lock().expect("it is only added to");
        written.0 += rows;
        if written.0 < written.1 {
            return;
        }
        written.1 = next_analysis(written.0);
        let pool = self.pool.clone();
        let taking = tokio::spawn(async move {
            if let Err(error) = analyse(&pool).await {
                tracing::warn!(%error, "the database could not be analysed");
            }
        });
        *self.analysis.lock().expect("it is only set") = Some(AbortOnDropHandle::new(taking));
    }
}

async fn analyse(pool: &PgPool) -> std::result::Result<(), sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(GROWING).fetch_all(pool).await?;
    for table in tables {
        let sql = AssertSqlSafe(format!("analyze {table}"));
        pool.execute(sql.into_sql_str()).await?;
    }
    Ok(())
}

impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn read(&self, job: Job, pass: Pass) -> BoxFuture<'_, Result<Answer>> {
        async move {
            // The pool limits ordinary readers; a long one keeps its pass while it reads.
            let _pass = pass;
            self.transaction(job, ONE_SNAPSHOT).await
        }
        .boxed()
    }

    fn write(&self, job: Job) -> BoxFuture<'_, Result<Answer>> {
        async move {
            let _turn = self.turn.lock().await;
            self.transaction(job, WRITERS_TAKE_TURNS).await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        drop(self.analysis.lock().expect("it is only set").take());
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

type Encoded<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn add(arguments: &mut PgArguments, value: &Value, kind: &PgTypeInfo) -> Encoded<()> {
    match kind.name() {
        "BOOL" => arguments.add(boolean(value)),
        "INT8" => arguments.add(integer(value)),
        "INT4" => arguments.add(small_integer(value)?),
        "FLOAT8" => arguments.add(real(value)),
        "BYTEA" => arguments.add(bytes(value)),
        "TEXT" | "VARCHAR" => arguments.add(text(value)),
        other => Err(no_column(other)),
    }
}

/// The same for one column of many rows.
fn add_array<'v>(
    arguments: &mut PgArguments,
    values: impl Iterator<Item = &'v Value>,
    kind: &PgTypeInfo,
) -> Encoded<()> {
    match kind.name() {
        "BOOL" => arguments.add(values.map(boolean).collect::<Vec<_>>()),
        "INT8" => arguments.add(values.map(integer).collect::<Vec<_>>()),
        "INT4" => arguments.add(values.map(small_integer).collect::<Encoded<Vec<_>>>()?),
        "FLOAT8" => arguments.add(values.map(real).collect::<Vec<_>>()),
        "BYTEA" => arguments.add(values.map(bytes).collect::<Vec<_>>()),
        "TEXT" | "VARCHAR" => arguments.add(values.map(text).collect::<Vec<_>>()),
        other => Err(no_column(other)),
    }
}

fn no_column(kind: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("no column of this schema has the type {kind}").into()
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Int(value) => Some(*value != 0),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::Real(value) => Some(*value as i64),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Text(value) => value.parse().ok(),
        _ => None,
    }
}

fn small_integer(value: &Value) -> Encoded<Option<i32>> {
    match value {
        Value::Int(value) => Ok(Some(i32::try_from(*value)?)),
        _ => Ok(None),
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Real(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Blob(value) => Some(value),
        _ => None,
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        // PostgreSQL has no NUL in text.
        Value::Text(value) if value.contains('\0') => Some(value.replace('\0', "\u{fffd}").into()),
        Value::Text(value) => Some(value.into()),
        Value::Int(value) => Some(value.to_string().into()),
        Value::Real(value) => Some(value.to_string().into()),
        _ => None,
    }
}

fn row(found: &PgRow) -> Result<Row> {
    let mut values = Vec::with_capacity(found.columns().len());
    for place in 0..found.columns().len() {
        values.push(found.field(place)?.to_value());
    }
    Ok(Row::new(values))
}

impl Columns for PgRow {
    fn field(&self, place: usize) -> Result<Field<'_>> {
        let raw = self.try_get_raw(place)?;
        if raw.is_null() {
            return Ok(Field::Null);
        }
        let found = match raw.type_info().name() {
            "BOOL" => Field::Bool(self.try_get(place)?),
            "INT8" => Field::Int(self.try_get(place)?),
            "INT4" => Field::Int(i64::from(self.try_get::<i32, _>(place)?)),
            "FLOAT8" => Field::Real(self.try_get(place)?),
            "BYTEA" => Field::Blob(self.try_get(place)?),
            "TEXT" | "VARCHAR" => Field::Text(Cow::Borrowed(self.try_get(place)?)),
            other => {
                return Err(Error::internal(
                    "read a column",
                    format!("its type is {other}"),
                ));
            }
        };
        Ok(found)
    }
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

pub(super) async fn scan(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
    mut visit: impl FnMut(&dyn Columns) -> Result<()>,
) -> Result<()> {
    let (statement, arguments) = bind(connection, sql, values).await?;
    let mut rows = statement.query_with(arguments).fetch(connection);
    while let Some(found) = rows.try_next().await? {
        visit(&found)?;
    }
    Ok(())
}

pub(super) async fn flow<T: Send + 'static>(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value],
    sink: &mut Sink<T>,
    mut visit: impl FnMut(&dyn Columns) -> Result<Option<T>> + Send,
) -> Result<()> {
    let (statement, arguments) = bind(connection, sql, values).await?;
    let mut rows = statement.query_with(arguments).fetch(connection);
    while let Some(found) = rows.try_next().await? {
        if let Some(batch) = visit(&found)? {
            sink.send(batch).await?;
        }
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
    let names = columns.join(", ");
    let rest = format!("insert into {table} ({names}) select {names} from given");
    with_rows(connection, table, columns, &rest, rows).await
}

pub(super) async fn update_many(
    connection: &mut PgConnection,
    table: &str,
    keys: &[&str],
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    let sets: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = given.{column}"))
        .collect();
    let rest = format!(
        "update {table} set {} from given where {}",
        sets.join(", "),
        met(table, keys)
    );
    with_rows(connection, table, &[keys, columns].concat(), &rest, rows).await
}

pub(super) async fn delete_many(
    connection: &mut PgConnection,
    table: &str,
    keys: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    let rest = format!("delete from {table} using given where {}", met(table, keys));
    with_rows(connection, table, keys, &rest, rows).await
}

fn met(table: &str, keys: &[&str]) -> String {
    let conditions: Vec<String> = keys
        .iter()
        .map(|key| format!("{table}.{key} = given.{key}"))
        .collect();
    conditions.join(" and ")
}

/// Runs a statement over rows that it knows as `given`: one array for each column, so that the
/// statement is the same for any number of rows.
async fn with_rows(
    connection: &mut PgConnection,
    table: &str,
    columns: &[&str],
    rest: &str,
    rows: &[Vec<Value>],
) -> Result<()> {
    let names = columns.join(", ");
    let place = |number: usize| format!("${}", number + 1);
    // The server says which types the columns have.
    let places: Vec<String> = (0..columns.len()).map(place).collect();
    let probe = format!(
        "insert into {table} ({names}) values ({})",
        places.join(", ")
    );
    let probe = connection
        .prepare(AssertSqlSafe(probe).into_sql_str())
        .await?;
    let Some(Either::Left(types)) = probe.parameters() else {
        return Err(Error::internal(
            "write rows",
            format!("{table} has no types"),
        ));
    };
    let arrays: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(number, kind)| format!("{}::{}[]", place(number), kind.name()))
        .collect();
    let sql = format!(
        "with given ({names}) as (select * from unnest({})) {rest}",
        arrays.join(", ")
    );
    for chunk in rows.chunks(MOST_ROWS) {
        let mut arguments = PgArguments::default();
        for (number, kind) in types.iter().enumerate() {
            let column = chunk.iter().map(|row| &row[number]);
            add_array(&mut arguments, column, kind).map_err(|source| Error::Internal {
                context: format!("bind {table}.{}", columns[number]),
                source,
            })?;
        }
        let statement = connection
            .prepare(AssertSqlSafe(sql.as_str()).into_sql_str())
            .await?;
        statement
            .query_with(arguments)
            .execute(&mut *connection)
            .await?;
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
