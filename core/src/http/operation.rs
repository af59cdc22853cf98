//! One operation of the API: what the published document says of it, and who answers it.
//!
//! A noun lists its operations in `routes.rs`. From the list come the router, the checks of path,
//! query and body, and the OpenAPI document: nothing can be served that is not published, and
//! nothing published that is not served.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::call::{Answer, Call};
use super::shape::{Field, Shape, parse, parse_fields};
use crate::error::{Error, Result};

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Answer>> + Send + Sync>;

/// Formats that every list and detail can be read in.
const TEXT_FORMATS: &[&str] = &["json", "jsonl", "csv", "pprint"];

/// One method on one path.
#[derive(Clone)]
pub struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) details: &'static str,
    pub(super) query: Vec<Field>,
    pub(super) body: Option<Shape>,
    pub(super) body_required: bool,
    pub(super) body_as_given: bool,
    pub(super) success: u16,
    pub(super) answer: Option<Shape>,
    pub(super) binary: Option<&'static str>,
    pub(super) formats: &'static [&'static str],
    pub(super) open: bool,
    pub(super) upgrades: bool,
    pub(super) notice: Option<Notice>,
    pub(super) handler: Handler,
}

/// A PNG that says what went wrong.
type Notice = fn(&Error) -> Vec<u8>;

impl Operation {
    fn new<F, W>(method: &'static str, path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self {
            method,
            path,
            id,
            summary: "",
            details: "",
            query: Vec::new(),
            body: None,
            body_required: false,
            body_as_given: false,
            success: if method == "post" { 201 } else { 200 },
            answer: None,
            binary: None,
            formats: TEXT_FORMATS,
            open: false,
            upgrades: false,
            notice: None,
            handler: Arc::new(move |call| handler(call).boxed()),
        }
    }

    /// A GET; `id` is the operation id byte for byte as clients know it.
    pub fn get<F, W>(path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self::new("get", path, id, handler)
    }

    /// A POST; answers 201 unless said otherwise.
    pub fn post<F, W>(path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self::new("post", path, id, handler)
    }

    /// A PUT: a read whose question is in the body.
    pub fn put<F, W>(path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self::new("put", path, id, handler)
    }

    /// A PATCH.
    pub fn patch<F, W>(path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self::new("patch", path, id, handler)
    }

    /// A DELETE.
    pub fn delete<F, W>(path: &'static str, id: &'static str, handler: F) -> Self
    where
        F: Fn(Call) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self::new("delete", path, id, handler)
    }

    /// One sentence for the document.
    pub fn about(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What a sentence does not say, as Markdown for the document.
    pub fn details(mut self, markdown: &'static str) -> Self {
        self.details = markdown;
        self
    }

    /// Adds query parameters, in the notation of `components.txt`: `start: int<0..>, name: string`.
    pub fn query(mut self, parameters: &str) -> Self {
        self.query.extend(parse_fields(parameters));
        self
    }

    /// The request body, which must be there. A bare component name keeps the clients' keyword.
    pub fn body(mut self, shape: &str) -> Self {
        self.body = Some(parse(shape));
        self.body_required = true;
        self
    }

    /// A request body that may be absent.
    pub fn body_optional(mut self, shape: &str) -> Self {
        self.body = Some(parse(shape));
        self
    }

    /// Leaves absent keys of the body absent, whatever defaults its component publishes: for a
    /// PATCH, which changes only what it names.
    pub fn as_given(mut self) -> Self {
        self.body_as_given = true;
        self
    }

    /// The shape of the answer.
    pub fn answers(mut self, shape: &str) -> Self {
        self.answer = Some(parse(shape));
        self
    }

    /// The status of success, where it is not 200 (201 for POST).
    pub fn status(mut self, status: u16) -> Self {
        self.success = status;
        self
    }

    /// Answers bytes of this media type; `formats` are what `format=` may name.
    pub fn binary(mut self, media_type: &'static str, formats: &'static [&'static str]) -> Self {
        self.binary = Some(media_type);
        self.formats = formats;
        self
    }

    /// Refusals are pictures too, so that whatever shows the answer shows the reason.
    pub fn refused_with(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }

    /// Answers with a WebSocket: the connection goes on as one.
    pub fn upgrades(mut self) -> Self {
        self.upgrades = true;
        self.success = 101;
        self
    }

    /// Anybody may call it, signed in or not.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }
}
