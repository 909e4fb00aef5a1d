//! Authentication to the server: an access token, or ID tokens of the job.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::sanitize::Sanitized;
use crate::secret::{Redactor, Secret};

/// The user that sends the requests.
#[derive(Clone, Debug)]
pub(crate) enum User {
    /// A visitor without a token.
    Nobody,
    /// The token's user, whose name is unknown.
    Unnamed,
    /// The token's user, whose name is in the inputs.
    Named(Sanitized),
    /// The user of an authorized integration, which only the server knows.
    OfIdToken,
}

/// The means of authentication.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A stored access token.
    Token(AccessToken),
    /// ID tokens, which the runner issues during the run.
    IdToken(IdTokenRequest),
}

/// User name and token, as Basic authentication sends them (RFC 7617). The registry checks only the token
/// (recorded on Gitea 1.22 to 1.26 and Forgejo 7 to 15).
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    /// The user name: no colon, may be empty.
    pub(crate) username: String,
    /// Whether the user name was set. The workflow's actor is only a guess.
    pub(crate) is_named: bool,
    /// The personal access token.
    pub(crate) token: Secret,
    /// Whether the token is the job's own, which runners give to every job.
    pub(crate) is_jobs_own: bool,
    /// Whether the runner offers ID tokens, which are an alternative to this token.
    pub(crate) can_get_id_tokens: bool,
}

/// A request to the runner for an ID token of the job.
#[derive(Clone, Debug)]
pub(crate) struct IdTokenRequest {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`, with the audience in its query.
    pub(crate) url: Url,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, which is valid for this job only.
    pub(crate) token: Secret,
}

/// The form of a token. It is a guess that only chooses the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenShape {
    /// An ordinary token.
    Plain,
    /// The job's own token.
    JobsOwn,
    /// `user:token`.
    WithUser,
    /// `user:token` in base64, from a common recipe for curl.
    Encoded,
    /// A JSON Web Token, such as the ID token of a job.
    Jwt,
}

impl Credentials {
    /// Returns the user that they belong to.
    pub(crate) fn user(&self) -> User {
        match self {
            Self::Token(token) => token.user().map_or(User::Unnamed, User::Named),
            Self::IdToken(_) => User::OfIdToken,
        }
    }

    /// Returns a redactor for these credentials.
    pub(crate) fn redactor(&self) -> Redactor {
        match self {
            Self::Token(AccessToken { username, token, .. }) => {
                let basic = Secret::new(format!("{username}:{}", token.expose()));
                Redactor::default().with(&[token.clone(), basic])
            }
            Self::IdToken(request) => Redactor::default().with(std::slice::from_ref(&request.token)),
        }
    }

    /// Returns the value after `Basic ` in the Authorization header, if Basic authentication is used.
    pub(crate) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Token(AccessToken { username, token, .. }) => {
                Some(Secret::new(STANDARD.encode(format!("{username}:{}", token.expose()))))
            }
            Self::IdToken(_) => None,
        }
    }
}

impl AccessToken {
    /// Returns the name of the token's user for messages; `None` if it is unknown.
    pub(crate) fn user(&self) -> Option<Sanitized> {
        let is_known = self.is_named && !self.username.is_empty();
        is_known.then(|| Sanitized::new(&self.username))
    }

    /// Guesses the form of the token.
    pub(crate) fn shape(&self) -> TokenShape {
        let token = self.token.expose();
        let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // GitHub's tokens for jobs begin with `ghs_`.
        if self.is_jobs_own || token.starts_with("ghs_") {
            TokenShape::JobsOwn
        } else if token.contains(':') {
            TokenShape::WithUser
        } else if decoded.is_some_and(|text| text.contains(':') && text.trim_end().chars().all(|c| !c.is_control())) {
            TokenShape::Encoded
        } else if token.starts_with("eyJ") && token.matches('.').count() == 2 {
            // A header in JSON, a payload and a signature (RFC 7519).
            TokenShape::Jwt
        } else {
            TokenShape::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_wrong_form_is_recognized() {
        for (token, shape) in [
            ("s3cret/t0ken+x", TokenShape::Plain),
            ("1d76edb6938a8a4ca3ba92063bc25239761d3ad8", TokenShape::Plain),
            ("ghs_abc", TokenShape::JobsOwn),
            ("alice:1d76edb6", TokenShape::WithUser),
            // `echo alice:1d76edb6 | base64`, with the newline that echo adds.
            ("YWxpY2U6MWQ3NmVkYjYK", TokenShape::Encoded),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", TokenShape::Jwt),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0", TokenShape::Plain),
        ] {
            let given = AccessToken {
                username: "alice".to_owned(),
                is_named: true,
                token: Secret::new(token),
                is_jobs_own: false,
                can_get_id_tokens: false,
            };
            assert_eq!(given.shape(), shape, "{token}");
        }
    }
}
