//! Projects on a real database.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::account::{self, NewUser};
use crate::testing::Station;
use crate::values;

/// Rows of a table.
async fn count(station: &Station, table: &'static str) -> i64 {
    let sql = format!("select count(*) from {table}");
    let work = station.cx.database.read(move |tx| {
        Box::pin(async move { Ok(tx.scalar(&sql, &[]).await?.unwrap_or_default()) })
    });
    work.await.unwrap()
}

async fn execute(station: &Station, sql: impl Into<String>) {
    let (project, sql) = (station.project, sql.into());
    let work = station
        .cx
        .database
        .write(move |tx| Box::pin(async move { tx.execute(&sql, &values![project]).await }));
    work.await.unwrap();
}

#[tokio::test]
async fn a_removed_project_takes_all_but_its_media_along() {
    let station = Station::start().await;
    for statement in [
        "insert into media (id, project, type, name, md5, elemental_id, media_files, attributes, archive_state, \
         created_at, modified_at, deleted) values (1, $1, 3, 'm', '', 'e', '{\"image\": [{\"size\": 9}]}', '{}', \
         'live', 0, 0, false)",
        "insert into entity_type (kind, id, project, name, description, dtype, elemental_id, detail) \
         values ('MediaType', 3, $1, 'Picture', '', 'image', 'e', '{}')",
        "insert into attribute_type (id, kind, type, position, name, dtype, definition) \
         values (4, 'MediaType', 3 + 0 * $1, 0, 'Depth', 'float', '{}'), (5, 'Section', $1, 0, 'Ship', 'string', \
         '{\"name\": \"Ship\", \"dtype\": \"string\"}')",
        "insert into attribute_number (attribute, value, entity) values (4, 1.5, 0 * $1 + 1), (99, 1.5, 1)",
    ] {
        execute(&station, statement).await;
    }
    let section = json!({"name": "S", "media": [1], "attributes": {"Ship": "Sonne"}});
    let (status, made) = station
        .rest("POST", "/rest/Sections/{project}", section)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (_, project) = station
        .rest("GET", "/rest/Project/{project}", Json::Null)
        .await;
    assert_eq!(
        (&project["num_files"], &project["size"]),
        (&json!(1), &json!(9))
    );
    assert_eq!(project["permission"], "Creator");
    assert_eq!(project["attribute_types"][0]["name"], "Ship");
    assert_eq!(count(&station, "attribute_text").await, 1);

    let (status, answer) = station
        .rest("DELETE", "/rest/Project/{project}?prune=1", Json::Null)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for table in [
        "project",
        "membership",
        "section",
        "section_media",
        "entity_type",
        "attribute_type",
        "attribute_text",
    ] {
        assert_eq!(count(&station, table).await, 0, "{table}");
    }
    assert_eq!(count(&station, "attribute_number").await, 1);
    assert_eq!(count(&station, "media where project is null").await, 1);
}

#[tokio::test]
async fn only_the_creator_removes_a_project() {
    let station = Station::start().await;
    let creator = NewUser {
        username: "creator".into(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        password: "a long password".into(),
        elemental_id: None,
        profile: serde_json::Map::new(),
        registration_token: None,
        is_staff: false,
    };
    let creator = account::service::create(&station.cx, creator)
        .await
        .unwrap();
    let sql = format!(
        "update project set created_by = {} where id = $1",
        creator.id
    );
    execute(&station, sql).await;
    let remove = || station.rest("DELETE", "/rest/Project/{project}", Json::Null);
    assert_eq!(remove().await.0, StatusCode::FORBIDDEN);
    let (status, _) = station
        .rest("PATCH", "/rest/Project/{project}", json!({"unknown": 1}))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    account::service::delete(&station.cx, "creator")
        .await
        .unwrap();
    assert_eq!(
        remove().await.0,
        StatusCode::OK,
        "nobody else is left to do it"
    );
}

#[tokio::test]
async fn nobody_is_a_member_twice() {
    let station = Station::start().await;
    let member = json!({"user": station.account, "permission": "Can Edit"});
    let (status, answer) = station
        .rest("POST", "/rest/Memberships/{project}", member)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.starts_with("Membership already exists"),
        "{message}"
    );
}
