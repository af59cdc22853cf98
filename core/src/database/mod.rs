//! The database seam: one small interface, two engines.
//!
//! A service hands a *job* to [`Database::read`] or [`Database::write`]: a function that gets a
//! [`Tx`] and returns a future. On PostgreSQL the future runs on a pooled connection; on SQLite it
//! runs on the writer's thread (or a reader's), where every statement answers at once, so that no
//! thread changes hands between two statements of one transaction. A job therefore awaits nothing
//! but its `Tx`.
//!
//! Promises, checked on both engines by `tests/engines`: a job that fails leaves nothing; a job
//! that was acknowledged is on the disk; values come back as they went in; one migrator at a time.

mod migrate;
mod postgres;
mod sqlite;
mod stream;
mod value;

use std::any::Any;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::error::{Error, Result};
pub use stream::{Sink, Streamed};
pub use value::{Columns, Field, FromValue, Row, Value};

/// Values of a statement, in the order of `$1`, `$2`, …
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::database::Value::from($value)),*]
    };
}

/// Which SQL an engine speaks, for the few statements that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite ≥ 3.45.
    Sqlite,
    /// PostgreSQL ≥ 15.
    Postgres,
}

impl Dialect {
    /// A text expression in lower case, folded like [`str::to_lowercase`] on both engines.
    pub fn lower(self, text: &str) -> String {
        match self {
            // Replaced by a function of ours when a connection opens.
            Self::Sqlite => format!("lower({text})"),
            // The columns are collated "C", by whose rules only ASCII has cases.
            Self::Postgres => format!("lower({text} collate \"und-x-icu\")"),
        }
    }
}

/// Rows changed until an engine takes statistics again: twice as many each time, within these bounds.
const FIRST_ANALYSIS: u64 = 10_000;
const LAST_ANALYSIS: u64 = 1_000_000;

/// At how many changed rows the next statistics are due.
fn next_analysis(changed: u64) -> u64 {
    changed + changed.clamp(FIRST_ANALYSIS, LAST_ANALYSIS)
}

type Answer = Box<dyn Any + Send>;
type Job = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Answer>> + Send>;

/// What an engine does: runs jobs in transactions.
trait Engine: Send + Sync {
    fn dialect(&self) -> Dialect;
    /// Runs a job on one consistent snapshot. What limits the readers is kept in the pass, unless
    /// the pass holds another right already.
    fn read(&self, job: Job, pass: stream::Pass) -> BoxFuture<'_, Result<Answer>>;
    /// Runs a job in a transaction and returns once it is durable.
    fn write(&self, job: Job) -> BoxFuture<'_, Result<Answer>>;
    /// Finishes what is queued and closes.
    fn close(&self) -> BoxFuture<'_, ()>;
}

type Companion = Arc<dyn Any + Send + Sync>;
/// What every job has at hand.
type Companions = Arc<[Companion]>;

/// The station's database.
#[derive(Clone)]
pub struct Database {
    engine: Arc<dyn Engine>,
    committed: Arc<watch::Sender<()>>,
    long_readers: Arc<tokio::sync::Semaphore>,
    companions: Arc<OnceLock<Companions>>,
}

impl Database {
    /// Opens the engine that the URL names and brings its schema up to date.
    ///
    /// `sqlite:` (relative to `data`, or an absolute path after the colon) or `postgres://…`.
    pub async fn open(url: &str, data: &Path) -> Result<Self> {
        let engine: Arc<dyn Engine> = match url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = if path.is_empty() {
                    "transect.sqlite"
                } else {
                    path
                };
                Arc::new(sqlite::Sqlite::open(&data.join(path)).await?)
            }
            Some(("postgres" | "postgresql", _)) => Arc::new(postgres::Postgres::open(url).await?),
            _ => {
                return Err(Error::invalid(
                    "the database URL names no known engine; use sqlite: or postgres://user@host/database",
                ));
            }
        };
        Ok(Self {
            engine,
            committed: Arc::default(),
            long_readers: stream::long_readers(),
            companions: Arc::default(),
        })
    }

    /// Gives every job something at hand beside its rows; see [`Tx::companion`]. Only the first counts.
    pub fn accompany(&self, companions: Vec<Arc<dyn Any + Send + Sync>>) {
        let _ = self.companions.set(companions.into());
    }

    /// Which SQL the engine speaks.
    pub fn dialect(&self) -> Dialect {
        self.engine.dialect()
    }

    /// Runs `job` on one consistent snapshot.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        downcast(
            self.engine
                .read(self.erase(job), stream::Pass::default())
                .await?,
        )
    }

    /// Runs `job` on one consistent snapshot; what it puts into its [`Sink`] is handed on as it
    /// comes, in bounded memory. Returns once the job has ended, or its batches flow.
    ///
    /// The job may be begun anew as long as nothing flows. Errors: those of the job, before
    /// anything flows; later ones end the stream.
    pub async fn stream<T, F>(&self, job: F) -> Result<Streamed<T>>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t mut Sink<T>) -> BoxFuture<'t, Result<()>>
            + Send
            + Sync
            + 'static,
    {
        stream::run(
            &self.engine,
            &self.long_readers,
            self.companions.get().cloned(),
            Arc::new(job),
        )
        .await
    }

    /// Runs `job` in a transaction; returns once its changes are durable.
    ///
    /// A job that fails leaves nothing behind. Jobs of concurrent requests may share one commit.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let answer = downcast(self.engine.write(self.erase(job)).await?);
        self.committed.send_replace(());
        answer
    }

    /// Changes whenever a job of this program was committed.
    pub fn committed(&self) -> watch::Receiver<()> {
        self.committed.subscribe()
    }

    /// Finishes what is queued and closes the engine.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    fn erase<T, F>(&self, job: F) -> Job
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let companions = self.companions.get().cloned();
        Box::new(move |tx| {
            tx.companions = companions;
            let work = job(tx);
            Box::pin(async move { Ok(Box::new(work.await?) as Answer) })
        })
    }
}

fn downcast<T: 'static>(answer: Answer) -> Result<T> {
    Ok(*answer
        .downcast::<T>()
        .expect("a job answers with the type it was erased from"))
}

/// One transaction. Dropped without success, it leaves nothing.
pub struct Tx {
    inner: Inner,
    companions: Option<Companions>,
    /// Rows that it wrote.
    written: u64,
}

enum Inner {
    Sqlite(rusqlite::Connection),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Tx {
    fn new(inner: Inner) -> Self {
        Self {
            inner,
            companions: None,
            written: 0,
        }
    }

    /// What the station's jobs have at hand of that type.
    pub fn companion<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let all = self.companions.as_ref()?.iter();
        all.cloned().find_map(|one| one.downcast().ok())
    }

    /// Which SQL the engine speaks.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of a query.
    pub async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.each(sql, values, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Hands each row of a query to `visit`, one at a time: memory stays flat.
    pub async fn each(
        &mut self,
        sql: &str,
        values: &[Value],
        visit: impl FnMut(Row) -> Result<()> + Send,
    ) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::each(connection, sql, values, visit),
            Inner::Postgres(tx) => postgres::each(tx, sql, values, visit).await,
        }
    }

    /// Shows each row of a query to `visit`, where it lies: nothing is copied.
    pub async fn scan(
        &mut self,
        sql: &str,
        values: &[Value],
        visit: impl FnMut(&dyn Columns) -> Result<()> + Send,
    ) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::scan(connection, sql, values, visit),
            Inner::Postgres(tx) => postgres::scan(tx, sql, values, visit).await,
        }
    }

    /// Shows each row of a query to `visit`, and hands on the batches that it returns.
    pub async fn flow<T: Send + 'static>(
        &mut self,
        sql: &str,
        values: &[Value],
        sink: &mut Sink<T>,
        mut visit: impl FnMut(&dyn Columns) -> Result<Option<T>> + Send,
    ) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(connection) => {
                sqlite::scan(connection, sql, values, |columns| match visit(columns)? {
                    Some(batch) => sink.send_blocking(batch),
                    None => Ok(()),
                })
            }
            Inner::Postgres(tx) => postgres::flow(tx, sql, values, sink, visit).await,
        }
    }

    /// The first row of a query, if any.
    pub async fn row(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// The first column of the first row.
    pub async fn scalar<T: FromValue>(&mut self, sql: &str, values: &[Value]) -> Result<Option<T>> {
        self.row(sql, values)
            .await?
            .map(|mut row| row.take())
            .transpose()
    }

    /// Runs a statement and returns how many rows it touched.
    pub async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let touched = match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::execute(connection, sql, values)?,
            Inner::Postgres(tx) => postgres::execute(tx, sql, values).await?,
        };
        self.written += touched;
        Ok(touched)
    }

    /// Inserts many rows into `table`; each row has one value per column.
    pub async fn insert_many(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: Vec<Vec<Value>>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.written += rows.len() as u64;
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::insert_many(connection, table, columns, &rows),
            Inner::Postgres(tx) => postgres::insert_many(tx, table, columns, &rows).await,
        }
    }

    /// Sets columns of many rows of `table`, which are found by other columns (`keys`); each row has
    /// the values of its keys, then those to set. Values may be null, keys may not.
    pub async fn update_many(
        &mut self,
        table: &str,
        keys: &[&str],
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.written += rows.len() as u64;
        match &mut self.inner {
            Inner::Sqlite(connection) => {
                sqlite::update_many(connection, table, keys, columns, rows)
            }
            Inner::Postgres(tx) => postgres::update_many(tx, table, keys, columns, rows).await,
        }
    }

    /// Deletes many rows from `table`, which are found by some columns; each row has their values.
    pub async fn delete_many(
        &mut self,
        table: &str,
        keys: &[&str],
        rows: &[Vec<Value>],
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.written += rows.len() as u64;
        match &mut self.inner {
            Inner::Sqlite(connection) => sqlite::delete_many(connection, table, keys, rows),
            Inner::Postgres(tx) => postgres::delete_many(tx, table, keys, rows).await,
        }
    }

    /// Reserves `count` consecutive ids of a noun and returns the first.
    ///
    /// Ids are positive, never reused, and grow in the order of commit: whoever allocates holds
    /// the noun's counter until the transaction ends.
    pub async fn allocate(&mut self, noun: &str, count: usize) -> Result<i64> {
        let count = i64::try_from(count).expect("a request holds few rows");
        let next: Option<i64> = self
            .scalar(
                "insert into id_sequence (noun, next) values ($1, 1 + $2) \
                 on conflict (noun) do update set next = id_sequence.next + $2 returning next",
                &values![noun, count],
            )
            .await?;
        Ok(next.expect("an upsert returns its row") - count)
    }
}
