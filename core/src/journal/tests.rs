//! The change log through the router.

use serde_json::{Value, json};

use super::{Action, Change, Changes, record};
use crate::testing::Station;

async fn write(station: &Station, noun: &'static str, changes: Changes) {
    let stamp = station
        .cx
        .clock
        .stamp(Some(station.account), station.cx.now());
    let project = station.project;
    let writing = station.cx.database.write(move |tx| {
        Box::pin(async move { record(tx, &stamp, Some(project), noun, changes).await })
    });
    writing.await.unwrap();
}

#[tokio::test]
async fn the_change_log_is_found_by_entity_kind_and_account() {
    let station = Station::start().await;
    let row = |name: &str| json!({"name": name, "mark": 0, "attributes": {}});
    let made = |ids: std::ops::Range<i64>| {
        let rows = ids.map(|id| (id, None::<()>, Some(row("new"))));
        Changes::new(Action::Create, rows).unwrap()
    };
    write(&station, "localization", made(10..13)).await;
    write(&station, "localization", made(20..22)).await;
    write(&station, "media", made(11..12)).await;
    let renamed = Change::updated(11, &row("new"), &row("newer")).unwrap();
    write(&station, "localization", renamed).await;
    write(&station, "section", made(11..12)).await;
    let gone = Change::deleted(20, &row("new")).unwrap();
    write(&station, "localization", gone).await;

    for (query, count) in [
        ("entity_type=localization&entity_id=11", 2),
        ("entity_id=11", 3),
        ("entity_type=localization&entity_id=15", 0),
        ("entity_type=localization", 7),
        ("entity_type=state", 0),
        ("user_id=1", 8),
        ("user_id=2", 0),
    ] {
        let path = format!("/rest/ChangeLog/{{project}}?{query}");
        let (status, log) = station.rest("GET", &path, Value::Null).await;
        assert_eq!(
            (status.as_u16(), log.as_array().unwrap().len()),
            (200, count),
            "{query}: {log}"
        );
        assert!(
            log.as_array()
                .unwrap()
                .is_sorted_by_key(|row| row["id"].as_i64())
        );
    }
    let path = "/rest/ChangeLog/{project}?entity_id=11&entity_type=localization";
    let (_, log) = station.rest("GET", path, Value::Null).await;
    assert_eq!(
        log[1]["description_of_change"],
        json!({"old": [{"name": "_name", "value": "new"}], "new": [{"name": "_name", "value": "newer"}]})
    );
    for (path, status) in [
        ("/rest/ChangeLog/{project}", 400),
        ("/rest/ChangeLog/{project}?entity_type=section", 400),
        ("/rest/ChangeLog/99?user_id=1", 404),
    ] {
        assert_eq!(
            station.rest("GET", path, Value::Null).await.0,
            status,
            "{path}"
        );
    }
}
