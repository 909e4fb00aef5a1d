//! Waiting for a server that stopped responding. A server restarts within seconds, so a run waits for it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::failure::FailureKind;
use super::response::is_html;
use super::{Connection, Operation, Registry, RegistryError};
use crate::sanitize::Sanitized;
use crate::units::Span;

/// The server's outages in this run.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// Whether the server has responded in this run.
    has_responded: AtomicBool,
    /// Locked by the one request that probes the server. All others wait for the lock.
    probe: Mutex<Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    /// When the last outage ended.
    ended: Option<Instant>,
    /// The outage that the run no longer waits for.
    given_up: Option<GivenUp>,
}

/// An outage that the run no longer waits for, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GivenUp(String);

impl Outages {
    /// Notes that the server responded.
    pub(super) fn note_response(&self) {
        self.has_responded.store(true, Ordering::Relaxed);
    }

    /// Waits until no request probes the server. The error is the outage that the run no longer waits for.
    pub(super) async fn wait_until_ready(&self) -> Result<(), GivenUp> {
        self.probe.lock().await.given_up.clone().map_or(Ok(()), Err)
    }
}

impl Registry<'_> {
    /// Waits for the server if `error`, of a request that began at `begun`, may mean that it is unavailable. Returns the
    /// error, marked as recovered if the server responds again, or the error of the outage if it does not.
    pub(crate) async fn wait_for_outage(&self, begun: Instant, error: RegistryError) -> RegistryError {
        let may_be_away = error.kind() == FailureKind::Unavailable && self.target.server.is_origin_of(&error.url);
        if !may_be_away || !self.outages.has_responded.load(Ordering::Relaxed) {
            return error;
        }
        let mut probe = self.outages.probe.lock().await;
        if let Some(given_up) = &probe.given_up {
            return error.with_outage(given_up.clone());
        }
        if probe.ended.is_some_and(|ended| ended > begun) {
            return error.mark_recovered();
        }
        // If the server asks for a pause, a probe would not keep it. Both futures are in boxes, because few requests come
        // here, and every other one would have room for them.
        if error.retry_after().is_none() && Box::pin(self.probe_server()).await {
            return error;
        }
        match Box::pin(self.wait_for_server(&mut probe, &error)).await {
            Ok(()) => error.mark_recovered(),
            Err(given_up) => error.with_outage(given_up),
        }
    }

    /// Probes the server until it responds, for as long as the limits allow, or until a signal comes.
    async fn wait_for_server(&self, probe: &mut Probe, error: &RegistryError) -> Result<(), GivenUp> {
        let Connection { limits, stop, observer, .. } = &self.connection;
        let (server, longest) = (&self.target.server, Span(limits.longest_outage));
        let failure = Sanitized::new(&error.cause.to_string());
        observer.note(&format!("{server} stopped responding; waiting for it, up to {longest}: {failure}"));
        let begun = Instant::now();
        let comes_back = async {
            for wait in limits.probe_waits() {
                sleep(wait).await;
                if self.probe_server().await {
                    return;
                }
            }
        };
        match stop.or(timeout(limits.longest_outage, comes_back)).await {
            Ok(Ok(())) => {
                observer.note(&format!("{server} responds again after {}", Span(begun.elapsed())));
                probe.ended = Some(Instant::now());
                Ok(())
            }
            Ok(Err(_)) => {
                let why = format!("the server stopped responding and did not come back within {longest}: {failure}");
                probe.given_up = Some(GivenUp(why.clone()));
                Err(GivenUp(why))
            }
            // After a signal, the files are listed one last time. The server may respond again by then.
            Err(signal) => {
                Err(GivenUp(format!("the server stopped responding, and {signal} ended the wait: {failure}")))
            }
        }
    }

    /// Whether the run waits for the server at this moment.
    pub(crate) fn is_waiting(&self) -> bool {
        self.outages.probe.try_lock().is_err()
    }

    /// Requests the version, which has the shortest response, and returns whether the server responds in time. A
    /// response of a proxy does not count.
    async fn probe_server(&self) -> bool {
        self.pause.wait().await;
        tokio::task::yield_now().await;
        let url = self.target.version_url();
        // A renewal could wait for the end of the outage. Any response will do, so an old ID token is good enough.
        let id_token = self.id_tokens.current();
        let sent = self.send_request_now(&Operation::ReadVersion, &url, id_token.as_ref());
        match timeout(self.connection.limits.connect_timeout, sent).await {
            Ok(Ok(response)) => !is_html(&response),
            Ok(Err(error)) => error.is_server_response(),
            Err(_) => false,
        }
    }
}
