//! The inputs about the target: server, owner, package, version and credentials.

use url::{ParseError, Url};

use super::raw::AUDIENCE;
use super::{InputError, Reader};
use crate::command::Command;
use crate::host::is_loopback;
use crate::package::{LONGEST, Owner, PackageName, ServerUrl, Version};
use crate::sanitize::{Sanitized, is_misleading};
use crate::secret::Secret;
use crate::unexpanded::unexpanded;

/// The shortest token, in characters. A shorter one is a mistake, and cannot be kept secret because it is part of many words.
pub(super) const SHORTEST_TOKEN: usize = 8;

/// The prefix of the git ref of a tag.
const TAGS: &str = "refs/tags/";

/// The problem of a git ref in `version` that is not a tag.
const NOT_A_TAG: &str = "is a git ref, but not a tag";

/// The problem of a part of the target that neither an input nor the workflow's repository gives.
const NO_REPOSITORY: &str = "is not set, and no workflow repository provides a default";

/// Whether a word is a scheme of the Authorization header.
fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "token"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether a text has quotation marks around it, because YAML kept them.
pub(super) fn is_quoted(text: &str) -> bool {
    ['"', '\'', '`'].iter().any(|&mark| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark))
}

impl Reader<'_> {
    /// Reads the token and trims white space around it, which is a frequent accident. A newline causes a 401
    /// (recorded).
    ///
    /// Downloads of public packages need no token, and neither do dry runs, which then skip the registry.
    pub(super) fn token(&self, is_dry_run: bool) -> Result<Option<Secret>, InputError> {
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
        let Some(token) = self.raw.get("token") else {
            return match self.command {
                Command::Publish if !is_dry_run && self.raw.get(AUDIENCE).is_none() => {
                    let problem = "is not set, or its secret is empty";
                    Err(InputError::missing("token", problem, format!("{hint}{}", self.other_than_token())))
                }
                _ => Ok(None),
            };
        };
        let error = |problem: String| InputError::new("token", None, problem, hint);
        if unexpanded(token) == Some(token) {
            return Err(error("is a variable, which is not expanded".to_owned()).with_code("unexpanded-variable"));
        }
        if let Some((scheme, _)) = token.split_once(' ').filter(|(first, _)| is_scheme(first)) {
            return Err(error(format!("begins with `{scheme} `, which is not part of the token")));
        }
        if token.chars().any(|c| c.is_whitespace() || is_misleading(c)) {
            return Err(error("contains white space or an invisible character".to_owned()));
        }
        if is_quoted(token) {
            return Err(error("is in quotation marks, which are not part of the token".to_owned()));
        }
        if token.chars().count() < SHORTEST_TOKEN {
            return Err(error(format!("has fewer than {SHORTEST_TOKEN} characters")));
        }
        Ok(Some(Secret::new(token)))
    }

    pub(super) fn server(&mut self) -> Result<ServerUrl, InputError> {
        const INPUT: &str = "server-url";
        let hint = "Set `server-url` to the base URL of the Gitea or Forgejo server, with its sub-path if it has \
                    one: `server-url: https://git.example.com`";
        let given = self.raw.get(INPUT);
        let text = given
            .or(self.runner.server_url.as_deref())
            .ok_or_else(|| InputError::missing(INPUT, "is not set, and no workflow provides a default", hint))?;
        if text.len() > 2048 {
            return Err(InputError::new(INPUT, None, "is longer than 2048 characters", hint));
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
                return Err(InputError::new(INPUT, shown, problem, hint));
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
            return Err(InputError::new(INPUT, None, format!("contains {}", faults.join(" and ")), hint));
        }
        if url.host_str().is_some_and(|host| host == "github.com" || host == "www.github.com") {
            let problem = if given.is_some() {
                "is GitHub, which has no generic package registry"
            } else {
                "is the workflow's server, but GitHub has no generic package registry"
            };
            return Err(InputError::new(INPUT, Some(text), problem, hint));
        }
        let loopback = is_loopback(&url);
        let server = ServerUrl::new(url);
        if !server.is_https() && !loopback && ["token", AUDIENCE].iter().any(|name| self.raw.get(name).is_some()) {
            let host = Sanitized::new(server.host());
            self.warnings
                .push(format!("the token is sent to {host} unencrypted, because `server-url` starts with `http://`"));
        }
        Ok(server)
    }

    pub(super) fn owner(&self) -> Result<Owner, InputError> {
        let hint = "Set `owner` to the user or organization that owns the package, such as `owner: acme`";
        let owner = self.raw.get("owner").or(self.runner.owner.as_deref());
        let owner = owner.ok_or_else(|| InputError::missing("owner", NO_REPOSITORY, hint))?;
        Owner::parse(owner).map_err(InputError::bad_name("owner", hint))
    }

    pub(super) fn package(&self) -> Result<PackageName, InputError> {
        let hint = "Set `repo` to the name of the package, without its owner, such as `repo: widget`";
        let name = self.raw.get("repo").or(self.runner.repository.as_deref());
        let name = name.ok_or_else(|| InputError::missing("repo", NO_REPOSITORY, hint))?;
        PackageName::parse(name).map_err(InputError::bad_name("repo", hint))
    }

    /// Returns the version as given, or the tag of a git ref: `refs/tags/v1.2.0` in `version`, or the workflow's own.
    /// `GITHUB_REF_NAME` is not read, because it is a branch's name on a branch.
    pub(super) fn version(&mut self) -> Result<Version, InputError> {
        const INPUT: &str = "version";
        let hint = "Set `version`, such as `version: 1.2.0`, or run the workflow on a tag (`on: push: tags`)";
        let given = self.raw.get(INPUT);
        if let Some(version) =
            given.filter(|version| version.starts_with(['"', '\'', '`', '#']) || version.starts_with("- "))
        {
            let problem = "is a quoted text, a comment or a list, not a plain version";
            return Err(InputError::new(INPUT, Some(version), problem, hint));
        }
        if let Some(version) = given.filter(|version| !version.starts_with("refs/")) {
            return Self::read_version(INPUT, version, hint);
        }
        let git_ref = given.or(self.runner.git_ref.as_deref());
        let tag = git_ref.and_then(|name| name.strip_prefix(TAGS)).ok_or_else(|| match (given, git_ref) {
            (Some(_), _) => InputError::new(INPUT, given, NOT_A_TAG, hint),
            (None, Some(other)) => {
                let other = Sanitized::new(other);
                let problem = format!("is not set, and the workflow runs on {other}, not on a tag");
                InputError::missing(INPUT, problem, hint)
            }
            (None, None) => InputError::missing(INPUT, "is not set, and the workflow does not run on a tag", hint),
        })?;
        let prefix = self.raw.get("version-strip-prefix").unwrap_or_default();
        if tag == prefix && !prefix.is_empty() {
            let problem = "is the whole tag, so the version would be empty";
            let hint = "Set `version-strip-prefix` to the part of the tag before the version, or set `version`";
            return Err(InputError::new("version-strip-prefix", Some(prefix), problem, hint));
        }
        let version = tag.strip_prefix(prefix).unwrap_or_else(|| {
            let (shown, prefix) = (Sanitized::new(tag), Sanitized::new(prefix));
            self.warnings
                .push(format!("the tag {shown} does not start with `{prefix}`, so the whole tag is the version"));
            tag
        });
        Self::read_version(INPUT, version, hint)
    }

    /// Reads the version to download. The default is `latest`, which can mean another version.
    pub(super) fn version_to_download(&self) -> Result<Version, InputError> {
        let hint = "Set `version`, such as `version: 1.2.0`, or remove it to download the latest version";
        let given = self.raw.get("version").unwrap_or(Version::LATEST);
        let version = given.strip_prefix(TAGS).unwrap_or(given);
        if version.starts_with("refs/") {
            return Err(InputError::new("version", Some(given), NOT_A_TAG, hint));
        }
        Self::read_version("version", version, hint)
    }

    /// Reads a version or an alias from its text.
    pub(super) fn read_version(input: &'static str, text: &str, hint: &str) -> Result<Version, InputError> {
        let what = if input == "aliases" { "alias" } else { "version" };
        let hint = match text {
            _ if text.chars().count() > LONGEST => format!("Shorten the {what} to {LONGEST} characters or less"),
            _ => hint.to_owned(),
        };
        Version::parse(text).map_err(InputError::bad_name(input, &hint))
    }

    /// Reads the user name. The registry checks the token only, so even an empty user name works (recorded).
    pub(super) fn username(&self) -> Result<String, InputError> {
        let name = self.raw.get("username").or(self.runner.actor.as_deref()).unwrap_or_default();
        if let Some(c) = name.chars().find(|&c| c == ':' || c.is_control()) {
            let problem = if c == ':' { "contains a colon" } else { "contains a control character" };
            let problem = format!("{problem}, which Basic authentication does not allow");
            let hint = "Set `username` to the name of the token's user, and `token` to the token";
            // The value is not shown, because it can be `user:token`.
            return Err(InputError::new("username", None, problem, hint));
        }
        Ok(name.to_owned())
    }
}
