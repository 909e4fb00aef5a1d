//! Responses before they are written.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::action::Alteration;
use crate::blob::Blob;
use crate::persona::{NO_STORE, Persona};

/// A response of a fault, in place of the registry's.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers in addition to `Date` and `Content-Length`. They replace headers of the registry with the same name.
    pub headers: Vec<(String, String)>,
    /// The body, sent unchanged.
    pub body: Vec<u8>,
}

impl Answer {
    /// Creates a response without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Creates an HTML response, as reverse proxies send it.
    #[must_use]
    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "text/html", body)
    }

    /// Creates a plain text response, as servers send it under `/api/packages`.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "text/plain;charset=utf-8", body)
    }

    /// Creates a JSON response, as servers send it under `/api/v1`.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "application/json;charset=utf-8", body)
    }

    fn of_type(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.header("Content-Type", content_type)
    }

    /// Creates the response of a server under `/api/packages` for an internal error, such as a full disk.
    #[must_use]
    pub fn internal_error(persona: Persona) -> Self {
        Self::text(500, persona.internal_error())
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Answer");
        fields.field("status", &self.status).field("headers", &self.headers);
        fields.field("body", &format_args!("b\"{}\"", self.body.escape_ascii())).finish()
    }
}

/// The body of a reply.
#[derive(Debug)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    File(Arc<Blob>, Range<u64>),
}

/// A response of the registry.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    /// Whether a long body is sent in chunks, as Go does for a body of unknown length.
    may_be_chunked: bool,
    /// Whether the first byte of a file is changed when it is sent.
    pub(crate) is_spoiled: bool,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let Answer { status, headers, body } = answer;
        Self { status, headers, body: Body::Bytes(body), may_be_chunked: false, is_spoiled: false }
    }
}

/// The number of bytes that Go buffers to determine the length itself.
const HELD_BACK: usize = 2048;

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Answer::empty(status).into()
    }

    /// Creates plain text of a handler. Its content type has no space, unlike Go's own errors.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Answer::text(status, body).into()
    }

    /// Creates plain text like Go's `http.Error`.
    pub(crate) fn go_error(status: u16, body: &str) -> Self {
        Answer::of_type(status, "text/plain; charset=utf-8", body).into()
    }

    /// Creates a page like Go's `http.Redirect`.
    pub(crate) fn page(status: u16, body: String) -> Self {
        Answer::of_type(status, "text/html; charset=utf-8", body).into()
    }

    /// Creates the response for a path that the router does not know.
    pub(crate) fn no_route() -> Self {
        Self::go_error(404, "404 page not found\n")
    }

    /// Creates the response for a known path with an unsupported method. Real servers name one of the methods, in no
    /// fixed order.
    pub(crate) fn wrong_method(allowed: &str) -> Self {
        Self::empty(405).header("Allow", allowed)
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("these structures can be written");
        Self { may_be_chunked: true, ..Answer::json(status, body).into() }
    }

    pub(crate) fn file(status: u16, blob: Arc<Blob>, range: Range<u64>) -> Self {
        Self { body: Body::File(blob, range), ..Self::empty(status) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the Cache-Control of `/api/v1`.
    pub(crate) fn uncached(self) -> Self {
        self.header("Cache-Control", NO_STORE)
    }

    /// Changes a body in memory. Returns whether it is different now.
    pub(crate) fn alter(&mut self, alter: &Alteration) -> bool {
        let Body::Bytes(bytes) = &mut self.body else { return false };
        let before = bytes.clone();
        alter.apply(bytes);
        *bytes != before
    }

    /// Marks the first byte of a file to be changed. Returns `false` if it has none.
    pub(crate) fn corrupt(&mut self) -> bool {
        self.is_spoiled = matches!(&self.body, Body::File(_, range) if !range.is_empty());
        self.is_spoiled
    }

    /// Whether its headers close the connection.
    pub(crate) fn closes_connection(&self) -> bool {
        self.headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("Connection") && value.eq_ignore_ascii_case("close"))
    }

    fn length(&self) -> u64 {
        match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(_, range) => range.end - range.start,
        }
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.may_be_chunked && matches!(&self.body, Body::Bytes(bytes) if bytes.len() > HELD_BACK)
    }

    /// Returns the bytes before the body.
    pub(crate) fn head(&self, close: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let has = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !has("Date") {
            let _ = write!(head, "Date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
        }
        let has_length = has("Content-Length") || has("Transfer-Encoding");
        if self.is_chunked() && !has_length {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if !has_length && self.status != 204 && self.status != 304 {
            let _ = write!(head, "Content-Length: {}\r\n", self.length());
        }
        if close && !has("Connection") {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
