//! Uploads and downloads through the router, as clients do them.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::service;
use crate::testing::{ORGANIZATION, Station};
use crate::values;

const DAY_MS: i64 = 24 * 3_600_000;

impl Station {
    async fn link(&self, key: &str) -> String {
        let path = "/rest/DownloadInfo/{project}";
        let (status, links) = self.rest("POST", path, json!({"keys": [key]})).await;
        assert_eq!(status, 201, "{links}");
        links[0]["url"].as_str().unwrap().to_owned()
    }

    async fn get(&self, url: &str, headers: &[(&str, &str)]) -> (StatusCode, Response, Vec<u8>) {
        let response = self.send("GET", url, headers, Body::empty()).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 30).await.unwrap().to_vec();
        let status = parts.status;
        (status, Response::from_parts(parts, Body::empty()), bytes)
    }

    async fn upload(&self, body: &'static str) -> (String, Response) {
        let (_, info) = self
            .rest("GET", "/rest/UploadInfo/{project}", Value::Null)
            .await;
        let url = info["urls"][0].as_str().unwrap();
        let response = self.send("PUT", url, &[], Body::from(body)).await;
        assert_eq!(response.status(), 200);
        (info["key"].as_str().unwrap().into(), response)
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn what_is_put_comes_back_whole_or_in_ranges() {
    let station = Station::start().await;
    let (key, put) = station.upload("hello, object").await;
    assert!(key.starts_with("_uploads/"), "{key}");
    let etag = header(&put, "etag").to_owned();
    let digest = <md5::Md5 as md5::Digest>::digest(b"hello, object");
    assert_eq!(etag, format!("\"{}\"", hex::encode(digest)));
    let url = station.link(&key).await;
    assert!(url.contains("&X-Amz-Expires=86400&"), "{url}");

    let (status, response, bytes) = station.get(&url, &[]).await;
    assert_eq!(
        (status.as_u16(), bytes.as_slice()),
        (200, &b"hello, object"[..])
    );
    assert_eq!(header(&response, "content-length"), "13");
    assert_eq!(header(&response, "etag"), etag);
    let (status, response, bytes) = station.get(&url, &[("range", "bytes=7-")]).await;
    assert_eq!((status.as_u16(), bytes.as_slice()), (206, &b"object"[..]));
    assert_eq!(header(&response, "content-range"), "bytes 7-12/13");
    let (status, response, _) = station.get(&url, &[("range", "bytes=13-")]).await;
    assert_eq!(status, 416);
    assert_eq!(header(&response, "content-range"), "bytes */13");
    let (status, _, bytes) = station.get(&url, &[("if-none-match", &etag)]).await;
    assert_eq!((status.as_u16(), bytes.len()), (304, 0));
    let head = station.send("HEAD", &url, &[], Body::empty()).await;
    assert_eq!(header(&head, "content-length"), "13");
}

#[tokio::test]
async fn a_link_gives_nothing_but_its_own_object() {
    let station = Station::start().await;
    let (key, _) = station.upload("mine").await;
    let url = station.link(&key).await;
    let other = url.replacen(&key, "1/2/3/other", 1);
    let (status, _, xml) = station.get(&other, &[]).await;
    assert_eq!(status, 403);
    assert!(
        String::from_utf8(xml)
            .unwrap()
            .contains("<Code>SignatureDoesNotMatch</Code>")
    );
    let (status, _, _) = station.get(url.split('?').next().unwrap(), &[]).await;
    assert_eq!(status, 403);
    assert_eq!(
        station
            .send("PUT", &url, &[], Body::from("x"))
            .await
            .status(),
        403
    );

    let missing = format!("{key}x");
    let (status, _, xml) = station.get(&station.link(&missing).await, &[]).await;
    assert_eq!(status, 404);
    assert!(
        String::from_utf8(xml)
            .unwrap()
            .contains("<Code>NoSuchKey</Code>")
    );

    let foreign = json!({"keys": ["7/999999/3/video.mp4"]});
    let (status, _) = station
        .rest("POST", "/rest/DownloadInfo/{project}", foreign)
        .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn links_are_kept_for_an_account_whatever_their_lifetime() {
    let station = Station::start().await;
    let key = format!("{ORGANIZATION}/{}/5/a.mp4", station.project);
    let actor = crate::account::Actor {
        id: 1,
        username: String::new(),
        is_staff: false,
    };
    let link = async |secs, no_cache| {
        super::presign(&station.cx, &actor, "http://h", &key, secs, no_cache).await
    };
    let short = link(3600, false).await;
    let first = link(7200, false).await;
    assert_ne!(short, first, "a short link is not kept");
    assert_eq!(link(50_000, false).await, first);
    assert!(link(50_000, true).await.contains("X-Amz-Expires=50000"));
    assert_eq!(link(3600, false).await, first);
    assert_eq!(super::key_of_link(&station.cx, &first), Some(key.clone()));
    let forged = first.replace("7200", "7201");
    assert_eq!(super::key_of_link(&station.cx, &forged), None);
}

#[tokio::test]
async fn parts_in_any_order_become_one_object() {
    let station = Station::start().await;
    let path = "/rest/UploadInfo/{project}?num_parts=3&filename=a.mp4";
    let (_, info) = station.rest("GET", path, Value::Null).await;
    let mut parts = Vec::new();
    for (index, text) in [(2, "!"), (0, "hello"), (1, " wrong"), (1, " parts")] {
        let url = info["urls"][index].as_str().unwrap();
        let response = station.send("PUT", url, &[], Body::from(text)).await;
        let etag = header(&response, "etag").to_owned();
        parts.retain(|part: &Value| part["PartNumber"] != index + 1);
        parts.push(json!({"ETag": etag, "PartNumber": index + 1}));
    }
    let done = json!({"key": info["key"], "upload_id": info["upload_id"], "parts": parts, "bucket_id": null});
    let path = "/rest/UploadCompletion/{project}";
    let mut wrong = done.clone();
    wrong["parts"][0]["ETag"] = json!("\"00000000000000000000000000000000\"");
    assert_eq!(station.rest("POST", path, wrong).await.0, 400);
    let (status, message) = station.rest("POST", path, done.clone()).await;
    assert_eq!(status, 201, "{message}");
    assert_eq!(
        station.rest("POST", path, done.clone()).await.0,
        201,
        "a repeated completion"
    );

    let url = station.link(info["key"].as_str().unwrap()).await;
    let (_, response, bytes) = station.get(&url, &[]).await;
    assert_eq!(bytes, b"hello parts!");
    assert!(header(&response, "etag").ends_with("-3\""));
    let late = station
        .send(
            "PUT",
            info["urls"][0].as_str().unwrap(),
            &[],
            Body::from("x"),
        )
        .await;
    assert_eq!(late.status(), 404);
    assert_eq!(blobs(&station).await, 1);
}

async fn blobs(station: &Station) -> usize {
    let mut count = 0;
    for shard in 0..=255 {
        count += station.cx.objects.list(shard).await.unwrap().len();
    }
    count
}

#[tokio::test]
async fn clones_share_bytes_until_the_last_of_them_goes() {
    let station = Station::start().await;
    let (key, _) = station.upload("shared").await;
    let copy = format!("{ORGANIZATION}/{}/5/copy.txt", station.project);
    let (from, to) = (key.clone(), copy.clone());
    let copying = station.cx.database.write(move |tx| {
        Box::pin(async move {
            service::copy_link(tx, &from, &to).await?;
            service::remove(tx, &from).await?;
            service::size(tx, &to).await
        })
    });
    assert_eq!(copying.await.unwrap(), Some(6));
    service::collect(&station.cx).await.unwrap();
    assert_eq!(blobs(&station).await, 1);
    assert_eq!(
        station.get(&station.link(&copy).await, &[]).await.2,
        b"shared"
    );
    let to = copy.clone();
    let removing = station
        .cx
        .database
        .write(move |tx| Box::pin(async move { service::remove(tx, &to).await }));
    assert!(removing.await.unwrap());
    service::collect(&station.cx).await.unwrap();
    assert_eq!(blobs(&station).await, 0);
}

#[tokio::test]
async fn a_file_in_place_is_read_and_never_written() {
    let station = Station::start().await;
    let file = station.folder.path().join("clip.html");
    std::fs::write(&file, "<p>in place").unwrap();
    let key = format!("{ORGANIZATION}/{}/5/clip.html", station.project);
    let (path, in_place) = (file.clone(), key.clone());
    let putting = station.cx.database.write(move |tx| {
        Box::pin(async move { service::put_in_place(tx, &in_place, &path, 11, 0).await })
    });
    putting.await.unwrap();
    let url = station.link(&key).await;
    let (_, response, bytes) = station.get(&url, &[("range", "bytes=-8")]).await;
    assert_eq!(bytes, b"in place");
    assert_eq!(header(&response, "content-security-policy"), "sandbox");
    assert!(service::put_bytes(&station.cx, &key, "new").await.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"<p>in place");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(station.get(&url, &[]).await.0, 404);
    assert_eq!(blobs(&station).await, 0);
}

#[tokio::test]
async fn an_overwritten_object_is_the_old_or_the_new_one() {
    let station = Station::start().await;
    let key = format!("{ORGANIZATION}/{}/5/turn.bin", station.project);
    let body = |number: u8| vec![number; 700_000];
    service::put_bytes(&station.cx, &key, body(0))
        .await
        .unwrap();
    let url = station.link(&key).await;
    let cx = Arc::clone(&station.cx);
    let written = key.clone();
    let writer = tokio::spawn(async move {
        for number in 1..40 {
            service::put_bytes(&cx, &written, vec![number; 700_000])
                .await
                .unwrap();
        }
    });
    while !writer.is_finished() {
        let (status, _, bytes) = station.get(&url, &[]).await;
        assert_eq!(status, 200);
        assert_eq!(bytes, body(bytes[0]), "a mixture of {} bytes", bytes.len());
    }
    writer.await.unwrap();
    assert_eq!(blobs(&station).await, 1);
}

#[tokio::test]
async fn abandoned_uploads_expire() {
    let station = Station::start().await;
    let (key, _) = station.upload("old").await;
    let kept = format!("{ORGANIZATION}/{}/5/kept.txt", station.project);
    service::put_bytes(&station.cx, &kept, "kept")
        .await
        .unwrap();
    let path = "/rest/UploadInfo/{project}?num_parts=2";
    let (_, info) = station.rest("GET", path, Value::Null).await;
    let part = station
        .send(
            "PUT",
            info["urls"][0].as_str().unwrap(),
            &[],
            Body::from("part"),
        )
        .await;
    assert_eq!(part.status(), 200);
    service::expire(&station.cx).await.unwrap();
    assert_eq!(blobs(&station).await, 3);
    let aging = station.cx.database.write(|tx| {
        Box::pin(async move {
            tx.execute(
                "update object set created_at = created_at - $1",
                &values![2 * DAY_MS],
            )
            .await?;
            tx.execute("update multipart_upload set expires_at = 0", &[])
                .await
        })
    });
    aging.await.unwrap();
    service::expire(&station.cx).await.unwrap();
    assert_eq!(blobs(&station).await, 1);
    assert!(service::find(&station.cx, &key).await.unwrap().is_none());
    assert!(service::find(&station.cx, &kept).await.unwrap().is_some());
}

#[tokio::test]
async fn uploads_are_named_by_what_they_are_for() {
    let station = Station::start().await;
    let project = station.project;
    for (query, message) in [
        (
            "media_id=1&file_id=1",
            "Both media_id and file_id are specified!".to_owned(),
        ),
        (
            "media_id=91",
            format!("Media ID 91 does not exist in project {project}!"),
        ),
        (
            "file_id=92",
            format!("File ID 92 does not exist in project {project}!"),
        ),
        (
            "bucket_id=1",
            "A bucket_id may be specified only together".to_owned(),
        ),
    ] {
        let path = format!("/rest/UploadInfo/{{project}}?{query}");
        let (status, body) = station.rest("GET", &path, Value::Null).await;
        assert_eq!(status, 400);
        assert!(
            body["message"].as_str().unwrap().starts_with(&message),
            "{body}"
        );
    }
}
