//! The inputs as they were typed, and the inputs of each command.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::secret::Secret;

/// The audience of an authorized integration: authentication with ID tokens instead of `token`.
pub(super) const AUDIENCE: &str = "oidc-audience";

/// The inputs that are set, as they were typed. An empty input counts as not set. Any of them can contain a secret.
pub(super) struct RawInputs(BTreeMap<&'static str, Secret>);

impl RawInputs {
    pub(super) fn new(given: BTreeMap<&'static str, Secret>) -> Self {
        Self(given)
    }

    /// Returns an input without white space around it, if it is set.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.untrimmed(name).map(str::trim)
    }

    /// Returns an input whose lines are counted, if it is set.
    pub(super) fn untrimmed(&self, name: &'static str) -> Option<&str> {
        debug_assert!(is_input(name), "{name} is not an input");
        self.0.get(name).map(Secret::expose)
    }

    /// Returns every input that is set.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, text.expose()))
    }
}

/// Whether a command has an input of this name.
pub(super) fn is_input(name: &str) -> bool {
    [Command::Publish, Command::Download].iter().any(|command| command.inputs().contains(&name))
}

impl Command {
    /// Returns the names of the inputs, as the command's `action.yml` declares them.
    #[must_use]
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Publish => &[
                "files",
                "token",
                AUDIENCE,
                "server-url",
                "owner",
                "repo",
                "version",
                "version-strip-prefix",
                "username",
                "working-directory",
                "if-no-files-found",
                "if-file-exists",
                "checksums",
                "expect",
                "aliases",
                "link-repository",
                "dry-run",
                "include-hidden-files",
                "concurrency",
                "retries",
                "timeout",
                "ca-certificate",
                "client-certificate",
                "headers",
            ],
            Self::Download => &[
                "files",
                "version",
                "path",
                "executable",
                "checksums",
                "if-no-files-found",
                "token",
                AUDIENCE,
                "server-url",
                "owner",
                "repo",
                "username",
                "concurrency",
                "retries",
                "timeout",
                "ca-certificate",
                "client-certificate",
                "headers",
            ],
        }
    }
}
