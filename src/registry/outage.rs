//! Waiting for a server that stopped responding. A forge restarts within seconds, and a run outlasts that.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::failure::FailureKind;
use super::limits::Limits;
use super::response::is_html;
use super::{Operation, Registry, RegistryError};
use crate::sanitize::Sanitized;
use crate::stop::{Signal, Stop};
use crate::units::Span;

/// The server's outages in this run.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Whether the server has responded in this run.
    has_responded: AtomicBool,
    /// Held by the one request that probes the server. All others wait for it.
    probe: Mutex<Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    /// When the last outage ended.
    ended: Option<Instant>,
    /// The outage that outlasted the run's patience.
    given_up: Option<GivenUp>,
}

/// An outage that the run no longer waits for.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    /// The end of the wait.
    by: EndOfWait,
    /// Why the request failed that began the wait.
    failure: Sanitized,
}

/// The end of a wait for the server.
#[derive(Clone, Debug)]
enum EndOfWait {
    Timeout(Duration),
    Signal(Signal),
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = &self.failure;
        match self.by {
            EndOfWait::Timeout(after) => {
                write!(f, "the server stopped responding and did not come back within {}: {failure}", Span(after))
            }
            EndOfWait::Signal(signal) => {
                write!(f, "the server stopped responding, and {signal} ended the wait: {failure}")
            }
        }
    }
}

/// How a wait for the server ended.
#[derive(Debug)]
enum Waited {
    /// The server responded to the first probe.
    NoOutage,
    Back,
    GivenUp(GivenUp),
}

impl Outages {
    /// Notes that the server responded.
    pub(super) fn note_response(&self) {
        self.has_responded.store(true, Ordering::Relaxed);
    }

    /// Waits until nobody probes the server. The error is the outage that the run has given up on.
    pub(super) async fn wait_until_ready(&self) -> Result<(), GivenUp> {
        self.probe.lock().await.given_up.clone().map_or(Ok(()), Err)
    }

    /// Whether a request probes the server at this moment.
    fn is_probed(&self) -> bool {
        self.probe.try_lock().is_err()
    }
}

impl Probe {
    /// Probes the server until it responds, for as long as `limits` allow, or until a signal comes. `begins` is called if the
    /// server is away: if it does not respond to the first probe, or `is_certain`.
    async fn wait(
        &mut self,
        limits: &Limits,
        stop: &Stop,
        failure: &Sanitized,
        is_certain: bool,
        begins: impl FnOnce(),
        is_back: impl AsyncFn() -> bool,
    ) -> Waited {
        if !is_certain && is_back().await {
            return Waited::NoOutage;
        }
        begins();
        let comes_back = async {
            for wait in limits.probe_waits() {
                sleep(wait).await;
                if is_back().await {
                    return;
                }
            }
        };
        let by = match stop.or(timeout(limits.longest_outage, comes_back)).await {
            Ok(Ok(())) => {
                self.ended = Some(Instant::now());
                return Waited::Back;
            }
            Ok(Err(_)) => EndOfWait::Timeout(limits.longest_outage),
            Err(signal) => EndOfWait::Signal(signal),
        };
        let given_up = GivenUp { by, failure: failure.clone() };
        // After a signal there is one more look at the list, and the server may be back for it.
        if matches!(given_up.by, EndOfWait::Timeout(_)) {
            self.given_up = Some(given_up.clone());
        }
        Waited::GivenUp(given_up)
    }
}

impl Registry<'_> {
    /// Waits for the server if `error`, of a request that began at `begun`, may mean that it is away. Returns the error,
    /// [outlasted](RegistryError::is_outlasted) if the server is back, or that of the outage if it is not.
    pub(crate) async fn outlast(&self, begun: Instant, error: RegistryError) -> RegistryError {
        let may_be_away = error.kind() == FailureKind::Unavailable && self.target.server.is_origin_of(error.url());
        if !may_be_away || !self.outages.has_responded.load(Ordering::Relaxed) {
            return error;
        }
        let mut probe = self.outages.probe.lock().await;
        if let Some(given_up) = &probe.given_up {
            return error.given_up(given_up.clone());
        }
        if probe.ended.is_some_and(|ended| ended > begun) {
            return error.outlasted();
        }
        // Few requests come here, and every other one would have room for it.
        match Box::pin(self.wait_for_server(&mut probe, &error)).await {
            Waited::NoOutage => error,
            Waited::Back => error.outlasted(),
            Waited::GivenUp(given_up) => error.given_up(given_up),
        }
    }

    async fn wait_for_server(&self, probe: &mut MutexGuard<'_, Probe>, error: &RegistryError) -> Waited {
        let (server, failure) = (&self.target.server, Sanitized::new(&error.cause.to_string()));
        let begun = Instant::now();
        let begins = || {
            let longest = Span(self.connection.limits.longest_outage);
            self.connection
                .observer
                .notes(&format!("{server} stopped responding; waiting for it, up to {longest}: {failure}"));
        };
        // The server asks for a pause, and a probe would not keep it.
        let is_certain = error.retry_after().is_some();
        let is_back = async || self.responds().await;
        let waited =
            probe.wait(&self.connection.limits, &self.connection.stop, &failure, is_certain, begins, is_back).await;
        if matches!(waited, Waited::Back) {
            self.connection.observer.notes(&format!("{server} responds again after {}", Span(begun.elapsed())));
        }
        waited
    }

    /// Whether the run waits for the server at this moment.
    pub(crate) fn is_waiting(&self) -> bool {
        self.outages.is_probed()
    }

    /// Whether the server responds in time to the question about the version, which has the shortest response of all. Any
    /// response but that of a proxy counts.
    async fn responds(&self) -> bool {
        self.pause.wait().await;
        tokio::task::yield_now().await;
        let url = self.target.version_url();
        let sent = self.ask_at_once(&Operation::ReadVersion, &url);
        match timeout(self.connection.limits.connect, sent).await {
            Ok(Ok(response)) => !is_html(&response),
            Ok(Err(error)) => error.is_response(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::super::limits::Jitter;
    use super::*;

    /// Waits for a server that is away for so long; counts the probes.
    async fn wait_for(outages: &Outages, away: Duration, stop: &Stop) -> (Waited, u32) {
        let limits = Limits { jitter: Jitter::new(|| 0.0), ..Limits::default() };
        let (end, probes) = (Instant::now() + away, AtomicU32::new(0));
        let is_back = async || {
            probes.fetch_add(1, Ordering::Relaxed);
            Instant::now() >= end
        };
        let failure = Sanitized::new("502 Bad Gateway");
        let waited = outages.probe.lock().await.wait(&limits, stop, &failure, false, || {}, is_back).await;
        (waited, probes.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_for_a_minute_is_waited_for_with_few_probes() {
        let (waited, probes) = wait_for(&Outages::default(), Duration::from_mins(1), &Stop::default()).await;
        assert!(matches!(waited, Waited::Back), "{waited:?}");
        assert!(probes < 15, "{probes}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_minutes_the_run_gives_up_and_sends_no_further_request() {
        let outages = Outages::default();
        let begun = Instant::now();
        let (waited, _) = wait_for(&outages, Duration::from_hours(1), &Stop::default()).await;
        assert!(matches!(waited, Waited::GivenUp(_)), "{waited:?}");
        assert_eq!(begun.elapsed().as_secs(), 300);
        assert!(outages.wait_until_ready().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_wait_but_not_the_requests_after_it() {
        let outages = Outages::default();
        let stop = Stop::when(std::future::ready(Signal::Terminate), std::future::pending());
        let (waited, probes) = wait_for(&outages, Duration::from_hours(1), &stop).await;
        assert!(matches!(waited, Waited::GivenUp(_)) && probes == 1, "{waited:?}");
        assert!(outages.wait_until_ready().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_responds_to_the_first_probe_was_not_away() {
        let outages = Outages::default();
        let (waited, probes) = wait_for(&outages, Duration::ZERO, &Stop::default()).await;
        assert!(matches!(waited, Waited::NoOutage) && probes == 1, "{waited:?}");
        assert!(outages.probe.lock().await.ended.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_leaves_the_next_to_another_request() {
        let (outages, stop) = (Outages::default(), Stop::default());
        let dropped = timeout(Duration::from_secs(9), wait_for(&outages, Duration::from_mins(1), &stop)).await;
        assert!(dropped.is_err());
        assert!(matches!(wait_for(&outages, Duration::from_secs(9), &stop).await.0, Waited::Back));
    }
}
