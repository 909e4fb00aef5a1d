//! The inputs as they were typed, and the inputs of each command.

use serde::Deserialize;

use crate::command::Command;
use crate::secret::Secret;

macro_rules! raw_inputs {
    ($($field:ident: $type:ty = $name:literal),+ $(,)?) => {
        /// The inputs of all commands as they were typed; an empty input counts as not set.
        #[derive(Debug, Default, Deserialize)]
        pub(super) struct RawInputs {
            $(#[serde(rename = $name)] pub(super) $field: Option<$type>,)+
        }

        /// The names of all inputs.
        pub(super) const NAMES: &[&str] = &[$($name),+];
    };
}

raw_inputs! {
    files: String = "files",
    token: Secret = "token",
    server_url: String = "server-url",
    owner: String = "owner",
    repo: String = "repo",
    version: String = "version",
    version_strip_prefix: String = "version-strip-prefix",
    username: String = "username",
    working_directory: String = "working-directory",
    if_no_files_found: String = "if-no-files-found",
    if_file_exists: String = "if-file-exists",
    dry_run: String = "dry-run",
    link_repository: String = "link-repository",
    include_hidden_files: String = "include-hidden-files",
    concurrency: String = "concurrency",
    retries: String = "retries",
    timeout: String = "timeout",
    ca_certificate: Secret = "ca-certificate",
    client_certificate: Secret = "client-certificate",
    headers: Secret = "headers",
    path: String = "path",
    executable: String = "executable",
    checksums: String = "checksums",
    expect: String = "expect",
    aliases: String = "aliases",
}

impl Command {
    /// The names of the inputs, as the command's `action.yml` declares them.
    #[must_use]
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Publish => &[
                "files",
                "token",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_declared_input_is_read() {
        for command in [Command::Publish, Command::Download] {
            for name in command.inputs() {
                assert!(NAMES.contains(name), "{name}");
            }
        }
    }
}
