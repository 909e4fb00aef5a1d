//! Tracks the phase of a request, so that a timeout counts from the last progress and names its cause.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use super::{ByteCounter, Limits};

/// The phases of a request. Each has a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The addresses of the host.
    Resolving,
    /// A connection, with TLS and through a proxy if there is one.
    Connecting,
    /// The server taking the next bytes of an upload.
    Sending,
    /// The first byte of the response.
    Waiting,
    /// The next bytes of the response.
    Receiving,
    /// The last byte of the response.
    Completing,
}

impl Phase {
    /// Whether the server cannot have received anything of the request yet.
    pub(super) fn is_before_request(self) -> bool {
        matches!(self, Self::Resolving | Self::Connecting)
    }
}

/// A request that made no progress for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeout {
    /// The phase that took too long.
    pub(super) phase: Phase,
    /// The duration of the wait.
    pub(super) after: Duration,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.after.as_secs();
        match self.phase {
            Phase::Resolving => write!(f, "the name of the host was not resolved within {seconds} s"),
            Phase::Connecting => write!(f, "no connection to the server within {seconds} s"),
            Phase::Sending => write!(f, "no data could be sent to the server for {seconds} s"),
            Phase::Waiting => write!(f, "no response from the server for {seconds} s"),
            Phase::Receiving => write!(f, "no more data from the server for {seconds} s"),
            Phase::Completing => write!(f, "the response of the server was not complete after {seconds} s"),
        }
    }
}

impl Timeout {
    pub(super) fn hint(&self) -> String {
        format!("if the server or the network needs longer, set `timeout` to more than {}", self.after.as_secs())
    }
}

tokio::task_local! {
    /// The request that the running task sends.
    static REQUEST: Tracker;
}

/// Sets the phase of this task's request. A connection that is made for the pool belongs to no request.
pub(super) fn enter(phase: Phase) {
    let _ = REQUEST.try_with(|tracker| tracker.set(phase));
}

/// The phase of one request, and when it began.
#[derive(Clone, Debug)]
pub(super) struct Tracker(Arc<Mutex<(Phase, Instant)>>);

impl Tracker {
    /// Starts in [`Phase::Waiting`], because a pooled connection may be ready.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new((Phase::Waiting, Instant::now()))))
    }

    /// Follows a request through its phases.
    pub(super) async fn follow<F: Future>(&self, request: F) -> F::Output {
        REQUEST.scope(self.clone(), request).await
    }

    pub(super) fn phase(&self) -> Phase {
        self.get().0
    }

    fn get(&self) -> (Phase, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }
}

/// The body of a running upload.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) sent: &'a ByteCounter,
    /// The total length in bytes.
    pub(super) size: u64,
}

/// Waits until a request has made no progress for its limit, counted from the last byte that moved. A whole upload
/// has no time limit.
pub(super) async fn wait_for_stall(limits: &Limits, tracker: &Tracker, upload: Option<Upload<'_>>) -> Timeout {
    let now = || {
        let (mut phase, mut since) = tracker.get();
        if let Some(Upload { sent, size }) = upload {
            if let Some(moved) = sent.last_moved() {
                (phase, since) = (Phase::Waiting, since.max(moved));
            }
            if phase == Phase::Waiting && sent.bytes() < size {
                phase = Phase::Sending;
            }
        }
        (phase, since)
    };
    loop {
        let (phase, since) = now();
        let (waits_for, after) = match phase {
            Phase::Waiting if upload.is_some() => (phase, limits.answer),
            // The client itself aborts a slow connection. So this one was not needed, because the connection of another
            // request became free.
            _ if phase.is_before_request() => (Phase::Waiting, limits.connect_timeout + limits.stall_timeout),
            _ => (phase, limits.stall_timeout),
        };
        let end = since + after;
        // The next phase may have an earlier end than this one, but not before `stall_timeout` from now.
        sleep_until(end.min(Instant::now() + limits.stall_timeout)).await;
        if Instant::now() >= end && now() == (phase, since) {
            return Timeout { phase: waits_for, after };
        }
    }
}

/// Connects, and lets the request know for which the connection is made.
#[derive(Clone)]
pub(super) struct TrackedConnector<S>(pub(super) S);

impl<S, R> Service<R> for TrackedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connection = self.0.call(request);
        Box::pin(async move {
            enter(Phase::Connecting);
            let connection = connection.await;
            if connection.is_ok() {
                enter(Phase::Waiting);
            }
            connection
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use reqwest::dns::{Name, Resolve, Resolving};
    use tokio::time::sleep;
    use tower_layer::layer_fn;

    use super::super::tls;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits { connect_timeout: 10 * SECOND, stall_timeout: 60 * SECOND, answer: 300 * SECOND, ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_times_out_sixty_seconds_after_its_last_byte() {
        let (begun, sent, tracker) = (Instant::now(), ByteCounter::default(), Tracker::new());
        let moving = async {
            for _ in 0..3 {
                sleep(59 * SECOND).await;
                sent.add(1);
            }
        };
        let (limits, upload) = (limits(), Some(Upload { sent: &sent, size: 4 }));
        let ((), timeout) = tokio::join!(moving, wait_for_stall(&limits, &tracker, upload));
        assert_eq!((timeout.phase, timeout.after), (Phase::Sending, 60 * SECOND));
        assert_eq!(begun.elapsed().as_secs(), 3 * 59 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn the_response_to_an_upload_may_take_longer_than_any_other() {
        let (sent, tracker) = (ByteCounter::default(), Tracker::new());
        sent.add(4);
        for (upload, wanted) in [(Some(Upload { sent: &sent, size: 4 }), 300 * SECOND), (None, 60 * SECOND)] {
            let timeout = wait_for_stall(&limits(), &tracker, upload).await;
            assert_eq!((timeout.phase, timeout.after), (Phase::Waiting, wanted));
        }
    }

    struct Unanswered;

    impl Resolve for Unanswered {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async {
                enter(Phase::Resolving);
                pending().await
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_name_that_is_not_resolved_in_time_is_reported_as_such() {
        let (limits, tracker) = (limits(), Tracker::new());
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls::config(&[])).no_proxy();
        let builder = builder.dns_resolver(Unanswered).connector_layer(layer_fn(TrackedConnector));
        let client = builder.connect_timeout(limits.connect_timeout).build().expect("a client");
        let request = client.get("http://git.example.com/").send();
        let error = tokio::select! {
            response = tracker.follow(request) => response.expect_err("nothing answers"),
            timeout = wait_for_stall(&limits, &tracker, None) => panic!("{timeout}"),
        };
        assert_eq!((error.is_timeout(), tracker.phase()), (true, Phase::Resolving));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_on_a_reused_connection_may_have_been_sent() {
        let tracker = Tracker::new();
        tracker.follow(async { enter(Phase::Connecting) }).await;
        assert_eq!(
            wait_for_stall(&limits(), &tracker, None).await,
            Timeout { phase: Phase::Waiting, after: 70 * SECOND }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_the_response_begins_when_there_is_a_connection() {
        let (begun, tracker) = (Instant::now(), Tracker::new());
        let connecting = tracker.follow(async {
            enter(Phase::Connecting);
            sleep(9 * SECOND).await;
            enter(Phase::Waiting);
        });
        let limits = limits();
        let ((), timeout) = tokio::join!(connecting, wait_for_stall(&limits, &tracker, None));
        assert_eq!((timeout.phase, begun.elapsed().as_secs()), (Phase::Waiting, 69));
    }
}
