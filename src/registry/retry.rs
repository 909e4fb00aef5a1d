//! Retries: which failed requests are retried, how often, and the waits before. Only this file waits between
//! attempts.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::id_token::IdToken;
use super::{ByteCounter, Limits, Operation, Registry, RegistryError, Retry, RetryRule};

/// The number of outages of the server that cost a request no retry.
const FREE_OUTAGES: u32 = 3;

/// The age up to which an ID token is new.
const NEW_ID_TOKEN: Duration = Duration::from_secs(10);

/// The wait before a new ID token is sent again.
const NEW_ID_TOKEN_WAIT: Duration = Duration::from_secs(2);

/// The retries that are left for one file, or for one request.
pub(crate) struct Retries {
    limits: Limits,
    used: u32,
    /// The number of outages so far.
    outages: u32,
    /// Time spent on waits and failed attempts since the last byte moved.
    trouble: Duration,
}

impl Retries {
    fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), used: 0, outages: 0, trouble: Duration::ZERO }
    }

    /// Records a failed attempt: when it began, and when bytes last moved, if any did. The time of an outage is not
    /// counted.
    pub(crate) fn note_failure(&mut self, error: &RegistryError, begun: Instant, moved: Option<Instant>) {
        match moved {
            _ if error.is_recovered => {}
            Some(moved) => self.trouble = moved.elapsed(),
            None => self.trouble += begun.elapsed(),
        }
    }

    /// Raises the number of retries to at least `retries`.
    pub(crate) fn allow_at_least(&mut self, retries: u32) {
        self.limits.retries = self.limits.retries.max(retries);
    }

    /// Returns the number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.used + 1
    }

    /// Spends a retry, and returns how long to wait before it: exponential backoff with jitter between half and full, or
    /// the server's `Retry-After` if that is longer. `None` after the last retry.
    fn spend(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        let limits = &self.limits;
        let backoff = limits.backoff(self.used, limits.first_wait, limits.longest_wait);
        let wait = backoff.max(asked_for.unwrap_or_default().min(limits.longest_pause));
        if self.used >= limits.retries || self.trouble + wait > limits.max_failing_time {
            return None;
        }
        self.used += 1;
        self.trouble += wait;
        Some(wait)
    }
}

impl Registry<'_> {
    /// Returns the retries for one file.
    pub(crate) fn retries(&self) -> Retries {
        Retries::new(&self.connection.limits)
    }

    /// Repeats a request until it succeeds, or no retry helps.
    pub(crate) async fn with_retries<T>(
        &self,
        request: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.with_retries_of_transfer(&ByteCounter::default(), request).await
    }

    /// Repeats a transfer until it succeeds, or no retry helps.
    pub(crate) async fn with_retries_of_transfer<T>(
        &self,
        counter: &ByteCounter,
        mut transfer: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut retries = self.retries();
        loop {
            let begun = Instant::now();
            let error = match transfer().await {
                Ok(good) => return Ok(good),
                Err(error) => self.wait_for_outage(begun, error).await,
            };
            // Bytes of an earlier attempt do not count as progress of this one.
            retries.note_failure(&error, begun, counter.last_moved().filter(|moved| *moved > begun));
            if error.retry_rule() != RetryRule::Repeat || !self.wait_before_retry(&mut retries, &error).await {
                return Err(error.with_attempts(retries.attempts()));
            }
        }
    }

    /// Waits before a failed request is retried, and reports it. Returns `false` if no retry is left.
    pub(crate) async fn wait_before_retry(&self, retries: &mut Retries, error: &RegistryError) -> bool {
        wait_for_longest([self.spend_retry_on(retries, error)]).await
    }

    /// Spends a retry on a failed request, and reports it. The first failures that an outage caused cost no retry and
    /// no wait.
    pub(crate) fn spend_retry_on(&self, retries: &mut Retries, error: &RegistryError) -> Option<Duration> {
        if error.is_recovered {
            // A request that crashes the server each time must not be repeated forever.
            retries.outages += 1;
            if retries.outages <= FREE_OUTAGES {
                return Some(Duration::ZERO);
            }
        }
        self.spend_retry(retries, &error.operation.short_name(), &error.cause, error.retry_after())
    }

    /// Spends a retry, and reports it with `what` failed and `why`. Returns the wait before it; `None` if no retry is
    /// left.
    pub(crate) fn spend_retry(
        &self,
        retries: &mut Retries,
        what: &(dyn Display + Sync),
        why: &(dyn Display + Sync),
        asked_for: Option<Duration>,
    ) -> Option<Duration> {
        let wait = retries.spend(asked_for)?;
        let (number, of) = (retries.used, retries.limits.retries);
        self.connection.observer.report_retry(&Retry { what, why, wait, number, of });
        Some(wait)
    }
}

impl Registry<'_> {
    /// Sends a request with an ID token, if the run uses them. The request is sent a second time in two cases. If the server
    /// refuses a new token, its clock may be behind: it allows no difference (Forgejo 16). If it refuses a token that had to
    /// be renewed during the request, a proxy may have received the whole upload before it sent it on.
    pub(super) async fn with_id_token<T>(
        &self,
        operation: &Operation,
        request: impl AsyncFn(Option<&IdToken>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let id_token = self.id_token(operation).await?;
        let is_new = id_token.as_ref().is_some_and(|id_token| id_token.age() < NEW_ID_TOKEN);
        // In a box, or every future of a run would have room for it.
        let error = match Box::pin(request(id_token.as_ref())).await {
            Err(error) if self.rejects_token(&error) => error,
            result => return result,
        };
        let id_token = match id_token {
            Some(id_token) if id_token.is_to_renew() => self.id_token(operation).await?,
            Some(id_token) if is_new => {
                sleep(NEW_ID_TOKEN_WAIT).await;
                Some(id_token)
            }
            _ => return Err(error),
        };
        self.connection.observer.debug(&format!("the server refused an ID token: {}", error.cause));
        Box::pin(request(id_token.as_ref())).await
    }

    /// Returns whether an error is a refusal of the token by the server itself.
    fn rejects_token(&self, error: &RegistryError) -> bool {
        error.is_unauthorized() && self.target.server.is_origin_of(&error.url)
    }
}

/// Waits once for several retries, as long as the longest of their waits. Returns `false` if none has a retry left.
pub(crate) async fn wait_for_longest(waits: impl IntoIterator<Item = Option<Duration>>) -> bool {
    let longest = waits.into_iter().flatten().max();
    sleep(longest.unwrap_or_default()).await;
    longest.is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Cause, Operation};
    use super::*;
    use crate::sanitize::Sanitized;

    #[test]
    fn each_wait_may_be_twice_as_long_as_the_one_before_it_and_the_server_may_ask_for_two_minutes() {
        for (retries, chance, asked_for, expected) in [
            (9, 1.0, None, &[500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000][..]),
            (5, 0.0, None, &[250, 500, 1000, 2000, 4000]),
            (0, 1.0, None, &[]),
            (5, 1.0, Some(3), &[3000, 3000, 3000, 4000, 8000]),
            (1, 1.0, Some(3600), &[120_000]),
        ] {
            let limits = Limits { retries, jitter: Arc::new(move || chance), ..Limits::default() };
            let mut retries = Retries::new(&limits);
            let waits = std::iter::from_fn(|| retries.spend(asked_for.map(Duration::from_secs)));
            assert_eq!(waits.map(|wait| wait.as_millis()).collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_retries_wait_once_for_as_long_as_the_longest_of_them() {
        let begun = Instant::now();
        let waits = [Some(1), None, Some(3), Some(2)].map(|wait| wait.map(Duration::from_secs));
        assert!(wait_for_longest(waits).await);
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert!(!wait_for_longest([None, None]).await);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_ten_minutes_after_the_last_byte() {
        let url = url::Url::parse("https://git.example.com/").expect("a URL");
        let cause = Cause::Unexpected { what: Sanitized::new("nothing"), is_cut: true };
        let error = RegistryError::new(Operation::ListFiles, "failed to list".to_owned(), url, cause);
        let mut retries = Retries::new(&Limits { retries: 100, jitter: Arc::new(|| 1.0), ..Limits::default() });
        let begun = Instant::now();
        tokio::time::advance(Duration::from_millis(599_500)).await;
        retries.note_failure(&error, begun, None);
        assert_eq!(retries.spend(None), Some(Duration::from_millis(500)), "it may last just as long");
        assert_eq!(retries.spend(None), None, "the waiting counts too");
        tokio::time::advance(Duration::from_mins(20)).await;
        retries.note_failure(&error, begun, Some(Instant::now()));
        assert!(retries.spend(None).is_some(), "bytes have moved");
    }
}
