//! A response of the server that is no success, read as far as it is worth reading, without anything secret in it.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::phase::{Phase, Timeout};
use super::transport::{Reach, Transport};
use crate::sanitize::Sanitized;
use crate::secret::{Redactor, unescape_html};

/// Status and text of a response that is no success. The texts have been redacted, but are not harmless yet.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: StatusCode,
    pub(super) is_html: bool,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// The server's words: the message of a JSON error, the title of a page, or the first line.
    pub(super) words: String,
    /// The words of a JSON error before those: Forgejo 16 and later give a reason for each way to authenticate, a line
    /// each, and the last one is about the credentials that were sent.
    pub(super) other_reasons: Option<Sanitized>,
    /// How long the server asks us to wait.
    pub(super) retry_after: Option<Duration>,
    /// Why its words may not be all of them, if the connection broke.
    pub(super) broken: Option<Transport>,
}

/// How long the next piece of an error's text is waited for; the status is known already, and says most.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the API words an error.
#[derive(Deserialize)]
struct Message {
    message: String,
}

impl ErrorResponse {
    /// No error message is longer, in bytes.
    const LONGEST: usize = 64 * 1024;

    /// Reads it, for so long at most. What breaks off is taken as far as it came: the status says most.
    pub(super) async fn read(response: Response, redactor: &Redactor, silence: Duration) -> Self {
        let head = Self::without_words(&response, redactor);
        let (body, is_whole, broken) = match read_up_to(response, Self::LONGEST, PATIENCE.min(silence), silence).await {
            Ok(body) => (body, true, None),
            Err(Broken { body, why }) => (body, false, why.filter(|why| why.reach == Reach::Broken)),
        };
        let text = String::from_utf8_lossy(&body);
        let mut other_reasons = None;
        let words = if let Ok(Message { message }) = serde_json::from_str(&text) {
            // All of it is searched: a secret in an earlier line may be long, and may have a line break inside.
            let message = redactor.redact(&message);
            let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
            let last = lines.next_back().unwrap_or_default().to_owned();
            let others = lines.collect::<Vec<_>>().join("; ");
            other_reasons = Some(others).filter(|others| !others.is_empty()).map(|others| Sanitized::new(&others));
            last
        } else if head.is_html {
            title(&text, redactor, is_whole)
        } else {
            // A secret may have a line break inside, so it is searched for before the first line is taken.
            let text = redactor.redact_start(text.trim(), is_whole);
            text.lines().next().unwrap_or_default().to_owned()
        };
        Self { words: words.trim().to_owned(), other_reasons, broken, ..head }
    }

    /// Takes the status and the headers alone.
    pub(super) fn without_words(response: &Response, redactor: &Redactor) -> Self {
        let status = response.status();
        let header = |name| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        // All of it decides where it leads; hyper 1 reads no longer head than 408 KiB.
        let location = header(LOCATION).map(|place| redactor.redact(&place).into_owned());
        // RFC 9110, 10.2.3, and RFC 6585, 4. With other statuses there is nothing to wait for.
        let may_wait = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let retry_after = header(RETRY_AFTER).filter(|_| may_wait).and_then(|wait| wait_of(&wait, SystemTime::now()));
        let (words, other_reasons, is_html) = (String::new(), None, is_html(response));
        Self { status, is_html, location, words, other_reasons, retry_after, broken: None }
    }

    /// Returns its words, or else where it leads on the same server. What stands behind the `?` there may be a
    /// key to it.
    pub(super) fn in_words(&self) -> String {
        let path = self.location.as_deref().filter(|place| place.starts_with('/') && !place.starts_with("//"));
        match path.and_then(|path| path.split(['?', '#']).next()) {
            Some(path) if self.words.is_empty() => format!("redirect to {path}"),
            _ => self.words.clone(),
        }
    }
}

/// Whether a response says that it is a web page.
pub(super) fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes().trim_ascii_start());
    kind.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
}

/// Whether a status is one of proxies whose server does not respond. Cloudflare has numbers of its own.
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

/// Reads a body of at most so many bytes; waits so long for each next piece, and so long for all of them.
pub(super) async fn read_up_to(
    response: Response,
    longest: usize,
    silence: Duration,
    whole: Duration,
) -> Result<Vec<u8>, Broken> {
    let end = Instant::now() + whole;
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while body.len() <= longest {
        let why = match timeout_at(end.min(Instant::now() + silence), stream.next()).await {
            Ok(None) => return Ok(body),
            Ok(Some(Ok(chunk))) => {
                body.extend_from_slice(&chunk);
                continue;
            }
            Ok(Some(Err(error))) => Transport::broken(&error),
            Err(_) if Instant::now() >= end => Timeout { phase: Phase::Completing, after: whole }.into(),
            Err(_) => Timeout { phase: Phase::Receiving, after: silence }.into(),
        };
        return Err(Broken { body, why: Some(why) });
    }
    Err(Broken { body, why: None })
}

/// How long a `Retry-After` asks to wait: seconds, or the time until a date (RFC 9110, 10.2.3).
fn wait_of(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(header).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

/// Returns the title of a page, without entities and secrets. A secret may itself hold an entity, so it is searched for
/// before entities are decoded, and again after that.
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
        let wait = |header| wait_of(header, now);
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        assert_eq!(wait("99999999999999999999999"), None);
    }
}
