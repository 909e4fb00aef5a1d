//! Why there is no response, and what follows from that.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use url::Url;

use super::failure::{Failure, FailureKind, RetryRule, every, one};
use super::local_address::LocalTarget;
use super::phase::{Phase, Timeout, hint_for_loopback};
use super::proxy::ProxyFault;
use super::tls::TlsFault;
use crate::client_certificate::ClientAlert;
use crate::hint;
use crate::host::is_loopback;
use crate::network::Network;
use crate::sanitize::Sanitized;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Transport {
    /// The host's name has no address.
    #[error("failed to resolve the host name: {0}")]
    Resolve(Sanitized),
    /// The name of the host cannot be asked for just now.
    #[error("failed to resolve the host name for now: {0}")]
    ResolveLater(Sanitized),
    /// Nobody accepts the connection.
    #[error("failed to connect to the server: {0}")]
    Connect(Sanitized),
    /// No more files can be opened, and a connection is one.
    #[error("failed to connect to the server: {0}")]
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
    #[error("the connection was interrupted: {0}")]
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

impl Transport {
    /// Reads why a request broke off in its middle.
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
    pub(super) fn is_before_the_request(&self) -> bool {
        match self {
            Self::Broken(_) => false,
            Self::Timeout(timeout) => timeout.phase.is_before_the_request(),
            _ => true,
        }
    }

    /// Returns what follows; `unclear` is the rule if the server may have acted on the request.
    pub(super) fn classify(&self, url: &Url, unclear: RetryRule) -> Failure {
        let host = url.host_str().unwrap_or_default();
        let not_found = || {
            let hint = format!("Check the host {host} in `server-url`, and that the runner's DNS knows it");
            every("host-not-found", hint).kind(FailureKind::Unavailable)
        };
        match self {
            // A name that does not exist will not come to exist.
            Self::Resolve(_) => not_found(),
            Self::ResolveLater(_) => not_found().retry(RetryRule::Repeat),
            Self::Connect(_) => {
                let hint = if is_loopback(url) {
                    hint_for_loopback(host)
                } else {
                    format!("Check host and port in `server-url`, and that the runner can reach {host}")
                };
                every("connection-failed", hint).kind(FailureKind::Unavailable).retry(RetryRule::Repeat)
            }
            Self::OpenFiles(_) => every("too-many-open-files", hint::OPEN_FILES).retry(RetryRule::Repeat),
            // No certificate gets better, and the server leads to the same place again.
            Self::Tls(fault) => every(fault.code(), fault.hint()),
            Self::LocalTarget(_) => every(
                "redirect-to-local-address",
                "Set the object storage of the server to an address that other machines can reach. Only a `server-url` with a \
                 local address may redirect to a local address",
            ),
            Self::Proxy(fault) if fault.may_pass() => {
                every(fault.code(), fault.hint()).kind(FailureKind::Unavailable).retry(RetryRule::Repeat)
            }
            Self::Proxy(fault) => every(fault.code(), fault.hint()),
            // The response may be all that was lost (RFC 9110, 9.2.2: PUT and DELETE may be repeated, but the registry
            // responds 409 and 404 to a second one, all versions).
            Self::Broken(words) => {
                // hyper's words, in 1.x, for what does not begin as a response does.
                let hint = if words.to_string().starts_with("invalid HTTP") {
                    "Check scheme and port in `server-url`, because the response is not HTTP"
                } else {
                    "Run the step again; existing files are kept. If the connection breaks again, check the timeout and body \
                     size limit of the reverse proxy"
                };
                one("connection-broken", hint).kind(FailureKind::Unavailable).retry(unclear)
            }
            // A server that says nothing for so long would cost the next files as much.
            Self::Timeout(timeout) => {
                let retry = if self.is_before_the_request() { RetryRule::Repeat } else { unclear };
                every("timeout", timeout.hint(url)).kind(FailureKind::Unavailable).retry(retry)
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
