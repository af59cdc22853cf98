//! Signing in and out of a browser, and what a proxy asks on behalf of one.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{origin, page, percent_decode, query_texts};
use crate::account::session::{COOKIE, CSRF_COOKIE, cookie};
use crate::account::{Actor, service};
use crate::context::Context;
use crate::error::{Chain, Error, Result};
use crate::{id, project};

/// A sign-in form is small.
const MOST_BYTES: usize = 16 << 10;
const YEAR_SECS: u32 = 31_449_600;

/// `POST /accounts/login/`: form fields `username`, `password` and perhaps `next`.
///
/// Answers browsers that ask for HTML with a redirect to `next`, others with `{"message"}`.
/// Errors: `Forbidden` without the CSRF token, `Unauthenticated` for a wrong name or password.
pub(super) async fn sign_in(cx: &Context, request: Request) -> Result<Response> {
    let (headers, form) = read_form(request).await?;
    let username = form.field("username").unwrap_or_default();
    let password = form.field("password").unwrap_or_default();
    let user = service::authenticate(cx, username, password.to_owned()).await?;
    let next = form.field("next").map_or("/", local_path);
    let text = format!("Signed in as {}.", user.username);
    let mut response = done(&headers, next, &text);
    remember(cx, &headers, user.id, &mut response).await?;
    Ok(response)
}

/// `GET /accounts/login/` and `/redirect/login/`: on to `next` for whoever is signed in, else to the
/// page that signs in.
pub(super) async fn to_sign_in(cx: &Context, request: Request) -> Result<Response> {
    let texts = query_texts(request.uri().query().unwrap_or_default());
    let found = texts.iter().find(|(name, _)| name == "next");
    let next = found.map_or("/", |(_, values)| local_path(&values[0]));
    let mut response = match asker(cx, request.headers()).await? {
        Some(_) => redirect(next),
        None => redirect(&sign_in_path(next)),
    };
    no_store(&mut response);
    Ok(response)
}

/// The page that signs in and then goes on to `next`.
pub(super) fn sign_in_path(next: &str) -> String {
    let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
    format!("/sign-in?next={next}")
}

/// `POST` or `GET /accounts/logout/`: ends this session, in every copy of its cookie.
pub(super) async fn sign_out(cx: &Context, request: Request) -> Result<Response> {
    let headers = if request.method() == Method::POST {
        read_form(request).await?.0
    } else if is_from_elsewhere(request.headers()) {
        // A link on another site must not sign people out.
        return Ok(redirect("/"));
    } else {
        request.into_parts().0.headers
    };
    if let Err(error) = service::end_session(cx, &headers).await {
        // On a full disk the browser at least forgets it.
        tracing::warn!(error = %Chain(&error), "a session could not be ended at sign-out");
    }
    let mut response = done(&headers, "/sign-in", "Signed out.");
    let origin = origin(&headers, cx);
    add_cookie(&mut response, &cookie_line(&origin, COOKIE, "", 0, true));
    Ok(response)
}

/// `GET /check-login/`: whether somebody is signed in; sets the CSRF cookie where it is missing.
pub(super) async fn check(cx: &Context, request: Request) -> Result<Response> {
    let headers = request.headers();
    let signed_in = asker(cx, headers).await?.is_some();
    let mut response = axum::Json(json!({"is_authenticated": signed_in})).into_response();
    no_store(&mut response);
    if let (_, Some(line)) = csrf_token(cx, headers) {
        add_cookie(&mut response, &line);
    }
    Ok(response)
}

/// `GET /sign-in?code=…`: a link that signs in once.
pub(super) async fn by_code(cx: &Context, request: Request) -> Result<Response> {
    let texts = query_texts(request.uri().query().unwrap_or_default());
    let text = |wanted: &str| {
        let found = texts.iter().find(|(name, _)| name == wanted);
        found.map(|(_, values)| values[0].as_str())
    };
    let code = text("code").unwrap_or_default();
    let account = match *request.method() {
        Method::GET => service::use_code(cx, code).await?,
        _ => None,
    };
    let Some(account) = account else {
        return Ok(page::message(
            StatusCode::FORBIDDEN,
            "This link does not work any more",
            "It signs in once, within an hour after it was made. Whoever runs this station makes another with \
             <code>transect user sign-in-link NAME</code>, or you can <a href=\"/sign-in\">sign in with a password</a>.",
        ));
    };
    let next = text("next").map_or("/", local_path);
    let mut response = redirect(next);
    no_store(&mut response);
    remember(cx, request.headers(), account, &mut response).await?;
    Ok(response)
}

/// `GET /auth-project`: 200 if the asker may read the file that `X-Original-URI` names, else 403.
pub(super) async fn may_read_files(cx: &Context, request: Request) -> Result<Response> {
    let original = request
        .headers()
        .get("x-original-uri")
        .and_then(|value| value.to_str().ok())
        .and_then(project_of);
    let (Some(actor), Some(id)) = (asker(cx, request.headers()).await?, original) else {
        return Ok(verdict(false));
    };
    let access = cx.database.read(move |tx| {
        Box::pin(async move { project::access(tx, &actor, id, project::Level::View).await })
    });
    match access.await {
        Ok(()) => Ok(verdict(true)),
        Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(verdict(false)),
        Err(error) => Err(error),
    }
}

/// `GET /auth-admin`: 200 if the asker administers the station, else 403.
pub(super) async fn is_staff(cx: &Context, request: Request) -> Result<Response> {
    let actor = asker(cx, request.headers()).await?;
    Ok(verdict(actor.is_some_and(|actor| actor.is_staff)))
}

fn verdict(allowed: bool) -> Response {
    let status = if allowed {
        StatusCode::OK
    } else {
        StatusCode::FORBIDDEN
    };
    let mut response = status.into_response();
    no_store(&mut response);
    response
}

/// Who is asking; credentials that do not work count as none.
pub(super) async fn asker(cx: &Context, headers: &HeaderMap) -> Result<Option<Actor>> {
    match service::identify(cx, headers, &Method::GET).await {
        Err(Error::Unauthenticated(_)) => Ok(None),
        answer => answer,
    }
}

/// The project of `/media/{project}/…`; none for paths that a file server might read otherwise.
fn project_of(uri: &str) -> Option<i64> {
    let path = percent_decode(uri.split(['?', '#']).next()?)?;
    let mut parts = path.strip_prefix("/media/")?.split(['/', '\\']);
    let project = parts.next()?.parse().ok().filter(|id| *id > 0)?;
    parts
        .all(|part| part != "." && part != "..")
        .then_some(project)
}

/// The fields of a form.
#[derive(Default)]
pub(super) struct Form(Vec<(String, Vec<String>)>);

impl Form {
    /// The first value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, values)| values[0].as_str())
    }
}

/// Reads a posted form whose CSRF token, in the header or a field, repeats the cookie.
pub(super) async fn read_form(request: Request) -> Result<(HeaderMap, Form)> {
    if request.method() != Method::POST {
        return Err(Error::invalid(
            "send a form with POST; the page to sign in with is /sign-in",
        ));
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Error::invalid(format!(
            "the form is larger than {MOST_BYTES} bytes, or did not arrive whole"
        ))
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::invalid("the form is not UTF-8"))?;
    let form = Form(query_texts(text));
    let repeated = service::is_from_here(&parts.headers)
        && form.field("csrfmiddlewaretoken").is_some_and(|sent| {
            !sent.is_empty() && cookie(&parts.headers, CSRF_COOKIE) == Some(sent)
        });
    if repeated || service::csrf_fits(&parts.headers) {
        return Ok((parts.headers, form));
    }
    Err(Error::Forbidden(
        "CSRF Failed: get the csrftoken cookie from /check-login/ and repeat it as the header X-CSRFToken or the field \
         csrfmiddlewaretoken."
            .into(),
    ))
}

fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
}

/// A path of this site; a link must not send people elsewhere after they signed in.
pub(crate) fn local_path(path: &str) -> &str {
    let mut bytes = path.bytes();
    let local = bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if local { path } else { "/" }
}

/// What a browser or a script gets when something was done.
fn done(headers: &HeaderMap, next: &str, text: &str) -> Response {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    let mut response = if wants_page {
        redirect(next)
    } else {
        axum::Json(json!({"message": text})).into_response()
    };
    no_store(&mut response);
    response
}

pub(super) fn redirect(path: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, path)]).into_response()
}

pub(super) fn no_store(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Sets the cookies of a new session.
async fn remember(
    cx: &Context,
    headers: &HeaderMap,
    account: i64,
    response: &mut Response,
) -> Result<()> {
    for line in session_cookies(cx, &origin(headers, cx), account).await? {
        add_cookie(response, &line);
    }
    Ok(())
}

/// The cookies of a new session, as `Set-Cookie` has them; `origin` is how the browser sees the station.
pub(crate) async fn session_cookies(
    cx: &Context,
    origin: &str,
    account: i64,
) -> Result<[String; 2]> {
    let text = service::session(cx, account).await?;
    let age = cx.settings.account.session_hours.saturating_mul(3600);
    Ok([
        cookie_line(origin, COOKIE, &text, age, true),
        cookie_line(origin, CSRF_COOKIE, &id::token(), YEAR_SECS, false),
    ])
}

/// The CSRF token that the browser has, or a new one that it gets.
pub(super) fn csrf_token(cx: &Context, headers: &HeaderMap) -> (String, Option<String>) {
    let known = cookie(headers, CSRF_COOKIE).filter(|token| {
        token.len() >= 32 && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if let Some(token) = known {
        return (token.to_owned(), None);
    }
    let token = id::token();
    // The page reads this cookie, so scripts may.
    let line = cookie_line(&origin(headers, cx), CSRF_COOKIE, &token, YEAR_SECS, false);
    (token, Some(line))
}

fn cookie_line(origin: &str, name: &str, text: &str, age_secs: u32, hidden: bool) -> String {
    let hidden = if hidden { "; HttpOnly" } else { "" };
    let secure = if origin.starts_with("https:") {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={text}; Path=/; SameSite=Lax; Max-Age={age_secs}{hidden}{secure}")
}

pub(super) fn add_cookie(response: &mut Response, line: &str) {
    let line = HeaderValue::from_str(line).expect("cookies of the station are plain text");
    response.headers_mut().append(header::SET_COOKIE, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_one_of_this_site() {
        assert_eq!(local_path("/project/3?section=4"), "/project/3?section=4");
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/a\r\nb: c",
        ] {
            assert_eq!(local_path(path), "/", "{path:?}");
        }
    }

    #[test]
    fn the_project_of_a_file_is_not_fooled_by_dots() {
        assert_eq!(project_of("/media/3/a/b.mp4?x=1"), Some(3));
        for uri in [
            "/media/3/../4/b",
            "/media/3/%2e%2e/4/b",
            "/media/../3/b",
            "/media/x/b",
            "/media/-3/b",
            "/rest/3",
        ] {
            assert_eq!(project_of(uri), None, "{uri}");
        }
    }
}
