//! Files through the router.

use axum::body::{Body, to_bytes};
use serde_json::{Value, json};

use crate::testing::{ORGANIZATION, Station};

async fn ok(station: &Station, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = station.rest(method, path, body).await;
    assert!(status.is_success(), "{method} {path}: {status} {answer}");
    answer
}

async fn file_type(station: &Station, name: &str) -> i64 {
    let body = json!({"name": name, "attribute_types": [{"name": "Pages", "dtype": "int"}]});
    let made = ok(station, "POST", "/rest/FileTypes/{project}", body).await;
    made["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_file_is_made_filled_changed_and_deleted() {
    let station = Station::start().await;
    let (report, table) = (
        file_type(&station, "Report").await,
        file_type(&station, "Table").await,
    );
    let body =
        json!({"name": "dive.csv", "type": report, "attributes": {"Pages": 3, "Unknown": 1}});
    let made = ok(&station, "POST", "/rest/Files/{project}", body).await;
    let id = made["id"].as_i64().unwrap();
    assert_eq!(made["object"]["path"], Value::Null);
    assert_eq!(made["object"]["attributes"], json!({"Pages": 3}));
    let at = format!("/rest/File/{id}");
    let is_named = |key: &str, stem: &str| {
        let start = format!("{ORGANIZATION}/{}/files/{id}/{stem}_", station.project);
        key.starts_with(&start) && key.ends_with(".csv")
    };

    for name in ["first.csv", "second.csv"] {
        let upload = format!("/rest/UploadInfo/{{project}}?file_id={id}&filename={name}");
        let info = ok(&station, "GET", &upload, Value::Null).await;
        let key = info["key"].as_str().unwrap();
        assert!(is_named(key, name.trim_end_matches(".csv")), "{key}");
        let url = info["urls"][0].as_str().unwrap();
        station.send("PUT", url, &[], Body::from(name)).await;
        ok(&station, "PATCH", &at, json!({"path": key})).await;
    }
    let temporary = ok(&station, "GET", "/rest/UploadInfo/{project}", Value::Null).await;
    let url = temporary["urls"][0].as_str().unwrap();
    station.send("PUT", url, &[], Body::from("third")).await;
    ok(&station, "PATCH", &at, json!({"path": temporary["key"]})).await;
    let key = ok(&station, "GET", &at, Value::Null).await["path"].clone();
    assert!(is_named(key.as_str().unwrap(), "dive"), "{key}");
    let links = ok(
        &station,
        "POST",
        "/rest/DownloadInfo/{project}",
        json!({"keys": [key]}),
    )
    .await;
    let url = links[0]["url"].as_str().unwrap();
    let bytes = station
        .send("GET", url, &[], Body::empty())
        .await
        .into_body();
    assert_eq!(to_bytes(bytes, 99).await.unwrap(), "third");
    for foreign in ["7/99/files/1/x", "_uploads/2020-01-01/7/99/1/x"] {
        assert_eq!(
            station.rest("PATCH", &at, json!({"path": foreign})).await.0,
            403
        );
    }

    let count = async |query: &str| {
        let path = format!("/rest/Files/{{project}}?{query}");
        ok(&station, "GET", &path, Value::Null)
            .await
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("attribute=Pages::3").await, 1);
    assert_eq!(count(&format!("type={table}")).await, 0);
    ok(
        &station,
        "PATCH",
        &at,
        json!({"type": table, "attributes": {"Pages": 4}}),
    )
    .await;
    assert_eq!(
        count(&format!("type={table}&attribute_gt=Pages::3")).await,
        1
    );
    assert_eq!(count("attribute=Pages::3").await, 0);
    assert_eq!(count("name=dive.csv").await, 1);
    assert_eq!(count(&format!("after={id}")).await, 0);
    let log = format!("/rest/ChangeLog/{{project}}?entity_id={id}");
    let log = ok(&station, "GET", &log, Value::Null).await;
    assert_eq!(log.as_array().unwrap().len(), 5);

    assert_eq!(station.rest("PATCH", &at, json!({"type": 99})).await.0, 400);
    assert_eq!(
        station
            .rest("PATCH", &at, json!({"attributes": {"No": 1}}))
            .await
            .0,
        400
    );
    assert_eq!(
        station
            .rest("POST", "/rest/Files/{project}", json!({"name": "x"}))
            .await
            .0,
        400
    );
    station.set_level("Can Transfer").await;
    assert_eq!(station.rest("DELETE", &at, Value::Null).await.0, 403);
    station.set_level("Can Execute").await;
    ok(&station, "DELETE", &at, Value::Null).await;
    assert_eq!(station.rest("GET", &at, Value::Null).await.0, 404);
    assert_eq!(count("").await, 0);
}
