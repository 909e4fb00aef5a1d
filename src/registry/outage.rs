//! Waiting for a server that stopped responding. A forge restarts within seconds, and a run outlasts that.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::{self, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::error::Cause;
use super::limits::Limits;
use super::{Asked, Method, Registry, RegistryError, is};
use crate::report::units::Span;
use crate::stop::Stop;
use crate::untrusted::Untrusted;

/// What is known of the server's outages in this run.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Whether the server has responded in this run.
    has_responded: AtomicBool,
    /// How long the run has waited since a transfer last succeeded.
    waited: Mutex<Duration>,
    /// Held by the one request that probes the server. All others wait for it.
    probe: sync::Mutex<Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    /// When the last outage ended.
    ended: Option<Instant>,
    /// Why the run waits no longer.
    given_up: Option<GivenUp>,
}

/// An outage for whose end the run no longer waits.
#[derive(Clone, Debug)]
pub struct GivenUp {
    /// How long the run waited.
    waited: Duration,
    /// What the first request met.
    failure: Untrusted,
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server stopped responding and did not come back within {}: {}", Span(self.waited), self.failure)
    }
}

impl GivenUp {
    /// What the first request met.
    pub(crate) fn failure(&self) -> &Untrusted {
        &self.failure
    }
}

/// How a wait for the server ended.
#[derive(Debug)]
enum Waited {
    /// The server responded to the first probe, so it was not away.
    NotAway,
    Back,
    GivenUp(GivenUp),
}

impl Outages {
    /// Notes that the server responded.
    pub(super) fn note_response(&self) {
        self.has_responded.store(true, Ordering::Relaxed);
    }

    /// Notes that a file was transferred, so that the next outage may last as long as the first.
    pub(super) fn note_transfer(&self) {
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
    }

    /// Waits until nobody probes the server. The error is the outage that the run has given up on.
    pub(super) async fn wait_until_ready(&self) -> Result<(), GivenUp> {
        self.probe.lock().await.given_up.clone().map_or(Ok(()), Err)
    }

    /// Whether a request probes the server at this moment.
    fn is_probed(&self) -> bool {
        self.probe.try_lock().is_err()
    }

    /// Probes the server until it responds, for as long as `limits` allow, or until a signal comes. `begins` is called if the
    /// server does not respond to the first probe.
    async fn wait(
        &self,
        mut probe: MutexGuard<'_, Probe>,
        limits: &Limits,
        stop: &Stop,
        failure: &Untrusted,
        begins: impl FnOnce(Duration),
        is_back: impl AsyncFn() -> bool,
    ) -> Waited {
        let begun = Instant::now();
        let so_far = *self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        let left = limits.longest_outage.saturating_sub(so_far);
        let probing = async {
            if is_back().await {
                return Some(Waited::NotAway);
            }
            begins(left);
            let comes_back = async {
                for wait in limits.probe_waits() {
                    sleep(wait).await;
                    if is_back().await {
                        return;
                    }
                }
            };
            timeout(left, comes_back).await.ok().map(|()| Waited::Back)
        };
        // The time may be over, or a signal have come.
        let waited =
            stop.or(probing).await.ok().flatten().unwrap_or_else(|| {
                Waited::GivenUp(GivenUp { waited: so_far + begun.elapsed(), failure: failure.clone() })
            });
        match &waited {
            Waited::NotAway => {}
            Waited::Back => {
                probe.ended = Some(Instant::now());
                *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
            }
            Waited::GivenUp(given_up) => probe.given_up = Some(given_up.clone()),
        }
        waited
    }
}

impl Registry<'_> {
    /// Waits for the server if `error`, of a request that began at `begun`, may mean that it is away. An error that the
    /// server's return cures is [outlasted](RegistryError::is_outlasted).
    pub(crate) async fn outlast(&self, begun: Instant, error: RegistryError) -> RegistryError {
        let outages = &self.outages;
        // A server that says when to come back is there, and every request keeps that pause.
        let may_be_away = error.is_unavailable() && error.retry_after().is_none();
        let may_be_away = may_be_away && self.target.server.is_origin_of(error.url());
        if !may_be_away || !outages.has_responded.load(Ordering::Relaxed) {
            return error;
        }
        let probe = outages.probe.lock().await;
        if let Some(given_up) = &probe.given_up {
            return self.given_up(error, given_up.clone());
        }
        if probe.ended.is_some_and(|ended| ended > begun) {
            return error.outlasted();
        }
        let failure = Untrusted::new(&error.cause.to_string());
        let begins = |left| {
            let (server, left) = (&self.target.server, Span(left));
            self.reporter.notes(&format!("{server} stopped responding ({failure}); waiting for it, up to {left}"));
        };
        let away = Instant::now();
        let is_back = async || self.responds().await;
        // Few requests come here, and every other one would have room for it.
        let waiting = Box::pin(outages.wait(probe, &self.limits, &self.stop, &failure, begins, is_back));
        match waiting.await {
            Waited::NotAway => error,
            Waited::Back => {
                let (server, after) = (&self.target.server, Span(away.elapsed()));
                self.reporter.notes(&format!("{server} responds again after {after}"));
                error.outlasted()
            }
            Waited::GivenUp(given_up) => self.given_up(error, given_up),
        }
    }

    /// Whether the run waits for the server at this moment.
    pub(crate) fn is_waiting(&self) -> bool {
        self.outages.is_probed()
    }

    /// Whether the server responds to the question about the version, whatever it says: it is the shortest response of all.
    async fn responds(&self) -> bool {
        self.pause.ends().await;
        tokio::task::yield_now().await;
        let url = self.target.version_url();
        let request = self.get_request(&url);
        let response = self.send(&Asked::Version, Method::GET, &url, request, None, is(StatusCode::OK)).await;
        !response.is_err_and(|error| error.is_unavailable())
    }

    fn given_up(&self, error: RegistryError, given_up: GivenUp) -> RegistryError {
        let was_sent = error.was_sent();
        let (asked, method, url) = error.into_request();
        self.error(&asked, method, &url, Cause::Away { given_up, was_sent })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::super::limits::Jitter;
    use super::*;

    /// Waits for a server that is away for so long; counts the probes.
    async fn wait_for(outages: &Outages, away: Duration) -> (Waited, u32) {
        let limits = Limits { jitter: Jitter::new(|| 0.0), ..Limits::default() };
        let (end, probes) = (Instant::now() + away, AtomicU32::new(0));
        let probe = outages.probe.lock().await;
        let is_back = async || {
            probes.fetch_add(1, Ordering::Relaxed);
            Instant::now() >= end
        };
        let failure = Untrusted::new("502 Bad Gateway");
        let waited = outages.wait(probe, &limits, &Stop::default(), &failure, |_| {}, is_back).await;
        (waited, probes.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_for_a_minute_is_waited_for_with_few_probes() {
        let (waited, probes) = wait_for(&Outages::default(), Duration::from_mins(1)).await;
        assert!(matches!(waited, Waited::Back), "{waited:?}");
        assert!(probes < 15, "{probes}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_minutes_the_run_gives_up_also_if_there_were_several_outages_and_no_transfer() {
        let outages = Outages::default();
        let begun = Instant::now();
        let (waited, _) = wait_for(&outages, Duration::from_hours(1)).await;
        assert!(matches!(waited, Waited::GivenUp(_)), "{waited:?}");
        assert_eq!(begun.elapsed().as_secs(), 300);

        let outages = Outages::default();
        let four_minutes = Duration::from_mins(4);
        assert!(matches!(wait_for(&outages, four_minutes).await.0, Waited::Back));
        outages.note_transfer();
        assert!(matches!(wait_for(&outages, four_minutes).await.0, Waited::Back));
        assert!(matches!(wait_for(&outages, four_minutes).await.0, Waited::GivenUp(_)));
        assert!(outages.wait_until_ready().await.is_err(), "no further request is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_responds_to_the_first_probe_was_not_away() {
        let outages = Outages::default();
        let (waited, probes) = wait_for(&outages, Duration::ZERO).await;
        assert!(matches!(waited, Waited::NotAway) && probes == 1, "{waited:?}");
        assert!(outages.probe.lock().await.ended.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_leaves_the_next_to_another_request() {
        let outages = Outages::default();
        assert!(timeout(Duration::from_secs(9), wait_for(&outages, Duration::from_mins(1))).await.is_err());
        assert!(matches!(wait_for(&outages, Duration::from_secs(9)).await.0, Waited::Back));
    }
}
