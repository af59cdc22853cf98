//! Leaves through the router.

use serde_json::{Value, json};

use crate::testing::Station;

/// Makes a leaf type with the attributes `alias` and `rank`, and returns its id.
async fn leaf_type(station: &Station) -> i64 {
    let body = json!({"name": "Taxon", "attribute_types": [
        {"name": "alias", "dtype": "string"},
        {"name": "rank", "dtype": "int", "default": 3},
    ]});
    let (status, made) = station
        .rest("POST", "/rest/LeafTypes/{project}", body)
        .await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_i64().unwrap()
}

async fn ok(station: &Station, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = station.rest(method, path, body).await;
    assert!(status.is_success(), "{method} {path}: {status} {answer}");
    answer
}

async fn leaf(station: &Station, taxon: i64, name: &str, parent: Option<i64>) -> i64 {
    let body = json!({"name": name, "type": taxon, "parent": parent});
    let made = ok(station, "POST", "/rest/Leaves/{project}", body).await;
    assert_eq!(made["message"], "Successfully created 1 leaf!");
    made["id"][0].as_i64().unwrap()
}

#[tokio::test]
async fn a_subtree_moves_and_goes_as_one() {
    let station = Station::start().await;
    let taxon = leaf_type(&station).await;
    let fish = leaf(&station, taxon, "Fish (all)", None).await;
    let cod = leaf(&station, taxon, "Cod", Some(fish)).await;
    let fry = leaf(&station, taxon, "Fry", Some(cod)).await;
    let other = leaf(&station, taxon, "Other", None).await;
    let read = async |id: i64| ok(&station, "GET", &format!("/rest/Leaf/{id}"), Value::Null).await;
    let found = read(fry).await;
    assert_eq!(found["path"], "The_project.Fish__all_.Cod.Fry");
    assert_eq!(found["attributes"], json!({"rank": 3}));

    let at = format!("/rest/Leaf/{cod}");
    ok(&station, "PATCH", &at, json!({"name": "Atlantic cod"})).await;
    assert_eq!(read(cod).await["path"], "The_project.Fish__all_.Cod");
    ok(
        &station,
        "PATCH",
        &at,
        json!({"parent": other, "attributes": {"alias": "Torsk"}}),
    )
    .await;
    assert_eq!(read(cod).await["path"], "The_project.Other.Atlantic_cod");
    assert_eq!(
        read(fry).await["path"],
        "The_project.Other.Atlantic_cod.Fry"
    );
    assert_eq!(read(cod).await["attributes"]["alias"], "Torsk");
    let own = station.rest("PATCH", &at, json!({"parent": fry})).await;
    assert_eq!(own.0, 400);
    ok(&station, "PATCH", &at, json!({"parent": null})).await;
    assert_eq!(read(fry).await["path"], "The_project.Atlantic_cod.Fry");
    assert_eq!(read(cod).await["parent"], Value::Null);

    let gone = ok(&station, "DELETE", &at, Value::Null).await;
    assert_eq!(
        gone["message"],
        format!("Leaf {cod} and 1 child successfully deleted! ")
    );
    let missing = station
        .rest("GET", &format!("/rest/Leaf/{fry}"), Value::Null)
        .await;
    assert_eq!(missing.0, 404);
    assert_eq!(missing.1["message"], "No Leaf matches the given query.");
    let log = format!("/rest/ChangeLog/{{project}}?entity_type=leaf&entity_id={fry}");
    let log = ok(&station, "GET", &log, Value::Null).await;
    assert_eq!(log.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn leaves_are_selected_by_query_and_body_together() {
    let station = Station::start().await;
    let taxon = leaf_type(&station).await;
    let body: Vec<Value> = (0..5)
        .map(
            |rank| json!({"name": format!("L{rank}"), "type": taxon, "attributes": {"rank": rank}}),
        )
        .collect();
    let made = ok(&station, "POST", "/rest/Leaves/{project}", json!(body)).await;
    assert_eq!(made["message"], "Successfully created 5 leaves!");
    let ids: Vec<i64> = serde_json::from_value(made["id"].clone()).unwrap();
    let top = leaf(&station, taxon, "Top", Some(ids[0])).await;
    let count = async |query: &str, body: Value| {
        let method = if body.is_null() { "GET" } else { "PUT" };
        let path = format!("/rest/LeafCount/{{project}}?{query}");
        ok(&station, method, &path, body).await.as_i64().unwrap()
    };
    assert_eq!(count("", Value::Null).await, 6);
    assert_eq!(count("depth=2", Value::Null).await, 5);
    assert_eq!(count("name=l1", Value::Null).await, 0);
    assert_eq!(count("attribute_gt=rank::2", Value::Null).await, 3);
    assert_eq!(count("attribute_gt=rank::2", json!({"ids": ids})).await, 2);
    assert_eq!(count("", json!({"ids": []})).await, 0);
    assert_eq!(count("", json!({})).await, 6);
    assert_eq!(
        count(&format!("leaf_id={},{top}", ids[1]), Value::Null).await,
        2
    );
    let search =
        json!({"object_search": {"attribute": "$name", "operation": "istartswith", "value": "l"}});
    assert_eq!(count("", search).await, 5);
    let listed = "/rest/Leaves/{project}?sort_by=-rank&start=1&stop=3&depth=2";
    let listed = ok(&station, "GET", listed, Value::Null).await;
    assert_eq!([&listed[0]["name"], &listed[1]["name"]], ["L3", "L2"]);

    let path = "/rest/Leaves/{project}?attribute_lt=rank::2";
    let body = json!({"attributes": {"alias": "low"}});
    let (status, refused) = station
        .rest("PATCH", &format!("{path}&count=9"), body.clone())
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        refused["message"],
        "Safety check failed - expected 9 but would update 2"
    );
    let done = ok(&station, "PATCH", &format!("{path}&count=2"), body).await;
    assert_eq!(done["message"], "Successfully updated 2 leaves!");
    assert_eq!(count("attribute=alias::low", Value::Null).await, 2);
    let done = ok(
        &station,
        "DELETE",
        "/rest/Leaves/{project}",
        json!({"ids": [ids[4]]}),
    )
    .await;
    assert_eq!(done["message"], "Successfully deleted 1 leaves!");
    assert_eq!(count("attribute=rank::4", Value::Null).await, 0);
    let all_or_nothing = json!([{"name": "new", "type": taxon}, {"name": "new", "type": 99}]);
    let (status, _) = station
        .rest("POST", "/rest/Leaves/{project}", all_or_nothing)
        .await;
    assert_eq!(
        (status.as_u16(), count("name=new", Value::Null).await),
        (404, 0)
    );
    station.set_level("Can Execute").await;
    let body = json!({"name": "x", "type": taxon});
    assert_eq!(
        station.rest("POST", "/rest/Leaves/{project}", body).await.0,
        403
    );
}

#[tokio::test]
async fn suggestions_come_from_below_the_ancestor() {
    let station = Station::start().await;
    let taxon = leaf_type(&station).await;
    let fish = leaf(&station, taxon, "Fish", None).await;
    leaf(&station, taxon, "Fishermen", None).await;
    let cods = leaf(&station, taxon, "Gadidae", Some(fish)).await;
    ok(
        &station,
        "PATCH",
        &format!("/rest/Leaf/{cods}"),
        json!({"attributes": {"alias": "cods"}}),
    )
    .await;
    leaf(&station, taxon, "Gadus morhua", Some(cods)).await;
    leaf(&station, taxon, "Gobius niger", Some(fish)).await;
    let suggest = async |ancestor: &str, query: &str| {
        let path = format!("/rest/Leaves/Suggestion/{ancestor}/{{project}}?{query}");
        ok(&station, "GET", &path, Value::Null).await
    };
    assert_eq!(
        suggest("the_project.FISH", "query=g").await,
        json!([
            {"value": "Gadidae", "group": "Fish", "data": {"alias": "cods"}},
            {"value": "Gobius niger", "group": "Fish", "data": {}},
            {"value": "Gadus morhua", "group": "Gadidae (cods)", "data": {}},
        ])
    );
    let names = async |query: &str| {
        let found = suggest("The_project.Fish", query).await;
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["value"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("query=g*us*a").await, ["Gadus morhua"]);
    assert_eq!(names("query=f").await, ["Fish"]);
    assert_eq!(names("query=g&min_level=4").await, ["Gadus morhua"]);
    assert_eq!(suggest("The_project.Nobody", "query=g").await, json!([]));
    let path = "/rest/Leaves/Suggestion/The_project.Fish/{project}";
    assert_eq!(station.rest("GET", path, Value::Null).await.0, 400);
}
