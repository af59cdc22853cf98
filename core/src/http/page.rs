//! What is not the REST API: the page and its files, sign-in and sign-out, stored objects.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::context::Context;

/// Whether a path is answered here.
pub(super) fn is_page_path(path: &str) -> bool {
    !path.starts_with("/rest/")
}

/// Answers a path that is not the REST API.
pub(super) async fn answer(cx: &Context, request: Request, _request_id: &str) -> Response {
    if request.uri().path().starts_with("/objects/") {
        return crate::storage::serve(cx, request).await;
    }
    not_found(&request)
}

/// The web framework's HTML page for a path that does not exist.
pub(super) fn not_found(request: &Request) -> Response {
    let _ = request.headers().get(header::ACCEPT);
    let page = "<!doctype html><title>Not Found</title><h1>Not Found</h1>\
                <p>The requested resource was not found on this server.</p>";
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}
