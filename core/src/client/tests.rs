//! Reading URLs from a server of the test's own.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::get;

use super::*;
use crate::testing::{HOST, Station};

/// A server on loopback; returns `127.0.0.1:port`.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let port = listener.local_addr().unwrap().port();
    let echo = |headers: HeaderMap| async move {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap());
        format!("{:?} {:?}", text("x-secret"), text("host").is_some())
    };
    let router = Router::new()
        .route("/ten", get(|| async { "0123456789" }))
        .route("/echo", get(echo))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/again", get(|| async { Redirect::temporary("/again") }))
        .route("/near", get(|| async { Redirect::permanent("ten") }))
        .route(
            "/far",
            get(move || async move { Redirect::to(&format!("http://localhost:{port}/echo")) }),
        )
        .route(
            "/file",
            get(|| async { Redirect::to("file:///etc/passwd") }),
        )
        .route(
            "/endless",
            get(|| async {
                let block = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1000]));
                Body::from_stream(futures::stream::repeat_with(block))
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    place
}

async fn station(origins: &[&str]) -> Station {
    Station::start_with(&[("server.request_origins", origins.join(","))]).await
}

async fn text(cx: &Context, url: &str) -> Result<String> {
    let secret = [("x-secret".to_owned(), "s".to_owned())];
    let bytes = bytes(cx, url, &secret, 20).await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

fn is_refused<T: std::fmt::Debug>(result: Result<T>) {
    let Err(Error::Forbidden(message)) = result else {
        panic!("{result:?}");
    };
    assert!(message.contains("not from an allowed origin"), "{message}");
}

#[tokio::test]
async fn only_allowed_origins_are_asked() {
    let place = server().await;
    let url = |path: &str| format!("http://{place}{path}");
    let station = station(&[]).await;
    for foreign in [
        url("/ten"),
        url("/objects/transect/1/2/x?X-Amz-Signature=00"),
        "file:///etc/passwd".into(),
        "/etc/passwd".into(),
        String::new(),
    ] {
        is_refused(check(&station.cx, &foreign).await);
        is_refused(text(&station.cx, &foreign).await);
        is_refused(size(&station.cx, &foreign).await);
    }
    // A pattern leads to no address of the own network, whatever the name of it is.
    let (_, port) = place.split_once(':').unwrap();
    let station = self::station(&[&format!("*:{port}")]).await;
    is_refused(text(&station.cx, &url("/ten")).await);
    is_refused(text(&station.cx, &format!("http://[::1]:{port}/ten")).await);
    let Err(Error::Invalid { details, .. }) =
        text(&station.cx, &format!("http://localhost:{port}/ten")).await
    else {
        panic!("a name of this machine was asked");
    };
    assert!(details.contains("no public address"), "{details}");
}

#[tokio::test]
async fn an_allowed_origin_is_read_within_the_limits() {
    let place = server().await;
    let url = |path: &str| format!("http://{place}{path}");
    let station = station(&[&format!("http://{place}")]).await;
    let cx = &station.cx;
    assert_eq!(text(cx, &url("/ten")).await.unwrap(), "0123456789");
    assert_eq!(text(cx, &url("/near")).await.unwrap(), "0123456789");
    assert_eq!(text(cx, &url("/echo")).await.unwrap(), "Some(\"s\") true");
    assert_eq!(size(cx, &url("/ten")).await.unwrap(), Some(10));
    assert_eq!(size(cx, &url("/gone")).await.unwrap(), None);
    let file = station.folder.path().join("copy");
    assert_eq!(to_file(cx, &url("/ten"), &file).await.unwrap(), 10);
    assert_eq!(std::fs::read(&file).unwrap(), b"0123456789");
    is_refused(text(cx, &url("/far")).await);
    is_refused(text(cx, &url("/file")).await);
    for (path, cause) in [
        ("/gone", "410"),
        ("/again", "redirects more than"),
        ("/endless", "more than 20 bytes"),
    ] {
        let Err(Error::Invalid { message, details }) = text(cx, &url(path)).await else {
            panic!("{path} was read");
        };
        assert!(format!("{message} {details}").contains(cause), "{details}");
    }
    let small = bytes(cx, &url("/ten"), &[], 9).await;
    assert!(matches!(small, Err(Error::Invalid { .. })), "{small:?}");
    let Err(error) = text(cx, "http://127.0.0.1:1/x?secret").await else {
        panic!("nobody answers there");
    };
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn headers_stay_with_the_origin_they_are_for() {
    let place = server().await;
    let (_, port) = place.split_once(':').unwrap();
    let station = station(&[&place, &format!("localhost:{port}")]).await;
    let far = text(&station.cx, &format!("http://{place}/far")).await;
    assert_eq!(far.unwrap(), "None true");
}

#[tokio::test]
async fn own_links_are_read_from_the_store() {
    let station = station(&[]).await;
    let cx = &station.cx;
    let link = |seconds| {
        let credentials = &cx.link_key.credentials;
        let (origin, path) = (format!("http://{HOST}"), "/objects/transect/1/2/3/a b.txt");
        move |now_ms| credentials.link("GET", &origin, path, &[], seconds, now_ms)
    };
    let fresh = link(60)(cx.now());
    check(cx, &fresh).await.unwrap();
    let missing = text(cx, &fresh).await;
    assert!(matches!(missing, Err(Error::Invalid { .. })), "{missing:?}");
    storage::put_bytes(cx, "1/2/3/a b.txt", "stored")
        .await
        .unwrap();
    assert_eq!(text(cx, &fresh).await.unwrap(), "stored");
    assert_eq!(size(cx, &fresh).await.unwrap(), Some(6));
    let old = check(cx, &link(60)(cx.now() - 90_000)).await;
    assert!(matches!(old, Err(Error::Invalid { .. })), "{old:?}");
    is_refused(check(cx, &fresh.replace("/3/", "/4/")).await);
}
