//! The interface to the log: what the client says of its work to whoever shows it.

use std::fmt::Display;
use std::time::Duration;

/// Hears of requests as they are sent.
pub trait Observer: Sync {
    /// Something is worth knowing, and nothing to worry about.
    fn notes(&self, note: &str);
    /// Something is worth knowing for whoever looks for a fault.
    fn debug(&self, _text: &str) {}
    /// Something failed that is retried after a wait, which begins now.
    fn retries(&self, retry: &Retry<'_>);
    /// A request has got its response, or waits for none.
    fn request_ends(&self, exchange: &Exchange<'_>);
}

/// A retry that is about to wait.
pub struct Retry<'a> {
    /// The request that failed, in a few words.
    pub(crate) what: &'a (dyn Display + Sync),
    /// Why.
    pub(crate) why: &'a (dyn Display + Sync),
    /// How long from now.
    pub(crate) wait: Duration,
    /// Which retry it is, from 1.
    pub(crate) number: u32,
    /// How many there can be.
    pub(crate) of: u32,
}

/// A request and its response, without anything secret.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The path, percent-encoded.
    pub(crate) path: &'a str,
    /// The status of the response; `None` if there is none.
    pub(crate) status: Option<u16>,
    /// From the first byte of the request to the head of the response.
    pub(crate) took: Duration,
}
