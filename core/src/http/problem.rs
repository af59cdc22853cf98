//! Errors on the wire: the only place that speaks HTTP about them.
//!
//! | code | status | what the caller does | what the operator does |
//! | --- | --- | --- | --- |
//! | `not_found` | 404 | check the id, or ask for access | – |
//! | `invalid` | 400 | read `details`, mend the request | – |
//! | `unauthenticated` | 400 | sign in or send `Authorization: Token …` | – |
//! | `forbidden` | 403 | ask a member with Full Control | – |
//! | `storage_full` | 507 | try again later; reads go on | free space on the data folder's disk |
//! | `quota_exceeded` | 507 | delete something; reads go on | raise the quota with `transect quota set` |
//! | `busy` | 503 | try again in a moment | look at the log when it lasts |
//! | `too_many` | 429 | wait as long as `Retry-After` says | raise `limits`, if the caller is welcome |
//! | `internal` | 500 | report the `request_id` | find that id in the log |
//!
//! Missing credentials are 400, not 401: that is what the stock clients know. They know no 429
//! either: the original promises no body for it; ours is the usual one.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Chain, Error};

/// The response for an error of an operation, which may want refusals as pictures.
pub(super) fn answer(
    error: &Error,
    request_id: &str,
    notice: Option<fn(&Error) -> Vec<u8>>,
) -> Response {
    let response = response(error, request_id);
    match notice {
        Some(picture)
            if response.status().is_client_error() && !matches!(error, Error::TooMany { .. }) =>
        {
            let kind = [(axum::http::header::CONTENT_TYPE, "image/png")];
            (response.status(), kind, picture(error)).into_response()
        }
        _ => response,
    }
}

/// The response for an error.
pub(super) fn response(error: &Error, request_id: &str) -> Response {
    let (status, code) = match error {
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        Error::Unauthenticated(_) => (StatusCode::BAD_REQUEST, "unauthenticated"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Error::StorageFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
        Error::QuotaExceeded(_) => (StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded"),
        Error::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Error::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
        Error::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    let message = match error {
        Error::Internal { .. } => {
            tracing::error!(request_id, error = %Chain(error), "a request failed");
            format!(
                "the station could not do this; its log has the reason under request {request_id}"
            )
        }
        other => other.to_string(),
    };
    let details = match error {
        Error::Invalid { details, .. } => details.as_str(),
        _ => "None",
    };
    let body =
        json!({"message": message, "details": details, "code": code, "request_id": request_id});
    let mut response = (status, axum::Json(body)).into_response();
    if let Error::TooMany { retry_after_secs } = error {
        response
            .headers_mut()
            .insert(RETRY_AFTER, (*retry_after_secs).into());
    }
    response
}
