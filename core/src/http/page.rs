//! What is not the REST API: the page and its files, sign-in and sign-out, stored objects.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::{forms, problem, sign_in, spa};
use crate::context::Context;

/// Whether a path is answered here.
pub(super) fn is_page_path(path: &str) -> bool {
    !path.starts_with("/rest/") && path != "/anonymous-gateway"
}

/// Answers a path that is not the REST API.
pub(super) async fn answer(cx: &Context, request: Request, request_id: &str) -> Response {
    if request.uri().path().starts_with("/objects/") {
        return crate::storage::serve(cx, request).await;
    }
    let has_code = request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("code=")));
    let answer = match request.uri().path().trim_end_matches('/') {
        "/accounts/login" | "/redirect/login" if request.method() == Method::GET => {
            sign_in::to_sign_in(cx, request).await
        }
        "/accounts/login" | "/redirect/login" => sign_in::sign_in(cx, request).await,
        "/accounts/logout" => sign_in::sign_out(cx, request).await,
        "/check-login" => sign_in::check(cx, request).await,
        "/sign-in" if has_code => sign_in::by_code(cx, request).await,
        path if path.starts_with("/media/") => crate::storage::serve_file(cx, request).await,
        "/registration" => forms::registration(cx, request).await,
        "/accept" => forms::accept(cx, request).await,
        "/password-reset" => forms::password_reset(cx, request).await,
        "/confirm-email" => forms::confirm_email(cx, request).await,
        "/auth-project" => sign_in::may_read_files(cx, request).await,
        "/auth-admin" => sign_in::is_staff(cx, request).await,
        _ => Ok(spa::answer(&request)),
    };
    answer.unwrap_or_else(|error| problem::response(&error, request_id))
}

/// The web framework's HTML page for a path that does not exist.
pub(super) fn not_found() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "Not Found",
        "The requested resource was not found on this server.",
    )
}

/// A page of one paragraph. `text` is HTML; what a caller sent must be escaped in it.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    show(status, title, &format!("<p>{text}</p>"))
}

/// A page of its own, outside the one that `make ui` builds. `title` and `body` are HTML.
pub(super) fn show(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;\
         color:#e8eaec;background:#0d0f12}}a{{color:#6cc6bd}}\
         label{{display:block;margin:.8rem 0}}input{{display:block;width:100%;box-sizing:border-box;font:inherit;\
         padding:.4rem;color:inherit;background:#1a1e23;border:1px solid #3a424b;border-radius:4px}}\
         button{{font:inherit;padding:.4rem 1.2rem;border:0;border-radius:4px;background:#6cc6bd;color:#0d0f12}}\
         .error{{color:#ff9a8a}}</style><h1>{title}</h1>{body}</html>"
    );
    (status, Html(page)).into_response()
}
