//! Versions on a real database.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::service;
use crate::testing::Station;
use crate::values;

async fn default_of(station: &Station) -> i64 {
    let (project, account) = (station.project, station.account);
    let work = station
        .cx
        .database
        .write(move |tx| Box::pin(service::default_for(tx, project, account)));
    work.await.unwrap()
}

#[tokio::test]
async fn the_default_is_the_members_own_else_the_lowest_else_a_new_baseline() {
    let station = Station::start().await;
    let baseline = default_of(&station).await;
    let (_, versions) = station
        .rest("GET", "/rest/Versions/{project}", Json::Null)
        .await;
    assert_eq!(versions[0]["id"], baseline);
    assert_eq!(versions[0]["name"], "Baseline");
    assert_eq!(versions[0]["number"], 0);

    let layer = json!({"name": "Layer", "bases": [baseline]});
    let (status, layer) = station
        .rest("POST", "/rest/Versions/{project}", layer)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{layer}");
    assert_eq!(default_of(&station).await, baseline);

    let id = layer["id"].as_i64().unwrap();
    let choose = station.cx.database.write(move |tx| {
        Box::pin(async move {
            tx.execute("update membership set default_version = $1", &values![id])
                .await
        })
    });
    choose.await.unwrap();
    assert_eq!(default_of(&station).await, id);

    let path = format!("/rest/Version/{id}");
    let (status, _) = station.rest("DELETE", &path, Json::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(default_of(&station).await, baseline);
}

#[tokio::test]
async fn a_version_that_shows_annotations_stays() {
    let station = Station::start().await;
    let (version, project) = (default_of(&station).await, station.project);
    let annotate = station.cx.database.write(move |tx| {
        Box::pin(async move {
            // One that is seen, an older revision of it, and a tombstone.
            for (id, latest, gone) in [(1, true, false), (2, false, false), (3, true, true)] {
                tx.execute(
                    "insert into localization (id, project, type, media, version, frame, attributes, \
                     elemental_id, mark, latest, variant_deleted, deleted, created_at, modified_at) \
                     values ($1, $2, 1, 1, $3, 0, '{}', 'e', 0, $4, $5, false, 0, 0)",
                    &values![i64::from(id), project, version, latest, gone],
                )
                .await?;
            }
            Ok(())
        })
    });
    annotate.await.unwrap();
    let path = format!("/rest/Version/{version}");
    let (status, refused) = station.rest("DELETE", &path, Json::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        refused["message"],
        "Cannot delete version with annotations! Found 1 localizations, 0 states!"
    );
}

#[tokio::test]
async fn a_patch_changes_only_what_it_names() {
    let station = Station::start().await;
    let path = format!("/rest/Version/{}", default_of(&station).await);
    let full = json!({"description": "first pass", "show_empty": false});
    station.rest("PATCH", &path, full).await;
    let (_, answer) = station.rest("PATCH", &path, json!({"name": "A"})).await;
    let version = &answer["object"];
    assert_eq!(version["name"], "A");
    assert_eq!(version["description"], "first pass");
    assert_eq!(version["show_empty"], false);
    let (status, _) = station.rest("PATCH", &path, json!({"bases": [99]})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
