//! Media through the router, and the indexer with a worker that dies.

use axum::body::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::import::{Import, Imported, import};
use super::source::{self, Bytes, Source, State};
use super::{indexer, store};
use crate::context::Context;
use crate::testing::{HOST, ORGANIZATION, Station};
use crate::{config, values};

impl Station {
    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.rest(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    async fn refused(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let (got, answer) = self.rest(method, path, body).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
        answer["message"].as_str().unwrap().to_owned()
    }

    async fn media_type(&self, dtype: &str) -> i64 {
        let body = json!({"name": dtype, "dtype": dtype, "attribute_types": []});
        let made = self.ok("POST", "/rest/MediaTypes/{project}", body).await;
        made["id"].as_i64().unwrap()
    }

    async fn media(&self, kind: i64, name: &str) -> i64 {
        let body = json!({"type": kind, "name": name, "md5": ""});
        let made = self.ok("POST", "/rest/Medias/{project}", body).await;
        made["id"].as_i64().unwrap()
    }

    /// Uploads a few bytes and returns a link to them.
    async fn uploaded(&self) -> String {
        let info = self
            .ok("GET", "/rest/UploadInfo/{project}", Value::Null)
            .await;
        let url = info["urls"][0].as_str().unwrap();
        assert_eq!(
            self.send("PUT", url, &[], Body::from("bytes"))
                .await
                .status(),
            200
        );
        let keys = json!({"keys": [info["key"]]});
        let links = self.ok("POST", "/rest/DownloadInfo/{project}", keys).await;
        links[0]["url"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn nothing_but_the_medias_own_bytes_is_signed() {
    let station = Station::start().await;
    let kind = station.media_type("video").await;
    let (one, other) = (
        station.media(kind, "a.mp4").await,
        station.media(kind, "b.mp4").await,
    );
    let project = station.project;
    let key = |media: i64| format!("{ORGANIZATION}/{project}/{media}/a.mp4");
    let foreign = [
        key(other),
        format!("{ORGANIZATION}/99/{one}/a.mp4"),
        format!("99/{project}/{one}/a.mp4"),
        "_uploads/2020-01-01/9/9/9/a".to_owned(),
        "https://elsewhere/a.mp4".to_owned(),
    ];
    let record = |path: &str| json!({"path": path, "segment_info": path, "codec": "h264", "resolution": [1, 1]});
    let mut records: Vec<Value> = foreign.iter().map(|path| record(path)).collect();
    records.push(record(&key(one)));
    let files = json!({"archival": records}).to_string();
    let planting = station.cx.database.write(move |tx| {
        Box::pin(async move {
            let sql = "update media set media_files = $2 where id = $1";
            tx.execute(sql, &values![one, files]).await
        })
    });
    planting.await.unwrap();
    for path in [
        format!("/rest/Media/{one}?presigned=60"),
        format!("/rest/Medias/{{project}}?presigned=60&media_id={one}"),
    ] {
        let row = station.ok("GET", &path, Value::Null).await;
        let row = if row.is_array() { &row[0] } else { &row };
        let records = row["media_files"]["archival"].as_array().unwrap();
        for (record, path) in records.iter().zip(&foreign) {
            assert_eq!(
                (&record["path"], &record["segment_info"]),
                (&json!(path), &json!(path))
            );
        }
        let own = records[foreign.len()]["path"].as_str().unwrap();
        assert!(own.starts_with(&format!("http://{HOST}/objects/")), "{own}");
    }
}

#[tokio::test]
async fn a_media_records_only_its_own_keys() {
    let station = Station::start().await;
    let kind = station.media_type("video").await;
    let (one, other) = (
        station.media(kind, "a.mp4").await,
        station.media(kind, "b.mp4").await,
    );
    let (project, at) = (station.project, format!("/rest/Media/{one}"));
    let body = |path: &str, reference: i64| {
        let video = json!({"path": path, "codec": "h264", "resolution": [1, 1], "reference_only": reference});
        json!({"media_files": {"archival": [video]}})
    };
    for path in [
        format!("{ORGANIZATION}/{project}/{other}/a.mp4"),
        format!("{ORGANIZATION}/99/{one}/a.mp4"),
        format!("99/{project}/{one}/a.mp4"),
    ] {
        station.refused(403, "PATCH", &at, body(&path, 0)).await;
        station.refused(403, "PATCH", &at, body(&path, 1)).await;
    }
    for path in [
        "/etc/passwd",
        "a.mp4",
        "file:///etc/passwd",
        "https://elsewhere/a.mp4",
    ] {
        station.refused(400, "PATCH", &at, body(path, 0)).await;
    }
    let own = format!("{ORGANIZATION}/{project}/{one}/a.mp4");
    station.ok("PATCH", &at, body(&own, 0)).await;
    station
        .ok("PATCH", &at, body("https://elsewhere/a.mp4", 1))
        .await;
}

#[tokio::test]
async fn uploads_of_what_is_kept_take_a_right_and_a_new_key() {
    let station = Station::start().await;
    let media = station
        .media(station.media_type("video").await, "a.mp4")
        .await;
    let body = json!({"name": "Report", "attribute_types": []});
    let kind = station.ok("POST", "/rest/FileTypes/{project}", body).await["id"].clone();
    let body = json!({"name": "a.csv", "type": kind});
    let file = station.ok("POST", "/rest/Files/{project}", body).await["id"].clone();
    let temporary = "/rest/UploadInfo/{project}".to_owned();
    let of_media = format!("{temporary}?media_id={media}&filename=a.mp4");
    let of_file = format!("{temporary}?file_id={file}&filename=a.csv");
    for (level, allowed) in [
        ("View Only", [true, false, false]),
        ("Can Edit", [true, false, false]),
        ("Can Transfer", [true, true, false]),
        ("Can Execute", [true, true, true]),
    ] {
        station.set_level(level).await;
        for (path, allowed) in [&temporary, &of_media, &of_file].into_iter().zip(allowed) {
            if !allowed {
                station.refused(403, "GET", path, Value::Null).await;
                continue;
            }
            let first = station.ok("GET", path, Value::Null).await["key"].clone();
            let second = station.ok("GET", path, Value::Null).await["key"].clone();
            assert_ne!(first, second, "{path}");
        }
    }
}

#[tokio::test]
async fn links_are_our_own_and_references_are_of_the_web() {
    let station = Station::start().await;
    let kind = station.media_type("image").await;
    let create = "/rest/Medias/{project}";
    let image = |more: Value| {
        let mut body = json!({"type": kind, "name": "a.png", "md5": ""});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    for url in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "/etc/passwd",
        "http://",
    ] {
        let body = image(json!({"url": url, "reference_only": 1}));
        station.refused(400, "POST", create, body).await;
    }
    let body = image(json!({"url": "https://elsewhere/a.png", "reference_only": 1}));
    let made = station.ok("POST", create, body).await;
    assert_eq!(
        made["object"]["media_files"]["image"][0]["path"],
        "https://elsewhere/a.png"
    );

    for name in ["url", "thumbnail_url", "thumbnail_gif_url"] {
        let mut body = image(json!({}));
        body[name] = json!("http://169.254.169.254/latest");
        let message = station.refused(403, "POST", create, body).await;
        assert!(message.contains("not from an allowed origin"), "{message}");
    }
    let (thumbnail, moving) = (station.uploaded().await, station.uploaded().await);
    let body = image(json!({"thumbnail_url": thumbnail, "thumbnail_gif_url": moving}));
    let made = station.ok("POST", create, body).await;
    let row = station
        .ok(
            "GET",
            &format!("/rest/Media/{}?presigned=60", made["id"]),
            Value::Null,
        )
        .await;
    for role in ["thumbnail", "thumbnail_gif"] {
        let url = row["media_files"][role][0]["path"].as_str().unwrap();
        assert!(url.contains(&format!("/{}/{role}_", made["id"])), "{url}");
        let response = station.send("GET", url, &[], Body::empty()).await;
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn images_that_fail_keep_no_others() {
    let station = Station::start().await;
    let kind = station.media_type("image").await;
    let create = "/rest/Medias/{project}";
    let image = |name: &str, section: Option<i64>| match section {
        Some(id) => json!({"type": kind, "name": name, "md5": "", "section_id": id}),
        None => json!({"type": kind, "name": name, "md5": ""}),
    };
    let body = json!([
        image("", None),
        image("a.png", None),
        image("b.png", Some(99)),
        image("c.png", None)
    ]);
    let made = station.ok("POST", create, body).await;
    assert_eq!(made["message"], "Started import of 2 images!");
    assert_eq!(made["id"].as_array().unwrap().len(), 2);
    let rows = station
        .ok("GET", "/rest/Medias/{project}?fields=name", Value::Null)
        .await;
    assert_eq!(rows, json!([{"name": "a.png"}, {"name": "c.png"}]));
    let body = json!([image("d.png", Some(99)), image("", None)]);
    let message = station.refused(400, "POST", create, body).await;
    assert_eq!(message, "Folder with ID 99 does not exist");
}

#[tokio::test]
async fn unknown_fields_are_refused_before_anything_is_read() {
    let station = Station::start().await;
    for (fields, status) in [
        ("id,name,attributes.x", 200),
        ("id,nonsense", 400),
        ("incident", 400),
    ] {
        let path = format!("/rest/Medias/{{project}}?fields={fields}");
        assert_eq!(
            station.rest("GET", &path, Value::Null).await.0,
            status,
            "{fields}"
        );
    }
    let media = station
        .media(station.media_type("video").await, "a.mp4")
        .await;
    let row = station
        .ok("GET", &format!("/rest/Media/{media}"), Value::Null)
        .await;
    let keys: Vec<&str> = row
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut known: Vec<&str> = super::types::KEYS.iter().map(|key| key.name).collect();
    known.sort_unstable();
    let mut keys = keys.clone();
    keys.sort_unstable();
    assert_eq!(keys, known);
}

#[tokio::test]
async fn archiving_is_done_at_once_and_reaches_the_children() {
    let station = Station::start().await;
    let video = station.media_type("video").await;
    let children = [
        station.media(video, "a.mp4").await,
        station.media(video, "b.mp4").await,
    ];
    let multi = station
        .media(station.media_type("multi").await, "both")
        .await;
    let at = format!("/rest/Media/{multi}");
    let body = json!({"multi": {"ids": children, "layout": [1, 2]}});
    station.ok("PATCH", &at, body).await;
    let states = async || {
        let mut states = Vec::new();
        for id in [multi, children[0], children[1]] {
            let row = station
                .ok("GET", &format!("/rest/Media/{id}"), Value::Null)
                .await;
            states.push((
                row["archive_state"].clone(),
                row["archive_status_date"].is_string(),
            ));
        }
        states
    };
    station
        .ok("PATCH", &at, json!({"archive_state": "to_live"}))
        .await;
    assert_eq!(states().await, vec![(json!("live"), false); 3]);
    station
        .ok("PATCH", &at, json!({"archive_state": "to_archive"}))
        .await;
    assert_eq!(states().await, vec![(json!("archived"), true); 3]);
    let medias = "/rest/Medias/{project}";
    let path = format!("{medias}?media_id={multi}");
    station
        .ok("PATCH", &path, json!({"archive_state": "to_live"}))
        .await;
    assert_eq!(states().await, vec![(json!("live"), true); 3]);
}

#[tokio::test]
async fn a_transcode_gives_no_file_to_a_media_of_another_project() {
    let station = Station::start().await;
    let kind = station.media_type("video").await;
    let media = station.media(kind, "a.mp4").await;
    let (elsewhere, account) = (station.project + 1, station.account);
    let moving = station.cx.database.write(move |tx| {
        Box::pin(async move {
            tx.execute(
                "insert into project (id, name, summary, organization, enable_downloads, \
                 elemental_id, extended_info, created_by, created_at) \
                 values ($1, 'Other', '', $2, true, 'f', '{}', $3, 0)",
                &values![elsewhere, ORGANIZATION, account],
            )
            .await?;
            tx.execute(
                "insert into membership (id, project, account, permission) \
                 values (99, $1, $2, 'Full Control')",
                &values![elsewhere, account],
            )
            .await?;
            let sql = "update media set project = $2 where id = $1";
            tx.execute(sql, &values![media, elsewhere]).await
        })
    });
    moving.await.unwrap();
    let gid = crate::id::uuid();
    let body = json!({"type": kind, "gid": gid, "uid": gid, "url": station.uploaded().await,
                      "name": "a.mp4", "media_id": media});
    let message = station
        .refused(400, "POST", "/rest/Transcodes/{project}", body)
        .await;
    assert!(message.contains("is not part of project"), "{message}");
}

/// A station whose frame worker dies at once.
async fn station_of_the_dying_worker(folder: &std::path::Path) -> std::sync::Arc<Context> {
    let flags = [
        ("database.url", "sqlite:".to_owned()),
        ("frames.worker", "/bin/false".to_owned()),
    ];
    let settings = config::read(None, [], &flags).unwrap();
    let cx = Context::open(settings, folder.into()).await.unwrap();
    let user = crate::account::NewUser {
        username: "owner".into(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        password: "a long password".into(),
        elemental_id: None,
        profile: serde_json::Map::new(),
        registration_token: None,
        is_staff: true,
    };
    crate::account::service::create(&cx, user).await.unwrap();
    cx
}

async fn imported(cx: &Context, path: &std::path::Path) -> Imported {
    let what = Import {
        paths: vec![path.into()],
        project: "Dive".into(),
        section: None,
        copy: false,
        no_join: false,
        replace: false,
    };
    let (report, mut files) = mpsc::channel(4);
    import(cx, what, report).await.unwrap();
    files.recv().await.unwrap()
}

async fn state_of(cx: &Context, media: i64) -> Source {
    let reading = cx
        .database
        .read(move |tx| Box::pin(source::find(tx, media)));
    reading.await.unwrap().unwrap()
}

async fn set_state(cx: &Context, media: i64, state: State) {
    let source = Source {
        state,
        ..state_of(cx, media).await
    };
    let writing = cx
        .database
        .write(move |tx| Box::pin(async move { source::put(tx, &source).await }));
    writing.await.unwrap();
}

#[tokio::test]
async fn what_failed_or_changed_is_tried_again_when_imported_again() {
    let folder = tempfile::tempdir().unwrap();
    let cx = station_of_the_dying_worker(folder.path()).await;
    let clip = folder.path().join("clip.mp4");
    std::fs::write(&clip, "no film").unwrap();
    let first = imported(&cx, &clip).await;
    assert_eq!(first.state, "failed", "{}", first.message);
    assert!(first.message.contains("twice"), "{}", first.message);
    let again = imported(&cx, &clip).await;
    assert_eq!((again.media, again.state.as_str()), (first.media, "failed"));

    let media = first.media.unwrap();
    set_state(&cx, media, State::Ready).await;
    let third = imported(&cx, &clip).await;
    assert_eq!(
        (third.media, third.state.as_str()),
        (first.media, "skipped")
    );
    std::fs::write(&clip, "another film").unwrap();
    let changed = imported(&cx, &clip).await;
    assert_eq!(
        (changed.media, changed.state.as_str()),
        (first.media, "failed")
    );
    assert_eq!(state_of(&cx, media).await.size_bytes, 12);
}

#[tokio::test]
async fn one_source_that_kills_its_worker_stops_no_queue() {
    let folder = tempfile::tempdir().unwrap();
    let cx = station_of_the_dying_worker(folder.path()).await;
    let mut sources = Vec::new();
    for number in 0..40 {
        let path = folder.path().join(format!("{number}.mp4"));
        std::fs::write(&path, "no film").unwrap();
        let path = path.to_string_lossy().into_owned();
        sources.push(Source::waiting(number + 1, Bytes::InPlace(path), 7, 0));
    }
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            for source in &sources {
                source::put(tx, source).await?;
            }
            Ok(())
        })
    });
    writing.await.unwrap();
    indexer::drain(&cx).await.unwrap();
    for media in [1, 17, 40] {
        assert_eq!(state_of(&cx, media).await.state, State::Indexing);
        assert!(!cx.indexing.is_due(media, std::time::Instant::now()));
    }
    // The second death is the last one.
    let (state, message) = indexer::index(&cx, 40).await.unwrap();
    assert_eq!(state, State::Failed);
    assert!(message.contains("twice"), "{message}");
    let gone = cx
        .database
        .read(|tx| Box::pin(store::find(tx, 40)))
        .await
        .unwrap();
    assert!(gone.is_none());
}
