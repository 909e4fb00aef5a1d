//! Requests without a response: the reason, retry rule and hint.

use std::error::Error as StdError;
use std::io;

use reqwest::{Response, StatusCode};
use url::Url;

use super::failure::{Failure, FailureKind, RetryRule, for_every_file, for_file};
use super::local_address::LocalTarget;
use super::phase::{Phase, Timeout};
use super::{Limits, Registry, tls};
use crate::hint;
use crate::host::is_loopback;
use crate::sanitize::Sanitized;

/// Why there is no response, or none that is whole.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Transport {
    words: String,
    pub(super) reach: Reach,
    /// What follows, but for the retry of what may have reached the server: the request decides that.
    pub(super) failure: Failure,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Not even a connection was had, so that nothing can have been stored.
    NotSent,
    /// The connection broke.
    Broken,
    /// Nothing moved for too long.
    Stalled,
}

impl From<Timeout> for Transport {
    fn from(timeout: Timeout) -> Self {
        let hint = format!("Run the step again; {}", timeout.hint());
        // A server that says nothing for so long would cost the next files as much.
        let failure = for_every_file("timeout", hint).kind(FailureKind::Unavailable);
        Self { words: timeout.to_string(), reach: Reach::Stalled, failure }
    }
}

impl From<LocalTarget> for Transport {
    fn from(target: LocalTarget) -> Self {
        let hint = "Set the object storage of the server to an address that other machines can reach. Only a `server-url` with a \
                    local address may redirect to a local address";
        Self::not_sent(target.to_string(), for_every_file("redirect-to-local-address", hint))
    }
}

impl Transport {
    pub(super) fn not_sent(words: String, failure: Failure) -> Self {
        Self { words, reach: Reach::NotSent, failure }
    }

    /// Returns the failure of a request that broke off. The response may be all that was lost (RFC 9110, 9.2.2: PUT and DELETE may
    /// be repeated, but the registry responds 409 and 404 to a second one, all versions).
    pub(super) fn broken(error: &reqwest::Error) -> Self {
        let reason = root(&chain_of(error));
        // hyper's words, in 1.x, for what does not begin as a response does.
        let hint = if reason.to_string().starts_with("invalid HTTP") {
            "Check scheme and port in `server-url`, because the response is not HTTP"
        } else {
            "Run the step again; existing files are kept. If the connection breaks again, check the timeout and body size limit \
             of the reverse proxy"
        };
        let failure = for_file("connection-broken", hint).kind(FailureKind::Unavailable);
        Self { words: format!("the connection was interrupted: {reason}"), reach: Reach::Broken, failure }
    }
}

impl Registry<'_> {
    /// Tells the kinds of failure apart by what lies at their root, and by the phase in which the request to `url` was.
    pub(super) fn no_response(&self, error: &reqwest::Error, url: &Url, phase: Phase) -> Transport {
        let (network, server) = (&self.connection.network, &self.target.server);
        let chain = chain_of(error);
        let reason = root(&chain);
        let host = url.host_str().unwrap_or_default();
        let elsewhere = (!server.is_origin_of(url)).then_some(server);
        let tls_error = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
        let tls_fault = |fault| tls::fault(fault, host, network.client_certificate.is_some(), elsewhere);
        if !error.is_connect() {
            // In TLS 1.3, a server rejects a client after the handshake. With http, only a proxy uses TLS.
            let refused = tls_error.filter(|fault| tls::client_alert(fault).is_some() && url.scheme() == "https");
            return refused.map_or_else(|| Transport::broken(error), tls_fault);
        }
        let not_connected = format!("failed to connect to the server: {reason}");
        if chain.iter().filter_map(|error| error.downcast_ref()).any(hint::is_open_files_limit) {
            let failure = for_every_file("too-many-open-files", hint::OPEN_FILES).retry(RetryRule::Repeat);
            return Transport::not_sent(not_connected, failure);
        }
        if let Some(target) = chain.iter().find_map(|error| error.downcast_ref::<LocalTarget>()) {
            return target.clone().into();
        }
        // hyper-util 0.1 wraps the resolver's error in a private type.
        let is_unresolved = chain.iter().any(|error| error.to_string() == "dns error");
        let proxy = network.proxies.for_url(url);
        if let Some(fault) = proxy.and_then(|proxy| proxy.fault(error, &chain, is_unresolved, url)) {
            return fault;
        }
        if let Some(fault) = tls_error {
            return tls_fault(fault);
        }
        let check = |is_about_name| {
            if elsewhere.is_some() {
                format!("Check that the runner can reach {}, where {server} keeps its files", Sanitized::new(host))
            } else if is_about_name {
                format!("Check the host {host} in `server-url`, and that the runner's DNS knows it")
            } else if is_loopback(url) {
                format!(
                    "Set `server-url` to the server's public name or to an address of its host, because {host} in a \
                     container is the container itself. Outside a container, check the port"
                )
            } else {
                format!("Check host and port in `server-url`, and that the runner can reach {host}")
            }
        };
        let unreachable = |code, words: String, hint: String, retry| {
            Transport::not_sent(words, for_every_file(code, hint).kind(FailureKind::Unavailable).retry(retry))
        };
        if error.is_timeout() && phase.is_before_request() {
            let timeout = Timeout { phase, after: self.connection.limits.connect_timeout };
            let check = check(phase == Phase::Resolving);
            // Above its default, the timeout of a connection cannot be raised with `timeout`.
            let can_be_longer = elsewhere.is_none() && timeout.after < Limits::default().connect_timeout;
            let hint = if can_be_longer { format!("{check}; {}", timeout.hint()) } else { check };
            return unreachable("timeout", timeout.to_string(), hint, RetryRule::Repeat);
        }
        if is_unresolved {
            // A name that does not exist will not exist at a retry.
            let (for_now, retry) =
                if is_temporary(&reason) { (" for now", RetryRule::Repeat) } else { ("", RetryRule::Never) };
            let words = format!("failed to resolve the host name{for_now}: {reason}");
            return unreachable("host-not-found", words, check(true), retry);
        }
        unreachable("connection-failed", not_connected, check(false), RetryRule::Repeat)
    }

    /// Returns the proxy's own rejection, if `response` is one. Inside a tunnel, only the server responds.
    pub(super) fn rejected_by_proxy(&self, response: &Response) -> Option<Transport> {
        let url = response.url();
        let proxy = self.connection.network.proxies.for_url(url).filter(|_| url.scheme() == "http")?;
        (response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED).then(|| proxy.rejects_credentials())
    }
}

/// Whether the resolver itself says that it may know the name later: `EAI_AGAIN`, in the words of glibc and of musl.
fn is_temporary(reason: &Sanitized) -> bool {
    let reason = reason.to_string();
    reason.contains("Temporary failure in name resolution") || reason.contains("Try again")
}

/// The causes of an error. An `io::Error` that wraps another error does not give it as its source, but that one's.
fn chain_of(error: &reqwest::Error) -> Vec<&(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|error| error as &(dyn StdError + 'static)).or_else(|| error.source())
    })
    .collect()
}

fn root(chain: &[&(dyn StdError + 'static)]) -> Sanitized {
    Sanitized::new(&chain.last().map_or_else(|| "no reason given".to_owned(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_has_no_answer_now_may_have_one_later() {
        for (words, is_temporary) in [
            ("Temporary failure in name resolution", true),
            ("Try again", true),
            ("Name or service not known", false),
            ("Name does not resolve", false),
        ] {
            let words = Sanitized::new(&format!("failed to lookup address information: {words}"));
            assert_eq!(super::is_temporary(&words), is_temporary, "{words}");
        }
    }
}
