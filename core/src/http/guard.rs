//! What every request passes, and what every answer carries, to keep other sites out.
//!
//! A station on loopback trusts that only this machine reaches it. A web page elsewhere could get
//! there by having its own name resolve to 127.0.0.1 (DNS rebinding): its requests then carry that
//! name as `Host`, so only names of this machine are answered.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::error::{Error, Result};

/// What a page may load: its own files, and pictures and workers that it makes itself.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
     worker-src 'self' blob:; connect-src 'self' blob: data:; font-src 'self' data:; \
     style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

/// Refuses requests for other names where the station listens on loopback only.
///
/// Errors: `Forbidden`. A request without `Host` passes: browsers always send it.
pub(super) fn check_host(listen: &str, headers: &HeaderMap) -> Result<()> {
    let loopback = listen
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.ip().is_loopback());
    let Some(host) = headers.get(header::HOST).filter(|_| loopback) else {
        return Ok(());
    };
    let host = host.to_str().unwrap_or_default();
    if is_this_machine(host) {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "this station listens on {listen} and answers to this machine's own names only, not to {host:?}; let it listen \
         on an address of the network (server.listen), or have the proxy send Host: {listen} and the name as X-Forwarded-Host"
    )))
}

/// Refuses what a page of another origin asks for. `origin` is how the caller sees the station.
///
/// Errors: `Forbidden`. A request without `Origin` passes: browsers always send it where this is asked.
pub(super) fn check_origin(origin: &str, headers: &HeaderMap) -> Result<()> {
    let Some(page) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let page = page.to_str().unwrap_or_default();
    // A proxy may speak https to the browser without saying so; names and ports are what counts.
    let host = |text: &str| {
        text.split_once("://")
            .map(|(_, host)| host.to_ascii_lowercase())
    };
    match (host(page), host(origin)) {
        (Some(asking), Some(own)) if asking == own => Ok(()),
        _ => Err(Error::Forbidden(format!(
            "pages of {page:?} may not use this station; open the page from {origin}, or let the proxy pass X-Forwarded-Host on"
        ))),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Adds what keeps other sites from framing, sniffing or reading an answer.
pub(super) fn protect(response: &mut Response) {
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    let mut add = |name, value| headers.insert(name, HeaderValue::from_static(value));
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "same-origin");
    if is_page {
        // A stored page brings policies of its own.
        headers
            .entry(header::X_FRAME_OPTIONS)
            .or_insert(HeaderValue::from_static("DENY"));
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static(CONTENT_POLICY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(listen: &str, host: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        check_host(listen, &headers).is_ok()
    }

    #[test]
    fn loopback_answers_to_its_own_names_only() {
        let own = [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "LOCALHOST.",
            "a.localhost",
        ];
        for host in own {
            assert!(asks("127.0.0.1:8080", host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.2",
            "",
        ] {
            assert!(!asks("127.0.0.1:8080", host), "{host}");
            assert!(!asks("[::1]:8080", host), "{host}");
        }
        assert!(asks("0.0.0.0:8080", "station.example"));
        assert!(check_host("127.0.0.1:8080", &HeaderMap::new()).is_ok());
    }
}
