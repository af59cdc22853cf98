//! `/media/{project}/…` over HTTP: files for whoever is a member, by token or session.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;

use super::generic;
use super::{serve, service};
use crate::account;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project::{self, Level};

/// A stored page runs in an origin of its own: it may show and compute things, and talk with the page
/// that frames it, but nothing that it does counts as the station's or its reader's.
const PAGE_POLICY: &str = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads; \
     frame-ancestors 'self'";
/// Pictures of markup and other things that a browser might run.
const ACTIVE_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";

/// Answers a request for a path below `/media/`.
///
/// Errors: `Forbidden` to everybody but members of the project, `NotFound` for what it has not.
pub async fn serve_file(cx: &Context, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Error::invalid("files below /media/ can only be read"));
    }
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8();
    let path = path.map_err(|_| no_file())?;
    let path = path.strip_prefix("/media/").unwrap_or_default();
    let project = path.split('/').next().unwrap_or_default();
    let project: i64 = project.parse().map_err(|_| no_file())?;
    let asker = match account::service::identify(cx, &parts.headers, &Method::GET).await {
        Err(Error::Unauthenticated(_)) => None,
        answer => answer?,
    };
    let actor = asker.ok_or_else(Error::forbidden)?;
    let access = cx.database.read(move |tx| {
        Box::pin(async move { project::access(tx, &actor, project, Level::View).await })
    });
    access.await.map_err(|error| match error {
        // Who is no member learns nothing of projects.
        Error::NotFound(_) => Error::forbidden(),
        other => other,
    })?;
    let key = generic::key_of_path(path).ok_or_else(no_file)?;
    if service::find(cx, &key).await?.is_none() {
        return Err(no_file());
    }
    let mut response = serve::file(cx, &key, &parts).await;
    confine(&mut response, &key);
    Ok(response)
}

fn no_file() -> Error {
    Error::NotFound("there is no such file; it may have expired".into())
}

/// Keeps what a file contains from acting as the station.
fn confine(response: &mut Response, key: &str) {
    let kind = mime_guess::from_path(key).first_or_octet_stream();
    let headers = response.headers_mut();
    let is_page = kind.essence_str() == "text/html";
    let active = ["html", "xml", "javascript"];
    if is_page {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PAGE_POLICY),
        );
        headers.insert(
            header::X_FRAME_OPTIONS,
            HeaderValue::from_static("SAMEORIGIN"),
        );
    } else if active.iter().any(|word| kind.essence_str().contains(word)) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(ACTIVE_POLICY),
        );
    }
    let shown = is_page
        || matches!(kind.type_().as_str(), "image" | "video" | "audio" | "text")
        || matches!(kind.subtype().as_str(), "json" | "pdf");
    let disposition = if shown { "inline" } else { "attachment" };
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static(disposition),
    );
}
