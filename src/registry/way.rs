//! The way to the server: whom we trust, through which proxy, and with which headers.

use std::error::Error as StdError;

use reqwest::{ClientBuilder, Response, StatusCode};

use super::proxy::ProxyFault;
use super::refusal::Refusal;
use super::tls;
use crate::way::Way;

impl Way {
    /// A client that goes this way, and no other that the environment may name.
    pub(super) fn client(&self) -> reqwest::Result<ClientBuilder> {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls::config(&self.certificates)).no_proxy();
        Ok(match &self.proxy {
            Some(proxy) => builder.proxy(proxy.for_all()?),
            None => builder,
        })
    }

    /// Why there is no connection, where that is the proxy's fault.
    pub(super) fn fault(
        &self,
        error: &reqwest::Error,
        chain: &[&(dyn StdError + 'static)],
        unresolved: bool,
    ) -> Option<ProxyFault> {
        self.proxy.as_ref()?.fault(error, chain, unresolved)
    }

    /// The proxy's own refusal. Inside a tunnel nobody but the server answers.
    pub(super) fn fault_in(&self, response: &Response) -> Option<ProxyFault> {
        let proxy = self.proxy.as_ref().filter(|_| response.url().scheme() == "http")?;
        (response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED).then(|| proxy.wants_credentials())
    }

    /// The cure for a refusal, with what the proxy may have to do with it: through a proxy without a tunnel its own
    /// answers look like those of a proxy in front of the server.
    pub(super) fn advice(&self, refusal: &Refusal, advice: String) -> String {
        match &self.proxy {
            Some(proxy) if *refusal == Refusal::ProxyFault => {
                format!("{advice}; and whether {proxy} reaches the server")
            }
            _ => advice,
        }
    }
}
