//! What the way to the server needs beside its address: certificates, a proxy, headers.

use std::fmt;

use reqwest::header::HeaderMap;
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::secret::Secret;

/// What the way to the server needs beside its address.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Certificates that are trusted beside the system's roots.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The proxy that all requests go through.
    pub proxy: Option<Proxy>,
    /// Sent with every request to the server, and with nothing that is said to a proxy. Every value is marked as
    /// sensitive.
    pub headers: HeaderMap,
    /// What nobody may see of proxy and headers.
    pub secrets: Vec<Secret>,
}

/// An HTTP proxy. What it shows of itself is host, port and the variable that names it, never its credentials.
#[derive(Clone)]
pub struct Proxy {
    /// Where it is; `http` or `https`, with a host, and with credentials where it wants them.
    pub(crate) url: Url,
    /// What names it.
    pub(crate) variable: &'static str,
}

impl Proxy {
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host(), self.url.port_or_known_default().unwrap_or_default())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} of {}", self.place(), self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
