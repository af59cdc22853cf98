//! Jobs on both engines: done once, called off, tried again, taken up after a crash.

use serde_json::json;

use super::registry::Work;
use super::types::{Filter, NewJob, Pool, Status};
use super::{Run, cancel, enqueue, list, run};
use crate::error::{Error, Result};
use crate::id;
use crate::testing;

pub(super) const WORK: Work = Work {
    kind: "test",
    pool: Pool::Small,
    attempts: 3,
    body: |run| Box::pin(work(run)),
};

async fn work(run: Run) -> Result<()> {
    match run.job.payload["do"].as_str() {
        Some("wait") => futures::future::pending().await,
        Some("fail") => Err(Error::invalid("no")),
        Some("again") if run.job.attempts < 2 => Err(Error::Busy("not yet".into())),
        Some("panic") => panic!("on purpose"),
        _ => run.remember(&json!({"seen": run.job.media})).await,
    }
}

async fn enqueued(station: &testing::Station, what: &'static str) -> i64 {
    let (project, now) = (station.project, station.cx.now());
    let job = station.cx.database.write(move |tx| {
        Box::pin(async move {
            let new = NewJob {
                kind: "test",
                uid: id::uuid(),
                gid: "together".into(),
                project: Some(project),
                account: None,
                media: vec![5, 3, 5],
                payload: json!({"do": what}),
            };
            enqueue(tx, &new, now).await
        })
    });
    let job = job.await.unwrap();
    station.cx.jobs.ring();
    job.id
}

async fn listed(station: &testing::Station) -> Vec<super::Job> {
    let filter = Filter {
        gid: Some("together".into()),
        media: Some(vec![3]),
        ..Filter::default()
    };
    station
        .cx
        .database
        .read(move |tx| Box::pin(async move { list(tx, &filter).await }))
        .await
        .unwrap()
}

/// Runs the station's jobs until all but those that wait for ever are over.
async fn until(
    station: &testing::Station,
    done: impl Fn(&[super::Job]) -> bool,
) -> Vec<super::Job> {
    let runners = tokio::spawn(run(station.cx.clone()));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let jobs = listed(station).await;
        if done(&jobs) {
            runners.abort();
            return jobs;
        }
        assert!(std::time::Instant::now() < deadline, "{jobs:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn jobs_succeed_fail_are_tried_again_and_called_off() {
    let station = testing::Station::start().await;
    for what in ["", "fail", "again", "panic"] {
        enqueued(&station, what).await;
    }
    let jobs = until(&station, |jobs| jobs.iter().all(|job| job.status.is_over())).await;
    let seen: Vec<_> = jobs.iter().map(|job| (job.status, job.attempts)).collect();
    let (good, bad) = (Status::Succeeded, Status::Failed);
    assert_eq!(seen, [(good, 1), (bad, 1), (good, 2), (bad, 1)]);
    assert_eq!(jobs[0].memory, json!({"seen": [3, 5]}));
    assert!(jobs[0].stopped_at >= jobs[0].started_at && jobs[1].message == "no");
}

#[tokio::test]
async fn what_runs_is_dropped_when_called_off_and_taken_up_after_a_crash() {
    let station = testing::Station::start().await;
    let waiting = enqueued(&station, "wait").await;
    let running = |jobs: &[super::Job]| jobs.iter().all(|job| job.status == Status::Running);
    until(&station, running).await;
    // The runners were dropped without a word, as by kill -9; the next ones begin it again.
    let jobs = until(&station, |jobs| jobs[0].attempts == 2 && running(jobs)).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(cancel(&station.cx, vec![waiting]).await.unwrap(), 1);
    assert_eq!(cancel(&station.cx, vec![waiting]).await.unwrap(), 0);
    assert!(listed(&station).await.is_empty());
}
