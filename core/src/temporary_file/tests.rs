//! Temporary files that are made inside the station, and their end.

use serde_json::{Value, json};

use super::{create, create_from_bytes, expire};
use crate::storage::{self, generic};
use crate::testing::Station;
use crate::values;

async fn set_eol(station: &Station, id: i64, eol_at: i64) {
    let change = station.cx.database.write(move |tx| {
        Box::pin(async move {
            let sql = "update temporary_file set eol_at = $2 where id = $1";
            tx.execute(sql, &values![id, eol_at]).await
        })
    });
    assert_eq!(change.await.unwrap(), 1);
}

async fn listed(station: &Station, query: &str) -> Vec<Value> {
    let path = format!("/rest/TemporaryFiles/{{project}}{query}");
    let (status, rows) = station.rest("GET", &path, Value::Null).await;
    assert_eq!(status, 200);
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].clone())
        .collect()
}

#[tokio::test]
async fn files_go_when_their_time_is_over() {
    let station = Station::start().await;
    let (cx, project, account) = (&station.cx, station.project, station.account);
    let source = station.folder.path().join("source");
    std::fs::write(&source, "from a file").unwrap();
    let (old, new) = (
        create(cx, project, account, "a.gif", &source, 1, "look").await,
        create_from_bytes(cx, project, account, "b", "bytes", 24, "").await,
    );
    let (old, new) = (old.unwrap(), new.unwrap());
    assert_eq!(old.eol_at - old.created_at, 3_600_000);
    assert_eq!(new.eol_at - new.created_at, 24 * 3_600_000);
    assert!(old.key.ends_with(".gif"));
    let path = format!("{project}/{}", new.key.rsplit('/').next().unwrap());
    let read = generic::read(cx, project, &path).await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"bytes"[..]));
    assert_eq!(generic::read(cx, project + 1, &path).await.unwrap(), None);

    expire(cx).await.unwrap();
    assert_eq!(listed(&station, "").await, ["a.gif", "b"]);
    set_eol(&station, old.id, cx.now() - 1).await;
    assert_eq!(listed(&station, "").await, ["a.gif", "b"]);
    assert_eq!(listed(&station, "?expired=1").await, ["a.gif"]);
    assert_eq!(listed(&station, "?expired=0").await, ["a.gif", "b"]);
    expire(cx).await.unwrap();
    assert_eq!(listed(&station, "").await, ["b"]);
    assert!(storage::find(cx, &old.key).await.unwrap().is_none());

    set_eol(&station, new.id, cx.now() - 1).await;
    let later = create_from_bytes(cx, project, account, "c", "x", 9999, "")
        .await
        .unwrap();
    assert_eq!(later.eol_at - later.created_at, 24 * 3_600_000);
    let path = "/rest/TemporaryFiles/{project}?expired=1";
    let (_, answer) = station.rest("DELETE", path, Value::Null).await;
    assert_eq!(
        answer,
        json!({"message": "Successfully deleted 1 temporary files!"})
    );
    assert_eq!(listed(&station, "").await, ["c"]);
}
