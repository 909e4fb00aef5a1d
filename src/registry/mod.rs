//! The HTTP client: requests, and what the answers mean.
//!
//! No redirect is followed: a token must not reach another host. Questions are asked again where that can help;
//! whether a file is sent again is for the caller to decide, who has to look first at what is stored.

mod answer;
mod asked;
mod body;
mod error;
mod limits;
mod next;
mod proxy;
mod refusal;
mod tls;
mod way;

use std::fmt::Display;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use self::answer::{Answer, Reason, is_html, read_up_to};
pub use self::asked::Asked;
use self::body::FileBody;
pub use self::body::Sent;
pub use self::error::{Cause, RegistryError, Transport};
use self::limits::Pause;
pub use self::limits::{Budget, Jitter, Limits};
pub use self::next::Next;
pub use self::proxy::ProxyFault;
pub use self::refusal::Refusal;
pub use self::tls::TlsFault;
use crate::checksum::Sha256;
use crate::files::{FileError, FileFault, LocalFile};
use crate::listing::Listing;
use crate::package::{FileName, Target};
use crate::report::{Exchange, Reporter, Retry};
use crate::secret::{Credentials, Redactor};
use crate::untrusted::Untrusted;
use crate::way::Way;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct SetupError(#[from] reqwest::Error);

/// One version of a package on a forge, as one user meets it.
pub struct Registry<'a> {
    http: reqwest::Client,
    target: Target,
    credentials: Credentials,
    way: Way,
    redactor: Redactor,
    limits: Limits,
    pause: Pause,
    reporter: &'a dyn Reporter,
}

/// What we read of a version.
#[derive(Deserialize)]
struct VersionRow {
    html_url: String,
}

impl<'a> Registry<'a> {
    /// The list of a version is 341 bytes a file; this is room for 190,000.
    const LONGEST_LIST: usize = 64 * 1024 * 1024;

    /// Sets up the client. The roots of trust are the system's, and what the way adds.
    pub fn new(
        target: Target,
        credentials: Credentials,
        way: Way,
        limits: Limits,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, SetupError> {
        let http = way
            .client()?
            .user_agent(concat!("generic-packages/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(limits.connect)
            .pool_idle_timeout(limits.idle)
            .build()?;
        let redactor = credentials.redactor().with(&way.secrets);
        Ok(Self { http, target, credentials, way, redactor, limits, pause: Pause::default(), reporter })
    }

    /// The tries for one file.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(&self.limits)
    }

    /// Spends a try on what is not yet as it should be, and says so. Returns how long to wait before it; `None` where no
    /// try is left.
    pub fn spend(
        &self,
        budget: &mut Budget,
        what: &(dyn Display + Sync),
        why: &(dyn Display + Sync),
        asked_for: Option<Duration>,
    ) -> Option<Duration> {
        let wait = budget.spend(asked_for)?;
        let (number, of) = (budget.tries() - 1, budget.retries());
        self.reporter.retries(&Retry { what, why, wait, number, of });
        Some(wait)
    }

    /// Waits before what failed is tried again, and says so; `false` where no try is left.
    pub async fn wait(&self, budget: &mut Budget, error: &RegistryError) -> bool {
        let Some(wait) = self.spend(budget, &error.asked.in_short(), &error.cause, error.retry_after()) else {
            return false;
        };
        tokio::time::sleep(wait).await;
        true
    }

    /// Asks until there is an answer, for as long as there is hope.
    async fn persist<T>(&self, ask: impl AsyncFn() -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let mut budget = self.budget();
        loop {
            let begun = tokio::time::Instant::now();
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            budget.failed(begun, None);
            if error.next() != Next::Again || !self.wait(&mut budget, &error).await {
                return Err(error.after(budget.tries()));
            }
        }
    }

    /// Which files the version has.
    pub async fn files(&self) -> Result<Listing, RegistryError> {
        self.persist(async || self.files_at_once().await).await
    }

    /// The same, asked once, and whatever pause the server asked for: nobody asks for anything after it.
    pub async fn files_now(&self) -> Result<Listing, RegistryError> {
        self.pause.is_over();
        self.files_at_once().await
    }

    /// The same, asked once.
    pub async fn files_at_once(&self) -> Result<Listing, RegistryError> {
        let url = self.target.files_url();
        let asked = Asked::Files;
        let response = match self.get(&asked, &url).await {
            Ok(response) => response,
            // Nothing there yet. Unknown owners have other words.
            Err(error) if is_absent(&error) => return Ok(Listing::default()),
            Err(error) => return Err(error),
        };
        let rows = self.json(&asked, &url, response).await?;
        Listing::new(rows).map_err(|bad| self.garbled(&asked, &url, &bad.to_string()))
    }

    /// The page of the version, as the API gives it.
    pub async fn version_page(&self) -> Result<Url, RegistryError> {
        let url = self.target.version_url();
        let asked = Asked::Version;
        let response = self.get(&asked, &url).await?;
        let row: VersionRow = self.json(&asked, &url, response).await?;
        // It is shown and handed on as it is, so it has to be a plain address.
        Url::parse(&row.html_url)
            .ok()
            .filter(|page| self.is_plain(page))
            .ok_or_else(|| self.garbled(&asked, &url, &format!("its html_url is {}", row.html_url)))
    }

    fn is_plain(&self, page: &Url) -> bool {
        let has_credentials = !page.username().is_empty() || page.password().is_some();
        matches!(page.scheme(), "http" | "https")
            && !(has_credentials || page.query().is_some() || page.fragment().is_some())
            && page.as_str().len() <= 2048
            && !self.redactor.finds(page.as_str())
    }

    /// Asks for the right to write without storing anything: an empty file of a name that no server accepts. Where
    /// the name is what the server complains of, token, scope, owner and rights are good (recorded on Gitea 1.22 to
    /// 1.26 and Forgejo 7 to 15).
    pub async fn ask_right(&self) -> Result<(), RegistryError> {
        self.persist(async || self.ask_right_at_once().await).await
    }

    /// The same, asked once.
    pub async fn ask_right_at_once(&self) -> Result<(), RegistryError> {
        let url = self.target.question_url();
        let asked = Asked::Right;
        let request = self.request(Method::PUT, &url).header(CONTENT_LENGTH, 0);
        match self.ask(&asked, Method::PUT, &url, request, StatusCode::CREATED).await {
            Err(RegistryError { cause: Cause::Refused { refusal: Refusal::FileName, .. }, .. }) => Ok(()),
            Err(error) => Err(error),
            // No forge stores it.
            Ok(_) => {
                let what = Untrusted::new("it stores a file called `*`");
                Err(self.error(&asked, Method::PUT, &url, Cause::Garbled { what, is_cut: false }))
            }
        }
    }

    /// Sends a file, once. Returns the hash of what was sent; only a 201 is a success. `sent` tells how far it is.
    pub async fn upload(&self, file: &LocalFile, name: &FileName, sent: &Sent) -> Result<Sha256, RegistryError> {
        let url = self.target.file_url(name);
        let asked = Asked::Upload(name.clone());
        self.is_ready().await;
        if file.size == 0 {
            // hyper asks an empty body for nothing, so the file has to prove before that it still is empty.
            let still_empty = self.hash(file).await;
            still_empty.map_err(|error| self.error(&asked, Method::PUT, &url, Cause::File(error)))?;
        }
        let (body, mut outcome) = FileBody::new(file.clone(), sent.clone());
        let request = self
            .request(Method::PUT, &url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(CONTENT_LENGTH, file.size)
            .body(reqwest::Body::wrap_stream(body));
        let answered = async {
            match self.send(&asked, Method::PUT, &url, request, StatusCode::CREATED).await {
                Ok(_) => match (&mut outcome).await {
                    Ok(Ok(sha256)) => Ok(sha256),
                    Ok(Err(error)) => Err(self.error(&asked, Method::PUT, &url, Cause::File(error))),
                    // An answer before the whole file was taken: it cannot be about all of it.
                    Err(_) => {
                        let what = Untrusted::new("201 Created before the whole file was sent");
                        Err(self.error(&asked, Method::PUT, &url, Cause::Garbled { what, is_cut: false }))
                    }
                },
                // Where the file itself is at fault, that is why the upload broke off.
                Err(error) => Err(match outcome.try_recv() {
                    Ok(Err(fault)) => self.error(&asked, Method::PUT, &url, Cause::File(fault)),
                    _ => error,
                }),
            }
        };
        tokio::select! {
            result = answered => result,
            silent = self.silence(sent, file.size) => {
                Err(self.error(&asked, Method::PUT, &url, Cause::Transport(Transport::Silent(silent))))
            }
        }
    }

    /// Deletes a file.
    pub async fn delete(&self, name: &FileName) -> Result<(), RegistryError> {
        let url = self.target.file_url(name);
        let asked = Asked::Delete(name.clone());
        let request = self.request(Method::DELETE, &url);
        self.ask(&asked, Method::DELETE, &url, request, StatusCode::NO_CONTENT).await.map(drop)
    }

    /// The hash of a file, read as it is for an upload: a disk that gives nothing for too long is an error.
    pub async fn hash(&self, file: &LocalFile) -> Result<Sha256, FileError> {
        let stalled = || FileError { path: file.path.clone(), fault: FileFault::Stalled(self.limits.silence) };
        let (mut body, outcome) = FileBody::new(file.clone(), Sent::default());
        while timeout(self.limits.silence, body.next()).await.map_err(|_| stalled())?.is_some() {}
        outcome.await.unwrap_or_else(|_| Err(stalled()))
    }

    /// Ends when nothing has moved for as long as is allowed, and says how long that was. There is no limit on how
    /// long a whole upload takes.
    async fn silence(&self, sent: &Sent, size: u64) -> Duration {
        let mut seen = sent.bytes();
        loop {
            let allowed = if seen < size { self.limits.silence } else { self.limits.answer };
            tokio::time::sleep(allowed).await;
            match sent.bytes() {
                now if now == seen => return allowed,
                now => seen = now,
            }
        }
    }

    async fn get(&self, asked: &Asked, url: &Url) -> Result<Response, RegistryError> {
        self.ask(asked, Method::GET, url, self.request(Method::GET, url), StatusCode::OK).await
    }

    /// Sends a request without a body, and waits for the answer no longer than is allowed.
    async fn ask(
        &self,
        asked: &Asked,
        method: Method,
        url: &Url,
        request: RequestBuilder,
        good: StatusCode,
    ) -> Result<Response, RegistryError> {
        self.is_ready().await;
        let allowed = self.limits.silence;
        match timeout(allowed, self.send(asked, method.clone(), url, request, good)).await {
            Ok(answered) => answered,
            Err(_) => Err(self.error(asked, method, url, Cause::Transport(Transport::Silent(allowed)))),
        }
    }

    /// Waits until the next request may go. Yielding lets the runtime look at the connections that idle: one that the
    /// server has ended meanwhile is not used again.
    async fn is_ready(&self) {
        self.pause.ends().await;
        tokio::task::yield_now().await;
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        // Basic is all that Forgejo's documentation allows for packages; it marks its header as sensitive.
        self.http
            .request(method, url.clone())
            .basic_auth(&self.credentials.username, Some(self.credentials.token.expose()))
    }

    /// Sends a request and takes one status for success.
    async fn send(
        &self,
        asked: &Asked,
        method: Method,
        url: &Url,
        request: RequestBuilder,
        good: StatusCode,
    ) -> Result<Response, RegistryError> {
        let started = Instant::now();
        let sent = request.send().await;
        self.reporter.request_ends(&Exchange {
            method: method.as_str(),
            path: url.path(),
            status: sent.as_ref().ok().map(|response| response.status().as_u16()),
            took: started.elapsed(),
        });
        let cause = match sent {
            Ok(response) if response.status() == good => return Ok(response),
            Ok(response) if let Some(fault) = self.way.fault_in(&response) => Cause::Transport(fault.into()),
            Ok(response) => {
                let mut answer = Answer::read(response, &self.redactor).await;
                if let Some(pause) = answer.retry_after {
                    self.pause.lasts(pause.min(self.limits.longest_pause));
                }
                match answer.broken.take() {
                    // Half of these words would be taken for another refusal.
                    Some(broken) if Refusal::is_told_by_words(answer.status) => {
                        Cause::Transport(Transport::broken(&broken))
                    }
                    _ => Cause::Refused {
                        refusal: Refusal::of(asked, url, &self.target, &answer),
                        status: answer.status,
                        words: Untrusted::new(&answer.words),
                        retry_after: answer.retry_after,
                    },
                }
            }
            Err(error) => Cause::Transport(Transport::of(&error, &self.way)),
        };
        Err(self.error(asked, method, url, cause))
    }

    /// Reads a JSON answer; a page in HTML is told apart from JSON that is broken.
    async fn json<T: serde::de::DeserializeOwned>(
        &self,
        asked: &Asked,
        url: &Url,
        response: Response,
    ) -> Result<T, RegistryError> {
        let status = response.status();
        let cause = if is_html(&response) {
            let answer = Answer::read(response, &self.redactor).await;
            Cause::Refused {
                refusal: Refusal::of(asked, url, &self.target, &answer),
                status,
                words: Untrusted::new(&answer.words),
                retry_after: None,
            }
        } else {
            match read_up_to(response, Self::LONGEST_LIST, self.limits.silence).await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        let what = Untrusted::new(&self.redactor.redact(&error.to_string()));
                        Cause::Garbled { what, is_cut: error.is_eof() }
                    }
                },
                Err(broken) => match broken.reason {
                    Reason::Broken(error) => Cause::Transport(Transport::broken(&error)),
                    Reason::Silent => Cause::Transport(Transport::Silent(self.limits.silence)),
                    Reason::TooLong => return Err(self.garbled(asked, url, "it is longer than 64 MiB")),
                },
            }
        };
        Err(self.error(asked, Method::GET, url, cause))
    }

    fn garbled(&self, asked: &Asked, url: &Url, what: &str) -> RegistryError {
        let what = Untrusted::new(&self.redactor.redact(what));
        self.error(asked, Method::GET, url, Cause::Garbled { what, is_cut: false })
    }

    fn error(&self, asked: &Asked, method: Method, url: &Url, cause: Cause) -> RegistryError {
        RegistryError::new(asked.clone(), method, url.clone(), cause, |refusal| {
            self.way.advice(refusal, refusal.advice(&self.target, &self.credentials))
        })
    }
}

/// Whether the answer to the list call means that the version has no files yet.
fn is_absent(error: &RegistryError) -> bool {
    matches!(&error.cause, Cause::Refused { status: StatusCode::NOT_FOUND, words, .. }
        if words.to_string().contains("package does not exist"))
}
