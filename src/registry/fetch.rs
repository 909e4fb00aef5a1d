//! Downloads of files: the request, redirects to object storage, and the bytes of the body.

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::error::{Operation, RegistryError};
use super::failure::Transport;
use super::local_address::{LocalTarget, is_local};
use super::phase::{Phase, Timeout};
use super::redirect::leads_to;
use super::response::{Broken, is_html, read_up_to};
use super::{ByteCounter, IdToken, Limits, Registry};
use crate::package::FileName;

/// The maximum number of redirects. A server redirects once, to its object storage.
const MOST_HOPS: usize = 5;

/// The beginning of a file that was already downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The length of the whole file in bytes, if known.
    pub(crate) size: Option<u64>,
    /// The `Last-Modified` of the file that it belongs to.
    pub(crate) modified: HeaderValue,
}

/// The known properties of a file before its download, which verify it afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownProperties {
    /// Its length in bytes, if known.
    pub(crate) size: Option<u64>,
    /// Whether its hash is known.
    pub(crate) has_hash: bool,
}

/// A running download of a file.
pub(crate) struct Download<'r> {
    registry: &'r Registry<'r>,
    response: Response,
    operation: Operation,
    url: Url,
    /// The position of the first received byte: 0, or the length of the part that was already downloaded.
    pub(crate) start: u64,
    /// The length of the whole file in bytes; `None` if the server does not send it.
    pub(crate) size: Option<u64>,
    /// The `Last-Modified` of the file, if the server accepts it for a range request.
    pub(crate) modified: Option<HeaderValue>,
}

impl Registry<'_> {
    /// Requests a file, or its missing rest, without retries. The response is the whole file if the file has changed or
    /// ranges are not supported.
    pub(crate) async fn fetch(
        &self,
        name: &FileName,
        part: Option<&Part>,
        promised: &KnownProperties,
    ) -> Result<Download<'_>, RegistryError> {
        if let Some(part) = part {
            let rest = self.fetch_from(name, Some(part), &KnownProperties { size: part.size, ..*promised }).await?;
            if rest.is_continuation_of(part) {
                return Ok(rest);
            }
        }
        self.fetch_from(name, None, promised).await
    }

    async fn fetch_from(
        &self,
        name: &FileName,
        part: Option<&Part>,
        promised: &KnownProperties,
    ) -> Result<Download<'_>, RegistryError> {
        let operation = Operation::Download(name.clone());
        self.wait_until_ready(&operation, &self.target.file_url(name)).await?;
        self.with_id_token(&operation, async |id_token| {
            self.follow_redirects(&operation, name, part, promised, id_token).await
        })
        .await
    }

    async fn follow_redirects(
        &self,
        operation: &Operation,
        name: &FileName,
        part: Option<&Part>,
        promised: &KnownProperties,
        id_token: Option<&IdToken>,
    ) -> Result<Download<'_>, RegistryError> {
        let size = promised.size;
        let mut url = self.target.file_url(name);
        let mut may_be_local = false;
        for hop in 0..=MOST_HOPS {
            let request = if hop == 0 {
                self.build_request(operation, &url, id_token)
            } else {
                self.wait_until_ready(operation, &url).await?;
                let client = self
                    .client_for(&url, may_be_local)
                    .map_err(|target| self.error(operation, &url, Transport::from(target)))?;
                client.get(url.clone())
            };
            // The rest of the file if it is unchanged (RFC 9110, 13.1.5 and 14.2).
            let request = part.into_iter().fold(request, |request, Part { length, modified, .. }| {
                request.header(RANGE, format!("bytes={length}-")).header(IF_RANGE, modified)
            });
            let is_good = |response: &Response| match response.status() {
                // The registry sends no file as HTML (recorded). So HTML is an error page, unless a hash can verify it
                // and its length is not wrong. HTML from object storage is accepted without a hash if it has the right
                // length.
                StatusCode::OK if size.is_some() && (hop > 0 || promised.has_hash) => {
                    let is_of_length = response.content_length().map(|length| Some(length) == size);
                    !is_html(response) || is_of_length.unwrap_or(promised.has_hash)
                }
                StatusCode::OK => !is_html(response) || hop > 0 && promised.has_hash,
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => part.is_some(),
                _ => hop < MOST_HOPS && leads_to(response, hop).is_some(),
            };
            let response = self.send(operation, &url, request, None, is_good).await?;
            may_be_local = may_be_local || hop == 0 && self.is_server_local(&response);
            if let Some(next) = leads_to(&response, hop) {
                url = next;
                continue;
            }
            let incoming = self.incoming(operation.clone(), url.clone(), response, promised);
            return incoming.map_err(|what| self.unexpected_response(operation, &url, &what));
        }
        unreachable!("the last hop is no good response if it leads elsewhere")
    }

    /// Returns the client for the target of a redirect. A local target is an error unless `may_be_local`.
    fn client_for(&self, url: &Url, may_be_local: bool) -> Result<&reqwest::Client, LocalTarget> {
        if may_be_local {
            return Ok(&self.http_elsewhere);
        }
        match LocalTarget::of(url) {
            Some(target) => Err(target),
            // The proxy resolves the name, so the proxy decides which addresses are allowed.
            None if self.connection.network.proxies.for_url(url).is_some() => Ok(&self.http_elsewhere),
            None => Ok(&self.http_not_local),
        }
    }

    /// Whether the server that responded has a local address itself. The address of the connection is used, because the
    /// name may resolve to another address later.
    fn is_server_local(&self, response: &Response) -> bool {
        match self.connection.network.proxies.for_url(response.url()) {
            Some(_) => LocalTarget::of(response.url()).is_some(),
            None => response.remote_addr().is_some_and(|address| is_local(address.ip())),
        }
    }

    /// Turns a response into a download. The error explains why that is impossible.
    fn incoming(
        &self,
        operation: Operation,
        url: Url,
        response: Response,
        promised: &KnownProperties,
    ) -> Result<Download<'_>, String> {
        let header = |name: HeaderName| response.headers().get(name);
        let is_of_the_file = response.status() != StatusCode::RANGE_NOT_SATISFIABLE;
        let encoding = header(CONTENT_ENCODING).filter(|encoding| is_of_the_file && *encoding != "identity");
        if let Some(encoding) = encoding {
            // No text of another origin is shown.
            return Err(match String::from_utf8_lossy(encoding.as_bytes()) {
                encoding if self.target.server.is_origin_of(&url) => format!("the file is encoded as {encoding}"),
                _ => "the file is encoded".to_owned(),
            });
        }
        let range = header(CONTENT_RANGE).and_then(|range| range.to_str().ok()).and_then(range_of);
        let length = response.content_length();
        let (start, whole) = match (response.status(), range) {
            (StatusCode::PARTIAL_CONTENT, Some((start, whole))) => {
                (start, whole.or_else(|| Some(start.saturating_add(length?))))
            }
            // The range of this part is unknown.
            (StatusCode::PARTIAL_CONTENT, None) => (u64::MAX, None),
            (_, _) => (0, length),
        };
        // Without a length, a truncated body looks complete, and an endless one fills the disk.
        if whole.is_none() && promised.size.is_none() && response.status() == StatusCode::OK {
            return Err("the response has no length".to_owned());
        }
        let takes_ranges = header(ACCEPT_RANGES).is_none_or(|unit| unit != "none");
        let modified = header(LAST_MODIFIED).filter(|_| takes_ranges).cloned();
        Ok(Download { registry: self, response, operation, url, start, size: whole, modified })
    }
}

/// Parses the start of a part and the length of the whole file: `bytes 2-5/6`.
fn range_of(header: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = header.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split('-').next()?.parse().ok()?;
    Some((start, whole.parse().ok()))
}

impl Download<'_> {
    /// Whether the response is the whole file, or the missing rest of the same file.
    fn is_continuation_of(&self, part: &Part) -> bool {
        match self.response.status() {
            StatusCode::OK => true,
            // Object storage may ignore If-Range, so its headers are compared.
            StatusCode::PARTIAL_CONTENT => {
                let is_of_the_same = self.modified.as_ref() == Some(&part.modified);
                let is_as_long = self.size.is_some() && (part.size.is_none() || self.size == part.size);
                self.start == part.length && is_of_the_same && is_as_long
            }
            _ => false,
        }
    }

    /// Receives the next bytes, within the timeout; `None` at the end.
    pub(crate) async fn next(&mut self, moved: &ByteCounter) -> Result<Option<Bytes>, RegistryError> {
        let allowed = self.registry.connection.limits.stall_timeout;
        let why: Transport = match timeout(allowed, self.response.chunk()).await {
            Ok(Ok(chunk)) => {
                moved.add(chunk.as_ref().map_or(0, Bytes::len));
                return Ok(chunk);
            }
            Ok(Err(error)) => Transport::broken(&error),
            Err(_) => Timeout { phase: Phase::Receiving, after: allowed }.into(),
        };
        Err(self.registry.error(&self.operation, &self.url, why))
    }

    /// Reads a short file into memory. Stops when it is longer than `longest`. The timeout is that of a whole response.
    pub(crate) async fn read(self, longest: u64) -> Result<Vec<u8>, RegistryError> {
        let Self { registry, response, operation, url, .. } = self;
        let Limits { stall_timeout, answer, .. } = registry.connection.limits;
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        match read_up_to(response, longest, stall_timeout, answer).await {
            Ok(body) | Err(Broken { body, why: None }) => Ok(body),
            Err(Broken { why: Some(why), .. }) => Err(registry.error(&operation, &url, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_start_and_the_total_length() {
        assert_eq!(range_of("bytes 2-5/6"), Some((2, Some(6))));
        assert_eq!(range_of("bytes 2-5/*"), Some((2, None)));
        for header in ["", "bytes */6", "2-5/6", "bytes 2-5", "lines 1-2/3"] {
            assert_eq!(range_of(header), None, "{header}");
        }
    }
}
