//! What a handler gets and gives: [`Call`] and [`Answer`].

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::guard;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Streamed;
use crate::error::{Error, Result};
use crate::query::Column;

/// One checked request.
pub struct Call {
    /// The engines, settings and clock.
    pub cx: Arc<Context>,
    /// `scheme://host` that the caller used, for absolute links in answers.
    pub origin: String,
    /// The request's headers.
    pub headers: HeaderMap,
    pub(super) actor: Option<Actor>,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Map<String, Value>,
    pub(super) body: Value,
    pub(super) format: Option<String>,
    pub(super) upgrade: Option<WebSocketUpgrade>,
}

impl Call {
    /// Who is asking; an error when nobody is signed in.
    pub fn actor(&self) -> Result<&Actor> {
        self.actor.as_ref().ok_or_else(not_signed_in)
    }

    /// Who is asking, if somebody is signed in.
    pub fn maybe_actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }

    /// An integer of the path, already known to be one.
    pub fn id(&self, name: &str) -> i64 {
        self.text(name)
            .parse()
            .expect("the router passes integers only")
    }

    /// A text of the path, percent-decoded.
    pub fn text(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(key, _)| key == name);
        &found
            .unwrap_or_else(|| panic!("the path has no {{{name}}}"))
            .1
    }

    /// Whether the path has a part of that name.
    pub fn has(&self, name: &str) -> bool {
        self.path.iter().any(|(key, _)| key == name)
    }

    /// The query parameters, checked and with their defaults.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        let query = Value::Object(self.query.clone());
        serde_json::from_value(query)
            .map_err(|error| Error::invalid_because("Query parameter error", error.to_string()))
    }

    /// The body, checked and with its defaults; JSON null when it is optional and absent.
    pub fn body<T: DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_value(self.body.take()).map_err(|error| {
            Error::invalid_because("Request body validation error", error.to_string())
        })
    }

    /// The body as it is, checked and with its defaults.
    pub fn json(&self) -> &Value {
        &self.body
    }

    /// The WebSocket that the caller asks for.
    ///
    /// Errors: `Invalid` when it asks for none; `Forbidden` when a page of another origin does. A browser sends the cookies of
    /// the session along with such a request, wherever the page comes from, and tells its origin.
    pub fn upgrade(&mut self) -> Result<WebSocketUpgrade> {
        guard::check_origin(&self.origin, &self.headers)?;
        self.upgrade.take().ok_or_else(|| {
            Error::invalid("this is a WebSocket: ask for an upgrade of the connection (RFC 6455)")
        })
    }

    /// What `format=` asks for, if it is there.
    pub fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }
}

/// The wire's answer to a call without credentials.
pub fn not_signed_in() -> Error {
    Error::Unauthenticated("Authentication credentials were not provided.".into())
}

/// What goes back.
pub struct Answer {
    /// Overrides the operation's own status.
    pub(super) status: Option<StatusCode>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// One JSON document.
    Json(Vec<u8>),
    /// JSON items, each followed by a line break.
    Items(Vec<u8>),
    /// The same as they come, and the columns of a table of them.
    Rows(Streamed<Bytes>, Vec<Column>),
    /// Bytes whose type is among the headers.
    Bytes(Bytes),
    /// Bytes as they come.
    Stream(axum::body::Body),
    /// The connection goes over to another protocol.
    Switched(Response),
}

impl Answer {
    fn new(body: Body) -> Self {
        Self {
            status: None,
            headers: Vec::new(),
            body,
        }
    }

    /// One JSON document.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        Ok(Self::new(Body::Json(serde_json::to_vec(value)?)))
    }

    /// A list; each item becomes one line of `format=jsonl`.
    pub fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut lines = Vec::new();
        for item in items {
            serde_json::to_writer(&mut lines, &item)?;
            lines.push(b'\n');
        }
        Ok(Self::items(lines))
    }

    /// A list that is already JSON, one item a line, each line ended.
    pub fn items(lines: Vec<u8>) -> Self {
        Self::new(Body::Items(lines))
    }

    /// Rows as they come from the database, in batches as a `Listing` writes them; `columns` are those
    /// of `format=csv`.
    pub fn rows(lines: Streamed<Bytes>, columns: Vec<Column>) -> Self {
        Self::new(Body::Rows(lines, columns))
    }

    /// `{"message": …}`.
    pub fn message(message: impl Into<String>) -> Result<Self> {
        Self::json(&serde_json::json!({"message": message.into()}))
    }

    /// `{"message", "id", "object"}` of something created.
    pub fn created(
        message: impl Into<String>,
        id: impl Into<Value>,
        object: &impl Serialize,
    ) -> Result<Self> {
        Self::json(&serde_json::json!({
            "message": message.into(),
            "id": id.into(),
            "object": serde_json::to_value(object)?,
        }))
    }

    /// Bytes of a media type.
    pub fn bytes(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self::new(Body::Bytes(bytes.into())).header("content-type", media_type)
    }

    /// A body that streams.
    pub fn stream(media_type: &str, body: axum::body::Body) -> Self {
        Self::new(Body::Stream(body)).header("content-type", media_type)
    }

    /// The connection goes over to another protocol, as this response says.
    pub fn switched(response: Response) -> Self {
        Self::new(Body::Switched(response))
    }

    /// An empty answer that sends the caller elsewhere.
    pub fn redirect(status: StatusCode, location: impl Into<String>) -> Self {
        Self::new(Body::Bytes(Bytes::new()))
            .status(status)
            .header("location", location)
    }

    /// Replaces the operation's own status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
