//! Sections on a real database.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Dtype, service};
use crate::testing::Station;

async fn make(station: &Station, body: Json) -> Json {
    let (status, made) = station.rest("POST", "/rest/Sections/{project}", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["object"].clone()
}

async fn names(station: &Station, query: &str) -> Vec<String> {
    let path = format!("/rest/Sections/{{project}}?{query}");
    let (status, sections) = station.rest("GET", &path, Json::Null).await;
    assert_eq!(status, StatusCode::OK, "{sections}");
    let sections = sections.as_array().unwrap();
    let name = |section: &Json| section["name"].as_str().unwrap().to_owned();
    sections.iter().map(name).collect()
}

#[tokio::test]
async fn media_find_the_folder_that_they_name_or_make_it() {
    let station = Station::start().await;
    let (project, stamp) = (station.project, station.cx.clock.stamp(None, 5));
    let work = station.cx.database.write(move |tx| {
        Box::pin(async move {
            let made = service::create_folder(tx, &stamp, project, "Dive 1").await?;
            let named = service::find_folder_by_name(tx, project, "DIVE 1").await?;
            let uuid = made.tator_user_sections.clone().unwrap();
            let linked = service::find_by_user_sections(tx, project, &uuid).await?;
            let other = service::find_folder_by_name(tx, project, "Dive 2").await?;
            Ok((made, named, linked, other))
        })
    });
    let (made, named, linked, other) = work.await.unwrap();
    assert_eq!(
        (made.dtype, &made.path, made.created_by),
        (Dtype::Folder, &None, None)
    );
    assert_eq!(named.unwrap().id, made.id);
    assert_eq!(linked.unwrap().id, made.id);
    assert!(other.is_none());
}

#[tokio::test]
async fn paths_select_and_move_whole_branches() {
    let station = Station::start().await;
    for (name, path) in [
        ("Cruise", "A"),
        ("Dive", "A.B"),
        ("Fish", "A.B.C"),
        ("Else", "AB"),
    ] {
        make(&station, json!({"name": name, "path": path})).await;
    }
    assert_eq!(names(&station, "match=A.*{1,}").await, ["Dive", "Fish"]);
    assert_eq!(names(&station, "ancestors=A.B").await, ["Cruise", "Dive"]);
    assert_eq!(
        names(&station, "descendants=A").await,
        ["Cruise", "Dive", "Fish"]
    );
    assert_eq!(names(&station, "name=ELSE").await, ["Else"]);

    let clash = json!({"path_substitution": {"old": "A.B", "new": "AB"}});
    let (status, refused) = station
        .rest("PATCH", "/rest/Sections/{project}", clash)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(refused["message"], "Section with this path already exists!");
    assert_eq!(names(&station, "descendants=A.B").await, ["Dive", "Fish"]);

    let moved = json!({"path_substitution": {"old": "A.B", "new": "X"}});
    let (_, answer) = station
        .rest("PATCH", "/rest/Sections/{project}?match=A.*", moved)
        .await;
    assert_eq!(answer["message"], "Successfully updated 2 sections!");
    assert_eq!(names(&station, "match=X.*").await, ["Dive", "Fish"]);
    let (_, answer) = station
        .rest("DELETE", "/rest/Sections/{project}?match=X.*", Json::Null)
        .await;
    assert_eq!(answer["message"], "Successfully deleted 2 sections!");
    assert_eq!(names(&station, "").await, ["Cruise", "Else"]);
}

#[tokio::test]
async fn a_section_says_what_it_is_by_what_it_is_given() {
    let station = Station::start().await;
    let folder = make(&station, json!({"name": "Dive 1, west"})).await;
    assert_eq!(folder["dtype"], "folder");
    assert_eq!(folder["path"], "Dive_1__west");
    assert_eq!(folder["tator_user_sections"], Json::Null);
    let playlist = make(&station, json!({"name": "Best", "explicit_listing": true})).await;
    assert_eq!(playlist["dtype"], "playlist");
    let leaf = json!({"attribute": "$id", "operation": "gt", "value": 1});
    let search = make(&station, json!({"name": "New", "object_search": leaf})).await;
    assert_eq!(search["dtype"], "saved_search");
    assert_eq!(search["object_search"]["inverse"], false);
    let again = json!({"name": "Best"});
    let (status, _) = station
        .rest("POST", "/rest/Sections/{project}", again)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
