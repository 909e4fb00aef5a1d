//! The HTTP client: sends requests and classifies responses.
//!
//! Only redirects of downloads to object storage are followed, without the token, which must not reach another host.
//! Requests that change nothing are retried if that can help. The caller decides whether to repeat an upload, after a
//! new list of the files.

mod body;
mod error;
mod failure;
mod fetch;
mod id_token;
mod limits;
mod local_address;
mod observer;
mod outage;
mod page;
mod phase;
mod proxy;
mod questions;
mod redirect;
mod rejection;
mod response;
mod retry;
mod tls;
mod transport;
mod upload;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use rustls::ClientConfig;
use tower_layer::layer_fn;
use url::Url;

pub(crate) use self::body::ByteCounter;
pub(crate) use self::error::{Cause, Operation, RegistryError};
pub(crate) use self::failure::{FailureKind, RetryRule};
pub(crate) use self::fetch::{KnownProperties, Part};
use self::id_token::{IdToken, IdTokens};
pub use self::limits::Limits;
use self::limits::Pause;
use self::local_address::Resolver;
pub use self::observer::{Exchange, Observer, Retry};
use self::outage::Outages;
use self::phase::{TrackedConnector, Tracker, Upload, wait_for_stall};
pub(crate) use self::questions::VersionDetails;
use self::response::{ErrorResponse, is_html};
pub(crate) use self::retry::{Retries, wait_for_longest};
use crate::command::Command;
use crate::credentials::{AccessToken, Credentials};
use crate::hint::Explain;
use crate::network::Network;
use crate::package::{FileName, Target, Version};
use crate::sanitize::Sanitized;
use crate::secret::Redactor;
use crate::stop::Stop;

/// An error from setting up the HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the HTTP client")]
pub(crate) struct SetupError(#[from] reqwest::Error);

impl Explain for SetupError {
    fn code(&self) -> &'static str {
        "http-client-failed"
    }

    fn hint(&self) -> Option<String> {
        Some("Check the proxy variables of the runner (HTTP_PROXY, HTTPS_PROXY)".to_owned())
    }
}

/// The settings for requests to the server: credentials, network and limits.
#[derive(Clone)]
pub(crate) struct Connection<'a> {
    /// The command that requests are made for.
    pub(crate) command: Command,
    /// `None` without a token.
    pub(crate) credentials: Option<Credentials>,
    /// Certificates, proxies and headers.
    pub(crate) network: Network,
    /// Removes secrets from texts of the server.
    pub(crate) redactor: Redactor,
    /// Timeouts and retries.
    pub(crate) limits: Limits,
    /// Reports the signal that ends the run early.
    pub(crate) stop: Stop,
    /// Receives the events of every request.
    pub(crate) observer: &'a dyn Observer,
}

/// A client for one version of a package on a server.
#[derive(Clone)]
pub(crate) struct Registry<'a> {
    /// Sends requests to the server. Only this client has the client certificate.
    http: reqwest::Client,
    /// Sends requests to other hosts that the server redirects to.
    http_elsewhere: reqwest::Client,
    /// Sends requests to other hosts without a proxy, and never to a local address.
    http_not_local: reqwest::Client,
    target: Target,
    connection: Connection<'a>,
    /// Shared by all clones.
    pause: Arc<Pause>,
    /// Shared by all clones.
    outages: Arc<Outages>,
    /// Shared by all clones.
    id_tokens: Arc<IdTokens>,
}

impl<'a> Registry<'a> {
    /// Sets up the client. It trusts the system's roots and the certificates of `network`.
    pub(crate) fn new(target: Target, connection: Connection<'a>) -> Result<Self, SetupError> {
        let Connection { network, limits, .. } = &connection;
        let tls = tls::config(&network.certificates);
        let tls_to_server = match &network.client_certificate {
            Some(certificate) => tls::with_client_certificate(&tls, certificate),
            None => tls.clone(),
        };
        let client = |tls: &ClientConfig, rejects_local| {
            let proxies = network.proxies.clone();
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                // Not those that the environment may name for reqwest.
                .no_proxy()
                .proxy(reqwest::Proxy::custom(move |url| proxies.for_url(url).map(|proxy| proxy.url.clone())))
                .dns_resolver(Resolver { rejects_local })
                .user_agent(concat!("generic-packages/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(limits.connect_timeout)
                .connector_layer(layer_fn(TrackedConnector))
                .pool_idle_timeout(limits.idle_timeout)
        };
        Ok(Self {
            http: client(&tls_to_server, false).build()?,
            http_elsewhere: client(&tls, false).build()?,
            http_not_local: client(&tls, true).no_proxy().build()?,
            target,
            pause: Arc::default(),
            outages: Arc::default(),
            id_tokens: Arc::default(),
            connection,
        })
    }

    /// Returns the version that is published to, or downloaded from.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns a client for another version of the package. It shares the connection, pauses and outages.
    pub(crate) fn for_version(&self, version: Version) -> Self {
        let mut other = self.clone();
        other.target.version = version;
        other
    }

    /// Returns how long a transfer may make no progress.
    pub(crate) fn stall_timeout(&self) -> Duration {
        self.connection.limits.stall_timeout
    }

    /// Checks write access without storing anything, with an empty upload under a name that every server rejects. If
    /// the server rejects the name, then token, scope, owner and permissions are valid (recorded on Gitea 1.22 to 1.26
    /// and Forgejo 7 to 15).
    pub(crate) async fn check_write_access(&self) -> Result<(), RegistryError> {
        self.with_retries(async || self.check_write_access_once().await).await
    }

    /// Checks write access without retries.
    pub(crate) async fn check_write_access_once(&self) -> Result<(), RegistryError> {
        let url = self.target.write_access_url();
        let operation = Operation::CheckWriteAccess;
        match self.send_request(&operation, &url).await {
            Err(error) if error.kind() == FailureKind::FileName => Ok(()),
            Err(error) => Err(error),
            // No server stores such a file.
            Ok(_) => Err(self.unexpected_response(&operation, &url, "it accepted a file named `*`")),
        }
    }

    /// Deletes a file to replace it.
    pub(crate) async fn delete_to_replace(&self, name: &FileName) -> Result<(), RegistryError> {
        self.change(&Operation::Replace(name.clone()), &self.target.file_url(name)).await
    }

    /// Deletes a file permanently.
    pub(crate) async fn delete(&self, name: &FileName) -> Result<(), RegistryError> {
        self.change(&Operation::Delete(name.clone()), &self.target.file_url(name)).await
    }

    /// Sends a request that changes something and has no body. If the server is unavailable, waits for it.
    async fn change(&self, operation: &Operation, url: &Url) -> Result<(), RegistryError> {
        let begun = tokio::time::Instant::now();
        match self.send_request(operation, url).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.wait_for_outage(begun, error).await),
        }
    }

    /// Sends a request without a body.
    async fn send_request(&self, operation: &Operation, url: &Url) -> Result<Response, RegistryError> {
        self.wait_until_ready(operation, url).await?;
        self.with_id_token(operation, async |id_token| self.send_request_now(operation, url, id_token).await).await
    }

    async fn send_request_now(
        &self,
        operation: &Operation,
        url: &Url,
        id_token: Option<&IdToken>,
    ) -> Result<Response, RegistryError> {
        let request = self.build_request(operation, url, id_token);
        let request = match operation.method() {
            // Caches between runner and server must revalidate, because an old list would be wrong.
            Method::GET => request.header(CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            Method::DELETE => request,
            _ => request.header(CONTENT_LENGTH, 0),
        };
        self.send(operation, url, request, None, is_success(operation)).await
    }

    /// Waits until the next request may be sent. The error is the outage that the run no longer waits for. Yielding
    /// lets the runtime drop idle connections that the server has closed, so that they are not reused.
    async fn wait_until_ready(&self, operation: &Operation, url: &Url) -> Result<(), RegistryError> {
        let ready = self.outages.wait_until_ready().await;
        ready.map_err(|given_up| self.error(operation, url, Cause::Outage { given_up, own: None }))?;
        self.pause.wait().await;
        tokio::task::yield_now().await;
        Ok(())
    }

    fn build_request(&self, operation: &Operation, url: &Url, id_token: Option<&IdToken>) -> RequestBuilder {
        let request =
            self.http.request(operation.method(), url.clone()).headers(self.connection.network.headers.clone());
        // reqwest marks the header as sensitive.
        match (&self.connection.credentials, id_token) {
            // Forgejo's documentation allows only Basic for packages.
            (Some(Credentials::Token(AccessToken { username, token, .. })), _) => {
                request.basic_auth(username, Some(token.expose()))
            }
            // Forgejo 16 rejects an ID token in Basic authentication.
            (Some(Credentials::IdToken(_)), Some(id_token)) => request.bearer_auth(id_token.token.expose()),
            (Some(Credentials::IdToken(_)) | None, _) => request,
        }
    }

    /// Sends a request and waits for the response within the limits. `is_good` decides whether a response is a success.
    async fn send(
        &self,
        operation: &Operation,
        url: &Url,
        request: RequestBuilder,
        upload: Option<Upload<'_>>,
        is_good: impl Fn(&Response) -> bool,
    ) -> Result<Response, RegistryError> {
        let started = Instant::now();
        let tracker = Tracker::new();
        let sent = tokio::select! {
            sent = tracker.follow(request.send()) => {
                sent.map_err(|error| self.no_response(&error, url, tracker.phase()))
            }
            timeout = wait_for_stall(&self.connection.limits, &tracker, upload) => Err(timeout.into()),
        };
        // Only the status of a response from another origin is shown. Its path comes from a redirect and may be a
        // secret.
        let is_own = self.target.server.is_origin_of(url);
        let origin = url.origin().ascii_serialization();
        self.connection.observer.end_request(&Exchange {
            method: operation.method().as_str(),
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
            Ok(response) if let Some(fault) = self.rejected_by_proxy(&response) => fault.into(),
            Ok(response) => {
                // The body may be a private file, or an ID token that is not redacted yet, so it is not shown.
                let is_private = matches!(operation, Operation::Download(_) | Operation::RequestIdToken)
                    && response.status().is_success()
                    && !is_html(&response);
                let mut response = if is_own && !is_private {
                    ErrorResponse::read(response, &self.connection.redactor, self.connection.limits.stall_timeout).await
                } else {
                    ErrorResponse::from_headers(&response, &self.connection.redactor)
                };
                if let Some(reasons) = response.other_reasons.take() {
                    self.connection.observer.debug(&format!("other reasons that the server gave: {reasons}"));
                }
                if let Some(pause) = response.retry_after {
                    self.pause.start(pause.min(self.connection.limits.longest_pause));
                }
                match response.broken.take() {
                    // An incomplete text could match the wrong row.
                    Some(broken) if rejection::depends_on_message(operation, response.status) => broken.into(),
                    _ => self.rejected(operation, url, &response),
                }
            }
            Err(error) => Cause::Transport(error),
        };
        let error = self.error(operation, url, cause);
        if is_own && error.is_server_response() {
            self.outages.note_response();
        }
        Err(error)
    }

    fn rejected(&self, operation: &Operation, url: &Url, response: &ErrorResponse) -> Cause {
        let words = if self.target.server.is_origin_of(url) { response.to_text() } else { String::new() };
        Cause::Rejected {
            failure: rejection::classify(self, operation, url, response),
            status: response.status,
            words: Sanitized::new(&words),
            retry_after: response.retry_after,
        }
    }

    fn error(&self, operation: &Operation, url: &Url, cause: impl Into<Cause>) -> RegistryError {
        let mut url = url.clone();
        if !self.target.server.is_origin_of(&url) {
            // The query may hold a key, and the path may be text of the host that the server redirected to.
            url.set_query(None);
            url.set_fragment(None);
            url.set_path("");
        }
        if *operation == Operation::RequestIdToken {
            url.set_query(None);
        }
        RegistryError::new(operation.clone(), operation.failed(&self.target), url, cause.into())
    }
}

fn is_success(operation: &Operation) -> impl Fn(&Response) -> bool {
    let (_, success) = operation.method_and_success();
    move |response| response.status() == success
}
