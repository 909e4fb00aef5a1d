//! The inputs about the target: server, owner, package, version and credentials.

use url::{ParseError, Url};

use super::{RawInputs, Reader};
use crate::command::Command;
use crate::host::is_loopback;
use crate::package::{LONGEST, Owner, PackageName, ServerUrl, Version};
use crate::runner::Runner;
use crate::sanitize::{Sanitized, misleads};
use crate::secret::Secret;
use crate::unexpanded::unexpanded;

/// The shortest token, in characters. A shorter one is a mistake, and cannot be kept secret because it is part of many words.
pub(super) const SHORTEST_TOKEN: usize = 8;

/// The prefix of the git ref of a tag.
const TAGS: &str = "refs/tags/";

/// The problem of a git ref in `version` that is not a tag.
const NOT_A_TAG: &str = "is a git ref, but not a tag";

impl Reader {
    /// Reads the token, without white space around it: that is a frequent accident, and a newline gives a 401 (recorded).
    ///
    /// Downloads of public packages need no token, and neither do dry runs, which then skip the registry.
    pub(super) fn token(&mut self, raw: &RawInputs, is_dry_run: bool) -> Option<Secret> {
        let hint = match self.command {
            Command::Publish => {
                "Set `token` to a personal access token with the scope write:package, from a secret: \
                 `token: ${{ secrets.PACKAGES_TOKEN }}`"
            }
            Command::Download => {
                "Set `token` to a personal access token with the scope read:package, from a secret: \
                 `token: ${{ secrets.PACKAGES_TOKEN }}`. For a public package, remove `token`"
            }
        };
        let Some(token) = &raw.token else {
            if self.command == Command::Publish && !is_dry_run {
                self.missing("token", "is not set, or its secret is empty", hint);
            }
            return None;
        };
        let token = token.expose().trim();
        if unexpanded(token) == Some(token) {
            self.reject("unexpanded-variable", "token", None, "is a variable, which is not expanded", hint);
            return None;
        }
        if token.chars().any(|c| c.is_whitespace() || misleads(c)) {
            self.problem("token", None, "contains white space or an invisible character", hint);
            return None;
        }
        if token.chars().count() < SHORTEST_TOKEN {
            self.problem("token", None, format!("has fewer than {SHORTEST_TOKEN} characters"), hint);
            return None;
        }
        Some(Secret::new(token))
    }

    pub(super) fn server(&mut self, raw: &RawInputs, runner: &Runner) -> Option<ServerUrl> {
        let hint = "Set `server-url` to the base URL of the Gitea or Forgejo server, with its sub-path if it has \
                        one: `server-url: https://git.example.com`";
        let given = raw.server_url.as_deref().map(str::trim);
        let Some(text) = given.or(runner.server_url.as_deref()) else {
            self.missing("server-url", "is not set, and no workflow provides a default", hint);
            return None;
        };
        if text.len() > 2048 {
            self.problem("server-url", None, "is longer than 2048 characters", hint);
            return None;
        }
        // The URL can contain a password. It is shown only if that is ruled out.
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            other => {
                let shown = Some(text).filter(|text| !text.contains(['@', '?', '#']));
                let problem = match other {
                    Err(error) if error != ParseError::RelativeUrlWithoutBase => {
                        format!("is not a valid URL: {error}")
                    }
                    _ => "does not start with `https://` or `http://`".to_owned(),
                };
                self.problem("server-url", shown, problem, hint);
                return None;
            }
        };
        let faults: Vec<&str> = [
            (!url.username().is_empty() || url.password().is_some(), "a user name or a password"),
            (url.query().is_some(), "a query"),
            (url.fragment().is_some(), "a fragment"),
        ]
        .into_iter()
        .filter_map(|(wrong, words)| wrong.then_some(words))
        .collect();
        if !faults.is_empty() {
            self.problem("server-url", None, format!("contains {}", faults.join(" and ")), hint);
            return None;
        }
        if url.host_str().is_some_and(|host| host == "github.com" || host == "www.github.com") {
            let problem = if given.is_some() {
                "is GitHub, which has no generic package registry"
            } else {
                "is the workflow's server, but GitHub has no generic package registry"
            };
            self.problem("server-url", Some(text), problem, hint);
            return None;
        }
        let loopback = is_loopback(&url);
        let server = ServerUrl::new(url);
        if !server.is_https() && !loopback && raw.token.is_some() {
            let host = Sanitized::new(server.host());
            self.warnings
                .push(format!("the token is sent to {host} unencrypted, because `server-url` starts with `http://`"));
        }
        Some(server)
    }

    pub(super) fn owner(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Owner> {
        let hint = "Set `owner` to the user or organization that owns the package, such as `owner: acme`";
        let Some(owner) = raw.owner.as_deref().map(str::trim).or(runner.owner.as_deref()) else {
            self.missing("owner", "is not set, and no workflow repository provides a default", hint);
            return None;
        };
        self.bad_name("owner", Owner::parse(owner), hint)
    }

    pub(super) fn package(&mut self, raw: &RawInputs, runner: &Runner) -> Option<PackageName> {
        let hint = "Set `repo` to the name of the package, without its owner, such as `repo: widget`";
        let Some(name) = raw.repo.as_deref().map(str::trim).or(runner.repository.as_deref()) else {
            self.missing("repo", "is not set, and no workflow repository provides a default", hint);
            return None;
        };
        self.bad_name("repo", PackageName::parse(name), hint)
    }

    /// Returns the version as given, or the tag of a git ref: `refs/tags/v1.2.0` in `version`, or the workflow's own.
    /// `GITHUB_REF_NAME` is not read, because it is a branch's name on a branch.
    pub(super) fn version(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Version> {
        let hint = "Set `version`, such as `version: 1.2.0`, or run the workflow on a tag (`on: push: tags`)";
        let given = raw.version.as_deref().map(str::trim);
        if let Some(version) =
            given.filter(|version| version.starts_with(['"', '\'', '`', '#']) || version.starts_with("- "))
        {
            self.problem("version", Some(version), "is a quoted text, a comment or a list, not a plain version", hint);
            return None;
        }
        if let Some(version) = given.filter(|version| !version.starts_with("refs/")) {
            return self.read_version("version", version, hint);
        }
        let git_ref = given.or(runner.git_ref.as_deref());
        let Some(tag) = git_ref.and_then(|name| name.strip_prefix(TAGS)) else {
            if given.is_some() {
                self.problem("version", given, NOT_A_TAG, hint);
            } else {
                let problem = match git_ref.map(Sanitized::new) {
                    Some(other) => format!("is not set, and the workflow runs on {other}, not on a tag"),
                    None => "is not set, and the workflow does not run on a tag".to_owned(),
                };
                self.missing("version", problem, hint);
            }
            return None;
        };
        let whole = tag;
        let prefix = raw.version_strip_prefix.as_deref().map_or("", str::trim);
        if tag == prefix && !prefix.is_empty() {
            let hint = "Set `version-strip-prefix` to the part of the tag before the version, or set `version`";
            self.problem("version-strip-prefix", Some(prefix), "is the whole tag, so the version would be empty", hint);
            return None;
        }
        let version = tag.strip_prefix(prefix).unwrap_or_else(|| {
            let (tag, prefix) = (Sanitized::new(tag), Sanitized::new(prefix));
            self.warnings
                .push(format!("the tag {tag} does not start with `{prefix}`, so the whole tag is the version"));
            whole
        });
        self.read_version("version", version, hint)
    }

    /// Reads the version to download. The default is `latest`, which can mean another version.
    pub(super) fn version_to_download(&mut self, raw: &RawInputs) -> Option<Version> {
        let hint = "Set `version`, such as `version: 1.2.0`, or remove it to download the latest version";
        let given = raw.version.as_deref().map_or(Version::LATEST, str::trim);
        let version = given.strip_prefix(TAGS).unwrap_or(given);
        if version.starts_with("refs/") {
            self.problem("version", Some(given), NOT_A_TAG, hint);
            return None;
        }
        self.read_version("version", version, hint)
    }

    /// Reads a version or an alias from its text.
    pub(super) fn read_version(&mut self, input: &'static str, text: &str, hint: &str) -> Option<Version> {
        let what = if input == "aliases" { "alias" } else { "version" };
        let hint = match text {
            "." | ".." => format!("Change the {what}, because `{text}` cannot be part of a URL path"),
            _ if text.chars().count() > LONGEST => format!("Shorten the {what} to {LONGEST} characters or less"),
            _ => hint.to_owned(),
        };
        self.bad_name(input, Version::parse(text), &hint)
    }

    /// Reads the user name. The registry checks the token only, so even an empty user name works (recorded).
    pub(super) fn username(&mut self, raw: &RawInputs, runner: &Runner) -> Option<String> {
        let name = raw.username.as_deref().map(str::trim).or(runner.actor.as_deref()).unwrap_or_default();
        if let Some(c) = name.chars().find(|&c| c == ':' || c.is_control()) {
            let problem = if c == ':' { "contains a colon" } else { "contains a control character" };
            let hint = "Set `username` to the name of the token's user, and `token` to the token";
            // The value is not shown, because it can be `user:token`.
            self.problem("username", None, format!("{problem}, which Basic authentication does not allow"), hint);
            return None;
        }
        Some(name.to_owned())
    }
}
