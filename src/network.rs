//! The connection to the server: certificates, proxies and headers.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderMap;
use url::Url;

use crate::certificate::TrustedCertificate;
use crate::client_certificate::ClientCertificate;

/// Certificates, proxies and headers of the connection to the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// Certificates that are trusted in addition to the system's roots.
    pub(crate) certificates: Vec<TrustedCertificate>,
    /// The certificate for the server only, not for its object storage and not for a proxy.
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// The proxies that requests go through.
    pub(crate) proxies: Proxies,
    /// The headers of every request to the server, but not of requests to a proxy itself. Every value is marked as
    /// sensitive.
    pub(crate) headers: HeaderMap,
}

/// The proxies for requests to the server and to its object storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    /// The proxy for each scheme that has one.
    pub(crate) by_scheme: Vec<(&'static str, Proxy)>,
    /// The hosts that are reached without a proxy.
    pub(crate) exceptions: Vec<Exception>,
}

impl Proxies {
    /// Returns the proxy for requests to a URL, if there is one.
    pub(crate) fn for_url(&self, address: &Url) -> Option<&Proxy> {
        let (_, proxy) = self.by_scheme.iter().find(|(scheme, _)| *scheme == address.scheme())?;
        (!self.is_exception(address)).then_some(proxy)
    }

    /// Whether a URL is one of the exceptions.
    pub(crate) fn is_exception(&self, address: &Url) -> bool {
        let is_meant =
            |exception: &&Exception| exception.port.is_none_or(|port| address.port_or_known_default() == Some(port));
        let hosts: Vec<&str> =
            self.exceptions.iter().filter(is_meant).map(|exception| exception.host.as_str()).collect();
        let matcher = Matcher::builder().all("http://proxy").no(hosts.join(",")).build();
        address.as_str().parse().is_ok_and(|address| matcher.intercept(&address).is_none())
    }
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    /// A host, a domain or a network in the syntax of the matcher, which does not support `*.`.
    host: String,
    /// The only port that the entry matches; `None` for all ports.
    port: Option<u16>,
}

impl Exception {
    /// Parses an entry between commas. Text after a colon is ignored if it is not a port.
    pub(crate) fn of(entry: &str) -> Self {
        let (host, port) = match entry.rsplit_once(':') {
            // An IPv6 address contains colons.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
            _ => (entry, None),
        };
        let host = match host.trim_matches(['[', ']']) {
            // The matcher applies `*` to all names, but to no IP address.
            "*" => "*,0.0.0.0/0,::/0",
            host => host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host),
        };
        Self { host: host.to_owned(), port }
    }
}

/// An HTTP proxy. `Display` and `Debug` show host, port and variable, never the credentials.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// The URL: `http` or `https`, with a host, and with credentials if the proxy requires them.
    pub(crate) url: Url,
    /// The variable that contains it.
    pub(crate) variable: &'static str,
}

impl Proxy {
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host(), self.url.port_or_known_default().unwrap_or_default())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} from `{}`", self.host_and_port(), self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
