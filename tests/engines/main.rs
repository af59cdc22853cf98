//! One suite per trait, run on every engine.
//!
//! The embedded engines always; PostgreSQL where `TRANSECT_TEST_DATABASE_URL` names a server (the
//! test runner starts one).

mod database;
