//! The way to the server: whom we trust, through which proxy, and with which headers.

use std::error::Error as StdError;

use reqwest::{ClientBuilder, Response, StatusCode};
use rustls::ClientConfig;

use super::proxy::ProxyFault;
use super::tls;
use crate::network::Network;

impl Network {
    /// The TLS configuration for everybody but the server.
    pub(super) fn tls(&self) -> ClientConfig {
        tls::config(&self.certificates)
    }

    /// The TLS configuration for the server, made of that for everybody.
    pub(super) fn tls_to_server(&self, tls: &ClientConfig) -> ClientConfig {
        match &self.client_certificate {
            Some(certificate) => tls::with_client_certificate(tls, certificate),
            None => tls.clone(),
        }
    }

    /// A client that goes this way, and no other that the environment may name.
    pub(super) fn client(&self, tls: ClientConfig) -> ClientBuilder {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let proxies = self.proxies.clone();
        builder.proxy(reqwest::Proxy::custom(move |url| proxies.for_url(url).map(|proxy| proxy.url.clone())))
    }

    /// Why there is no connection, if that is the proxy's fault.
    pub(super) fn fault(
        &self,
        error: &reqwest::Error,
        chain: &[&(dyn StdError + 'static)],
        unresolved: bool,
    ) -> Option<ProxyFault> {
        self.proxies.for_url(error.url()?)?.fault(error, chain, unresolved)
    }

    /// The proxy's own rejection. Inside a tunnel nobody but the server responds.
    pub(super) fn fault_in(&self, response: &Response) -> Option<ProxyFault> {
        let proxy = self.proxies.for_url(response.url()).filter(|_| response.url().scheme() == "http")?;
        (response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED).then(|| proxy.wants_credentials())
    }
}
