//! Migrations, in pairs: `migrations/sqlite/NNNN_name.sql` and the same name under `postgres/`.
//!
//! Released ones are never edited, and each lets the previous version of the program keep working.

use rusqlite::Connection;
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::error::{Error, Result};

/// Both texts of a migration.
macro_rules! migration {
    ($number:literal, $name:literal) => {
        (
            $number,
            include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("migrations/postgres/", $name, ".sql")),
        )
    };
}

/// Every migration: its number and name, the SQLite text, the PostgreSQL text.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    migration!(1, "0001_foundation"),
    migration!(2, "0002_jobs"),
    migration!(3, "0003_organization"),
    migration!(4, "0004_storage"),
    migration!(5, "0005_workflow"),
    migration!(6, "0006_speed"),
    migration!(7, "0007_undo"),
    migration!(8, "0008_buckets"),
    migration!(9, "0009_master_section"),
    migration!(10, "0010_token"),
    migration!(11, "0011_journal_meaning"),
    migration!(12, "0012_recovery"),
    migration!(13, "0013_user_buckets"),
    migration!(14, "0014_frames"),
    migration!(15, "0015_quota"),
    migration!(16, "0016_recording"),
    migration!(17, "0017_quota_of_the_disk"),
    migration!(18, "0018_recording_undo"),
    migration!(19, "0019_backups"),
];

const TABLE: &str =
    "create table if not exists migration (number bigint primary key, at_ms bigint not null)";

pub(super) fn sqlite(connection: &mut Connection) -> Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLE)?;
    let newest: i64 = transaction.query_row(
        "select coalesce(max(number), 0) from migration",
        [],
        |row| row.get(0),
    )?;
    check_newest(newest)?;
    for (number, text, _) in MIGRATIONS.iter().filter(|(number, ..)| *number > newest) {
        transaction.execute_batch(text)?;
        transaction.execute(
            "insert into migration (number, at_ms) values ($1, $2)",
            (number, crate::time::now_ms()),
        )?;
    }
    transaction.commit()?;
    Ok(())
}

pub(super) async fn postgres(pool: &PgPool) -> Result<()> {
    let mut transaction = pool.begin().await?;
    // One migrator at a time; the lock goes with the transaction.
    transaction
        .execute("select pg_advisory_xact_lock(8317204)")
        .await?;
    transaction.execute(TABLE).await?;
    let newest: i64 = sqlx::query_scalar("select coalesce(max(number), 0) from migration")
        .fetch_one(&mut *transaction)
        .await?;
    check_newest(newest)?;
    for (number, _, text) in MIGRATIONS.iter().filter(|(number, ..)| *number > newest) {
        transaction
            .execute(sqlx::raw_sql(AssertSqlSafe(*text)))
            .await?;
        sqlx::query("insert into migration (number, at_ms) values ($1, $2)")
            .bind(number)
            .bind(crate::time::now_ms())
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn check_newest(newest: i64) -> Result<()> {
    let known = MIGRATIONS.last().map_or(0, |(number, ..)| *number);
    if newest <= known {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the database was written by a newer Transect (its schema is number {newest}, this program \
         knows {known}); install that version or restore a backup"
    )))
}
