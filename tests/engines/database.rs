//! The promises of [`transect::database::Database`].

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use transect::database::{Database, Value};
use transect::error::Error;
use transect::values;
use transect_tests::{Engine, engines};

/// A table that no migration makes, so that the suite may do with it what it likes.
async fn scratch(database: &Database) {
    let sql = "create table scratch (id bigint primary key, flag boolean, amount double precision, \
               word text)";
    database
        .write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await.map(drop) }))
        .await
        .unwrap();
}

async fn insert(database: &Database, id: i64) -> Result<(), Error> {
    database
        .write(move |tx| {
            Box::pin(async move {
                tx.execute("insert into scratch (id) values ($1)", &values![id])
                    .await
                    .map(drop)
            })
        })
        .await
}

async fn count(database: &Database) -> i64 {
    database
        .read(|tx| Box::pin(async move { tx.scalar("select count(*) from scratch", &[]).await }))
        .await
        .unwrap()
        .unwrap()
}

/// Runs a test on every engine that can be had.
async fn on_each<F: Future<Output = ()>>(test: impl Fn(Engine) -> F) {
    for engine in engines().await {
        test(engine).await;
    }
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        let words = ["", "snow ☃", "quote ' \" \\", "line\nbreak"];
        for (id, word) in (1..).zip(words) {
            let row = values![id, id % 2 == 0, 0.1 + id as f64, word].to_vec();
            database
                .write(move |tx| {
                    Box::pin(async move {
                        tx.insert_many("scratch", &["id", "flag", "amount", "word"], vec![row])
                            .await
                    })
                })
                .await
                .unwrap();
        }
        let found = database
            .read(|tx| {
                Box::pin(async move {
                    let sql = "select id, flag, amount, word from scratch order by id";
                    let mut found: Vec<(i64, bool, f64, String)> = Vec::new();
                    tx.each(sql, &[], |mut row| {
                        found.push((row.take()?, row.take()?, row.take()?, row.take()?));
                        Ok(())
                    })
                    .await?;
                    Ok(found)
                })
            })
            .await
            .unwrap();
        for ((id, flag, amount, word), (wanted_id, wanted)) in found.iter().zip((1..).zip(words)) {
            assert_eq!(
                (*id, *flag, word.as_str()),
                (wanted_id, wanted_id % 2 == 0, wanted)
            );
            assert_eq!(*amount, 0.1 + wanted_id as f64);
        }
        assert_eq!(found.len(), words.len());
    })
    .await;
}

#[tokio::test]
async fn nulls_and_places_out_of_order_are_bound_right() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        let (word, nothing) = database
            .write(|tx| {
                Box::pin(async move {
                    let sql = "insert into scratch (word, id, amount) values ($3, $1, $2)";
                    tx.execute(sql, &[Value::Int(7), Value::Null, Value::from("seven")])
                        .await?;
                    let sql = "select word, amount from scratch where id = $1";
                    let mut row = tx.row(sql, &values![7_i64]).await?.expect("just inserted");
                    Ok((row.take::<String>()?, row.take::<Option<f64>>()?))
                })
            })
            .await
            .unwrap();
        assert_eq!((word.as_str(), nothing), ("seven", None));
    })
    .await;
}

#[tokio::test]
async fn a_failed_job_leaves_nothing_and_its_neighbours_stay() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        let jobs = (1..=40_i64).map(|id| {
            let database = database.clone();
            async move {
                database
                    .write(move |tx| {
                        Box::pin(async move {
                            tx.execute("insert into scratch (id) values ($1)", &values![id])
                                .await?;
                            if id % 4 == 0 {
                                return Err(Error::invalid("changed its mind"));
                            }
                            Ok(())
                        })
                    })
                    .await
            }
        });
        let outcomes = join_all(jobs).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_err()).count(),
            10
        );
        assert_eq!(count(&database).await, 30);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_panics_is_an_error_and_the_next_one_works() {
    let engine = Engine::sqlite();
    let database = engine.open().await;
    scratch(&database).await;
    let outcome: Result<(), Error> = database
        .write(|tx| {
            Box::pin(async move {
                tx.execute("insert into scratch (id) values (1)", &[])
                    .await?;
                panic!("a mistake in a job")
            })
        })
        .await;
    assert!(
        matches!(outcome, Err(Error::Internal { .. })),
        "{outcome:?}"
    );
    insert(&database, 2).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        join_all((1..=100).map(|id| insert(&database, id)))
            .await
            .into_iter()
            .for_each(Result::unwrap);
        database.close().await;
        assert!(matches!(insert(&database, 101).await, Err(Error::Busy(_))));
        let again = engine.open().await;
        assert_eq!(count(&again).await, 100);
    })
    .await;
}

#[tokio::test]
async fn ids_are_consecutive_and_never_given_twice() {
    on_each(|engine| async move {
        let database = engine.open().await;
        let jobs = (0..20)
            .map(|_| database.write(|tx| Box::pin(async move { tx.allocate("thing", 5).await })));
        let mut firsts: Vec<i64> = join_all(jobs)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        firsts.sort_unstable();
        assert_eq!(
            firsts,
            (0..20).map(|block| 1 + 5 * block).collect::<Vec<_>>()
        );
    })
    .await;
}

#[tokio::test]
async fn a_reader_sees_one_snapshot_while_a_writer_goes_on() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        insert(&database, 1).await.unwrap();
        let (begun, wait) = (
            Arc::new(tokio::sync::Barrier::new(2)),
            Arc::new(tokio::sync::Barrier::new(2)),
        );
        let reader = {
            let (database, begun, wait) = (database.clone(), begun.clone(), wait.clone());
            tokio::spawn(async move {
                database
                    .read(move |tx| {
                        Box::pin(async move {
                            let sql = "select count(*) from scratch";
                            let before: Option<i64> = tx.scalar(sql, &[]).await?;
                            begun.wait().await;
                            wait.wait().await;
                            let after: Option<i64> = tx.scalar(sql, &[]).await?;
                            Ok((before, after))
                        })
                    })
                    .await
                    .unwrap()
            })
        };
        begun.wait().await;
        insert(&database, 2).await.unwrap();
        wait.wait().await;
        assert_eq!(reader.await.unwrap(), (Some(1), Some(1)));
        assert_eq!(count(&database).await, 2);
    })
    .await;
}

/// Adds one to a row by reading it and writing it whole, as services do.
async fn count_up(database: &Database) -> Result<(), Error> {
    database
        .write(|tx| {
            Box::pin(async move {
                let sql = "select amount from scratch where id = 1";
                let amount: f64 = tx.scalar(sql, &[]).await?.expect("the row is there");
                let sql = "update scratch set amount = $1 where id = 1";
                tx.execute(sql, &values![amount + 1.0]).await.map(drop)
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_jobs_that_read_and_write_back_lose_no_update() {
    on_each(|engine| async move {
        // Two openings stand for two processes.
        let opened = [engine.open().await, engine.open().await];
        scratch(&opened[0]).await;
        let sql = "insert into scratch (id, amount) values (1, 0)";
        opened[0]
            .write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await.map(drop) }))
            .await
            .unwrap();
        let jobs: Vec<_> = (0..200)
            .map(|number| {
                let database = opened[number % 2].clone();
                tokio::spawn(async move { count_up(&database).await })
            })
            .collect();
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        let sql = "select amount from scratch where id = 1";
        let amount: Option<f64> = opened[1]
            .read(move |tx| Box::pin(async move { tx.scalar(sql, &[]).await }))
            .await
            .unwrap();
        assert_eq!(amount, Some(200.0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_writers_do_not_stop_a_reader() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        let (begun, wait) = (
            Arc::new(tokio::sync::Barrier::new(2)),
            Arc::new(tokio::sync::Barrier::new(2)),
        );
        let holder = {
            let (database, begun, wait) = (database.clone(), begun.clone(), wait.clone());
            tokio::spawn(async move {
                database
                    .write(move |tx| {
                        Box::pin(async move {
                            tx.execute("insert into scratch (id) values (1)", &[])
                                .await?;
                            begun.wait().await;
                            wait.wait().await;
                            Ok(())
                        })
                    })
                    .await
            })
        };
        begun.wait().await;
        let waiting: Vec<_> = (2..32)
            .map(|id| {
                let database = database.clone();
                tokio::spawn(async move { insert(&database, id).await })
            })
            .collect();
        // Time for them to take every connection that they would hold while they wait.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let read = tokio::time::timeout(Duration::from_secs(5), count(&database)).await;
        wait.wait().await;
        assert_eq!(read.expect("the read does not wait for the writers"), 0);
        holder.await.unwrap().unwrap();
        for writer in waiting {
            writer.await.unwrap().unwrap();
        }
        assert_eq!(count(&database).await, 31);
    })
    .await;
}

#[tokio::test]
async fn cases_fold_as_they_do_in_rust() {
    on_each(|engine| async move {
        let database = engine.open().await;
        scratch(&database).await;
        let words = [
            "ÉTÉ.png",
            "Århus",
            "ΟΔΥΣΣΕΥΣ",
            "ЁЖ",
            "STRASSE ẞ",
            "plain_ASCII",
            "Ǆ",
            "É",
        ];
        let sql = format!("select {} from scratch", database.dialect().lower("word"));
        for word in words {
            let sql = sql.clone();
            let folded: Option<String> = database
                .write(move |tx| {
                    Box::pin(async move {
                        tx.execute("delete from scratch", &[]).await?;
                        let insert = "insert into scratch (id, word) values (1, $1)";
                        tx.execute(insert, &values![word]).await?;
                        tx.scalar(&sql, &[]).await
                    })
                })
                .await
                .unwrap();
            assert_eq!(folded, Some(word.to_lowercase()));
        }
    })
    .await;
}

#[tokio::test]
async fn several_openers_migrate_once() {
    on_each(|engine| async move {
        let opened = join_all((0..4).map(|_| engine.open())).await;
        let sql = "select count(*) from migration";
        let count: Option<i64> = opened[0]
            .read(move |tx| Box::pin(async move { tx.scalar(sql, &[]).await }))
            .await
            .unwrap();
        assert_eq!(count, Some(migrations("sqlite").len() as i64));
    })
    .await;
}

#[test]
fn migrations_come_in_pairs() {
    assert_eq!(migrations("sqlite"), migrations("postgres"));
}

/// The names of an engine's migrations.
fn migrations(dialect: &str) -> Vec<std::ffi::OsString> {
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/database/migrations");
    let mut names: Vec<_> = std::fs::read_dir(root.join(dialect))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names
}
