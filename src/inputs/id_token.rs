//! The input `oidc-audience`: authentication with ID tokens of the job.

use reqwest::header::HeaderValue;
use url::Url;

use super::destination::{SHORTEST_TOKEN, is_quoted};
use super::raw::AUDIENCE;
use super::{InputError, Reader};
use crate::command::Command;
use crate::credentials::IdTokenRequest;
use crate::runner::{IdTokens, Kind};
use crate::sanitize::is_misleading;

impl Reader<'_> {
    /// Reads the audience, and the runner's variables for ID tokens.
    pub(super) fn id_token_request(&mut self, is_dry_run: bool) -> Result<Option<IdTokenRequest>, InputError> {
        let (raw, runner) = (self.raw, self.runner);
        let Some(audience) = raw.get(AUDIENCE) else { return Ok(None) };
        let error = |problem: &str, hint: &str| InputError::new(AUDIENCE, None, problem, hint);
        if raw.get("token").is_some() {
            let hint = "Remove `token` to use ID tokens of the job, or remove `oidc-audience` to use the token";
            return Err(error("is set, but `token` is set too", hint));
        }
        let hint = "Set `oidc-audience` to the audience of the authorized integration as the server displays it, such as \
                    `u:7:7d0f0d6e-3c1f-4f5e-9a43-1b1f0c6b2a55`";
        if audience.chars().any(|c| c.is_whitespace() || is_misleading(c)) {
            return Err(error("contains white space or an invisible character", hint));
        }
        if is_quoted(audience) {
            return Err(error("is in quotation marks, which are not part of the audience", hint));
        }
        // It could be a token, which the server of the runner must not receive.
        if !audience.contains(':') {
            return Err(error("is not the audience of an authorized integration", hint));
        }
        let (url, token) = match &runner.id_tokens {
            IdTokens::Offered { url, token } => (url, token),
            // As without a token, nothing is requested from the registry.
            _ if is_dry_run && self.command == Command::Publish => {
                // Jobs for pull requests from forks never get ID tokens.
                if !runner.git_ref.as_ref().is_some_and(|name| name.starts_with("refs/pull/")) {
                    let hint = self.hint_without_id_tokens();
                    self.warnings.push(format!(
                        "this job gets no ID tokens, so the dry run does not check the registry. A real run would fail. {hint}"
                    ));
                }
                return Ok(None);
            }
            other => {
                let why = if matches!(other, IdTokens::Empty) { "empty" } else { "not set" };
                let problem =
                    format!("is set, but this job gets no ID tokens: a variable `ACTIONS_ID_TOKEN_REQUEST_*` is {why}");
                return Err(error(&problem, self.hint_without_id_tokens()).with_code(UNAVAILABLE));
            }
        };
        // Neither value is shown.
        let of_runner = |variable, problem| {
            let hint = "Check the runner, which sets this variable, or use `token` instead of `oidc-audience`";
            Err(InputError::new(variable, None, problem, hint))
        };
        let mut url = match Url::parse(url) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https")
                    && url.username().is_empty()
                    && url.password().is_none() =>
            {
                url
            }
            _ => return of_runner("ACTIONS_ID_TOKEN_REQUEST_URL", "is not a plain URL with `https://` or `http://`"),
        };
        if token.expose().contains(char::is_whitespace) || HeaderValue::from_str(token.expose()).is_err() {
            return of_runner("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "contains white space or another invalid character");
        }
        url.query_pairs_mut().append_pair("audience", audience);
        url.set_fragment(None);
        Ok(Some(IdTokenRequest { url, token: token.clone() }))
    }

    /// Returns the hint for a job without ID tokens. The kind of the runner decides.
    fn hint_without_id_tokens(&self) -> &'static str {
        match (self.runner.kind, &self.runner.id_tokens) {
            (Kind::Forgejo, IdTokens::Empty) => {
                "Set `enable-openid-connect: true` on the job or on the workflow. Pull requests from forks get no ID tokens"
            }
            (Kind::Forgejo, _) => {
                "Set `enable-openid-connect: true` on the job or on the workflow. Before Forgejo 16, or with an older \
                 runner, use `token` instead. Pull requests from forks get no ID tokens"
            }
            (Kind::GitHub, _) => {
                "Set `permissions: id-token: write` on the job or on the workflow. Pull requests from forks get no ID \
                 tokens"
            }
            (Kind::Gitea, _) => "Use `token` instead of `oidc-audience`, because Gitea Actions has no ID tokens",
            (Kind::Act | Kind::None, _) => {
                "Use `token` instead of `oidc-audience`, because only jobs of Forgejo Actions and GitHub Actions get ID tokens"
            }
        }
    }

    /// Returns the second part of the hint for a missing token, if the job can get ID tokens.
    pub(super) fn other_than_token(&self) -> &'static str {
        match self.runner.id_tokens {
            IdTokens::Offered { .. } => {
                ". Or set `oidc-audience` to the audience of an authorized integration (Forgejo 16 and later), because this \
                 job can get ID tokens"
            }
            _ => "",
        }
    }

    /// Adds the token of the runner's variable to the secrets, if it is to be used.
    pub(super) fn hide_request_token(&mut self) {
        if self.raw.get(AUDIENCE).is_some()
            && let IdTokens::Offered { token, .. } = &self.runner.id_tokens
            && token.expose().chars().count() >= SHORTEST_TOKEN
        {
            self.hide(token.expose());
        }
    }
}

/// The code of a job that cannot get ID tokens.
const UNAVAILABLE: &str = "id-tokens-unavailable";
