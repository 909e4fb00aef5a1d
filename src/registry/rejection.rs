//! The table of rejections: code, retry rule and hint of each error response. A new response of a server is a row
//! here and a recording.
//!
//! The rows are the recorded responses of Gitea 1.22 to 1.26 and Forgejo 7 to 15, and of the reverse proxies in front of
//! them; a row that applies to some versions only says so. `docs/troubleshooting.md` shows them as they are printed.

use reqwest::StatusCode;
use url::Url;

use super::error::Operation;
use super::failure::{Failure, FailureKind, RetryRule, for_every_file, for_file};
use super::id_token::{rejected_id_token, rejected_request};
use super::response::{ErrorResponse, is_of_gateway};
use super::{Connection, Registry};
use crate::command::Command;
use crate::credentials::{AccessToken, Credentials, TokenShape};
use crate::package::Target;

/// Classifies an error response.
pub(super) fn classify(registry: &Registry<'_>, operation: &Operation, url: &Url, response: &ErrorResponse) -> Failure {
    let (row, status) = (row(registry, operation, url, response), response.status);
    // Traefik's text for a server that is not running. The server's own text for a missing version is different. For
    // the check of write access too, the status of a gateway is enough.
    let is_away = is_of_gateway(status) || status == StatusCode::NOT_FOUND && response.words == "404 page not found";
    let kind = if is_away { FailureKind::Unavailable } else { row.kind };
    let retry = match status.as_u16() {
        // RFC 9110, 15.5.9, RFC 8470, 5.2, and RFC 6585, 4: the request was not processed, and may be repeated.
        408 | 425 | 429 => RetryRule::Repeat,
        // A race of first uploads (Gitea 1.22 and 1.24 on PostgreSQL), or a proxy in front of a server that restarts. A
        // 500 can follow a commit (source), and a 502 an upload that the server accepted.
        500..=599 => operation.rule_if_unclear(),
        // A success with another status may not come from the registry.
        200..=299 if operation.can_change_files() => RetryRule::CheckOnly,
        _ => row.retry,
    };
    Failure { kind, retry, ..row }
}

#[expect(clippy::too_many_lines, reason = "a table, with a row for each response")]
fn row(registry: &Registry<'_>, operation: &Operation, url: &Url, response: &ErrorResponse) -> Failure {
    let Registry { target, connection: Connection { command, credentials, network, .. }, .. } = registry;
    let (Target { server, owner, package, version }, credentials) = (target, credentials.as_ref());
    let ErrorResponse { status, is_html, words, .. } = response;
    let has = |text: &str| words.contains(text);
    let is_download = matches!(operation, Operation::Download(_));
    let is_link = matches!(operation, Operation::Link(_));
    let is_list = matches!(operation, Operation::ListFiles | Operation::ReadVersion | Operation::ListVersions);

    let access = access_of(*command);
    let tokens = format!("{server}/user/settings/applications");
    let packages = format!("{server}/{}/-/packages", owner.as_str());
    let settings = format!("{}/settings", target.page_url());
    let user = match credentials {
        Some(Credentials::Token(token)) => token.user(),
        Some(Credentials::IdToken(_)) | None => None,
    };
    let user = user.map_or("the token's user".to_owned(), |user| user.to_string());
    // Gitea's runner does not put the job's own token into a variable, so it is not recognized.
    let jobs_own = "If the token is the job's own, set `token` to a personal access token instead";

    let token = |code, hint: String| match credentials {
        Some(Credentials::Token(token)) => match token.shape() {
            TokenShape::Plain => for_every_file(code, hint),
            shape => for_every_file(code, registry.hint_of_shape(token, shape, &tokens)),
        },
        Some(Credentials::IdToken(_)) => rejected_id_token(registry, access, code, words),
        None => for_every_file(
            "token-required",
            format!(
                "Set `token` to a personal access token with the scope read:package, from a secret. The token's user needs \
                 read access to packages of {owner}: {tokens}"
            ),
        ),
    };
    let bad_token = || {
        let hint = format!(
            "Create a new personal access token with the scope {access}:package, because this one is wrong or expired: \
             {tokens}"
        );
        token("bad-token", hint)
    };
    let no_access = || {
        let code = if is_list || is_download { "no-read-access" } else { "no-write-access" };
        let hint = format!(
            "Give the token the scope {access}:package, or give {user} {access} access to packages of {owner}. \
             {jobs_own}: {tokens}"
        );
        token(code, hint)
    };

    match status.as_u16() {
        _ if *operation == Operation::RequestIdToken => rejected_request(response),
        300..=399 if is_download => registry.rejected_download_redirect(url, response),
        _ if !server.is_origin_of(url) => registry.storage_error(url),
        // A firewall or login page may reject the unusual name of the check, but allow uploads.
        _ if *operation == Operation::CheckWriteAccess && !is_of_server(response) => registry.unexpected(),
        300..=399 => registry.rejected_redirect(url, response),
        // nginx, with `ssl_verify_client on`.
        400 if *is_html && (has("No required SSL certificate was sent") || has("The SSL certificate error")) => {
            for_every_file(
                "client-certificate-rejected",
                format!(
                    "Set `client-certificate` to a certificate that {server} accepts, with its private key, in PEM"
                ),
            )
        }
        400 if has("invalid filename") => {
            let hint = "Rename the file. Gitea before 1.22 accepts only letters, digits and `._+-` in names";
            for_file("invalid-file-name", hint).kind(FailureKind::FileName)
        }
        400 if has("invalid package name") => {
            for_every_file("invalid-package-name", "Set `repo` to a name of letters, digits and `-_+.`")
        }
        400 if has("invalid package version") => {
            for_every_file("invalid-version", "Set `version` to one of letters, digits and `._+-`")
        }
        // The package is linked, by another job or by an attempt whose response was lost (all versions that can link);
        // if a check shows no link, it is to a repository that the token's user cannot see.
        400 if is_link => {
            let hint = format!(
                "Check the link as a user who can see all repositories of the owner, because {user} cannot see the linked \
                 one: {settings}"
            );
            for_file("already-linked", hint).retry(RetryRule::CheckOnly)
        }
        // Everything else at this status is about the token (all versions).
        401 if has("reqPackageAccess") => no_access(),
        // Without a token, on the API's lists: Gitea, Forgejo up to 11, and servers that require a sign-in for
        // everything.
        401 if words == "token is required" => bad_token().kind(FailureKind::SignInRequired),
        403 if words == "Only signed in user is allowed to call APIs." => bad_token().kind(FailureKind::SignInRequired),
        200 | 401 | 403 if *is_html => registry.web_page().kind(FailureKind::Unavailable),
        401 => bad_token(),
        403 if has("package type size") => for_file(
            "file-too-large",
            "Reduce the size of the file, or ask the server's administrator to raise `LIMIT_SIZE_GENERIC`",
        ),
        403 if has("storage quota") => for_every_file(
            "quota-exceeded",
            format!(
                "Delete old versions, or ask the server's administrator to raise `LIMIT_TOTAL_OWNER_SIZE`: {packages}"
            ),
        ),
        403 if has("package count") => for_every_file(
            "too-many-versions",
            format!(
                "Delete old versions, or ask the server's administrator to raise `LIMIT_TOTAL_OWNER_COUNT`: {packages}"
            ),
        ),
        403 if has("required scope") => token(
            "missing-scope",
            format!(
                "Create a personal access token with the scope {access}:package, because this one lacks the scope: {tokens}"
            ),
        ),
        // To an upload, and by the API (Forgejo 15).
        403 if has("reqToken") || has("limited to public packages") => token(
            "public-only-token",
            format!(
                "Create a personal access token with access to all owners, because this one is limited to public owners \
                 and {owner} is private: {tokens}"
            ),
        ),
        // To a link by a user who may read packages but not write them.
        403 if is_link && has("specific permission") => {
            token("no-write-access", format!("Give {user} write access to packages of {owner}. {jobs_own}: {tokens}"))
        }
        // `permission denied` is about the repository (source: Gitea 1.24, services/packages/package_update.go).
        403 if is_link && has("permission") => for_file(
            "no-repository-access",
            format!("Give {user} write access to packages of that repository, or link the package by hand: {settings}"),
        ),
        403 if has("specific permission") => token(
            "private-owner",
            format!(
                "Set `token` to a personal access token of a member of {owner}, which is private. The job's own token has \
                 no access to private owners"
            ),
        ),
        403 => no_access(),
        // The API names the missing owner. Below /api/packages, the text is the same for all unavailable owners.
        // Elsewhere it means a path that does not exist.
        404 if has("user redirect does not exist") || has("Not found.") && !is_list && !is_link => for_every_file(
            "owner-not-found",
            format!("Check `owner`. There is no user or organization {owner}, or packages are disabled on {server}"),
        ),
        404 if is_link && has("repository does not exist") => for_file(
            "repository-not-found",
            format!("Correct `link-repository`, because {owner} has no repository of that name"),
        ),
        404 if has("package does not exist") && (is_link || is_download) => {
            let is_latest = version.is_latest();
            let hint = if is_latest && credentials.is_none() {
                "Set `version`, or set `token`. Without a token, this registry does not list versions, and no version is named \
                 `latest`"
                    .to_owned()
            } else {
                format!("Check `version` and `repo`, because {owner}/{package} has no version {version}")
            };
            for_every_file("version-not-found", hint)
        }
        // Gitea before 1.24, Forgejo before 11. The list was read before, so the path itself is right.
        404 | 405 if is_link => for_file(
            "links-not-supported",
            format!(
                "Remove `link-repository`, because Gitea before 1.24 and Forgejo before 11 have no API for it. To link the \
                 package by hand: {settings}"
            ),
        ),
        // The file does not exist, or no longer exists (all versions).
        404 if has("does not exist") && (is_download || operation.is_deletion()) => {
            let hint = match command {
                Command::Publish => {
                    "Run the step again, because another job deleted the file at the same time".to_owned()
                }
                Command::Download => format!(
                    "Check `files`, and run the step again. {version} has no such file, or another job deleted it at the same \
                     time"
                ),
            };
            for_file("file-not-found", hint).kind(FailureKind::NotFound).retry(RetryRule::CheckOnly)
        }
        // A reverse proxy decoded `%2F` in the version to `/`.
        404 if version.as_str().contains('/') => for_every_file(
            "slash-in-version",
            format!(
                "Use a version without `/`, or configure the reverse proxy to forward `%2F` (nginx: `proxy_pass` without a path; \
                 Apache: `AllowEncodedSlashes NoDecode` and `nocanon`). Or check that {server} is the server's base URL"
            ),
        ),
        404 | 405 => for_every_file(
            "wrong-server-url",
            format!(
                "Check `server-url`: {server} is not the base URL of a Gitea or Forgejo server. Add a missing sub-path, or \
                 remove an extra one"
            ),
        ),
        // The file exists, or existed a moment ago (all versions).
        409 if matches!(operation, Operation::Upload(_)) => {
            let hint = format!(
                "Run the step again. If the error persists, turn off the cache for {server}/api/ in the proxy in front of the \
                 server. The registry has a file of this name but does not list it"
            );
            for_file("file-exists", hint).kind(FailureKind::Exists).retry(RetryRule::AfterCheck)
        }
        // Forgejo 9 and later, before the body; a proxy gives the same status with HTML.
        413 if has("enforcePackagesQuota") => for_every_file(
            "quota-exceeded",
            format!("Delete old versions, or ask the server's administrator for a larger quota: {packages}"),
        ),
        413 => for_file(
            "body-limit-exceeded",
            "Raise the body size limit of the reverse proxy (nginx: `client_max_body_size 0;`)",
        ),
        429 => for_file("rate-limited", "Run the step again later, because the server limits the request rate"),
        408 | 425 => for_file(
            "request-timeout",
            "Run the step again; identical files are skipped. If the error persists, check the timeout of the reverse proxy",
        ),
        // The registry's own errors are JSON or plain text (all versions).
        500.. if *is_html || is_of_gateway(*status) => {
            // Without a tunnel, responses of the runner's proxy look like those of a reverse proxy.
            let proxy = network.proxies.for_url(url).map(|proxy| format!(", and that {proxy} reaches the server"));
            let hint = format!(
                "Run the step again; identical files are skipped. If the error persists, check that the server runs behind its \
                 reverse proxy{}",
                proxy.unwrap_or_default()
            );
            for_file("server-unavailable", hint).kind(FailureKind::Unavailable)
        }
        500.. => for_file(
            "server-error",
            "Run the step again; identical files are skipped. If the error persists, check the server's log",
        ),
        _ => registry.unexpected(),
    }
}

impl Registry<'_> {
    /// A page in place of the registry.
    pub(super) fn web_page(&self) -> Failure {
        let server = &self.target.server;
        let hint = format!(
            "Check `server-url`: {server} returned a web page. If a login page or bot check protects the server, exclude `/api/` \
             from it"
        );
        for_every_file("web-page", hint)
    }

    pub(super) fn unexpected(&self) -> Failure {
        let server = &self.target.server;
        for_file("unexpected-response", format!("Check that {server} is a Gitea or Forgejo server"))
    }

    /// Returns the hint for a rejected token that is not a personal access token.
    fn hint_of_shape(&self, token: &AccessToken, shape: TokenShape, tokens: &str) -> String {
        // The better way comes first.
        let or_id_token = |alone: &str, second: &str| {
            let better =
                "Set `oidc-audience` instead of `token` (Forgejo 16 and later), because this job can get ID tokens";
            if token.can_get_id_tokens { format!("{better}. Or {second}") } else { alone.to_owned() }
        };
        let access = access_of(self.connection.command);
        match shape {
            TokenShape::WithUser if token.token.expose().starts_with("u:") => {
                "Set `oidc-audience` instead of `token`, because this value is the audience of an authorized integration"
                    .to_owned()
            }
            TokenShape::WithUser => {
                "Set `token` to the token only, without the `user:` prefix, and set the user name in `username`"
                    .to_owned()
            }
            TokenShape::Encoded => {
                "Set `token` to the token as the server displayed it, not to the base64 encoding of `user:token`"
                    .to_owned()
            }
            TokenShape::Jwt => format!(
                "{} `token` to a personal access token with the scope {access}:package. The current value is a JWT, such \
                 as the ID token of a job, and not an access token: {tokens}",
                or_id_token("Set", "set")
            ),
            TokenShape::JobsOwn | TokenShape::Plain => {
                let why = match self.connection.command {
                    Command::Publish => "cannot publish packages".to_owned(),
                    Command::Download => format!("has no access to packages of {}", self.target.owner),
                };
                format!(
                    "{} a personal access token with the scope {access}:package, because the job's own token {why}: \
                     {tokens}",
                    or_id_token("Create", "create")
                )
            }
        }
    }
}

/// Returns what is done with packages, as scopes and teams name it.
fn access_of(command: Command) -> &'static str {
    match command {
        Command::Publish => "write",
        Command::Download => "read",
    }
}

/// Returns whether this response to the check of write access comes from the server itself, not from a proxy. `404
/// page not found` is not among these texts, because proxies written in Go return it too.
fn is_of_server(response: &ErrorResponse) -> bool {
    let texts: &[&str] = match response.status.as_u16() {
        400 => &["invalid filename", "invalid package name", "invalid package version"],
        // Gitea 1.26, and before it Gitea and Forgejo.
        401 => &["Failed to authenticate user", "authGroup.Verify", "reqPackageAccess"],
        403 => &["reqToken"],
        404 => &["Not found."],
        413 => &["enforcePackagesQuota"],
        _ => &[],
    };
    !response.is_html && texts.iter().any(|text| response.words.contains(text))
}

/// Returns whether the row of a response with this status depends on its text.
pub(super) fn depends_on_message(operation: &Operation, status: StatusCode) -> bool {
    use Operation::{CheckWriteAccess, ListFiles, ListVersions};
    match status.as_u16() {
        400 | 403 | 404 => true,
        // Either only lists require a token, or the server requires one for everything.
        401 => matches!(operation, ListFiles | ListVersions | CheckWriteAccess),
        _ => false,
    }
}
