//! Where the files go or come from, and as whom.

use url::{ParseError, Url};

use super::{RawInputs, Reader};
use crate::command::Command;
use crate::host::is_loopback;
use crate::package::{LONGEST, Owner, PackageName, ServerUrl, Version};
use crate::runner::Runner;
use crate::sanitize::{Sanitized, misleads};
use crate::secret::Secret;
use crate::unexpanded::unexpanded;

/// A shorter token, in characters, is a mistake, and nothing could keep it secret: it would be a part of many words.
pub(super) const SHORTEST_TOKEN: usize = 8;

/// What the git ref of a tag begins with.
const TAGS: &str = "refs/tags/";

/// What is wrong with a git ref in `version` that is not one of a tag.
const NOT_A_TAG: &str = "is a git ref, but not one of a tag";

impl Reader {
    /// White space around a token is a frequent accident, and a newline in it is a 401 (recorded). Visitors have none,
    /// and can only download.
    ///
    /// A dry run needs none: it then checks what needs no registry.
    pub(super) fn token(&mut self, raw: &RawInputs, is_dry_run: bool) -> Option<Secret> {
        let accepted = match self.command {
            Command::Publish => {
                "Give a personal access token with the scope write:package, from a secret: \
                 `token: ${{ secrets.PACKAGES_TOKEN }}`"
            }
            Command::Download => {
                "Give a personal access token with the scope read:package, from a secret: \
                 `token: ${{ secrets.PACKAGES_TOKEN }}`, or none where the package is public"
            }
        };
        let Some(token) = &raw.token else {
            if self.command == Command::Publish && !is_dry_run {
                self.missing("token", "is not given, or its secret is empty", accepted);
            }
            return None;
        };
        let token = token.expose().trim();
        if unexpanded(token) == Some(token) {
            self.reject("unexpanded-variable", "token", None, "is a variable, which is not expanded", accepted);
            return None;
        }
        if token.chars().any(|c| c.is_whitespace() || misleads(c)) {
            self.problem("token", None, "has white space or an invisible character inside", accepted);
            return None;
        }
        if token.chars().count() < SHORTEST_TOKEN {
            self.problem("token", None, format!("has fewer than {SHORTEST_TOKEN} characters"), accepted);
            return None;
        }
        Some(Secret::new(token))
    }

    pub(super) fn server(&mut self, raw: &RawInputs, runner: &Runner) -> Option<ServerUrl> {
        let accepted = "Give the base URL of the forge: `server-url: https://git.example.com`, with the sub-path where \
                        it has one";
        let given = raw.server_url.as_deref().map(str::trim);
        let Some(text) = given.or(runner.server_url.as_deref()) else {
            self.missing("server-url", "is not given, and there is no workflow's server to take", accepted);
            return None;
        };
        if text.len() > 2048 {
            self.problem("server-url", None, "has more than 2048 characters", accepted);
            return None;
        }
        // What follows may hold a password: it is shown only once that is ruled out.
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            other => {
                let shown = Some(text).filter(|text| !text.contains(['@', '?', '#']));
                let problem = match other {
                    Err(error) if error != ParseError::RelativeUrlWithoutBase => {
                        format!("is not a valid URL: {error}")
                    }
                    _ => "does not begin with https:// or http://".to_owned(),
                };
                self.problem("server-url", shown, problem, accepted);
                return None;
            }
        };
        let faults: Vec<&str> = [
            (!url.username().is_empty() || url.password().is_some(), "has a user name or a password in it"),
            (url.query().is_some(), "has a query in it"),
            (url.fragment().is_some(), "has a fragment in it"),
        ]
        .into_iter()
        .filter_map(|(wrong, words)| wrong.then_some(words))
        .collect();
        if !faults.is_empty() {
            self.problem("server-url", None, faults.join(" and "), accepted);
            return None;
        }
        if url.host_str().is_some_and(|host| host == "github.com" || host == "www.github.com") {
            let problem = if given.is_some() {
                "is GitHub, which has no generic package registry"
            } else {
                "is the workflow's server, and GitHub has no generic package registry"
            };
            self.problem("server-url", Some(text), problem, accepted);
            return None;
        }
        let loopback = is_loopback(&url);
        let server = ServerUrl::new(url);
        if !server.is_https() && !loopback && raw.token.is_some() {
            let host = Sanitized::new(server.host());
            self.warnings.push(format!("the token goes to {host} unencrypted: `server-url` begins with http://"));
        }
        Some(server)
    }

    pub(super) fn owner(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Owner> {
        let accepted = "Give the user or organisation that owns the package: `owner: acme`";
        let Some(owner) = raw.owner.as_deref().map(str::trim).or(runner.owner.as_deref()) else {
            self.missing("owner", "is not given, and there is no workflow's repository to take it from", accepted);
            return None;
        };
        self.bad_name("owner", Owner::parse(owner), accepted)
    }

    pub(super) fn package(&mut self, raw: &RawInputs, runner: &Runner) -> Option<PackageName> {
        let accepted = "Give the name of the package: `repo: widget`";
        let Some(name) = raw.repo.as_deref().map(str::trim).or(runner.repository.as_deref()) else {
            self.missing("repo", "is not given, and there is no workflow's repository to take it from", accepted);
            return None;
        };
        self.bad_name("repo", PackageName::parse(name), accepted)
    }

    /// Returns the version as given, or the tag of a git ref: `refs/tags/v1.2.0` in `version`, or the workflow's own.
    /// `GITHUB_REF_NAME` is not read, because it is a branch's name on a branch.
    pub(super) fn version(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Version> {
        let accepted = "Give the version, such as `version: 1.2.0`, or run the workflow on a tag (`on: push: tags`)";
        let given = raw.version.as_deref().map(str::trim);
        if let Some(version) =
            given.filter(|version| version.starts_with(['"', '\'', '`', '#']) || version.starts_with("- "))
        {
            self.problem(
                "version",
                Some(version),
                "is in quotes, a comment or a list: give the text of the version alone",
                accepted,
            );
            return None;
        }
        if let Some(version) = given.filter(|version| !version.starts_with("refs/")) {
            return self.read_version("version", version, accepted);
        }
        let git_ref = given.or(runner.git_ref.as_deref());
        let Some(tag) = git_ref.and_then(|name| name.strip_prefix(TAGS)) else {
            match (given, git_ref) {
                (Some(given), _) => self.problem("version", Some(given), NOT_A_TAG, accepted),
                (None, Some(other)) => {
                    let problem =
                        format!("is not given, and the workflow runs on {}, not on a tag", Sanitized::new(other));
                    self.missing("version", problem, accepted);
                }
                (None, None) => {
                    self.missing("version", "is not given, and the workflow does not run on a tag", accepted);
                }
            }
            return None;
        };
        let whole = tag;
        let prefix = raw.version_strip_prefix.as_deref().map_or("", str::trim);
        if tag == prefix && !prefix.is_empty() {
            self.problem(
                "version-strip-prefix",
                Some(prefix),
                "is the whole tag, and no version would be left",
                accepted,
            );
            return None;
        }
        let version = tag.strip_prefix(prefix).unwrap_or_else(|| {
            let (tag, prefix) = (Sanitized::new(tag), Sanitized::new(prefix));
            self.warnings.push(format!("the tag {tag} does not begin with `{prefix}`, so it is taken as it is"));
            whole
        });
        self.read_version("version", version, accepted)
    }

    /// The version as given, else `latest`, which may stand for another.
    pub(super) fn version_to_download(&mut self, raw: &RawInputs) -> Option<Version> {
        let accepted = "Give the version, such as `version: 1.2.0`, or leave it out for the latest one";
        let given = raw.version.as_deref().map_or(Version::LATEST, str::trim);
        let version = given.strip_prefix(TAGS).unwrap_or(given);
        if version.starts_with("refs/") {
            self.problem("version", Some(given), NOT_A_TAG, accepted);
            return None;
        }
        self.read_version("version", version, accepted)
    }

    /// Reads a version that is there, and may only have to be changed.
    pub(super) fn read_version(&mut self, input: &'static str, text: &str, accepted: &str) -> Option<Version> {
        let what = if input == "aliases" { "alias" } else { "version" };
        let accepted = match text {
            "." | ".." => format!("Change the {what}, because a part of a URL cannot be `{text}`"),
            _ if text.chars().count() > LONGEST => format!("Shorten the {what} to {LONGEST} characters or less"),
            _ => accepted.to_owned(),
        };
        self.bad_name(input, Version::parse(text), &accepted)
    }

    /// The registry looks at the token alone, so that even an empty user name works (recorded).
    pub(super) fn username(&mut self, raw: &RawInputs, runner: &Runner) -> Option<String> {
        let name = raw.username.as_deref().map(str::trim).or(runner.actor.as_deref()).unwrap_or_default();
        if let Some(c) = name.chars().find(|&c| c == ':' || c.is_control()) {
            let problem = if c == ':' { "has a colon" } else { "has a control character" };
            let accepted = "Give the name of the user whom the token belongs to, and the token in `token`";
            // Somebody may have written `user:token` here.
            self.problem("username", None, format!("{problem}, which Basic authentication does not allow"), accepted);
            return None;
        }
        Some(name.to_owned())
    }
}
