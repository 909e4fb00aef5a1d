//! ID tokens of the job: requested from the runner, and renewed in time for every request to the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use url::Url;

use super::error::{Cause, ID_TOKEN_HINT, Operation, RegistryError};
use super::failure::{Failure, Transport, for_every_file};
use super::response::{Broken, ErrorResponse, is_html, read_up_to};
use super::{Registry, is_success};
use crate::credentials::{Credentials, IdTokenRequest};
use crate::hint::Explain as _;
use crate::sanitize::Sanitized;
use crate::secret::Secret;
use crate::units::Bytes;

/// The longest answer that is read, in bytes. An ID token has about 1.5 KB.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A token is renewed if less than this is left of its life when a request begins.
const LEAST_LEFT: Duration = Duration::from_mins(1);

/// A token that lives shorter than this is renewed at half of its life.
const SHORT_LIFE: Duration = Duration::from_mins(2);

/// After a failed renewal, requests share the failure for this long.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// The longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// The ID tokens of a run. All clones of a client share them.
#[derive(Debug, Default)]
pub(super) struct IdTokens {
    current: Mutex<Option<IdToken>>,
    /// Locked by the request that renews the token. All others wait for the lock. Has the last renewal that failed.
    renewal: AsyncMutex<Option<FailedRenewal>>,
    /// Whether the run ends, so that there is no time for a renewal.
    is_ending: AtomicBool,
}

/// A renewal that had no retry left.
#[derive(Debug)]
struct FailedRenewal {
    at: Instant,
    words: String,
    failure: Failure,
    attempts: u32,
}

/// An ID token of the job.
#[derive(Clone, Debug)]
pub(super) struct IdToken {
    pub(super) token: Secret,
    received: Instant,
    renew_at: Instant,
    expires: Instant,
}

impl IdToken {
    /// Reads a token from the answer of the runner. It must be a JWT with an `exp`, which is used for nothing but the time
    /// of the renewal. The error never contains a part of the answer.
    fn read(answer: &[u8], now: SystemTime) -> Result<Self, &'static str> {
        let answer: Value = serde_json::from_slice(answer).map_err(|_| "it is not JSON")?;
        let token = answer.get("value").and_then(Value::as_str).ok_or("it has no string `value`")?;
        let is_plain = token.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let payload = match token.split('.').collect::<Vec<_>>()[..] {
            [head, payload, signature] if is_plain && !head.is_empty() && !signature.is_empty() => payload,
            _ => return Err("its `value` is not a JWT"),
        };
        let payload = URL_SAFE_NO_PAD.decode(payload).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let exp = payload.and_then(|payload| payload.get("exp")?.as_f64()).filter(|exp| exp.is_finite());
        let exp = exp.ok_or("its JWT has no `exp`")?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let life = Duration::from_secs_f64((exp - now).clamp(0.0, LONGEST_LIFE.as_secs_f64()));
        let received = Instant::now();
        let renew_after = match life {
            // The clock of the runner is ahead, so the server decides.
            Duration::ZERO => LEAST_LEFT,
            life if life < SHORT_LIFE => life / 2,
            life => life.saturating_sub(LEAST_LEFT),
        };
        Ok(Self { token: Secret::new(token), received, renew_at: received + renew_after, expires: received + life })
    }

    pub(super) fn age(&self) -> Duration {
        self.received.elapsed()
    }

    /// Whether a request that begins now needs another token.
    pub(super) fn is_to_renew(&self) -> bool {
        Instant::now() >= self.renew_at
    }
}

impl IdTokens {
    /// Returns the last token, however old.
    pub(super) fn current(&self) -> Option<IdToken> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn current_until(&self, end: impl Fn(&IdToken) -> Instant) -> Option<IdToken> {
        self.current().filter(|token| Instant::now() < end(token))
    }

    /// Returns the token, unless it has to be renewed for a request that begins now.
    fn current_for(&self, operation: &Operation) -> Option<IdToken> {
        let is_ending = self.is_ending.load(Ordering::Relaxed);
        self.current_until(|token| match operation {
            // The upload after a deletion must not need a renewal.
            Operation::Replace(_) | Operation::Delete(_) => {
                token.renew_at - (token.renew_at - token.received).min(2 * LEAST_LEFT) / 2
            }
            _ if is_ending => token.expires,
            _ => token.renew_at,
        })
    }

    /// Uses the token until it expires, because the run ends.
    pub(super) fn stop_renewals(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

impl Registry<'_> {
    /// Returns the ID token for a request that begins now; `None` if the run does not use ID tokens. A token that ends soon
    /// is renewed first, once for all requests that wait for it.
    pub(super) async fn id_token(&self, operation: &Operation) -> Result<Option<IdToken>, RegistryError> {
        let Some(Credentials::IdToken(request)) = &self.connection.credentials else { return Ok(None) };
        match self.id_tokens.current_for(operation) {
            Some(token) => Ok(Some(token)),
            // In a box, because few requests come here.
            None => Box::pin(self.renew_id_token(operation, request)).await.map(Some),
        }
    }

    async fn renew_id_token(&self, operation: &Operation, request: &IdTokenRequest) -> Result<IdToken, RegistryError> {
        let tokens = &self.id_tokens;
        let mut renewal = tokens.renewal.lock().await;
        // Another request has renewed it meanwhile.
        if let Some(token) = tokens.current_for(operation) {
            return Ok(token);
        }
        let failed = match renewal.take().filter(|failed| failed.at.elapsed() < RENEWAL_PAUSE) {
            Some(failed) => failed,
            None => match self.with_retries(async || self.request_id_token(request).await).await {
                Ok(token) => {
                    *tokens.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                    return Ok(token);
                }
                Err(error) => {
                    let words = error.cause.to_string();
                    let (failure, attempts) = error.into_failure();
                    FailedRenewal { at: Instant::now(), words, failure, attempts }
                }
            },
        };
        let failed = renewal.insert(failed);
        // Until it expires, the old token can finish a replacement and read the last list, but not begin a replacement.
        if !matches!(operation, Operation::Replace(_) | Operation::Delete(_))
            && let Some(token) = tokens.current_until(|token| token.expires)
        {
            return Ok(token);
        }
        let cause =
            Transport::not_sent(failed.words.clone(), for_every_file(failed.failure.code, failed.failure.hint.clone()));
        Err(self.error(&Operation::RequestIdToken, &request.url, cause).with_attempts(failed.attempts))
    }

    /// Requests an ID token without retries. From then on, the token is masked and redacted.
    async fn request_id_token(&self, request: &IdTokenRequest) -> Result<IdToken, RegistryError> {
        let operation = Operation::RequestIdToken;
        let url = &request.url;
        let is_own = self.target.server.is_origin_of(url);
        let builder = if is_own {
            self.wait_until_ready(&operation, url).await?;
            self.http.get(url.clone()).headers(self.connection.network.headers.clone())
        } else {
            // The client certificate and the headers are for the server only.
            self.http_elsewhere.get(url.clone())
        };
        let builder = builder
            .bearer_auth(request.token.expose())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let sent = self.send(&operation, url, builder, None, is_success(&operation)).await;
        let response = sent.map_err(|error| match &error.cause {
            // Hints about a proxy or open files are right for every host. The others are about the server and its storage.
            Cause::Transport(_)
                if !is_own && !error.code().starts_with("proxy-") && error.code() != "too-many-open-files" =>
            {
                error.with_hint(&unreachable_hint(url))
            }
            _ => error,
        })?;
        let cause = match self.read_id_token(response).await {
            Ok(token) => {
                self.connection.redactor.add(&token.token);
                self.connection.observer.mask(&token.token);
                return Ok(token);
            }
            Err(cause) => cause,
        };
        Err(self.error(&operation, url, cause))
    }

    async fn read_id_token(&self, response: Response) -> Result<IdToken, Cause> {
        let limits = &self.connection.limits;
        let unexpected = |what: &str| Cause::Unexpected { what: Sanitized::new(what), is_cut: false };
        if is_html(&response) {
            return Err(unexpected("it is a web page"));
        }
        match read_up_to(response, LONGEST_ANSWER, limits.stall_timeout, limits.answer).await {
            Ok(answer) => IdToken::read(&answer, SystemTime::now()).map_err(unexpected),
            Err(Broken { why: Some(why), .. }) => Err(why.into()),
            Err(Broken { why: None, .. }) => {
                Err(unexpected(&format!("it is longer than {}", Bytes(LONGEST_ANSWER as u64))))
            }
        }
    }
}

/// Classifies an error response to the request for an ID token.
pub(super) fn rejected_request(response: &ErrorResponse) -> Failure {
    match response.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => for_every_file(
            "id-token-refused",
            "Run the job again, because `ACTIONS_ID_TOKEN_REQUEST_TOKEN` is valid only while its job runs",
        ),
        _ => for_every_file("id-token-failed", ID_TOKEN_HINT),
    }
}

/// Returns the hint for a host of ID tokens that cannot be reached.
fn unreachable_hint(url: &Url) -> String {
    format!(
        "Check that the runner can reach {}, which issues the ID tokens of the job. If its certificate is from a private \
         authority, set `ca-certificate`",
        Sanitized::new(url.host_str().unwrap_or_default())
    )
}

/// Classifies a rejection of an ID token by the server. The last text of the API's message is the reason (Forgejo 16);
/// `code` is that of an access token.
pub(super) fn rejected_id_token(registry: &Registry<'_>, access: &str, code: &'static str, words: &str) -> Failure {
    let (server, owner) = (&registry.target.server, &registry.target.owner);
    let page = format!("{server}/user/settings/authorized-integrations");
    let has = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    let (code, hint) = match code {
        "no-write-access" | "no-read-access" => (
            code,
            format!(
                "Give the user of the authorized integration {access} access to packages of {owner}, and the integration \
                 the scope {access}:package. An organization cannot own an integration: {page}"
            ),
        ),
        "missing-scope" => (code, format!("Give the authorized integration the scope {access}:package: {page}")),
        "bad-token" if has(&["claim mismatch", "claim rule"]) => (
            "id-token-claims",
            format!("Change the claim rules of the authorized integration, or run a job that satisfies them: {page}"),
        ),
        "bad-token" if has(&["matching authorized_integration not found"]) => (
            "id-token-audience",
            format!(
                "Set `oidc-audience` to the audience of an authorized integration whose issuer is the server of this \
                 workflow: {page}"
            ),
        ),
        "bad-token" if has(&["token is expired", "used before issued", "not valid yet"]) => {
            let hint = format!(
                "Synchronize the clocks of the runner, of {server} and of the server that issues the ID tokens"
            );
            ("id-token-time", hint)
        }
        // Forgejo 15 issues ID tokens, but has no authorized integrations.
        "bad-token" if has(&["user does not exist", "invalid username, password or token", "token is required"]) => (
            "id-tokens-not-supported",
            format!(
                "Use `token` with a personal access token instead of `oidc-audience`, because {server} accepts no ID tokens. \
                 Forgejo 16 and later accept them"
            ),
        ),
        "bad-token" => (
            "bad-id-token",
            format!(
                "Check the issuer and the claim rules of the authorized integration: {page}. Gitea, and Forgejo before 16, \
                 accept no ID tokens"
            ),
        ),
        "public-only-token" => (
            code,
            format!(
                "Remove the limit to public owners from the authorized integration, because {owner} is private: {page}"
            ),
        ),
        _ => (
            code,
            format!(
                "Give the user of the authorized integration {access} access to packages of {owner}, which is private: {page}"
            ),
        ),
    };
    for_every_file(code, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::FileName;

    fn answer(payload: &str) -> Vec<u8> {
        format!(r#"{{"value":"eyJhbGciOiJSUzI1NiJ9.{}.c2ln"}}"#, URL_SAFE_NO_PAD.encode(payload)).into_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_a_minute_before_its_end_and_a_short_one_at_half_of_its_life() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (life, renewed_after) in [(3600, 3540), (300, 240), (120, 60), (118, 59), (4, 2), (0, 60), (-100, 60)] {
            let token = IdToken::read(&answer(&format!(r#"{{"exp":{}}}"#, 1_000_000 + life)), now).expect("a token");
            assert_eq!((token.renew_at - token.received).as_secs(), renewed_after, "{life}");
        }
        let endless = IdToken::read(&answer(r#"{"exp":1e300}"#), now).expect("a token");
        assert_eq!(endless.expires - endless.received, LONGEST_LIFE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deletion_needs_more_of_a_tokens_life_than_other_requests_and_the_last_list_less() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (delete, list) = (Operation::Delete(FileName::parse("a").expect("a name")), Operation::ListFiles);
        for (life, [delete_until, list_until]) in [(3600, [3480, 3540]), (300, [180, 240]), (8, [2, 4])] {
            let tokens = IdTokens::default();
            let token = IdToken::read(&answer(&format!(r#"{{"exp":{}}}"#, 1_000_000 + life)), now).expect("a token");
            *tokens.current.lock().expect("nobody panics") = Some(token);
            let start = Instant::now();
            for (operation, until) in [(&delete, delete_until), (&list, list_until)] {
                for (after, is_good) in [(until - 1, true), (until, false)] {
                    let later = start + Duration::from_secs(after);
                    tokio::time::advance(later - Instant::now()).await;
                    assert_eq!(tokens.current_for(operation).is_some(), is_good, "{operation:?} {life} {after}");
                }
            }
            tokens.stop_renewals();
            assert!(tokens.current_for(&list).is_some() && tokens.current_for(&delete).is_none(), "{life}");
        }
    }

    #[test]
    fn an_answer_without_a_jwt_with_an_exp_is_rejected_and_not_shown() {
        let bare = br#""eyJhbGciOiJSUzI1NiJ9.e30.c2ln""#.to_vec();
        for (answer, why) in [
            (b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln".to_vec(), "it is not JSON"),
            (bare, "it has no string `value`"),
            (br#"{"value":["eyJhbGciOiJSUzI1NiJ9.e30.c2ln"]}"#.to_vec(), "it has no string `value`"),
            (br#"{"value":"eyJhbGciOiJSUzI1NiJ9.e30"}"#.to_vec(), "its `value` is not a JWT"),
            (br#"{"value":"eyJ\n.e30.c2ln"}"#.to_vec(), "its `value` is not a JWT"),
            (answer(r#"{"iat":1}"#), "its JWT has no `exp`"),
            (answer(r#"{"exp":"tomorrow"}"#), "its JWT has no `exp`"),
        ] {
            assert_eq!(IdToken::read(&answer, UNIX_EPOCH).map(|_| ()), Err(why));
        }
    }
}
