//! The HTTP client: requests, and what the answers mean.
//!
//! No redirect is followed but to where a forge keeps its files, without the token: it must not reach another host.
//! Questions are asked again where that can help;
//! whether a file is sent again is for the caller to decide, who has to look first at what is stored.

mod answer;
mod asked;
mod body;
mod code;
mod error;
mod fetch;
mod limits;
mod local_address;
mod network;
mod next;
mod observer;
mod outage;
mod page;
mod phase;
mod proxy;
mod questions;
mod refusal;
mod tls;

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use self::answer::{Answer, is_html};
pub(crate) use self::asked::Asked;
use self::body::FileBody;
pub(crate) use self::body::Moved;
pub(crate) use self::error::{Cause, RegistryError, Transport};
pub(crate) use self::fetch::{Part, Promised};
pub(crate) use self::limits::Budget;
use self::limits::Pause;
pub use self::limits::{Jitter, Limits};
use self::local_address::Resolver;
pub(crate) use self::next::Next;
pub use self::observer::{Exchange, Observer, Retry};
use self::outage::Outages;
pub(crate) use self::phase::{Phase, Timeout};
use self::phase::{TrackConnections, Tracker, Upload, stalls};
pub(crate) use self::questions::About;
pub(crate) use self::questions::LONGEST_LIST;
use self::refusal::Asker;
pub(crate) use self::refusal::Refusal;
use crate::checksum::Sha256;
use crate::command::Command;
use crate::files::Content;
use crate::hint::Explain;
use crate::network::Network;
use crate::package::{FileName, Target, Version};
use crate::sanitize::Sanitized;
use crate::secret::{Credentials, Redactor};
use crate::stop::Stop;

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub(crate) struct SetupError(#[from] reqwest::Error);

impl Explain for SetupError {
    fn code(&self) -> &'static str {
        "http-client-failed"
    }

    fn hint(&self) -> Option<String> {
        Some("Check the proxy variables of the runner (HTTP_PROXY, HTTPS_PROXY)".to_owned())
    }
}

/// How the server is reached: as whom, through what, and how patiently.
#[derive(Clone)]
pub(crate) struct Connection<'a> {
    /// The command that requests are made for.
    pub(crate) command: Command,
    /// None for a visitor.
    pub(crate) credentials: Option<Credentials>,
    /// Certificates, proxies and headers.
    pub(crate) network: Network,
    /// Takes secrets out of what the server says.
    pub(crate) redactor: Redactor,
    /// Timeouts and retries.
    pub(crate) limits: Limits,
    /// Knows whether the run is to end before its end.
    pub(crate) stop: Stop,
    /// Hears of every request.
    pub(crate) observer: &'a dyn Observer,
}

/// One version of a package on a forge, as one user meets it.
#[derive(Clone)]
pub(crate) struct Registry<'a> {
    /// For the server: it alone is shown the client certificate.
    http: reqwest::Client,
    /// For other hosts that the server leads to.
    http_elsewhere: reqwest::Client,
    /// Goes through no proxy, and connects to no local address.
    http_not_local: reqwest::Client,
    target: Target,
    connection: Connection<'a>,
    /// Shared by all that were made of one.
    pause: Arc<Pause>,
    /// Shared by all that were made of one.
    outages: Arc<Outages>,
}

impl<'a> Registry<'a> {
    /// Sets up the client. The roots of trust are the system's, and what the way adds.
    pub(crate) fn new(target: Target, connection: Connection<'a>) -> Result<Self, SetupError> {
        let Connection { network, limits, .. } = &connection;
        let tls = network.tls();
        let client = |tls: &ClientConfig| {
            network
                .client(tls.clone())
                .user_agent(concat!("generic-packages/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(limits.connect)
                .connector_layer(TrackConnections)
                .pool_idle_timeout(limits.idle)
        };
        Ok(Self {
            http: client(&network.tls_to_server(&tls)).dns_resolver(Resolver { refuses_local: false }).build()?,
            http_elsewhere: client(&tls).dns_resolver(Resolver { refuses_local: false }).build()?,
            http_not_local: client(&tls).no_proxy().dns_resolver(Resolver { refuses_local: true }).build()?,
            target,
            pause: Arc::default(),
            outages: Arc::default(),
            connection,
        })
    }

    /// What is published to, or downloaded from.
    #[must_use]
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Turns to another version of the package.
    pub(crate) fn turn_to(&mut self, version: Version) {
        self.target.version = version;
    }

    /// Another version of the package, met in the same way and with the same pauses.
    #[must_use]
    pub(crate) fn of_version(&self, version: Version) -> Self {
        let mut other = self.clone();
        other.turn_to(version);
        other
    }

    /// How long nothing may move while bytes are sent or received.
    #[must_use]
    pub(crate) fn silence(&self) -> Duration {
        self.connection.limits.silence
    }

    /// The tries for one file.
    #[must_use]
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(&self.connection.limits)
    }

    /// Spends a try on what is not yet as it should be, and says so. Returns how long to wait before it; `None` where no
    /// try is left.
    pub(crate) fn spend(
        &self,
        budget: &mut Budget,
        what: &(dyn Display + Sync),
        why: &(dyn Display + Sync),
        asked_for: Option<Duration>,
    ) -> Option<Duration> {
        let wait = budget.spend(asked_for)?;
        let (number, of) = (budget.tries() - 1, budget.retries());
        self.connection.observer.retries(&Retry { what, why, wait, number, of });
        Some(wait)
    }

    /// The same for a request that failed. A request that failed because the server was away costs no try, and need not wait.
    pub(crate) fn spend_on(&self, budget: &mut Budget, error: &RegistryError) -> Option<Duration> {
        if error.is_outlasted() && budget.spend_outage() {
            return Some(Duration::ZERO);
        }
        self.spend(budget, &error.asked.in_short(), &error.cause, error.retry_after())
    }

    /// Waits before what failed is tried again, and says so; `false` where no try is left.
    pub(crate) async fn wait(&self, budget: &mut Budget, error: &RegistryError) -> bool {
        let Some(wait) = self.spend_on(budget, error) else { return false };
        tokio::time::sleep(wait).await;
        true
    }

    /// Asks until there is an answer, for as long as there is hope.
    async fn persist<T>(&self, ask: impl AsyncFnMut() -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        self.persist_while(|| None, ask).await
    }

    /// The same where bytes move meanwhile; `moved` says when they last did.
    pub(crate) async fn persist_while<T>(
        &self,
        moved: impl Fn() -> Option<tokio::time::Instant>,
        mut ask: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut budget = self.budget();
        loop {
            let begun = tokio::time::Instant::now();
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.outlast(begun, error).await,
            };
            // Bytes that moved in an earlier try are no sign of life in this one.
            budget.failed(&error, begun, moved().filter(|moved| *moved > begun));
            if error.next() != Next::Again || !self.wait(&mut budget, &error).await {
                return Err(error.after(budget.tries()));
            }
        }
    }

    /// Checks write access without storing anything, by an empty file of a name that no server accepts. If the server
    /// refuses the name, then token, scope, owner and rights are good (recorded on Gitea 1.22 to 1.26 and Forgejo 7 to
    /// 15).
    pub(crate) async fn check_write_access(&self) -> Result<(), RegistryError> {
        self.persist(async || self.check_write_access_once().await).await
    }

    /// Checks write access without retries.
    pub(crate) async fn check_write_access_once(&self) -> Result<(), RegistryError> {
        let url = self.target.question_url();
        let asked = Asked::Right;
        let request = self.request(Method::PUT, &url).header(CONTENT_LENGTH, 0);
        match self.ask(&asked, Method::PUT, &url, request, is(StatusCode::CREATED)).await {
            Err(RegistryError { cause: Cause::Refused { refusal: Refusal::FileName, .. }, .. }) => Ok(()),
            Err(error) => Err(error),
            // No forge stores it.
            Ok(_) => {
                let what = Sanitized::new("it stores a file called `*`");
                Err(self.error(&asked, Method::PUT, &url, Cause::Garbled { what, is_cut: false }))
            }
        }
    }

    /// Sends a file, once. Returns the hash of what was sent; only a 201 is a success. `sent` tells how far it is.
    pub(crate) async fn upload(
        &self,
        content: &Content,
        name: &FileName,
        sent: &Moved,
    ) -> Result<Sha256, RegistryError> {
        let url = self.target.file_url(name);
        let asked = Asked::Upload(name.clone());
        self.wait_until_ready(&asked, &Method::PUT, &url).await?;
        if content.size() == 0 {
            // hyper asks an empty body for nothing, so the file has to prove before that it still is empty.
            let still_empty = content.hash(self.connection.limits.silence).await;
            still_empty.map_err(|error| self.error(&asked, Method::PUT, &url, Cause::File(error)))?;
        }
        let (body, mut outcome) = FileBody::new(content.clone(), sent.clone());
        let request = self
            .request(Method::PUT, &url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(CONTENT_LENGTH, content.size())
            .body(reqwest::Body::wrap_stream(body));
        let upload = Some(Upload { sent, size: content.size() });
        match self.send(&asked, Method::PUT, &url, request, upload, is(StatusCode::CREATED)).await {
            Ok(_) => match timeout(self.connection.limits.silence, &mut outcome).await {
                Ok(Ok(Ok(sha256))) => Ok(sha256),
                Ok(Ok(Err(error))) => Err(self.error(&asked, Method::PUT, &url, Cause::File(error))),
                // An answer before the whole file was taken: it cannot be about all of it.
                Ok(Err(_)) | Err(_) => {
                    let what = Sanitized::new("201 Created before the whole file was sent");
                    Err(self.error(&asked, Method::PUT, &url, Cause::Garbled { what, is_cut: false }))
                }
            },
            // Where the file itself is at fault, that is why the upload broke off.
            Err(error) => Err(match outcome.try_recv() {
                Ok(Err(fault)) => self.error(&asked, Method::PUT, &url, Cause::File(fault)),
                _ => error,
            }),
        }
    }

    /// Deletes a file, so that another can take its place.
    pub(crate) async fn delete(&self, name: &FileName) -> Result<(), RegistryError> {
        self.delete_as(Asked::Delete(name.clone()), name).await
    }

    /// Deletes a file for good.
    pub(crate) async fn remove(&self, name: &FileName) -> Result<(), RegistryError> {
        self.delete_as(Asked::Remove(name.clone()), name).await
    }

    async fn delete_as(&self, asked: Asked, name: &FileName) -> Result<(), RegistryError> {
        let url = self.target.file_url(name);
        let request = self.request(Method::DELETE, &url);
        self.ask_outlasting(&asked, Method::DELETE, &url, request, is(StatusCode::NO_CONTENT)).await.map(drop)
    }

    /// Asks the API. A cache on the way has to ask the server, because an old list would be wrong.
    async fn get(&self, asked: &Asked, url: &Url) -> Result<Response, RegistryError> {
        self.ask(asked, Method::GET, url, self.get_request(url), is(StatusCode::OK)).await
    }

    fn get_request(&self, url: &Url) -> RequestBuilder {
        self.request(Method::GET, url).header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }

    /// Sends a request without a body.
    async fn ask(
        &self,
        asked: &Asked,
        method: Method,
        url: &Url,
        request: RequestBuilder,
        is_good: impl Fn(&Response) -> bool,
    ) -> Result<Response, RegistryError> {
        self.wait_until_ready(asked, &method, url).await?;
        self.send(asked, method, url, request, None, is_good).await
    }

    /// Sends a request without a body, and waits for the server if it is away.
    async fn ask_outlasting(
        &self,
        asked: &Asked,
        method: Method,
        url: &Url,
        request: RequestBuilder,
        is_good: impl Fn(&Response) -> bool,
    ) -> Result<Response, RegistryError> {
        let begun = tokio::time::Instant::now();
        match self.ask(asked, method, url, request, is_good).await {
            Err(error) => Err(self.outlast(begun, error).await),
            good => good,
        }
    }

    /// Waits until the next request may go. The error is the outage that the run has given up on. Yielding lets the runtime
    /// look at the connections that idle: one that the server has ended meanwhile is not used again.
    async fn wait_until_ready(&self, asked: &Asked, method: &Method, url: &Url) -> Result<(), RegistryError> {
        let ready = self.outages.wait_until_ready().await;
        ready.map_err(|given_up| self.error(asked, method.clone(), url, Cause::Outage { given_up, own: None }))?;
        self.pause.ends().await;
        tokio::task::yield_now().await;
        Ok(())
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.http.request(method, url.clone()).headers(self.connection.network.headers.clone());
        match &self.connection.credentials {
            // Basic is all that Forgejo's documentation allows for packages; it marks its header as sensitive.
            Some(Credentials { username, token, .. }) => request.basic_auth(username, Some(token.expose())),
            None => request,
        }
    }

    /// Sends a request, and waits for the answer no longer than is allowed; `is_good` says which answer is a success.
    async fn send(
        &self,
        asked: &Asked,
        method: Method,
        url: &Url,
        request: RequestBuilder,
        upload: Option<Upload<'_>>,
        is_good: impl Fn(&Response) -> bool,
    ) -> Result<Response, RegistryError> {
        let started = Instant::now();
        let tracker = Tracker::new();
        let sent = tokio::select! {
            sent = tracker.follow(request.send()) => {
                sent.map_err(|error| Transport::of(&error, &self.connection.network, tracker.phase(), self.connection.limits.connect))
            }
            timeout = stalls(&self.connection.limits, &tracker, upload) => Err(timeout.into()),
        };
        // Nothing of what another origin answers is shown but its status; a path may be the word of one that led here.
        let is_own = self.target.server.is_origin_of(url);
        let origin = url.origin().ascii_serialization();
        self.connection.observer.request_ends(&Exchange {
            method: method.as_str(),
            path: if is_own { url.path() } else { &origin },
            status: sent.as_ref().ok().map(|response| response.status().as_u16()),
            took: started.elapsed(),
        });
        let cause = match sent {
            Ok(response) if is_good(&response) => {
                if is_own && !is_html(&response) {
                    self.outages.note_response();
                }
                return Ok(response);
            }
            Ok(response) if let Some(fault) = self.connection.network.fault_in(&response) => {
                Cause::Transport(fault.into())
            }
            Ok(response) => {
                // What comes with success may be a file of which nobody has said that it is for everybody.
                let is_file =
                    matches!(asked, Asked::Download(_)) && response.status().is_success() && !is_html(&response);
                let mut answer = if is_own && !is_file {
                    Answer::read(response, &self.connection.redactor, self.connection.limits.silence).await
                } else {
                    Answer::without_words(&response, &self.connection.redactor)
                };
                if let Some(reasons) = answer.other_reasons.take() {
                    self.connection.observer.debug(&format!("other reasons that the server gave: {reasons}"));
                }
                if let Some(pause) = answer.retry_after {
                    self.pause.lasts(pause.min(self.connection.limits.longest_pause));
                }
                match answer.broken.take() {
                    // Half of these words would be taken for another refusal.
                    Some(broken) if Refusal::is_told_by_words(asked, answer.status) => {
                        Cause::Transport(Transport::broken(&broken))
                    }
                    _ => Cause::Refused {
                        refusal: Refusal::of(asked, url, &self.target, &answer),
                        status: answer.status,
                        words: Sanitized::new(&if is_own { answer.in_words() } else { String::new() }),
                        retry_after: answer.retry_after,
                    },
                }
            }
            Err(error) => Cause::Transport(error),
        };
        let error = self.error(asked, method, url, cause);
        if is_own && matches!(error.cause, Cause::Refused { .. }) && !error.is_unavailable() {
            self.outages.note_response();
        }
        Err(error)
    }

    fn error(&self, asked: &Asked, method: Method, url: &Url, cause: Cause) -> RegistryError {
        let who = Asker {
            command: self.connection.command,
            target: &self.target,
            credentials: self.connection.credentials.as_ref(),
        };
        let code = cause.code(asked, self.connection.credentials.is_none());
        let error = RegistryError::new(asked.clone(), method, url.clone(), cause, code, |refusal| {
            self.connection.network.hint(refusal, url, refusal.hint(&who))
        });
        if self.target.server.is_origin_of(url) { error } else { error.elsewhere(&self.target.server) }
    }
}

/// Takes one status for success.
fn is(good: StatusCode) -> impl Fn(&Response) -> bool {
    move |response| response.status() == good
}
