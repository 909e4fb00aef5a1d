//! The interface between the client and the log.

use std::fmt::Display;
use std::time::Duration;

use crate::secret::Secret;

/// Receives the events of requests.
pub trait Observer: Sync {
    /// Reports a detail that is useful to know. Nothing is wrong.
    fn note(&self, note: &str);
    /// Reports a detail for debugging.
    fn debug(&self, _text: &str) {}
    /// Hides a secret that became known during the run from the readers of the log.
    fn mask(&self, _secret: &Secret) {}
    /// Reports a failed attempt that is retried after a wait, which begins now.
    fn report_retry(&self, retry: &Retry<'_>);
    /// Reports that a request has ended, with or without a response.
    fn end_request(&self, exchange: &Exchange<'_>);
}

/// A retry that is about to wait.
pub struct Retry<'a> {
    /// The request that failed, in a few words.
    pub(crate) what: &'a (dyn Display + Sync),
    /// Why it failed.
    pub(crate) why: &'a (dyn Display + Sync),
    /// The wait from now on.
    pub(crate) wait: Duration,
    /// The number of the retry, from 1.
    pub(crate) number: u32,
    /// The maximum number of retries.
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
    /// The time from the first byte of the request to the head of the response.
    pub(crate) took: Duration,
}
