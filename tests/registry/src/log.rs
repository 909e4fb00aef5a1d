//! The log of requests, in the order of their arrival.

use std::sync::Mutex;

use crate::guard::Guard as _;
use crate::http::Head;

/// A received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path as it was sent, with the query.
    pub target: String,
    /// The headers as they were sent.
    pub headers: Vec<(String, String)>,
    /// The number of bytes of the body that were read.
    pub body_bytes: u64,
    /// The number of bytes sent of a file, or of another response that was sent in pieces.
    pub answer_bytes: u64,
    /// The status of the response; `None` if there was no complete response, or not yet.
    pub status: Option<u16>,
    /// When the head was read, as a number that grows with every event.
    pub started: u64,
    /// When the end of the response was about to be written, or the connection ended, on the same scale; `None` while
    /// the request runs.
    pub finished: Option<u64>,
}

impl Request {
    /// Returns the first header with a name, ignoring case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Returns the largest number of these requests that ran at the same time.
pub(crate) fn max_in_flight<'a>(requests: impl IntoIterator<Item = &'a Request>) -> usize {
    let mut events: Vec<(u64, bool)> = Vec::new();
    for request in requests {
        events.push((request.started, true));
        events.push((request.finished.unwrap_or(u64::MAX), false));
    }
    events.sort_unstable();
    let (mut running, mut most) = (0_usize, 0);
    for (_, starts) in events {
        running = if starts { running + 1 } else { running - 1 };
        most = most.max(running);
    }
    most
}

#[derive(Default)]
struct Entries {
    clock: u64,
    requests: Vec<Request>,
}

impl Entries {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

#[derive(Default)]
pub(crate) struct Log(Mutex<Entries>);

impl Log {
    /// Adds a request, and returns its number.
    pub(crate) fn start(&self, head: &Head) -> u64 {
        let mut entries = self.0.lock_unpoisoned();
        let started = entries.tick();
        entries.requests.push(Request {
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.clone(),
            body_bytes: 0,
            answer_bytes: 0,
            status: None,
            started,
            finished: None,
        });
        started
    }

    pub(crate) fn read(&self, started: u64, bytes: u64) {
        self.change(started, |request, _| request.body_bytes += bytes);
    }

    pub(crate) fn add_sent_bytes(&self, started: u64, bytes: u64) {
        self.change(started, |request, _| request.answer_bytes += bytes);
    }

    pub(crate) fn finish(&self, started: u64, status: Option<u16>) {
        self.change(started, |request, now| {
            request.finished.get_or_insert(now);
            request.status = request.status.or(status);
        });
    }

    fn change(&self, started: u64, change: impl FnOnce(&mut Request, u64)) {
        let mut entries = self.0.lock_unpoisoned();
        let now = entries.tick();
        // Cleared requests are not in the list.
        if let Ok(index) = entries.requests.binary_search_by_key(&started, |request| request.started) {
            change(&mut entries.requests[index], now);
        }
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock_unpoisoned().requests.clone()
    }

    pub(crate) fn forget(&self) {
        self.0.lock_unpoisoned().requests.clear();
    }
}
