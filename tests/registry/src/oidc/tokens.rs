//! The ID tokens that a registry issues to jobs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::jwt;
use crate::persona::Persona;

/// The ID tokens that the endpoint for jobs issues.
#[derive(Clone, Debug, PartialEq)]
pub struct IdTokens {
    /// Claims in addition to the default ones, or in place of them. `null` removes a claim.
    pub claims: Vec<(String, Value)>,
    /// The time from `iat` to `exp`, in whole seconds.
    pub life: Duration,
    /// The number of seconds that `iat`, `nbf` and so `exp` are ahead of the clock.
    pub issued_at_offset: i64,
    /// The audiences in place of the requested one. An empty list means that the token has none.
    pub audiences: Option<Vec<String>>,
    /// The key that signs them.
    pub key: IdTokenKey,
}

/// A key that signs ID tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdTokenKey {
    /// The published key of the issuer.
    #[default]
    Right,
    /// Another key, so that the signature is wrong.
    Other,
}

/// Tokens of a job for the tag v1.0.0 of acme/widget, which are valid for an hour.
impl Default for IdTokens {
    fn default() -> Self {
        Self {
            claims: Vec::new(),
            life: Duration::from_hours(1),
            issued_at_offset: 0,
            audiences: None,
            key: IdTokenKey::Right,
        }
    }
}

impl IdTokens {
    /// Sets a claim. `null` removes it.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the time from `iat` to `exp`.
    #[must_use]
    pub fn life(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    pub(super) fn sign(&self, base: &str, issuer: &str, audience: Option<&str>, now: u64) -> String {
        let issued_at = now.saturating_add_signed(self.issued_at_offset);
        let mut claims = default_claims();
        claims.insert("iss".to_owned(), issuer.into());
        claims.insert("iat".to_owned(), issued_at.into());
        claims.insert("nbf".to_owned(), issued_at.into());
        claims.insert("exp".to_owned(), (issued_at + self.life.as_secs()).into());
        for (name, value) in self.claims.iter().filter(|(name, _)| name != "aud") {
            claims.insert(name.clone(), value.clone());
        }
        let owner = claims["repository_owner"].as_str().unwrap_or_default();
        let requested = || audience.map_or_else(|| format!("{base}/{owner}"), ToOwned::to_owned);
        let audience = match self.audiences.as_deref() {
            None => requested().into(),
            Some([]) => Value::Null,
            Some([audience]) => audience.as_str().into(),
            Some(audiences) => audiences.into(),
        };
        claims.insert("aud".to_owned(), audience);
        claims.retain(|_, value| !value.is_null());
        match self.key {
            IdTokenKey::Right => jwt::ISSUER.sign(&claims),
            IdTokenKey::Other => jwt::OTHER.sign(&claims),
        }
    }
}

/// Returns the claims of a job, as Forgejo 16 names them.
fn default_claims() -> Map<String, Value> {
    let claims = json!({
        "sub": "repo:acme-6/widget-1:ref:refs/tags/v1.0.0",
        "actor": "alice",
        "event_name": "push",
        "ref": "refs/tags/v1.0.0",
        "ref_type": "tag",
        "ref_protected": "false",
        "repository": "acme/widget",
        "repository_owner": "acme",
        "run_id": "1",
        "run_number": "1",
        "run_attempt": "1",
        "workflow": "release.yml",
        "workflow_ref": "acme/widget/.forgejo/workflows/release.yml@refs/tags/v1.0.0",
    });
    let Value::Object(claims) = claims else { unreachable!("it is an object") };
    claims
}

/// Returns the token with which jobs ask for ID tokens. It looks like a JWT, as the servers' own does.
pub(super) fn request_token(persona: Persona) -> String {
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"scp":"Actions.Results:1:1 generate_id_token:1:1","TaskID":1}"#];
    let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
    let signature = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{} request token", persona.name())));
    format!("{header}.{claims}.{signature}")
}
