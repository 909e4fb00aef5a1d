//! Failures of the proxy between runner and server.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use url::Url;

use super::failure::{FailureKind, RetryRule, Transport, for_every_file};
use super::tls;
use crate::host::is_loopback;
use crate::network::Proxy;
use crate::sanitize::Sanitized;

impl Proxy {
    /// Returns the fault of a proxy that requires credentials, or rejects the given ones.
    pub(super) fn rejects_credentials(&self) -> Transport {
        let has_credentials = !self.url.username().is_empty() || self.url.password().is_some();
        let words = if has_credentials {
            format!("{self} rejected its user name and password (407)")
        } else {
            format!("{self} requires a user name and a password (407)")
        };
        let hint = format!(
            "Set user name and password of the proxy in `{}`, with special characters percent-encoded: \
             `{}://user:password@{}`",
            self.variable,
            self.url.scheme(),
            self.host_and_port()
        );
        Transport::not_sent(words, for_every_file("proxy-credentials-rejected", hint))
    }

    /// Reads why there is no connection to `url`; `None` if the proxy has done its part.
    pub(super) fn fault(
        &self,
        error: &reqwest::Error,
        chain: &[&(dyn StdError + 'static)],
        is_unresolved: bool,
        url: &Url,
    ) -> Option<Transport> {
        // hyper-util 0.1 returns errors of the tunnel setup in a private type.
        let tunnel = chain.iter().find_map(|error| error.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
        let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
        let server = Sanitized::new(&format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        let reason = Sanitized::new(&chain.last().map(ToString::to_string).unwrap_or_default());

        let variable = self.variable;
        let around = "If the runner reaches the server without a proxy, add its host to `NO_PROXY`";
        let check_place = format!("Check host and port of the proxy in `{variable}`. {around}");
        let unreachable = |hint: String| for_every_file("proxy-unreachable", hint);
        let no_way = |words: String| {
            let hint =
                format!("Check that the proxy in `{variable}` is able and allowed to connect to {server}. {around}");
            let failure = for_every_file("proxy-connection-failed", hint);
            Transport::not_sent(words, failure.kind(FailureKind::Unavailable).retry(RetryRule::Repeat))
        };
        Some(match (tunnel.as_deref(), tls) {
            // Behind the tunnel, TLS is with the server.
            (None, Some(_)) if url.scheme() == "https" => return None,
            (Some("proxy authorization required"), _) => self.rejects_credentials(),
            (Some("unsuccessful"), _) => no_way(format!("{self} failed to connect to {server}")),
            (_, Some(fault)) => {
                let hint = format!(
                    "Check scheme, host and port of the proxy in `{variable}`. If the system does not trust its certificate, \
                     set `ca-certificate` to the authority's certificate"
                );
                let words =
                    format!("failed to connect through {self}: {}", tls::fault(fault, self.host(), false, None));
                Transport::not_sent(words, for_every_file("proxy-tls-error", hint))
            }
            _ if is_unresolved => {
                Transport::not_sent(format!("failed to resolve the name of {self}: {reason}"), unreachable(check_place))
            }
            // Either the proxy was not reached in time, or it did not reach the server in time.
            (None, None) if error.is_timeout() => {
                no_way(format!("timeout while connecting to {server} through {self}"))
            }
            _ => {
                let hint = if is_loopback(&self.url) && chain.iter().any(|error| is_refused(*error)) {
                    format!(
                        "Set `{variable}` to an address of the proxy that containers can reach, because {} in a container \
                         is the container itself. {around}",
                        self.host()
                    )
                } else {
                    check_place
                };
                let failure = unreachable(hint).kind(FailureKind::Unavailable).retry(RetryRule::Repeat);
                Transport::not_sent(format!("failed to connect to {self}: {reason}"), failure)
            }
        })
    }
}

/// Returns whether an error means that nothing listens at the address.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
