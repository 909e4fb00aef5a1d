//! How long to wait, for what, and how often to try again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::RegistryError;

/// How many outages of the server cost a request no retry.
const FREE_OUTAGES: u32 = 3;

/// How long to wait, and for what; how often to try again.
#[derive(Clone)]
pub struct Limits {
    /// For a connection, with resolving the name and TLS; the addresses of a name share it.
    pub connect: Duration,
    /// For the next byte while an upload or an answer is under way.
    pub silence: Duration,
    /// For the answer to an upload after its last byte, since object storage is slow; and for all of the answer to a
    /// question, from its first byte on.
    pub answer: Duration,
    /// How long a connection may idle and still be used again.
    pub idle: Duration,
    /// How many times one file, or one question, is tried again.
    pub retries: u32,
    /// How long the first wait between two tries may be; each further one may be twice as long as the one before it.
    pub first_wait: Duration,
    /// How long no wait is exceeded, but one that the server asks for.
    pub longest_wait: Duration,
    /// How long the waiting and failing may go on since bytes last moved.
    pub longest_trouble: Duration,
    /// How long a wait may be that the server asks for.
    pub longest_pause: Duration,
    /// How long to wait for a server that stopped responding.
    pub longest_outage: Duration,
    /// How long the first wait between two probes of such a server may be; each further one may be twice as long.
    pub first_probe_wait: Duration,
    /// The longest wait between two probes.
    pub longest_probe_wait: Duration,
    /// Where the chance in the waits comes from.
    pub jitter: Jitter,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_mins(1),
            answer: Duration::from_mins(5),
            idle: Duration::from_secs(5),
            retries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_trouble: Duration::from_mins(10),
            longest_pause: Duration::from_mins(2),
            longest_outage: Duration::from_mins(5),
            first_probe_wait: Duration::from_secs(1),
            longest_probe_wait: Duration::from_secs(15),
            jitter: Jitter::default(),
        }
    }
}

impl Limits {
    /// Applies the inputs `timeout` and `retries`.
    #[must_use]
    pub(crate) fn with(self, timeout: Duration, retries: u32) -> Self {
        let (connect, answer) = (self.connect.min(timeout), self.answer.max(timeout));
        Self { connect, silence: timeout, answer, retries, ..self }
    }

    /// Returns the waits between the probes of a server that stopped responding, without an end.
    pub(super) fn probe_waits(&self) -> impl Iterator<Item = Duration> {
        (0..).map(|number| self.backoff(number, self.first_probe_wait, self.longest_probe_wait))
    }

    /// Exponential backoff: `first` doubled so many times, `longest` at most, and by chance down to half of that.
    fn backoff(&self, doublings: u32, first: Duration, longest: Duration) -> Duration {
        let wait = first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
        wait.mul_f64(0.5 + (self.jitter.0)().clamp(0.0, 1.0) / 2.0)
    }
}

/// Gives numbers from 0 to 1: where between half and all of the longest wait a wait lies. Clients that failed together do
/// not come back together.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Takes the numbers from there.
    pub fn new(source: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl Default for Jitter {
    fn default() -> Self {
        // Without a source of randomness the waits are as long as they may be.
        Self::new(|| getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX)))
    }
}

/// What is left of the tries for one file, or for one question.
pub(crate) struct Budget {
    limits: Limits,
    used: u32,
    /// How many outages of the server cost no retry.
    outages: u32,
    /// How long was waited and failed since bytes last moved.
    trouble: Duration,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), used: 0, outages: 0, trouble: Duration::ZERO }
    }

    /// Takes note of a try that failed: when it began, and when bytes last moved, where any did. An outage of the server is no
    /// trouble of a request.
    pub(crate) fn failed(&mut self, error: &RegistryError, begun: Instant, moved: Option<Instant>) {
        if error.is_outlasted() {
            return;
        }
        self.note_trouble(begun, moved);
    }

    fn note_trouble(&mut self, begun: Instant, moved: Option<Instant>) {
        match moved {
            Some(moved) => self.trouble = moved.elapsed(),
            None => self.trouble += begun.elapsed(),
        }
    }

    /// Allows for that many retries, if not for more.
    pub(crate) fn allow_at_least(&mut self, retries: u32) {
        self.limits.retries = self.limits.retries.max(retries);
    }

    /// How many tries there were, the first among them.
    pub(crate) fn tries(&self) -> u32 {
        self.used + 1
    }

    /// How many tries there can be after the first.
    pub(super) fn retries(&self) -> u32 {
        self.limits.retries
    }

    /// Counts an outage that costs no retry; `false` if there were too many. A request that takes the server down each time
    /// must not go on for ever.
    pub(super) fn spend_outage(&mut self) -> bool {
        self.outages += 1;
        self.outages <= FREE_OUTAGES
    }

    /// Spends a try, and says how long to wait before it: exponential backoff with jitter between half and full, or what the
    /// server asks for, where that is longer. `None` where nothing is left.
    pub(super) fn spend(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        let limits = &self.limits;
        let backoff = limits.backoff(self.used, limits.first_wait, limits.longest_wait);
        let wait = backoff.max(asked_for.unwrap_or_default().min(limits.longest_pause));
        if self.used >= limits.retries || self.trouble + wait > limits.longest_trouble {
            return None;
        }
        self.used += 1;
        self.trouble += wait;
        Some(wait)
    }
}

/// A pause that the server asks for, and that every request keeps.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Makes every request wait for so long, from now on.
    pub(super) fn lasts(&self, length: Duration) {
        let end = Instant::now() + length;
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(end));
    }

    /// Ends it at once.
    pub(super) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the end of the pause, where there is one.
    pub(super) async fn ends(&self) {
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

    fn limits() -> Limits {
        Limits { jitter: Jitter::new(|| 1.0), ..Limits::default() }
    }

    fn waits(limits: &Limits, asked_for: Option<Duration>) -> Vec<Duration> {
        let mut budget = Budget::new(limits);
        std::iter::from_fn(|| budget.spend(asked_for)).collect()
    }

    #[test]
    fn a_short_timeout_holds_for_connections_and_a_long_one_for_every_wait() {
        let seconds = |limits: Limits| [limits.connect, limits.silence, limits.answer].map(|limit| limit.as_secs());
        let with = |timeout| seconds(Limits::default().with(Duration::from_secs(timeout), 0));
        assert_eq!(with(1), [1, 1, 300]);
        assert_eq!(with(60), [10, 60, 300]);
        assert_eq!(with(3600), [10, 3600, 3600]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_may_be_twice_as_long_as_the_one_before_it_up_to_thirty_seconds() {
        let waits = waits(&Limits { retries: 9, ..limits() }, None);
        let millis: Vec<u128> = waits.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_as_many_waits_as_retries() {
        assert_eq!(waits(&limits(), None).len(), 5);
        assert_eq!(waits(&Limits { retries: 0, ..limits() }, None), []);
    }

    #[tokio::test(start_paused = true)]
    async fn five_retries_take_eight_to_sixteen_seconds() {
        let total = |chance: f64| {
            let limits = Limits { jitter: Jitter::new(move || chance), ..limits() };
            waits(&limits, None).iter().sum::<Duration>().as_millis()
        };
        assert_eq!([0.0, 0.5, 1.0].map(total), [7_750, 11_625, 15_500]);
    }

    #[test]
    fn the_waits_between_probes_grow_from_one_second_to_fifteen() {
        let seconds = |chance: f64| {
            let limits = Limits { jitter: Jitter::new(move || chance), ..limits() };
            limits.probe_waits().take(6).map(|wait| wait.as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(1.0), [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
        assert_eq!(seconds(0.0), [0.5, 1.0, 2.0, 4.0, 7.5, 7.5]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_may_ask_for_a_longer_wait_of_up_to_two_minutes() {
        let two_minutes = Duration::from_mins(2);
        assert_eq!(waits(&limits(), Some(Duration::from_secs(3)))[..2], [Duration::from_secs(3); 2]);
        assert_eq!(waits(&limits(), Some(Duration::from_secs(3)))[3], Duration::from_secs(4));
        assert_eq!(waits(&limits(), Some(Duration::from_hours(1)))[0], two_minutes);
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_of_ten_minutes_ends_it_counted_from_the_last_byte_that_moved() {
        let limits = Limits { retries: 100, ..limits() };
        let mut budget = Budget::new(&limits);
        let begun = Instant::now();
        tokio::time::advance(Duration::from_millis(599_500)).await;
        budget.note_trouble(begun, None);
        assert_eq!(budget.spend(None), Some(Duration::from_millis(500)), "it may last just as long");
        assert_eq!(budget.spend(None), None, "the waiting counts too");
        tokio::time::advance(Duration::from_mins(20)).await;
        budget.note_trouble(begun, Some(Instant::now()));
        assert!(budget.spend(None).is_some(), "bytes have moved");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_until_its_end_and_is_never_shortened() {
        let pause = Pause::default();
        let begun = Instant::now();
        pause.ends().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        pause.lasts(Duration::from_mins(1));
        pause.lasts(Duration::from_secs(1));
        tokio::join!(pause.ends(), pause.ends());
        assert!(begun.elapsed() >= Duration::from_mins(1));
    }
}
