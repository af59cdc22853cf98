//! SQLite, for one station: WAL, `synchronous=FULL`, one writer, pooled readers.
//!
//! The writer's thread runs the jobs of waiting requests one after another, each in a savepoint of
//! one SQLite transaction, commits when its queue is empty (or a small bound is reached), and
//! acknowledges only then: concurrent requests share one fsync. A job that fails rolls back to its
//! savepoint. `synchronous=NORMAL` would lose acknowledged commits at a power cut.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::stream::Pass;
use super::{
    Answer, Columns, Dialect, Engine, FIRST_ANALYSIS, Field, Inner, Job, Row, Tx, Value, migrate,
    next_analysis,
};
use crate::error::{Error, Result, storage_full_message};

/// Requests whose jobs may share one commit.
const GROUP_JOBS: usize = 128;
/// How long a group may grow before it is committed.
const GROUP_TIME: Duration = Duration::from_millis(20);
/// How long one connection waits for another.
const BUSY: Duration = Duration::from_secs(10);
/// Requests that may wait for the writer.
const QUEUE: usize = 1024;
const READERS: usize = 4;
/// Without statistics SQLite takes an index on the project for a good one. They are taken of tables
/// that have grown tenfold, from some thousand entries of each index (the engine's own limit).
const ANALYSE: &str = "pragma optimize = 0x10002";

struct Request {
    job: Job,
    reply: oneshot::Sender<Result<Answer>>,
}

pub(super) struct Sqlite {
    writer: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Arc<Readers>,
}

struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
    /// Grows with every analysis: a connection knows the statistics of the time it was opened.
    analysed: AtomicU64,
}

/// A connection, and how many analyses it knows of.
type Reader = (Connection, u64);

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let opened = path.clone();
        let connection = tokio::task::spawn_blocking(move || -> Result<Connection> {
            let mut connection = connect(&opened, false)?;
            migrate::sqlite(&mut connection)?;
            connection.execute_batch(ANALYSE)?;
            Ok(connection)
        })
        .await
        .map_err(|error| Error::internal("open the database", error))??;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let readers = Arc::new(Readers {
            path,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::new(Vec::new()),
            analysed: AtomicU64::new(0),
        });
        let known = Arc::clone(&readers);
        let thread = std::thread::Builder::new()
            .name("database-writer".into())
            .spawn(move || write_loop(connection, receiver, &known))?;
        Ok(Self {
            writer: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            readers,
        })
    }
}

impl Engine for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn read(&self, job: Job, pass: Pass) -> BoxFuture<'_, Result<Answer>> {
        let pool = Arc::clone(&self.readers);
        async move {
            let free = pass.lock().expect("it is only set").is_none();
            if free {
                let permit = Arc::clone(&pool.permits).acquire_owned().await;
                *pass.lock().expect("it is only set") = Some(permit.map_err(|_| closed())?);
            }
            tokio::task::spawn_blocking(move || {
                // A thread that reads goes on when nobody waits for it any more: it keeps the pass.
                let _pass = pass;
                let (connection, analysed) = pool.take()?;
                connection.execute_batch("begin deferred")?;
                let mut tx = Tx::new(Inner::Sqlite(connection));
                let answer = run(job, &mut tx);
                let Inner::Sqlite(connection) = tx.inner else {
                    unreachable!("made above")
                };
                connection.execute_batch("rollback")?;
                pool.keep((connection, analysed));
                answer
            })
            .await
            .map_err(|error| Error::internal("read from the database", error))?
        }
        .boxed()
    }

    fn write(&self, job: Job) -> BoxFuture<'_, Result<Answer>> {
        let writer = self
            .writer
            .lock()
            .expect("the sender is only cloned or taken")
            .clone();
        async move {
            let (reply, answer) = oneshot::channel();
            writer
                .ok_or_else(closed)?
                .send(Request { job, reply })
                .await
                .map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            drop(
                self.writer
                    .lock()
                    .expect("the sender is only cloned or taken")
                    .take(),
            );
            let thread = self.thread.lock().expect("the handle is only taken").take();
            if let Some(thread) = thread {
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
            self.readers.idle().clear();
        }
        .boxed()
    }
}

impl Readers {
    fn take(&self) -> Result<Reader> {
        let newest = self.analysed.load(Ordering::Acquire);
        let mut idle = self.idle();
        idle.retain(|(_, analysed)| *analysed == newest);
        let found = idle.pop();
        drop(idle);
        match found {
            Some(reader) => Ok(reader),
            None => Ok((connect(&self.path, true)?, newest)),
        }
    }

    fn keep(&self, reader: Reader) {
        let mut idle = self.idle();
        if idle.len() < READERS {
            idle.push(reader);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle
            .lock()
            .expect("no reader panics while holding the list")
    }
}

fn closed() -> Error {
    Error::Busy("the station is shutting down; try again when it has started".into())
}

fn connect(path: &Path, read_only: bool) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(256);
    if !read_only {
        write_ahead(&connection)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "temp_store", "memory")?;
    }
    connection.pragma_update(None, "cache_size", if read_only { -8_000 } else { -32_000 })?;
    add_functions(&connection)?;
    Ok(connection)
}

/// Turns the write-ahead log on. The engine does not wait for others here, whatever its timeout says.
fn write_ahead(connection: &Connection) -> Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::DatabaseBusy && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return Ok(other?),
        }
    }
}

/// Functions that PostgreSQL has (or whose migration defines) and SQLite lacks.
fn add_functions(connection: &Connection) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("lower", 1, pure, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.map(|text| text.to_lowercase()))
    })?;
    connection.create_scalar_function("geo_distance_km", 4, pure, |context| {
        let at = |index| context.get::<f64>(index);
        Ok(crate::query::geo::distance_km(
            (at(0)?, at(1)?),
            (at(2)?, at(3)?),
        ))
    })?;
    Ok(())
}

fn write_loop(
    mut connection: Connection,
    mut requests: mpsc::Receiver<Request>,
    readers: &Readers,
) {
    let mut next = connection.total_changes() + FIRST_ANALYSIS;
    while let Some(first) = requests.blocking_recv() {
        connection = write_group(connection, first, &mut requests);
        let changes = connection.total_changes();
        if changes >= next {
            next = next_analysis(changes);
            match connection.execute_batch(ANALYSE) {
                Ok(()) => drop(readers.analysed.fetch_add(1, Ordering::AcqRel)),
                Err(error) => tracing::warn!(%error, "the database could not be analysed"),
            }
        }
    }
    let last = "pragma optimize; pragma wal_checkpoint(truncate)";
    if let Err(error) = connection.execute_batch(last) {
        tracing::warn!(%error, "the last checkpoint failed; the next start repeats it");
    }
}

fn write_group(
    connection: Connection,
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
) -> Connection {
    let started = Instant::now();
    if let Err(error) = connection.execute_batch("begin immediate") {
        let _ = first.reply.send(Err(error.into()));
        return connection;
    }
    let mut tx = Tx::new(Inner::Sqlite(connection));
    let mut done: Vec<(oneshot::Sender<Result<Answer>>, Result<Answer>)> = Vec::new();
    let mut next = Some(first);
    let mut broken = None;
    while let Some(Request { job, reply }) = next.take() {
        let answer = savepoint(job, &mut tx);
        if connection_of(&tx).is_autocommit() {
            // SQLite gave up the whole transaction (a full disk does that).
            broken = Some(
                answer
                    .as_ref()
                    .err()
                    .map_or_else(String::new, ToString::to_string),
            );
        }
        done.push((reply, answer));
        if broken.is_some() || done.len() >= GROUP_JOBS || started.elapsed() >= GROUP_TIME {
            break;
        }
        next = requests.try_recv().ok();
    }
    let Inner::Sqlite(connection) = tx.inner else {
        unreachable!("made above")
    };
    let outcome = match broken {
        Some(message) => Err(Error::StorageFull(message)),
        None => connection.execute_batch("commit").map_err(Error::from),
    };
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("rollback");
    }
    for (reply, answer) in done {
        let answer = match &outcome {
            Ok(()) => answer,
            Err(error) => answer.and_then(|_| Err(commit_failed(error))),
        };
        let _ = reply.send(answer);
    }
    connection
}

fn commit_failed(error: &Error) -> Error {
    match error {
        Error::StorageFull(message) => Error::StorageFull(message.clone()),
        other => Error::internal("the database did not commit", other.to_string()),
    }
}

fn connection_of(tx: &Tx) -> &Connection {
    match &tx.inner {
        Inner::Sqlite(connection) => connection,
        Inner::Postgres(_) => unreachable!("the writer's thread runs SQLite only"),
    }
}

fn savepoint(job: Job, tx: &mut Tx) -> Result<Answer> {
    connection_of(tx).execute_batch("savepoint job")?;
    let answer = run(job, tx);
    let connection = connection_of(tx);
    if connection.is_autocommit() {
        return answer;
    }
    match answer {
        Ok(answer) => {
            connection.execute_batch("release job")?;
            Ok(answer)
        }
        Err(error) => {
            connection.execute_batch("rollback to job; release job")?;
            Err(error)
        }
    }
}

fn run(job: Job, tx: &mut Tx) -> Result<Answer> {
    catch_unwind(AssertUnwindSafe(|| futures::executor::block_on(job(tx))))
        .unwrap_or_else(|_| Err(Error::internal("run a database job", "it panicked")))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

fn value(column: ValueRef<'_>) -> Value {
    match column {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Binds `$2` to the second value wherever it stands: SQLite takes it for a name and numbers names
/// in the order of their first appearance.
fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> Result<()> {
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).unwrap_or_default();
        let value = name
            .trim_start_matches('$')
            .parse::<usize>()
            .ok()
            .and_then(|number| values.get(number.checked_sub(1)?));
        let value = value.ok_or_else(|| {
            Error::internal("bind a value", format!("there is none for {name:?}"))
        })?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

pub(super) fn each(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    mut visit: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    bind(&mut statement, values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let mut found = Vec::with_capacity(columns);
        for column in 0..columns {
            found.push(value(row.get_ref(column)?));
        }
        visit(Row::new(found))?;
    }
    Ok(())
}

impl Columns for rusqlite::Row<'_> {
    fn field(&self, place: usize) -> Result<Field<'_>> {
        Ok(match self.get_ref(place)? {
            ValueRef::Null => Field::Null,
            ValueRef::Integer(value) => Field::Int(value),
            ValueRef::Real(value) => Field::Real(value),
            ValueRef::Text(text) => Field::Text(match std::str::from_utf8(text) {
                Ok(text) => text.into(),
                Err(_) => String::from_utf8_lossy(text),
            }),
            ValueRef::Blob(bytes) => Field::Blob(bytes),
        })
    }
}

pub(super) fn scan(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    mut visit: impl FnMut(&dyn Columns) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        visit(row)?;
    }
    Ok(())
}

pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    Ok(statement.raw_execute()? as u64)
}

pub(super) fn insert_many(
    connection: &Connection,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    let places: Vec<String> = (1..=columns.len())
        .map(|place| format!("${place}"))
        .collect();
    let sql = format!(
        "insert into {table} ({}) values ({})",
        columns.join(", "),
        places.join(", ")
    );
    run_many(connection, &sql, rows)
}

pub(super) fn update_many(
    connection: &Connection,
    table: &str,
    keys: &[&str],
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    let sets: Vec<String> = columns
        .iter()
        .zip(keys.len() + 1..)
        .map(|(column, place)| format!("{column} = ?{place}"))
        .collect();
    let sql = format!(
        "update {table} set {} where {}",
        sets.join(", "),
        equal(keys)
    );
    run_many(connection, &sql, rows)
}

pub(super) fn delete_many(
    connection: &Connection,
    table: &str,
    keys: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    run_many(
        connection,
        &format!("delete from {table} where {}", equal(keys)),
        rows,
    )
}

fn equal(keys: &[&str]) -> String {
    let conditions: Vec<String> = keys
        .iter()
        .zip(1..)
        .map(|(key, place)| format!("{key} = ?{place}"))
        .collect();
    conditions.join(" and ")
}

/// Runs a statement once for each row; values are bound by their place.
fn run_many(connection: &Connection, sql: &str, rows: &[Vec<Value>]) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull(storage_full_message()),
            _ => Self::internal("a database statement failed", error),
        }
    }
}
