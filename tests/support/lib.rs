//! The harness of the Rust tests: engines to run a suite on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use transect::database::Database;

/// One engine with a place of its own.
pub struct Engine {
    url: String,
    folder: PathBuf,
    _kept: tempfile::TempDir,
}

impl Engine {
    /// SQLite in a folder of its own.
    #[must_use]
    pub fn sqlite() -> Self {
        let kept = tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            url: "sqlite:".into(),
            folder: kept.path().to_owned(),
            _kept: kept,
        }
    }

    /// PostgreSQL with a database of its own, where the environment names a server.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings to name a server in"
    )]
    async fn postgres() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("TRANSECT_TEST_DATABASE_URL").ok()?;
        let name = format!(
            "suite_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let pool = sqlx::PgPool::connect(&server)
            .await
            .expect("the server answers");
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
            .execute(&pool)
            .await
            .expect("a database can be made");
        pool.close().await;
        let (base, _) = server.rsplit_once('/').expect("the URL names a database");
        Some(Self {
            url: format!("{base}/{name}"),
            ..Self::sqlite()
        })
    }

    /// Opens the database; several may be open at once.
    pub async fn open(&self) -> Database {
        Database::open(&self.url, &self.folder)
            .await
            .expect("the engine opens")
    }
}

/// Every engine that can be had, each with a place of its own.
pub async fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::sqlite()];
    engines.extend(Engine::postgres().await);
    engines
}
