//! HTTP: the list of all operations, and the way of a request through them.
//!
//! path and method → who is asking → query and body checked → handler → answer.

pub mod body;
mod call;
mod form;
mod forms;
mod guard;
mod limit;
pub mod openapi;
mod operation;
mod page;
mod problem;
pub mod shape;
mod sign_in;
mod spa;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

pub use call::{Answer, Call, not_signed_in};
pub use operation::Operation;
pub(crate) use sign_in::{local_path, session_cookies};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::storage::direct::Peer;
use crate::{
    account, aggregate, algorithm, annotation, announcement, applet, bookmark, bucket, entity_type,
    file, frames, group, health, hosted_template, invitation, job, job_cluster, journal, leaf,
    mail, media, organization, project, recording, row_protection, search, section, storage,
    temporary_file, transcode, undo, version,
};
use call::Body;
use limit::Limits;
use shape::{Field, Shape};

/// Every operation of the API, noun by noun.
pub fn operations() -> Vec<Operation> {
    [
        account::routes::operations(),
        organization::routes::operations(),
        project::routes::operations(),
        version::routes::operations(),
        section::routes::operations(),
        bookmark::routes::operations(),
        entity_type::routes::operations(),
        media::routes::operations(),
        media::rendition::routes::operations(),
        frames::routes::operations(),
        annotation::routes::operations(),
        aggregate::routes::operations(),
        leaf::routes::operations(),
        file::routes::operations(),
        storage::routes::operations(),
        temporary_file::routes::operations(),
        transcode::routes::operations(),
        recording::routes::operations(),
        journal::routes::operations(),
        undo::routes::operations(),
        mail::routes::operations(),
        announcement::routes::operations(),
        invitation::routes::operations(),
        group::routes::operations(),
        bucket::routes::operations(),
        job_cluster::routes::operations(),
        row_protection::routes::operations(),
        health::routes::operations(),
        hosted_template::routes::operations(),
        algorithm::routes::operations(),
        applet::routes::operations(),
        job::routes::operations(),
        search::routes::operations(),
    ]
    .concat()
}

/// The API as one axum router.
pub fn router(cx: Arc<Context>) -> axum::Router {
    let api = Arc::new(Api::new(cx));
    axum::Router::new().fallback(enter).with_state(api)
}

struct Api {
    cx: Arc<Context>,
    limits: Limits,
    paths: matchit::Router<HashMap<&'static str, Operation>>,
    schema: Vec<u8>,
    schema_tag: String,
}

impl Api {
    fn new(cx: Arc<Context>) -> Self {
        let operations = operations();
        let schema =
            serde_json::to_vec(&openapi::document(&operations)).expect("a JSON value serializes");
        let schema_tag = format!("\"{}\"", &blake3::hash(&schema).to_hex()[..32]);
        let mut by_path: HashMap<&'static str, HashMap<&'static str, Operation>> = HashMap::new();
        for operation in operations {
            by_path
                .entry(operation.path)
                .or_default()
                .insert(operation.method, operation);
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths.insert(path, methods).expect("paths do not clash");
        }
        Self {
            limits: Limits::new(&cx.settings.limits),
            cx,
            paths,
            schema,
            schema_tag,
        }
    }
}

async fn enter(State(api): State<Arc<Api>>, mut request: Request) -> Response {
    Peer::let_in(&mut request);
    let request_id = crate::id::uuid();
    let path = request.uri().path().to_owned();
    let (request, rest_of_body) = body::Rest::of(request);
    let allowed = guard::check_host(&api.cx.settings.server.listen, request.headers());
    let mut response = match path.as_str() {
        _ if let Err(error) = &allowed => problem::response(error, &request_id),
        "/schema" | "/schema/" => schema(&api, request.headers()),
        _ if page::is_page_path(&path) => match check_form(&api, &request) {
            Ok(()) => page::answer(&api.cx, request, &request_id).await,
            Err(error) => problem::response(&error, &request_id),
        },
        _ => rest(&api, request, &path, &request_id).await,
    };
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if !response.status().is_success() && !switched {
        rest_of_body.drain().await;
    }
    guard::protect(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        "x-request-id",
        HeaderValue::from_str(&request_id).expect("a UUID is a header value"),
    );
    response
}

/// The address that a request came from.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    Peer::of(extensions).map(|peer| peer.address.ip())
}

/// Counts what is posted outside the API: forms, which try passwords and have letters sent.
fn check_form(api: &Api, request: &Request) -> Result<()> {
    if request.method() != Method::POST {
        return Ok(());
    }
    let peer = peer(request.extensions());
    api.limits.check(peer, request.headers(), None)
}

fn schema(api: &Api, headers: &HeaderMap) -> Response {
    let etag = [(header::ETAG, api.schema_tag.clone())];
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| {
        known
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == api.schema_tag)
    }) {
        return (StatusCode::NOT_MODIFIED, etag).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/vnd.oai.openapi")];
    (etag, kind, api.schema.clone()).into_response()
}

async fn rest(api: &Arc<Api>, request: Request, path: &str, request_id: &str) -> Response {
    let Ok(found) = api.paths.at(path) else {
        return page::not_found();
    };
    let decoded: Option<Vec<(String, String)>> = found
        .params
        .iter()
        .map(|(name, text)| {
            let text = percent_decode(text)?;
            let fits = !openapi::is_integer(name)
                || text.parse::<i64>().is_ok_and(|_| !text.starts_with('+'));
            fits.then(|| (name.to_owned(), text))
        })
        .collect();
    let Some(decoded) = decoded else {
        return page::not_found();
    };
    let method = request.method().clone();
    let Some(operation) = found
        .value
        .get(method.as_str().to_ascii_lowercase().as_str())
    else {
        let text = format!(
            "Operation {} not found for {path}",
            method.as_str().to_ascii_lowercase()
        );
        return problem::response(&Error::invalid(text), request_id);
    };
    let operation = match found.value.get("put") {
        // The stock client streams a query that has a body as a GET with that body.
        Some(query) if method == Method::GET && has_json(request.headers()) => query,
        _ => operation,
    };
    match perform(api, operation, request, decoded).await {
        Ok(response) => response,
        Err(error) => problem::answer(&error, request_id, operation.notice),
    }
}

/// Whether a request says that it carries JSON.
fn has_json(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let length = text(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    json && (length || headers.contains_key(header::TRANSFER_ENCODING))
}

async fn perform(
    api: &Arc<Api>,
    operation: &Operation,
    request: Request,
    path: Vec<(String, String)>,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let upgrade = match operation.upgrades {
        true => WebSocketUpgrade::from_request_parts(&mut parts, &())
            .await
            .ok(),
        false => None,
    };
    let asking = account::service::identify(&api.cx, &parts.headers, &parts.method).await;
    let account = asking.as_ref().ok().and_then(Option::as_ref);
    let peer = peer(&parts.extensions);
    api.limits
        .check(peer, &parts.headers, account.map(|actor| actor.id))?;
    let actor = asking?;
    if actor.is_none() && !operation.open {
        return Err(not_signed_in());
    }
    let texts = query_texts(parts.uri.query().unwrap_or_default());
    let format = texts
        .iter()
        .find(|(name, _)| name == "format")
        .map(|(_, values)| values[0].clone());
    if let Some(format) = &format
        && !operation.formats.contains(&format.as_str())
    {
        return Err(Error::NotFound(format!(
            "No format {format}; this operation knows {}.",
            operation.formats.join(", ")
        )));
    }
    let query = read_query(&operation.query, &texts)?;
    if matches!(parts.method, Method::PATCH | Method::DELETE) {
        refuse_empty_lists(&query, &texts)?;
        refuse_unknown(&operation.query, &texts)?;
    }
    let body = read_body(&api.cx, operation, &parts.headers, body).await?;
    let call = Call {
        cx: Arc::clone(&api.cx),
        origin: origin(&parts.headers, &api.cx),
        headers: parts.headers.clone(),
        actor,
        path,
        query,
        body,
        format: format.clone(),
        upgrade,
    };
    let answer = (operation.handler)(call).await?;
    let local = peer.is_some_and(|peer| peer.is_loopback());
    render(
        operation,
        answer,
        format.as_deref(),
        &parts.headers,
        &parts.method,
        local,
    )
}

/// `scheme://host` as the caller sees the station.
pub(crate) fn origin(headers: &HeaderMap, cx: &Context) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    match text("x-forwarded-host").or_else(|| text("host")) {
        Some(host) => format!("{scheme}://{host}"),
        None => format!("http://{}", cx.settings.server.listen),
    }
}

type QueryTexts = Vec<(String, Vec<String>)>;

fn query_texts(query: &str) -> QueryTexts {
    let mut texts: QueryTexts = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode(&text.replace('+', " ")).unwrap_or_default();
        let (name, text) = (decode(name), decode(text));
        match texts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(text),
            None => texts.push((name, vec![text])),
        }
    }
    texts
}

fn percent_decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// Reads a query string as the parameters that the compact notation declares.
///
/// Errors: `Invalid`, naming the parameter that does not parse.
pub fn parse_query<T: serde::de::DeserializeOwned>(parameters: &str, query: &str) -> Result<T> {
    let fields = shape::parse_fields(parameters);
    let values = read_query(&fields, &query_texts(query))?;
    Ok(serde_json::from_value(Value::Object(values))?)
}

fn read_query(fields: &[Field], texts: &QueryTexts) -> Result<Map<String, Value>> {
    let mut query = Map::new();
    for field in fields {
        let given = texts.iter().find(|(name, _)| *name == field.name);
        match given {
            Some((name, values)) => {
                let value = shape::read_query(&field.shape, values).ok_or_else(|| {
                    let kind = if matches!(field.shape, Shape::Enum(_)) {
                        "Invalid query parameter"
                    } else {
                        "Query parameter error"
                    };
                    Error::invalid_because(
                        format!("{kind}: {name}"),
                        format!("the value is {:?}", values.join(",")),
                    )
                })?;
                query.insert(name.clone(), value);
            }
            None if field.required => {
                return Err(Error::invalid(format!(
                    "Missing required query parameter: {}",
                    field.name
                )));
            }
            None => {
                if let Some(default) = &field.default {
                    query.insert(field.name.clone(), default.clone());
                }
            }
        }
    }
    Ok(query)
}

/// Whoever changes or deletes by a list that turned out empty means nothing, and not everything.
///
/// Errors: `Invalid`, naming the parameter.
fn refuse_empty_lists(query: &Map<String, Value>, texts: &QueryTexts) -> Result<()> {
    let empty = |name: &str| {
        query
            .get(name)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
    };
    match texts.iter().find(|(name, _)| empty(name)) {
        Some((name, _)) => Err(Error::invalid_because(
            format!("Query parameter error: {name}"),
            format!("the list is empty; name what is meant, or leave {name} out if everything is"),
        )),
        None => Ok(()),
    }
}

/// Parameters that older servers knew, and that select nothing.
const RETIRED: [&str; 1] = ["force_es"];

/// A filter with a mistyped name selects everything, which only a reader can laugh about.
///
/// Errors: `Invalid`, naming the parameter and those that there are.
fn refuse_unknown(fields: &[Field], texts: &QueryTexts) -> Result<()> {
    let known = |name: &str| {
        let declared = fields.iter().any(|field| field.name == name);
        declared || name == "format" || RETIRED.contains(&name)
    };
    match texts.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) if !fields.is_empty() => {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            Err(Error::invalid_because(
                format!("Unknown query parameter: {name}"),
                format!("nothing was changed; there are {}", names.join(", ")),
            ))
        }
        _ => Ok(()),
    }
}

async fn read_body(
    cx: &Context,
    operation: &Operation,
    headers: &HeaderMap,
    body: HttpBody,
) -> Result<Value> {
    let Some(shape) = &operation.body else {
        return Ok(Value::Null);
    };
    let limit = cx.settings.server.max_body_bytes;
    let bytes = to_bytes(body, limit).await.map_err(|_| {
        Error::invalid(format!(
            "the request body is larger than {limit} bytes, or did not arrive whole"
        ))
    })?;
    if bytes.is_empty() {
        if operation.body_required {
            return Err(Error::invalid("Missing required request body"));
        }
        return Ok(Value::Null);
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind != "application/json" && !kind.ends_with("+json") {
        return Err(Error::invalid(format!(
            "the content type is {kind:?}; send application/json"
        )));
    }
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Error::invalid_because(
            "Request body validation error",
            format!("not JSON: {error}"),
        )
    })?;
    if value.is_null() && !operation.body_required {
        return Ok(Value::Null);
    }
    let given = operation.body_as_given.then(|| value.clone());
    shape.check(&mut value).map_err(|rules| {
        Error::invalid_because("Request body validation error", rules.join("\n"))
    })?;
    if let (Some(Value::Object(given)), Value::Object(members)) = (given, &mut value) {
        // An explicit null says no more than an absent key, unless the key takes nulls.
        members.retain(|name, value| {
            given
                .get(name)
                .is_some_and(|given| !given.is_null() || value.is_null())
        });
    }
    Ok(value)
}

fn render(
    operation: &Operation,
    answer: Answer,
    format: Option<&str>,
    headers: &HeaderMap,
    method: &Method,
    local: bool,
) -> Result<Response> {
    let status = answer.status.unwrap_or_else(|| {
        StatusCode::from_u16(operation.success).expect("operations declare real status codes")
    });
    let gzip = !local && form::accepts_gzip(headers);
    let mut response = match answer.body {
        Body::Bytes(bytes) => (status, HttpBody::from(bytes)).into_response(),
        Body::Stream(body) => (status, body).into_response(),
        Body::Switched(response) => return Ok(response),
        Body::Json(bytes) => {
            let (kind, bytes) = form::document(bytes, format)?;
            form::respond(status, kind, bytes, gzip)
        }
        Body::Items(lines) => {
            let (kind, bytes) = form::items(lines, format)?;
            form::respond(status, kind, bytes, gzip)
        }
        Body::Rows(rows, columns) => form::rows(status, rows, columns, format, gzip)?,
    };
    for (name, value) in answer.headers {
        let value = HeaderValue::from_str(&value)
            .map_err(|error| Error::internal(format!("send the header {name}"), error))?;
        if name == "set-cookie" {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        } else {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    if method == Method::GET && !response.headers().contains_key(header::CACHE_CONTROL) {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Ok(response)
}
