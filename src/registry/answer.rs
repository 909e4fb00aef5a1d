//! An answer of the server, read as far as it is worth reading, without anything secret in it.

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::secret::Redactor;

/// Status and text of an answer. The texts have been redacted, but are not harmless yet.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) is_html: bool,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// What the server says: the message of a JSON error, the title of a page, or the first line.
    pub(super) words: String,
}

/// How the API words an error.
#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Answer {
    /// No error message is longer, in bytes.
    const LONGEST: usize = 64 * 1024;

    /// Reads an answer that is no success. What breaks off is taken as far as it came: the status says most.
    pub(super) async fn read(response: Response, redactor: &Redactor) -> Self {
        let status = response.status();
        let header = |name| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let is_html = header(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("text/html"));
        let location = header(LOCATION).map(|place| redactor.redact(&place).into_owned());
        let body = match read_up_to(response, Self::LONGEST).await {
            Ok(body) | Err(Broken { body, .. }) => body,
        };
        let text = String::from_utf8_lossy(&body);
        let words = if let Ok(Message { message }) = serde_json::from_str(&text) {
            message
        } else if is_html {
            title(&text).unwrap_or_default().to_owned()
        } else {
            text.trim().lines().next().unwrap_or_default().to_owned()
        };
        Self { status, is_html, location, words: redactor.redact(&words).into_owned() }
    }
}

/// A body that was not read to its end.
pub(super) struct Broken {
    /// What came.
    pub(super) body: Vec<u8>,
    /// Why no more came; `None` where the body was longer than was allowed.
    pub(super) reason: Option<reqwest::Error>,
}

/// Reads a body of at most so many bytes.
pub(super) async fn read_up_to(response: Response, longest: usize) -> Result<Vec<u8>, Broken> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) if body.len() + chunk.len() <= longest => body.extend_from_slice(&chunk),
            Ok(_) => return Err(Broken { body, reason: None }),
            Err(reason) => return Err(Broken { body, reason: Some(reason) }),
        }
    }
    Ok(body)
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    Some(rest.split_once('<')?.0.trim())
}
