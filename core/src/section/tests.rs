//! Sections on a real database.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
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

/// The same search objects over sections, which are looked through in memory, and over leaves of the
/// same names and attributes, which are asked for in SQL.
#[tokio::test]
async fn searches_mean_the_same_in_memory_and_in_sql() {
    let station = Station::start().await;
    let names = json!([
        {"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "int"},
        {"name": "Length", "dtype": "float"}, {"name": "Certain", "dtype": "bool"},
        {"name": "Stage", "dtype": "enum", "choices": ["egg", "adult"]},
        {"name": "Seen", "dtype": "datetime"}, {"name": "Where", "dtype": "geopos"},
    ]);
    let taxon = json!({"name": "taxon", "attribute_types": names});
    let (_, taxon) = station
        .rest("POST", "/rest/LeafTypes/{project}", taxon)
        .await;
    for name in names.as_array().unwrap() {
        let addition = json!({"entity_type": "Section", "addition": name});
        let (status, answer) = station
            .rest("POST", "/rest/AttributeType/{project}", addition)
            .await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    let rows = [
        json!({"Species": "cod", "Count": 5, "Length": 0.5, "Certain": true, "Stage": "egg",
               "Seen": "2026-01-05", "Where": [10.0, 54.0]}),
        json!({"Species": "Cod.Atlantic", "Count": 9_007_199_254_740_993_i64, "Certain": false,
               "Seen": "2026-02-01T01:00:00+02:00", "Where": [20.0, 54.0]}),
        json!({"Species": "5", "Count": 9_007_199_254_740_992_i64, "Length": -5, "Stage": "adult"}),
        json!({"Species": null, "Certain": null}),
    ];
    for (number, attributes) in rows.iter().enumerate() {
        let name = format!("Row {number}");
        make(&station, json!({"name": name, "attributes": attributes})).await;
        let leaf = json!({"name": name, "type": taxon["id"], "attributes": attributes});
        let (status, answer) = station.rest("POST", "/rest/Leaves/{project}", leaf).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    let attributes = [
        "Species",
        "Count",
        "Length",
        "Certain",
        "Stage",
        "Seen",
        "Where",
        "Nonsense",
        "$name",
        "$created_by",
    ];
    let operations = [
        "eq",
        "gt",
        "gte",
        "lt",
        "lte",
        "icontains",
        "istartswith",
        "iendswith",
        "in",
        "isnull",
        "date_gte",
        "date_range",
        "distance_lte",
        "descendants",
        "explode",
    ];
    let values = [
        json!("Cod"),
        json!(5),
        json!("5"),
        json!(true),
        json!("false"),
        json!(null),
        json!("9007199254740992"),
        json!(["cod", 5, "Row 1"]),
        json!("2026-01-31T23:30Z"),
        json!(["2026-01", "2026-01-31"]),
        json!([50, 54.0, 10.5]),
    ];
    for attribute in attributes {
        for operation in operations {
            for value in &values {
                for inverse in [false, true] {
                    let search = json!({"attribute": attribute, "operation": operation,
                                        "value": value, "inverse": inverse});
                    let encoded = BASE64_URL_SAFE.encode(search.to_string());
                    let ask = async |noun: &str| {
                        let path = format!("/rest/{noun}/{{project}}?encoded_search={encoded}");
                        let (status, rows) = station.rest("GET", &path, Json::Null).await;
                        let rows = rows.as_array().cloned().unwrap_or_default();
                        let mut names: Vec<_> =
                            rows.iter().map(|row| row["name"].to_string()).collect();
                        names.sort();
                        (status, names)
                    };
                    assert_eq!(ask("Sections").await, ask("Leaves").await, "{search}");
                }
            }
        }
    }
}
