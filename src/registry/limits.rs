//! Timeouts, waits and the number of retries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Timeouts, waits and the number of retries.
#[derive(Clone)]
pub struct Limits {
    /// The timeout of a connection, including name resolution and TLS. All addresses of a name share it.
    pub connect_timeout: Duration,
    /// The timeout for the next byte of an upload or a response.
    pub stall_timeout: Duration,
    /// The timeout for the response to an upload after its last byte, because object storage is slow. Also the timeout
    /// for any other whole response, from its first byte on.
    pub answer: Duration,
    /// The longest time that a connection may be idle and still be reused.
    pub idle_timeout: Duration,
    /// The maximum number of retries per file and per request.
    pub retries: u32,
    /// The longest first wait between two attempts. Each later wait may be twice as long as the previous one.
    pub first_wait: Duration,
    /// The longest wait between two attempts, unless the server asks for a longer one.
    pub longest_wait: Duration,
    /// The longest time for waits and failed attempts since bytes last moved.
    pub max_failing_time: Duration,
    /// The longest wait that the server may ask for.
    pub longest_pause: Duration,
    /// The longest wait for a server that stopped responding.
    pub longest_outage: Duration,
    /// The longest first wait between two probes of such a server. Each later wait may be twice as long.
    pub first_probe_wait: Duration,
    /// The longest wait between two probes.
    pub longest_probe_wait: Duration,
    /// Returns a random number from 0 to 1. It chooses each wait between half of the longest wait and all of it, so that
    /// clients that failed together do not retry together.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_mins(1),
            answer: Duration::from_mins(5),
            idle_timeout: Duration::from_secs(5),
            retries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            max_failing_time: Duration::from_mins(10),
            longest_pause: Duration::from_mins(2),
            longest_outage: Duration::from_mins(5),
            first_probe_wait: Duration::from_secs(1),
            longest_probe_wait: Duration::from_secs(15),
            // Without a source of randomness, each wait has its maximum length.
            jitter: Arc::new(|| getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))),
        }
    }
}

impl Limits {
    /// Applies the inputs `timeout` and `retries`.
    pub(crate) fn with(self, timeout: Duration, retries: u32) -> Self {
        let (connect, answer) = (self.connect_timeout.min(timeout), self.answer.max(timeout));
        Self { connect_timeout: connect, stall_timeout: timeout, answer, retries, ..self }
    }

    /// Returns an endless iterator over the waits between the probes of a server that stopped responding.
    pub(super) fn probe_waits(&self) -> impl Iterator<Item = Duration> {
        (0..).map(|number| self.backoff(number, self.first_probe_wait, self.longest_probe_wait))
    }

    /// Returns an exponential backoff: `first` doubled `doublings` times, at most `longest`, then randomly reduced by
    /// up to half.
    pub(super) fn backoff(&self, doublings: u32, first: Duration, longest: Duration) -> Duration {
        let wait = first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
        wait.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0)
    }
}

/// A pause that the server asks for. Every request waits for its end.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Makes every request wait for `length` from now on.
    pub(super) fn start(&self, length: Duration) {
        let end = Instant::now() + length;
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(end));
    }

    /// Ends the pause at once.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the end of the pause, if there is one.
    pub(super) async fn wait(&self) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(end) if end > Instant::now() => sleep_until(end).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_timeout_applies_to_connections_and_a_long_one_to_every_wait() {
        let seconds =
            |limits: Limits| [limits.connect_timeout, limits.stall_timeout, limits.answer].map(|limit| limit.as_secs());
        let with = |timeout| seconds(Limits::default().with(Duration::from_secs(timeout), 0));
        assert_eq!(with(1), [1, 1, 300]);
        assert_eq!(with(60), [10, 60, 300]);
        assert_eq!(with(3600), [10, 3600, 3600]);
    }

    #[test]
    fn the_waits_between_probes_grow_from_one_second_to_fifteen() {
        let seconds = |chance: f64| {
            let limits = Limits { jitter: Arc::new(move || chance), ..Limits::default() };
            limits.probe_waits().take(6).map(|wait| wait.as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(1.0), [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
        assert_eq!(seconds(0.0), [0.5, 1.0, 2.0, 4.0, 7.5, 7.5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_delays_every_request_and_is_never_shortened() {
        let pause = Pause::default();
        let begun = Instant::now();
        pause.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        pause.start(Duration::from_mins(1));
        pause.start(Duration::from_secs(1));
        tokio::join!(pause.wait(), pause.wait());
        assert!(begun.elapsed() >= Duration::from_mins(1));
    }
}
