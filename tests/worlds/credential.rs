//! The credentials of runs: a stored token, or ID tokens of the job.

use std::sync::{Arc, Once};

use embedded_registry::{self as registry, IdTokens, Integration, Registry};

use super::script::OWNER;
use super::world::Setting;

/// The token of a run, and the token of the later run if the first one may have been revoked.
const TOKENS: [&str; 2] = ["alice_write", "alice_all"];

/// The credential of a run.
pub(crate) enum Credential {
    /// A stored token, by its name.
    Token(&'static str),
    /// ID tokens for the audience of an integration, which is removed at most once.
    IdTokens { audience: String, removal: Once },
}

/// Creates the credential of a run, and the one of the later run if the first one may have been revoked.
pub(crate) fn credentials(registry: &Registry, setting: &Setting) -> [Arc<Credential>; 2] {
    let Some(life) = setting.id_token_life else { return TOKENS.map(Credential::Token).map(Arc::new) };
    registry.offer_id_tokens(IdTokens::default().life(life));
    [(); 2].map(|()| {
        let audience = registry.add_integration(Integration::of(OWNER));
        Arc::new(Credential::IdTokens { audience, removal: Once::new() })
    })
}

impl Credential {
    /// Returns the variables of a step that uses it.
    pub(crate) fn variables(&self, registry: &Registry) -> Vec<(&'static str, String)> {
        match self {
            Self::Token(name) => vec![("INPUT_TOKEN", registry.token(name))],
            Self::IdTokens { audience, .. } => vec![
                ("INPUT_OIDC-AUDIENCE", audience.clone()),
                ("ACTIONS_ID_TOKEN_REQUEST_URL", registry.id_token_url()),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", registry.id_token_request_token()),
                // Debug messages contain no secret either.
                ("RUNNER_DEBUG", "1".to_owned()),
            ],
        }
    }

    /// Revokes the token, or removes the integration.
    pub(crate) fn revoke(&self, on: &registry::World) {
        match self {
            Self::Token(name) => on.revoke(name),
            Self::IdTokens { audience, removal } => removal.call_once(|| on.remove_integration(audience)),
        }
    }

    /// Returns the secret that a scripted response repeats.
    pub(crate) fn repeated(&self, registry: &Registry) -> String {
        match self {
            Self::Token(name) => registry.token(name),
            // Which ID token a request will have is not known before. The registry's own refusals repeat that one.
            Self::IdTokens { .. } => registry.id_token_request_token(),
        }
    }

    /// Returns everything that no output may contain: the token, or all ID tokens so far and what they were requested
    /// with. The payload and the signature of an ID token are secrets by themselves.
    pub(crate) fn secrets(&self, registry: &Registry) -> Vec<String> {
        let parts =
            |token: String| token.split('.').skip(1).map(str::to_owned).chain([token.clone()]).collect::<Vec<_>>();
        match self {
            Self::Token(name) => vec![registry.token(name)],
            Self::IdTokens { .. } => {
                let issued = registry.issued_id_tokens().into_iter();
                issued.chain([registry.id_token_request_token()]).flat_map(parts).collect()
            }
        }
    }
}
