//! Lists that stream, on a real database.

use std::io::Read;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use serde_json::{Value as Json, json};

use crate::testing::Station;
use crate::values;

/// Rows whose list is too long to be held while it is read.
const MANY: i64 = 4_000;

async fn made(station: &Station, path: &str, body: Json) -> i64 {
    let (status, made) = station.rest("POST", path, body).await;
    assert!(status.is_success(), "{path}: {made}");
    made["id"].as_i64().or(made["id"][0].as_i64()).unwrap()
}

/// Byte for byte: the keys of a list and of a single row stand in two places of the code.
#[tokio::test]
async fn a_list_shows_rows_as_they_are_shown_alone() {
    let station = Station::start().await;
    let video = json!({"name": "video", "dtype": "video"});
    let video = made(&station, "/rest/MediaTypes/{project}", video).await;
    let clip = json!({"type": video, "name": "a \"clip\".mp4", "md5": ""});
    let media = made(&station, "/rest/Medias/{project}", clip).await;
    let names = json!([{"name": "N", "dtype": "float"}, {"name": "T", "dtype": "string"}]);
    let kind =
        json!({"name": "poly", "dtype": "poly", "media_types": [video], "attribute_types": names});
    let kind = made(&station, "/rest/LocalizationTypes/{project}", kind).await;
    let track = json!({
        "name": "track", "dtype": "state", "media_types": [video], "association": "Localization",
    });
    let track = made(&station, "/rest/StateTypes/{project}", track).await;
    let leaves = json!({"name": "taxon", "attribute_types": names});
    let leaves = made(&station, "/rest/LeafTypes/{project}", leaves).await;
    let shape = json!({
        "media_id": media, "type": kind, "frame": 3, "points": [[0.1, 0.25], [1.0, 0.43320406133373324]],
        "attributes": {"N": 2, "T": "a\nb"},
    });
    let shape = made(&station, "/rest/Localizations/{project}", shape).await;
    let state = json!({"media_ids": [media], "type": track, "localization_ids": [shape]});
    let state = made(&station, "/rest/States/{project}", state).await;
    let leaf = json!({"name": "Fish", "type": leaves, "attributes": {"T": null}});
    let leaf = made(&station, "/rest/Leaves/{project}", leaf).await;
    for (many, one, id) in [
        ("Localizations", "Localization", shape),
        ("States", "State", state),
        ("Medias", "Media", media),
        ("Leaves", "Leaf", leaf),
    ] {
        let get = async |path: String| station.rest("GET", &path, Json::Null).await.1;
        let listed = get(format!("/rest/{many}/{{project}}")).await;
        let alone = get(format!("/rest/{one}/{id}")).await;
        assert_eq!(listed.to_string(), format!("[{alone}]"));
    }
}

/// Leaves, which a list of is easily made; the last one's document is what it is given.
async fn forest(station: &Station, last: Json) {
    let kind = json!({"name": "taxon", "attribute_types": [{"name": "T", "dtype": "string"}]});
    let kind = made(station, "/rest/LeafTypes/{project}", kind).await;
    let project = station.project;
    let text = "x".repeat(400);
    let write = station.cx.database.write(move |tx| {
        Box::pin(async move {
            let columns = [
                "id",
                "project",
                "type",
                "name",
                "path",
                "path_folded",
                "depth",
                "attributes",
                "elemental_id",
                "created_at",
                "modified_at",
                "deleted",
            ];
            let document = |id| match id {
                MANY => last.to_string(),
                _ => json!({"T": text}).to_string(),
            };
            let rows = (1..=MANY).map(|id| {
                values![
                    id,
                    project,
                    kind,
                    "n",
                    "p",
                    "p",
                    1,
                    document(id),
                    "e",
                    0,
                    0,
                    false
                ]
                .to_vec()
            });
            tx.insert_many("leaf", &columns, rows.collect()).await
        })
    });
    write.await.unwrap();
}

async fn listed(station: &Station, query: &str, headers: &[(&str, &str)]) -> Response {
    let path = format!("/rest/Leaves/{}{query}", station.project);
    let token = format!("Token {}", station.token());
    let headers = [headers, &[("authorization", token.as_str())]].concat();
    let response = station.send("GET", &path, &headers, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

async fn whole(response: Response) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

#[tokio::test]
async fn a_long_list_comes_in_pieces_and_is_whole() {
    let station = Station::start().await;
    forest(&station, json!({"T": "the last, \"one\""})).await;
    let response = listed(&station, "", &[]).await;
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    let plain = whole(response).await;
    let rows: Vec<Json> = serde_json::from_slice(&plain).unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=MANY).collect::<Vec<_>>());

    let packed = listed(&station, "", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let packed = whole(packed).await;
    assert!(packed.len() < plain.len() / 5);
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&packed[..]);
    reader.read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    let lines = whole(listed(&station, "?format=jsonl", &[]).await).await;
    assert_eq!(lines.split(|byte| *byte == b'\n').count(), rows.len() + 1);
    let pretty = whole(listed(&station, "?format=pprint", &[]).await).await;
    assert_eq!(pretty, serde_json::to_vec_pretty(&rows).unwrap());
    let table = whole(listed(&station, "?format=csv", &[]).await).await;
    let table = String::from_utf8(table.to_vec()).unwrap();
    assert!(table.starts_with("id,type,project,path,name,parent,T\r\n"));
    assert!(table.ends_with(",\"the last, \"\"one\"\"\"\r\n"));
    assert_eq!(table.lines().count(), rows.len() + 1);

    let page = listed(&station, "?start=10&stop=12", &[]).await;
    assert!(page.headers().contains_key(header::CONTENT_LENGTH));
    let page: Json = serde_json::from_slice(&whole(page).await).unwrap();
    assert_eq!(page, json!(rows[10..12]));
}

#[tokio::test]
async fn a_list_that_fails_on_the_way_does_not_look_whole() {
    let station = Station::start().await;
    forest(&station, json!({"T": "fine"})).await;
    if station.cx.database.dialect() == crate::database::Dialect::Postgres {
        return; // Its columns hold nothing but what their type allows.
    }
    let spoil = station.cx.database.write(|tx| {
        Box::pin(async move {
            let sql = "update leaf set attributes = x'00' where id = $1";
            tx.execute(sql, &values![MANY]).await
        })
    });
    spoil.await.unwrap();
    let mut pieces = listed(&station, "", &[])
        .await
        .into_body()
        .into_data_stream();
    let mut last = None;
    while let Some(piece) = pieces.next().await {
        assert!(!matches!(last, Some(Err(_))), "something follows the error");
        last = Some(piece);
    }
    assert!(matches!(last, Some(Err(_))));
}

/// Callers who ask for long lists and do not read them.
#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_leave_room_for_others() {
    let station = Station::start().await;
    forest(&station, json!({"T": "fine"})).await;
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(listed(&station, "", &[]).await);
    }
    for _ in 0..20 {
        let page = listed(&station, "?stop=3", &[]).await;
        assert_eq!(whole(page).await.split(|byte| *byte == b'{').count(), 7);
    }
    // The next long list waits for one of them to end.
    let next = listed(&station, "", &[]);
    tokio::pin!(next);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut next).await;
    assert!(early.is_err(), "more long readers than there may be");
    let first = whole(slow.remove(0)).await;
    drop(slow);
    assert_eq!(whole(next.await).await, first);
}
