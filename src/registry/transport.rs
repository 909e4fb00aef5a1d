//! Requests without a response: the reason, retry rule and hint.

use std::error::Error as StdError;
use std::io;

use reqwest::{Response, StatusCode};
use url::Url;

use super::failure::{FailureKind, Reach, RetryRule, Transport, for_every_file, for_file};
use super::local_address::LocalTarget;
use super::phase::{Phase, Timeout};
use super::{Limits, Registry, tls};
use crate::hint;
use crate::host::is_loopback;
use crate::sanitize::Sanitized;

impl From<Timeout> for Transport {
    fn from(timeout: Timeout) -> Self {
        let hint = format!("Run the step again; {}", timeout.hint());
        // Each other file would wait as long.
        let failure = for_every_file("timeout", hint).kind(FailureKind::Unavailable);
        Self { words: timeout.to_string(), reach: Reach::Stalled, failure }
    }
}

impl From<LocalTarget> for Transport {
    fn from(target: LocalTarget) -> Self {
        let hint = "Set the object storage of the server to an address that other machines can reach. Redirects to a local address \
                    are allowed only if `server-url` has a local address";
        Self::not_sent(target.to_string(), for_every_file("redirect-to-local-address", hint))
    }
}

impl Transport {
    /// Returns the failure of an interrupted request. Perhaps only the response was lost (RFC 9110, 9.2.2: PUT and DELETE may
    /// be repeated, but the registry responds 409 and 404 to a second one, all versions).
    pub(super) fn broken(error: &reqwest::Error) -> Self {
        let reason = root(&chain_of(error));
        // The message of hyper 1.x for data that is not an HTTP response.
        let hint = if reason.to_string().starts_with("invalid HTTP") {
            "Check scheme and port in `server-url`, because the response is not HTTP"
        } else {
            "Run the step again; identical files are skipped. If the connection breaks again, check the timeout and body size limit \
             of the reverse proxy"
        };
        let failure = for_file("connection-broken", hint).kind(FailureKind::Unavailable);
        Self { words: format!("the connection was interrupted: {reason}"), reach: Reach::Broken, failure }
    }
}

impl Registry<'_> {
    /// Classifies a request to `url` that got no response, by the root cause and the phase.
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
            let rejected = tls_error.filter(|fault| tls::client_alert(fault).is_some() && url.scheme() == "https");
            return rejected.map_or_else(|| Transport::broken(error), tls_fault);
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
            // A retry does not help if the name does not exist.
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

/// Whether the failure of the resolver is temporary: `EAI_AGAIN`, in the words of glibc and of musl.
fn is_temporary(reason: &Sanitized) -> bool {
    let reason = reason.to_string();
    reason.contains("Temporary failure in name resolution") || reason.contains("Try again")
}

/// Returns the causes of an error. An `io::Error` returns the source of its inner error as its own source, so the inner error
/// is added.
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
    fn a_temporary_failure_of_the_resolver_is_recognized() {
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
