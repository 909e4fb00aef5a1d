//! What the client says of its work to whoever shows it.

use std::fmt::Display;
use std::time::Duration;

/// Hears of requests as they are sent.
pub trait Observer: Sync {
    /// Something is worth knowing, and nothing to worry about.
    fn notes(&self, note: &str);
    /// Something is worth knowing for whoever looks for a fault.
    fn debug(&self, _text: &str) {}
    /// Something failed that is tried again after a wait, which begins now.
    fn retries(&self, retry: &Retry<'_>);
    /// A request has had its answer, or has none to wait for.
    fn request_ends(&self, exchange: &Exchange<'_>);
}

/// What is tried again, and when.
pub struct Retry<'a> {
    /// What failed, in a few words.
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

/// A request and its answer, without anything secret.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The path, percent-encoded.
    pub(crate) path: &'a str,
    /// The status of the answer; `None` where there is none.
    pub(crate) status: Option<u16>,
    /// From the first byte of the request to the head of the answer.
    pub(crate) took: Duration,
}
