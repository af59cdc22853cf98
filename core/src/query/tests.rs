//! Saved searches that refer to others, on a real database.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::testing::Station;

fn in_section(id: &Json) -> Json {
    json!({"attribute": "$section", "operation": "eq", "value": id})
}

fn any() -> Json {
    json!({"attribute": "$id", "operation": "gt", "value": 0})
}

async fn add(station: &Station, name: String, search: Json) -> Json {
    let section = json!({"name": name, "object_search": search});
    let (status, made) = station
        .rest("POST", "/rest/Sections/{project}", section)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].clone()
}

async fn list(station: &Station, section: &Json) -> (StatusCode, String) {
    let path = format!("/rest/Medias/{{project}}?section={section}");
    let (status, answer) = station.rest("GET", &path, Json::Null).await;
    (status, answer.to_string())
}

#[tokio::test]
async fn saved_searches_that_multiply_are_refused() {
    let station = Station::start().await;
    let mut newest = add(&station, "0".into(), any()).await;
    for level in 1..9 {
        let thrice = vec![in_section(&newest); 3];
        let search = json!({"method": "or", "operations": thrice});
        newest = add(&station, level.to_string(), search).await;
        let (status, answer) = list(&station, &newest).await;
        if level < 5 {
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
    }
    let (status, answer) = list(&station, &newest).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer.contains("at most 2000 conditions"), "{answer}");
}

#[tokio::test]
async fn a_saved_search_that_refers_to_itself_is_refused() {
    let station = Station::start().await;
    let first = add(&station, "first".into(), any()).await;
    let second = add(&station, "second".into(), in_section(&first)).await;
    assert_eq!(list(&station, &second).await.0, StatusCode::OK);
    let patch = json!({"object_search": in_section(&second)});
    let (status, answer) = station
        .rest("PATCH", &format!("/rest/Section/{first}"), patch)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for section in [&first, &second] {
        let (status, answer) = list(&station, section).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer.contains("refers to itself"), "{answer}");
    }
}

#[tokio::test]
async fn a_long_search_is_no_deep_one() {
    let station = Station::start().await;
    let ids: Vec<i64> = (1..1_900).collect();
    let search = json!({"attribute": "$id", "operation": "in", "value": ids});
    let section = add(&station, "listed".into(), search).await;
    let (status, answer) = list(&station, &section).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}
