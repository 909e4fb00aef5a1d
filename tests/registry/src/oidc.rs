//! Authorized integrations: signed ID tokens of a CI job in place of access tokens.
//!
//! No recording shows them. The checks have the order and the texts of Forgejo 17-dev, and of its
//! `services/auth/method/authorized_integration.go`.

mod endpoint;
mod jwt;
mod rules;
mod tokens;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::accounts::{AuthError, Caller, Scope, token_in_basic};
use crate::hex::hex;
use crate::persona::Persona;

pub(crate) use endpoint::{TARGET, answer};
pub use rules::Rule;
pub use tokens::{IdTokenKey, IdTokens};

use jwt::Jwt;

/// An authorized integration: the ID tokens that act for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// The name of the user, such as `alice`. Servers also accept an organization, which then has no write access.
    pub user: String,
    /// The issuer; `None` for the server's own Actions. All embedded registries sign with the same key.
    pub issuer: Option<String>,
    /// The scope, as that of an access token.
    pub scope: &'static str,
    /// The claim rules, all of which a token must satisfy.
    pub rules: Vec<Rule>,
}

impl Integration {
    /// Creates an integration for tokens of the server's own Actions, with the scope `write:package` and no rules.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self { user: user.to_owned(), issuer: None, scope: "write:package", rules: Vec::new() }
    }

    /// Sets another issuer, such as the [`id_token_issuer`](crate::Registry::id_token_issuer) of another registry.
    #[must_use]
    pub fn issuer(self, url: &str) -> Self {
        Self { issuer: Some(url.to_owned()), ..self }
    }

    /// Sets the scope.
    #[must_use]
    pub fn scope(self, scope: &'static str) -> Self {
        Self { scope, ..self }
    }

    /// Adds a claim rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

#[derive(Clone)]
struct StoredIntegration {
    user: u64,
    audience: String,
    integration: Integration,
}

/// The integrations of a registry, and the tokens that it issues to jobs.
#[derive(Clone)]
pub(crate) struct Oidc {
    /// The `iss` of the server's own Actions.
    pub(crate) issuer: String,
    request_token: String,
    integrations: Vec<StoredIntegration>,
    /// The number of integrations that were ever added.
    added: u64,
    offered: Option<IdTokens>,
    issued: Vec<String>,
}

impl Oidc {
    pub(crate) fn new(persona: Persona, base: &str) -> Self {
        Self {
            issuer: format!("{base}/api/actions"),
            request_token: tokens::request_token(persona),
            integrations: Vec::new(),
            added: 0,
            offered: None,
            issued: Vec::new(),
        }
    }

    /// Adds an integration of a user, and returns its audience.
    pub(crate) fn add(&mut self, user: u64, integration: Integration) -> String {
        self.added += 1;
        let digest = hex(&Sha256::digest(format!("{} {user} {}", self.issuer, self.added)));
        // The digits 4 and 8 make it a random UUID.
        let uuid = [&digest[..8], &digest[8..12], &format!("4{}", &digest[13..16]), &format!("8{}", &digest[17..20])];
        let audience = format!("u:{user}:{}-{}", uuid.join("-"), &digest[20..32]);
        self.integrations.push(StoredIntegration { user, audience: audience.clone(), integration });
        audience
    }

    /// Removes the integration with an audience. Returns `false` if there is none.
    pub(crate) fn remove(&mut self, audience: &str) -> bool {
        let before = self.integrations.len();
        self.integrations.retain(|stored| stored.audience != audience);
        self.integrations.len() < before
    }

    pub(crate) fn offer(&mut self, tokens: IdTokens) {
        self.offered = Some(tokens);
    }

    pub(crate) fn offers_tokens(&self) -> bool {
        self.offered.is_some()
    }

    pub(crate) fn request_token(&self) -> &str {
        &self.request_token
    }

    pub(crate) fn issued(&self) -> &[String] {
        &self.issued
    }

    /// Issues a token; `None` if none are offered. Without an audience, it is for the owner of the repository.
    pub(crate) fn issue(&mut self, base: &str, audience: Option<&str>) -> Option<String> {
        let token = self.offered.as_ref()?.sign(base, &self.issuer, audience, now());
        self.issued.push(token.clone());
        Some(token)
    }

    /// Returns the user of a token. The error is the server's. The order of the checks is too: claims, signature, times.
    pub(crate) fn verify(&self, token: &str) -> Result<Caller, String> {
        let jwt = Jwt::parse(token)?;
        let unverifiable = |why| format!("token is unverifiable: error while executing keyfunc: {why}");
        let stored = self.integration_of(&jwt).map_err(unverifiable)?;
        jwt.verify_signature()?;
        verify_times(&jwt, now())?;
        Ok(Caller { user: stored.user, scope: Some(Scope(stored.integration.scope)) })
    }

    /// Signs in with a token that is no access token. A refusal has the text of each way to sign in that was tried, the
    /// one of integrations last.
    pub(crate) fn sign_in(&self, authorization: &str, refusal: AuthError) -> Result<Caller, AuthError> {
        let (scheme, value) = authorization.split_once(' ').unwrap_or_default();
        let is_bearer = ["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if is_bearer {
            let not_found = refuse_access_token(value);
            let refuse =
                |why| format!("{}\n{not_found}\nauthorized integration: parse JWT error: {why}", not_oauth(value));
            return self.verify(value).map_err(|why| AuthError(refuse(why)));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(refusal);
        }
        let token = token_in_basic(value);
        let texts = [not_oauth(&token), &refusal.0, &refuse_access_token(&token)].join("\n");
        Err(AuthError(texts))
    }

    fn integration_of(&self, jwt: &Jwt) -> Result<&StoredIntegration, String> {
        if jwt.header.get("kid").is_none() {
            // The server's own spelling.
            return Err("failed finding key identifer (kid) in JWT headers".to_owned());
        }
        let issuer = jwt.text("iss").filter(|issuer| !issuer.is_empty());
        let issuer = issuer.ok_or_else(|| "invalid `iss` claim: \"\"".to_owned())?;
        let audiences = jwt.audiences();
        let [audience] = audiences[..] else {
            return Err(format!("required one and only one `aud` claim, but received {}", audiences.len()));
        };
        let is_meant = |stored: &&StoredIntegration| {
            stored.audience == audience && stored.integration.issuer.as_ref().unwrap_or(&self.issuer) == issuer
        };
        let stored = self.integrations.iter().find(is_meant);
        let stored = stored.ok_or_else(|| "matching authorized_integration not found".to_owned())?;
        let mut rules = stored.integration.rules.iter();
        rules.try_for_each(|rule| rule.check(jwt)).map_err(|why| format!("claim mismatch: {why}"))?;
        Ok(stored)
    }
}

/// Returns why a token is no `OAuth2` token: it is no JWT, or was signed with another key.
fn not_oauth(token: &str) -> &'static str {
    if Jwt::parse(token).is_ok() { jwt::WRONG_SIGNATURE } else { jwt::WRONG_NUMBER_OF_PARTS }
}

/// Returns why a token is neither an access token nor that of a job. The texts repeat it.
fn refuse_access_token(token: &str) -> String {
    format!("access token does not exist [sha: {token}]\ntask with token {token:?}: resource does not exist")
}

/// Returns the seconds since 1970. The fixed time of a registry is for versions only.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Checks the times of a token. The server allows no difference between clocks.
fn verify_times(jwt: &Jwt, now: u64) -> Result<(), String> {
    let seconds = |claim: &str| jwt.claims.get(claim).and_then(Value::as_u64);
    let mut wrong = Vec::new();
    if seconds("exp").is_some_and(|end| now >= end) {
        wrong.push("token is expired");
    }
    if seconds("nbf").is_some_and(|start| now < start) {
        wrong.push("token is not valid yet");
    }
    if seconds("iat").is_some_and(|issued| now < issued) {
        wrong.push("token used before issued");
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("token has invalid claims: {}", wrong.join(", "))) }
}
