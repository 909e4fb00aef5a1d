//! Error responses of the server, read up to a limit and redacted.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::failure::{Reach, Transport};
use super::phase::{Phase, Timeout};
use crate::sanitize::Sanitized;
use crate::secret::{Redactor, unescape_html};

/// Status and text of an error response. The texts are redacted, but not yet sanitized.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: StatusCode,
    pub(super) is_html: bool,
    /// The target of a redirect.
    pub(super) location: Option<String>,
    /// The server's message: the last line of a JSON error, the title of a web page, or the first line.
    pub(super) words: String,
    /// The earlier lines of a JSON error. Forgejo 16 and later return one line per authentication method, and the last
    /// one is about the credentials that were sent.
    pub(super) other_reasons: Option<Sanitized>,
    /// The wait that the server asks for.
    pub(super) retry_after: Option<Duration>,
    /// The error that cut the message off, if the connection broke.
    pub(super) broken: Option<Transport>,
}

/// The timeout for the next piece of an error's text. The status is already known and matters most.
const PIECE_TIMEOUT: Duration = Duration::from_secs(5);

/// The JSON body of an API error.
#[derive(Deserialize)]
struct Message {
    message: String,
}

impl ErrorResponse {
    /// The longest error message that is read, in bytes.
    const LONGEST: usize = 64 * 1024;

    /// Reads an error response for at most `stall_timeout`. If it breaks off, the received part is used, because the status
    /// matters most.
    pub(super) async fn read(response: Response, redactor: &Redactor, stall_timeout: Duration) -> Self {
        let head = Self::from_headers(&response, redactor);
        let (body, is_whole, broken) =
            match read_up_to(response, Self::LONGEST, PIECE_TIMEOUT.min(stall_timeout), stall_timeout).await {
                Ok(body) => (body, true, None),
                Err(Broken { body, why }) => (body, false, why.filter(|why| why.reach == Reach::Broken)),
            };
        let text = String::from_utf8_lossy(&body);
        let mut other_reasons = None;
        let words = if let Ok(Message { message }) = serde_json::from_str(&text) {
            // The whole text is redacted first, because a secret may contain a line break.
            let message = redactor.redact(&message);
            let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
            let last = lines.next_back().unwrap_or_default().to_owned();
            let others = lines.collect::<Vec<_>>().join("; ");
            other_reasons = Some(others).filter(|others| !others.is_empty()).map(|others| Sanitized::new(&others));
            last
        } else if head.is_html {
            title(&text, redactor, is_whole)
        } else {
            // A secret may contain a line break, so the text is redacted before the first line is taken.
            let text = redactor.redact_start(text.trim(), is_whole);
            text.lines().next().unwrap_or_default().to_owned()
        };
        Self { words: words.trim().to_owned(), other_reasons, broken, ..head }
    }

    /// Reads only the status and the headers.
    pub(super) fn from_headers(response: &Response, redactor: &Redactor) -> Self {
        let status = response.status();
        let header = |name| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        // The whole value is needed to find the target. hyper 1 limits all headers to 408 KiB.
        let location = header(LOCATION).map(|location| redactor.redact(&location).into_owned());
        // RFC 9110, 10.2.3, and RFC 6585, 4. The header is ignored with other statuses.
        let may_wait = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let retry_after =
            header(RETRY_AFTER).filter(|_| may_wait).and_then(|wait| parse_retry_after(&wait, SystemTime::now()));
        let (words, other_reasons, is_html) = (String::new(), None, is_html(response));
        Self { status, is_html, location, words, other_reasons, retry_after, broken: None }
    }

    /// Returns the server's message, or else the path of a redirect within the server. The query is removed, because it
    /// may contain a secret.
    pub(super) fn to_text(&self) -> String {
        let path = self.location.as_deref().filter(|location| location.starts_with('/') && !location.starts_with("//"));
        match path.and_then(|path| path.split(['?', '#']).next()) {
            Some(path) if self.words.is_empty() => format!("redirect to {path}"),
            _ => self.words.clone(),
        }
    }
}

/// Returns whether the content type of a response is HTML.
pub(super) fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes().trim_ascii_start());
    kind.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
}

/// Returns whether a status means that a proxy got no response from the server. Cloudflare uses statuses from 520 on.
pub(super) fn is_of_gateway(status: StatusCode) -> bool {
    let gateway = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    gateway.contains(&status) || status.as_u16() >= 520
}

/// A body that was not read to its end.
pub(super) struct Broken {
    /// The part that came, and what was too much of it.
    pub(super) body: Vec<u8>,
    /// Why no more came; `None` if the body is too long.
    pub(super) why: Option<Transport>,
}

/// Reads a body of at most `longest` bytes. Waits at most `stall_timeout` for each piece, and at most `whole` for all.
pub(super) async fn read_up_to(
    response: Response,
    longest: usize,
    stall_timeout: Duration,
    whole: Duration,
) -> Result<Vec<u8>, Broken> {
    let end = Instant::now() + whole;
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while body.len() <= longest {
        let why = match timeout_at(end.min(Instant::now() + stall_timeout), stream.next()).await {
            Ok(None) => return Ok(body),
            Ok(Some(Ok(chunk))) => {
                body.extend_from_slice(&chunk);
                continue;
            }
            Ok(Some(Err(error))) => Transport::broken(&error),
            Err(_) if Instant::now() >= end => Timeout { phase: Phase::Completing, after: whole }.into(),
            Err(_) => Timeout { phase: Phase::Receiving, after: stall_timeout }.into(),
        };
        return Err(Broken { body, why: Some(why) });
    }
    Err(Broken { body, why: None })
}

/// Parses a `Retry-After`: seconds, or the time until a date (RFC 9110, 10.2.3).
fn parse_retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(header).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

/// Returns the title of a web page, decoded and redacted. A secret may itself contain an entity, so the title is
/// redacted before and after decoding.
fn title(page: &str, redactor: &Redactor, is_whole: bool) -> String {
    let title = page.split_once("<title>").and_then(|(_, rest)| Some(rest.split_once('<')?.0));
    let encoded = redactor.redact_start(title.unwrap_or_default(), is_whole);
    redactor.redact_start(&unescape_html(&encoded), is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_title_has_no_secret_whether_it_was_encoded_once_or_twice() {
        let redactor = Redactor::default().with(&[Secret::new("ab&amp;cd-0123456789")]);
        for echo in ["ab&amp;cd-0123456789", "ab&amp;amp;cd-0123456789", "ab&amp;amp;amp;cd&amp;#45;0123456789"] {
            let title = title(&format!("<title> No {echo} &lt;here&gt;</title>"), &redactor, true);
            assert_eq!(title.trim(), "No *** <here>");
        }
    }

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let wait = |header| parse_retry_after(header, now);
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("99999999999999999999999"), None);
    }
}
