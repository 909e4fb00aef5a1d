//! Fetching a file: the request, the way to where a forge keeps its files, and the bytes as they come.

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::error::{Operation, RegistryError};
use super::local_address::{LocalTarget, is_local};
use super::phase::{Phase, Timeout};
use super::redirect::leads_to;
use super::response::{Broken, is_html, read_up_to};
use super::transport::Transport;
use super::{ByteCounter, Limits, Registry};
use crate::package::FileName;

/// How many times a forge may lead elsewhere; it does so once, to its object storage.
const MOST_HOPS: usize = 5;

/// The beginning of a file that is there already.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// How many bytes.
    pub(crate) length: u64,
    /// How many the whole has, if that is known.
    pub(crate) size: Option<u64>,
    /// When the file was changed that they are of, as the server said.
    pub(crate) modified: HeaderValue,
}

/// The properties of a file that are known before it comes, and tell in the end whether it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    /// Its length in bytes, if that is known.
    pub(crate) size: Option<u64>,
    /// Whether its hash is known.
    pub(crate) has_hash: bool,
}

/// A file on its way to us.
pub(crate) struct Incoming<'r> {
    registry: &'r Registry<'r>,
    response: Response,
    operation: Operation,
    url: Url,
    /// Which of its bytes comes first: 0, or the length of the part that is there already.
    pub(crate) start: u64,
    /// The length of the whole file; `None` if the server does not say.
    pub(crate) size: Option<u64>,
    /// When it was changed, if the server takes that for a condition.
    pub(crate) modified: Option<HeaderValue>,
}

impl Registry<'_> {
    /// Asks for a file, once, or for what is missing of it. The response is the whole file if it has changed, or if
    /// only the whole is available.
    pub(crate) async fn fetch(
        &self,
        name: &FileName,
        part: Option<&Part>,
        promised: &Promised,
    ) -> Result<Incoming<'_>, RegistryError> {
        if let Some(part) = part {
            let rest = self.fetch_from(name, Some(part), &Promised { size: part.size, ..*promised }).await?;
            if rest.continues(part) {
                return Ok(rest);
            }
        }
        self.fetch_from(name, None, promised).await
    }

    async fn fetch_from(
        &self,
        name: &FileName,
        part: Option<&Part>,
        promised: &Promised,
    ) -> Result<Incoming<'_>, RegistryError> {
        let size = promised.size;
        let operation = Operation::Download(name.clone());
        let mut url = self.target.file_url(name);
        let mut may_be_local = false;
        for hop in 0..=MOST_HOPS {
            let request = if hop == 0 {
                self.request(&operation, &url)
            } else {
                let client = self
                    .client_for(&url, may_be_local)
                    .map_err(|target| self.error(&operation, &url, Transport::from(target)))?;
                client.get(url.clone())
            };
            // The rest of the file, if it still is the same (RFC 9110, 13.1.5 and 14.2).
            let request = part.into_iter().fold(request, |request, Part { length, modified, .. }| {
                request.header(RANGE, format!("bytes={length}-")).header(IF_RANGE, modified)
            });
            let is_good = |response: &Response| match response.status() {
                // The registry gives every file as bytes (recorded): a page is not the file, unless a hash will tell, and the
                // length is not another one. One from storage has to have the length where there is no hash.
                StatusCode::OK if size.is_some() && (hop > 0 || promised.has_hash) => {
                    let is_of_length = response.content_length().map(|length| Some(length) == size);
                    !is_html(response) || is_of_length.unwrap_or(promised.has_hash)
                }
                StatusCode::OK => !is_html(response) || hop > 0 && promised.has_hash,
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => part.is_some(),
                _ => hop < MOST_HOPS && leads_to(response, hop).is_some(),
            };
            self.wait_until_ready(&operation, &url).await?;
            let response = self.send(&operation, &url, request, None, is_good).await?;
            may_be_local = may_be_local || hop == 0 && self.is_server_local(&response);
            if let Some(next) = leads_to(&response, hop) {
                url = next;
                continue;
            }
            let incoming = self.incoming(operation.clone(), url.clone(), response, promised);
            return incoming.map_err(|what| self.garbled(&operation, &url, &what));
        }
        unreachable!("the last hop is no good response if it leads elsewhere")
    }

    /// The client for an address that a redirect leads to. A local one is an error, unless it may be local.
    fn client_for(&self, url: &Url, may_be_local: bool) -> Result<&reqwest::Client, LocalTarget> {
        if may_be_local {
            return Ok(&self.http_elsewhere);
        }
        match LocalTarget::of(url) {
            Some(target) => Err(target),
            // The proxy resolves the name, so what it may connect to is for the proxy to say.
            None if self.connection.network.proxies.for_url(url).is_some() => Ok(&self.http_elsewhere),
            None => Ok(&self.http_not_local),
        }
    }

    /// Whether the server that responded is at a local address itself. The connection says so: what its name resolves to
    /// is for the server's own DNS to choose, and may change.
    fn is_server_local(&self, response: &Response) -> bool {
        match self.connection.network.proxies.for_url(response.url()) {
            Some(_) => LocalTarget::of(response.url()).is_some(),
            None => response.remote_addr().is_some_and(|address| is_local(address.ip())),
        }
    }

    /// Takes a response for a file; the error says why it cannot be one.
    fn incoming(
        &self,
        operation: Operation,
        url: Url,
        response: Response,
        promised: &Promised,
    ) -> Result<Incoming<'_>, String> {
        let header = |name: HeaderName| response.headers().get(name);
        let is_of_the_file = response.status() != StatusCode::RANGE_NOT_SATISFIABLE;
        let encoding = header(CONTENT_ENCODING).filter(|encoding| is_of_the_file && *encoding != "identity");
        if let Some(encoding) = encoding {
            // Nothing of what another origin says is shown.
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
            // It does not say of which part it is.
            (StatusCode::PARTIAL_CONTENT, None) => (u64::MAX, None),
            (_, _) => (0, length),
        };
        // A body that just ends may be half of one, and one that does not end fills the disk.
        if whole.is_none() && promised.size.is_none() && response.status() == StatusCode::OK {
            return Err("the response has no length".to_owned());
        }
        let takes_ranges = header(ACCEPT_RANGES).is_none_or(|unit| unit != "none");
        let modified = header(LAST_MODIFIED).filter(|_| takes_ranges).cloned();
        Ok(Incoming { registry: self, response, operation, url, start, size: whole, modified })
    }
}

/// Where a part begins, and how long the whole is: `bytes 2-5/6`.
fn range_of(header: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = header.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split('-').next()?.parse().ok()?;
    Some((start, whole.parse().ok()))
}

impl Incoming<'_> {
    /// Whether it is the whole file, or what is missing of the same one.
    fn continues(&self, part: &Part) -> bool {
        match self.response.status() {
            StatusCode::OK => true,
            // Object storage may not know of If-Range, so what it says is compared.
            StatusCode::PARTIAL_CONTENT => {
                let is_of_the_same = self.modified.as_ref() == Some(&part.modified);
                let is_as_long = self.size.is_some() && (part.size.is_none() || self.size == part.size);
                self.start == part.length && is_of_the_same && is_as_long
            }
            _ => false,
        }
    }

    /// The next bytes; `None` at the end. Waits for them no longer than is allowed.
    pub(crate) async fn next(&mut self, moved: &ByteCounter) -> Result<Option<Bytes>, RegistryError> {
        let allowed = self.registry.connection.limits.silence;
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

    /// All bytes of a file that is to be short, or more than the longest that is wanted. They may take as long as the
    /// response to a question.
    pub(crate) async fn read(self, longest: u64) -> Result<Vec<u8>, RegistryError> {
        let Self { registry, response, operation, url, .. } = self;
        let Limits { silence, answer, .. } = registry.connection.limits;
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        match read_up_to(response, longest, silence, answer).await {
            Ok(body) | Err(Broken { body, why: None }) => Ok(body),
            Err(Broken { why: Some(why), .. }) => Err(registry.error(&operation, &url, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_begins_and_how_long_the_whole_is() {
        assert_eq!(range_of("bytes 2-5/6"), Some((2, Some(6))));
        assert_eq!(range_of("bytes 2-5/*"), Some((2, None)));
        for header in ["", "bytes */6", "2-5/6", "bytes 2-5", "lines 1-2/3"] {
            assert_eq!(range_of(header), None, "{header}");
        }
    }
}
