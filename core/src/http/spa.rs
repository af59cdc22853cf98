//! The page: the files that `make ui` builds into `ui/web/dist`.
//!
//! Release builds carry them inside; other builds read the folder when they run.

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::page;

#[derive(RustEmbed)]
#[folder = "../ui/web/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";
const PAGE_MISSING: &str = "The page was not built into this program. Build it with <code>make ui</code>, and a release \
     program once more after it. The API works without the page: see <a href=\"/schema\">/schema</a>.";

/// Answers with a file of the page, the page itself for its own addresses, or a 404.
pub(super) fn answer(request: &Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return page::not_found();
    }
    let path = request.uri().path();
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if is_address(path) {
        return match Files::get(INDEX) {
            Some(file) => send(INDEX, file, known),
            None => page::message(StatusCode::OK, "The page is not here", PAGE_MISSING),
        };
    }
    let name = path.trim_start_matches('/');
    match Files::get(name).filter(|_| name != INDEX) {
        Some(file) => send(name, file, known),
        None => page::not_found(),
    }
}

/// Whether the page itself shows something at this path.
fn is_address(path: &str) -> bool {
    path == "/" || path.trim_end_matches('/') == "/sign-in" || path.starts_with("/project/")
}

fn send(name: &str, file: EmbeddedFile, known: Option<&str>) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    // What lies in assets/ has its content's hash in its name.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let caching = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, caching),
    ];
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    if name == INDEX {
        return (caching, Html(file.data.into_owned())).into_response();
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = [(header::CONTENT_TYPE, kind.to_string())];
    (caching, kind, file.data.into_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_its_own_addresses_only() {
        for path in ["/", "/sign-in", "/project/3", "/project/3/media/4"] {
            assert!(is_address(path), "{path}");
        }
        for path in [
            "/index.html",
            "/projects",
            "/assets/a.js",
            "/sign-in/x",
            "/media/3/a",
        ] {
            assert!(!is_address(path), "{path}");
        }
    }
}
