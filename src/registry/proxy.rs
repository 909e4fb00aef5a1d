//! The proxy between the runner and the server, and what can go wrong with it.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use super::tls::TlsFault;
use crate::host::is_loopback;
use crate::network::Proxy;
use crate::sanitize::Sanitized;

impl Proxy {
    /// The proxy refuses to work without credentials, or with those that it has.
    pub(super) fn wants_credentials(&self) -> ProxyFault {
        let has_credentials = !self.url.username().is_empty() || self.url.password().is_some();
        self.at_fault(if has_credentials { Fault::BadCredentials } else { Fault::NoCredentials })
    }

    /// Reads why there is no connection; `None` if the proxy has done its part.
    pub(super) fn fault(
        &self,
        error: &reqwest::Error,
        chain: &[&(dyn StdError + 'static)],
        unresolved: bool,
    ) -> Option<ProxyFault> {
        let url = error.url()?;
        let reason = || Sanitized::new(&chain.last().map(ToString::to_string).unwrap_or_default());
        // hyper-util 0.1 gives what happens before a tunnel is there as an error of a private type.
        let tunnel = chain.iter().find_map(|error| error.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
        let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>());
        let server = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        Some(match (tunnel.as_deref(), tls) {
            // Behind the tunnel there is the server.
            (None, Some(_)) if url.scheme() == "https" => return None,
            (Some("proxy authorization required"), _) => self.wants_credentials(),
            (Some("unsuccessful"), _) => self.at_fault(Fault::Refuses(Sanitized::new(&server))),
            (_, Some(fault)) => self.at_fault(Fault::Tls(TlsFault::of(fault, self.host(), false))),
            _ if unresolved => self.at_fault(Fault::Resolve(reason())),
            // Either the proxy was not reached in time, or it did not reach the server in time.
            (None, None) if error.is_timeout() => self.at_fault(Fault::Late(Sanitized::new(&server))),
            _ if is_loopback(&self.url) && chain.iter().any(|error| is_refused(*error)) => {
                self.at_fault(Fault::Loopback(reason()))
            }
            _ => self.at_fault(Fault::Connect(reason())),
        })
    }

    fn at_fault(&self, fault: Fault) -> ProxyFault {
        ProxyFault { proxy: self.clone(), fault }
    }
}

/// Whether an error says that nothing listens at the address.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// A proxy that does not do its part.
#[derive(Debug, thiserror::Error)]
#[error("{fault}", fault = fault.in_words(proxy))]
pub(crate) struct ProxyFault {
    proxy: Proxy,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    Resolve(Sanitized),
    Connect(Sanitized),
    /// Nothing listens at its loopback address.
    Loopback(Sanitized),
    Late(Sanitized),
    Tls(TlsFault),
    NoCredentials,
    BadCredentials,
    Refuses(Sanitized),
}

impl Fault {
    fn in_words(&self, proxy: &Proxy) -> String {
        match self {
            Self::Resolve(reason) => format!("failed to resolve the name of {proxy}: {reason}"),
            Self::Connect(reason) | Self::Loopback(reason) => format!("failed to connect to {proxy}: {reason}"),
            Self::Late(server) => format!("timeout while connecting to {server} through {proxy}"),
            Self::Tls(fault) => format!("failed to connect through {proxy}: {fault}"),
            Self::NoCredentials => format!("{proxy} requires a user name and a password (407)"),
            Self::BadCredentials => format!("{proxy} rejected its user name and password (407)"),
            Self::Refuses(server) => format!("{proxy} failed to connect to {server}"),
        }
    }
}

impl ProxyFault {
    /// Whether it may be over soon: the proxy is not to be reached now, or does not reach the server.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.fault, Fault::Connect(_) | Fault::Loopback(_) | Fault::Late(_) | Fault::Refuses(_))
    }

    pub(super) fn code(&self) -> &'static str {
        match self.fault {
            Fault::Resolve(_) | Fault::Connect(_) | Fault::Loopback(_) => "proxy-unreachable",
            Fault::Late(_) | Fault::Refuses(_) => "proxy-connection-failed",
            Fault::Tls(_) => "proxy-tls-error",
            Fault::NoCredentials | Fault::BadCredentials => "proxy-credentials-rejected",
        }
    }

    pub(super) fn hint(&self) -> String {
        let Proxy { variable, .. } = self.proxy;
        let around = "If the runner reaches the server without a proxy, add its host to `NO_PROXY`";
        match &self.fault {
            Fault::Resolve(_) | Fault::Connect(_) => {
                format!("Check host and port of the proxy in `{variable}`. {around}")
            }
            Fault::Loopback(_) => format!(
                "Set `{variable}` to an address of the proxy that containers can reach, because {} in a container is the \
                 container itself. {around}",
                self.proxy.host()
            ),
            Fault::Tls(_) => format!(
                "Check scheme, host and port of the proxy in `{variable}`. If the system does not trust its certificate, set \
                 `ca-certificate` to the authority's certificate"
            ),
            Fault::NoCredentials | Fault::BadCredentials => format!(
                "Set user name and password of the proxy in `{variable}`, with special characters percent-encoded: \
                 `{}://user:password@{}`",
                self.proxy.url.scheme(),
                self.proxy.place()
            ),
            Fault::Refuses(server) | Fault::Late(server) => {
                format!("Check that the proxy in `{variable}` is able and allowed to connect to {server}. {around}")
            }
        }
    }
}
