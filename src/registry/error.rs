//! What can go wrong between us and the registry.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use url::Url;

use super::answer::is_of_gateway;
use super::asked::Asked;
use super::local_address::LocalTarget;
use super::phase::{Phase, Timeout, hint_for_loopback};
use super::proxy::ProxyFault;
use super::refusal::Refusal;
use super::tls::TlsFault;
use crate::client_certificate::ClientAlert;
use crate::files::FileError;
use crate::hint::{self, Explain, Plural};
use crate::host::is_loopback;
use crate::network::Network;
use crate::package::ServerUrl;
use crate::sanitize::Sanitized;
use crate::stop::Signal;
use crate::units::Span;

/// A request that did not end as hoped.
#[derive(Debug, thiserror::Error)]
#[error("{asked}: {method} {url}{}", tries_in_words(*.tries))]
pub(crate) struct RegistryError {
    /// What was asked for.
    pub(crate) asked: Asked,
    method: reqwest::Method,
    url: Url,
    /// Why it was not had.
    #[source]
    pub(crate) cause: Cause,
    code: &'static str,
    hint: String,
    /// How often it was tried.
    tries: u32,
    /// Whether the server was away, and is back.
    is_outlasted: bool,
}

fn tries_in_words(tries: u32) -> String {
    if tries > 1 { format!(" ({tries} times)") } else { String::new() }
}

/// Why a request did not end as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// An answer that says no.
    #[error("{}", answer_in_words(*.status, .words))]
    Refused {
        /// What the answer means.
        refusal: Refusal,
        /// Its status.
        status: StatusCode,
        /// The server's words.
        words: Sanitized,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// An answer of the right status that is not what it should be.
    #[error("the answer is not what the registry's API gives: {what}")]
    Garbled {
        /// What is wrong with it.
        what: Sanitized,
        /// Whether it ends too early.
        is_cut: bool,
    },
    /// No answer.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// The server stopped responding, and the run no longer waits for it.
    #[error("{given_up}")]
    Outage {
        /// Why the run waits no longer.
        given_up: GivenUp,
        /// Why this request failed, if it was sent at all.
        own: Option<Box<Cause>>,
    },
    /// The file could not be read to its end, so the upload was broken off.
    #[error(transparent)]
    File(FileError),
}

impl Cause {
    fn was_sent(&self) -> bool {
        match self {
            Self::Transport(transport) => !transport.is_before_the_request(),
            Self::Outage { own, .. } => own.as_ref().is_some_and(|own| own.was_sent()),
            Self::Refused { .. } | Self::Garbled { .. } | Self::File(_) => true,
        }
    }
}

fn answer_in_words(status: StatusCode, words: &Sanitized) -> String {
    let status = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    match words.to_string() {
        // The titles of proxies' pages say no more.
        words if words.is_empty() || words == status => status,
        words => format!("{status}: {words}"),
    }
}

/// An outage that the run no longer waits for.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    /// What ended the wait.
    pub(super) by: EndOfWait,
    /// Why the request failed that began the wait.
    pub(super) failure: Sanitized,
}

/// The end of a wait for the server.
#[derive(Clone, Debug)]
pub(super) enum EndOfWait {
    Timeout(Duration),
    Signal(Signal),
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = &self.failure;
        match self.by {
            EndOfWait::Timeout(after) => {
                write!(f, "the server stopped responding and did not come back within {}: {failure}", Span(after))
            }
            EndOfWait::Signal(signal) => {
                write!(f, "the server stopped responding, and {signal} ended the wait: {failure}")
            }
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Transport {
    /// The host's name has no address.
    #[error("the name of the host cannot be resolved: {0}")]
    Resolve(Sanitized),
    /// The name of the host cannot be asked for just now.
    #[error("the name of the host cannot be resolved now: {0}")]
    ResolveLater(Sanitized),
    /// Nobody accepts the connection.
    #[error("no connection to the server: {0}")]
    Connect(Sanitized),
    /// No more files can be opened, and a connection is one.
    #[error("no connection to the server: {0}")]
    OpenFiles(Sanitized),
    /// The server does not prove who it is.
    #[error(transparent)]
    Tls(TlsFault),
    /// A redirect leads to the runner itself, or to its link.
    #[error(transparent)]
    LocalTarget(LocalTarget),
    /// The proxy is at fault, and not the server.
    #[error(transparent)]
    Proxy(#[from] ProxyFault),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(Sanitized),
    /// Nothing moved for too long.
    #[error("{0}")]
    Timeout(Timeout),
}

impl From<Timeout> for Transport {
    fn from(timeout: Timeout) -> Self {
        Self::Timeout(timeout)
    }
}

impl From<Timeout> for Cause {
    fn from(timeout: Timeout) -> Self {
        Self::Transport(timeout.into())
    }
}

impl Transport {
    /// What broke off in its middle.
    pub(super) fn broken(error: &reqwest::Error) -> Self {
        let root = std::iter::successors(error.source(), |error| cause_of(*error)).last();
        Self::Broken(Sanitized::new(&root.map_or_else(|| "no reason given".to_owned(), ToString::to_string)))
    }

    /// Tells the kinds of failure apart by what lies at their root, and by the phase in which the request was. `connect` is
    /// how long a connection may take.
    pub(super) fn of(error: &reqwest::Error, network: &Network, phase: Phase, connect: Duration) -> Self {
        let chain: Vec<&dyn StdError> = std::iter::successors(error.source(), |error| cause_of(*error)).collect();
        let reason = Sanitized::new(&chain.last().map_or_else(|| "no reason given".to_owned(), ToString::to_string));
        let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
        // hyper-util 0.1 wraps what the resolver says in an error of a private type.
        let resolve = chain.iter().any(|error| error.to_string() == "dns error");
        let host = error.url().and_then(Url::host_str).unwrap_or_default();
        let shows_certificate = network.client_certificate.is_some();
        if !error.is_connect() {
            // In TLS 1.3 a server refuses a client when the handshake is over. By http only a proxy speaks TLS.
            let refused = tls.filter(|fault| ClientAlert::of(fault).is_some());
            return match refused.filter(|_| error.url().is_some_and(|url| url.scheme() == "https")) {
                Some(fault) => Self::Tls(TlsFault::of(fault, host, shows_certificate)),
                None => Self::broken(error),
            };
        }
        if chain.iter().filter_map(|error| error.downcast_ref()).any(hint::is_of_open_files) {
            return Self::OpenFiles(reason);
        }
        if let Some(target) = chain.iter().find_map(|error| error.downcast_ref::<LocalTarget>()) {
            return Self::LocalTarget(target.clone());
        }
        if let Some(fault) = network.fault(error, &chain, resolve) {
            return Self::Proxy(fault);
        }
        match tls {
            Some(fault) => Self::Tls(TlsFault::of(fault, host, shows_certificate)),
            // EAI_AGAIN, in the words of glibc and of musl.
            None if error.is_timeout() && phase.is_before_the_request() => Timeout { phase, after: connect }.into(),
            None if resolve && is_temporary(&chain) => Self::ResolveLater(reason),
            None if resolve => Self::Resolve(reason),
            None => Self::Connect(reason),
        }
    }

    /// Whether not even a connection was had, so that nothing can have been stored.
    fn is_before_the_request(&self) -> bool {
        match self {
            Self::Broken(_) => false,
            Self::Timeout(timeout) => timeout.phase.is_before_the_request(),
            _ => true,
        }
    }

    fn hint(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        match self {
            Self::Resolve(_) | Self::ResolveLater(_) => {
                format!("Check the host {host} in `server-url`, and that the runner's DNS knows it")
            }
            Self::Connect(_) if is_loopback(url) => hint_for_loopback(host),
            Self::Connect(_) => format!("Check host and port in `server-url`, and that the runner can reach {host}"),
            Self::OpenFiles(_) => hint::OPEN_FILES.to_owned(),
            Self::LocalTarget(_) => "Set the object storage of the server to an address that other machines can reach: only \
                                     a `server-url` that is a local address itself may lead to one"
                .to_owned(),
            Self::Tls(fault) => fault.hint(),
            Self::Proxy(fault) => fault.hint(),
            // hyper's words, in 1.x, for what does not begin as an answer does.
            Self::Broken(words) if words.to_string().starts_with("invalid HTTP") => {
                "Check `server-url`: what answers there speaks no HTTP; does it begin with https, and is it the right port?"
                    .to_owned()
            }
            Self::Timeout(timeout) => timeout.hint(url),
            Self::Broken(_) => {
                "Run the step again: what is there already stays as it is; if it breaks again, look at the reverse \
                 proxy's limits on time and size"
                    .to_owned()
            }
        }
    }
}

/// Whether the resolver itself says that it may know the name later.
fn is_temporary(chain: &[&dyn StdError]) -> bool {
    let root = chain.last().map(ToString::to_string).unwrap_or_default();
    root.contains("Temporary failure in name resolution") || root.contains("Try again")
}

/// The cause of an error. An `io::Error` that wraps another error does not give it as its source, but that one's.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|error| error as &(dyn StdError + 'static)).or_else(|| error.source())
}

impl RegistryError {
    pub(super) fn new(
        asked: Asked,
        method: reqwest::Method,
        url: Url,
        cause: Cause,
        code: &'static str,
        hint_of_refusal: impl FnOnce(&Refusal) -> String,
    ) -> Self {
        let hint = match &cause {
            Cause::Refused { refusal, .. } => hint_of_refusal(refusal),
            Cause::Garbled { .. } => {
                "Check that `server-url` is a Gitea or Forgejo server, and that nothing in front of it \
                                  changes answers"
                    .to_owned()
            }
            Cause::Transport(transport) => transport.hint(&url),
            Cause::Outage { .. } => format!(
                "Check the server {} and the reverse proxy in front of it, then run the step again: it continues where this run \
                 ended",
                url.origin().ascii_serialization()
            ),
            Cause::File(error) => error.hint().unwrap_or_default(),
        };
        Self { asked, method, url, cause, code, hint, tries: 1, is_outlasted: false }
    }

    /// The same with another cure.
    #[must_use]
    pub(crate) fn cured_by(self, hint: &str) -> Self {
        Self { hint: hint.to_owned(), ..self }
    }

    /// Hides all but the origin of the URL, if the server redirected to another host: the query may hold a key, and the path
    /// may be text of that host.
    #[must_use]
    pub(super) fn elsewhere(mut self, server: &ServerUrl) -> Self {
        let host = Sanitized::new(self.url.host_str().unwrap_or_default());
        self.url.set_query(None);
        self.url.set_fragment(None);
        self.url.set_path("");
        if let Cause::Transport(Transport::Tls(fault)) = &mut self.cause {
            fault.hide_names();
            if fault.is_about_client() {
                self.hint = format!("Let {host}, where {server} keeps its files, accept clients without a certificate");
            }
        }
        let is_unreachable = match &self.cause {
            Cause::Transport(Transport::Resolve(_) | Transport::ResolveLater(_) | Transport::Connect(_)) => true,
            Cause::Transport(Transport::Timeout(timeout)) => timeout.phase.is_before_the_request(),
            _ => false,
        };
        if is_unreachable {
            self.hint = format!("Check that the runner can reach {host}, where {server} keeps its files");
        }
        self
    }

    /// Whether both tell of one cause that every file would meet.
    #[must_use]
    pub(crate) fn says_the_same_of_every_file_as(&self, other: &Self) -> bool {
        self.meets_every_file() && self.cause.to_string() == other.cause.to_string()
    }

    /// The same cause, told about the file for which it was found out.
    #[must_use]
    pub(crate) fn about(self, upload: Self) -> Self {
        Self { asked: upload.asked, method: upload.method, url: upload.url, ..self }
    }

    /// The same after so many tries, or more.
    #[must_use]
    pub(crate) fn after(self, tries: u32) -> Self {
        Self { tries: self.tries.max(tries), ..self }
    }

    /// Marks the error of a request that failed because the server was away. The server is back, so the request can be
    /// repeated.
    #[must_use]
    pub(super) fn outlasted(self) -> Self {
        Self { is_outlasted: true, ..self }
    }

    /// Whether the server was away, and is back.
    pub(crate) fn is_outlasted(&self) -> bool {
        self.is_outlasted
    }

    /// Whether the server could not be reached: no connection, or a response of a proxy in its place.
    pub(super) fn is_unavailable(&self) -> bool {
        match &self.cause {
            Cause::Transport(transport) => match transport {
                Transport::Resolve(_)
                | Transport::ResolveLater(_)
                | Transport::Connect(_)
                | Transport::Broken(_)
                | Transport::Timeout(_) => true,
                Transport::Proxy(fault) => fault.may_pass(),
                Transport::OpenFiles(_) | Transport::Tls(_) | Transport::LocalTarget(_) => false,
            },
            // Traefik's words for a server that is not running. The forge has others for a version that does not exist.
            Cause::Refused { status: StatusCode::NOT_FOUND, words, .. } => words.to_string() == "404 page not found",
            // Whatever answers the check of write access, its status says enough.
            Cause::Refused { refusal, status, .. } => {
                let is_page = *refusal == Refusal::WebPage && !status.is_redirection();
                is_page || *refusal == Refusal::ProxyFault || is_of_gateway(*status)
            }
            Cause::Garbled { .. } | Cause::Outage { .. } | Cause::File(_) => false,
        }
    }

    /// Why this request failed, also if the run has given up on the server since.
    pub(crate) fn own_cause(&self) -> &Cause {
        match &self.cause {
            Cause::Outage { own: Some(own), .. } => own,
            cause => cause,
        }
    }

    /// The URL of the request.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// What was asked for, by which method and at which URL, and why it failed.
    pub(super) fn into_parts(self) -> (Asked, reqwest::Method, Url, Cause) {
        (self.asked, self.method, self.url, self.cause)
    }

    /// Whether anything of the request may have reached the server.
    pub(crate) fn was_sent(&self) -> bool {
        self.cause.was_sent()
    }

    /// How long the server asks us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.cause {
            Cause::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// Whether every other file of this run would meet the same, so that there is no use in going on.
    #[must_use]
    pub(crate) fn meets_every_file(&self) -> bool {
        if self.is_outlasted {
            return false;
        }
        match &self.cause {
            Cause::Outage { .. } => true,
            Cause::Refused { refusal, .. } => refusal.meets_every_file(),
            // A server that says nothing for so long would cost the next files as much.
            Cause::Transport(transport) => {
                transport.is_before_the_request() || matches!(transport, Transport::Timeout(_))
            }
            Cause::Garbled { .. } | Cause::File(_) => false,
        }
    }

    /// Whether a wrong token may hide behind this: the body broke off, or a proxy answered for the server.
    #[must_use]
    pub(crate) fn may_hide_a_refusal(&self) -> bool {
        if self.is_outlasted {
            return false;
        }
        match &self.cause {
            Cause::Refused { status, .. } => *status == StatusCode::BAD_GATEWAY,
            Cause::Transport(transport) => matches!(transport, Transport::Broken(_)),
            Cause::Garbled { .. } | Cause::Outage { .. } | Cause::File(_) => false,
        }
    }
}

impl Explain for RegistryError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }

    fn brief(&self) -> String {
        self.asked.to_string()
    }

    fn plural(&self) -> Option<Plural> {
        let (text, name) = match &self.asked {
            Asked::Upload(name) => ("failed to upload {} files", name),
            Asked::Download(name) => ("failed to download {} files", name),
            _ => return None,
        };
        Some(Plural { text: text.to_owned(), item: format!("`{name}`"), is_hint_an_example: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_has_no_answer_now_may_have_one_later() {
        let is_temporary = |words: &str| is_temporary(&[&io::Error::other(words.to_owned())]);
        assert!(is_temporary("failed to lookup address information: Temporary failure in name resolution"));
        assert!(is_temporary("failed to lookup address information: Try again"));
        assert!(!is_temporary("failed to lookup address information: Name or service not known"));
        assert!(!is_temporary("failed to lookup address information: Name does not resolve"));
    }
}
