//! Failed requests: the operation and the cause.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use url::Url;

use super::failure::{Failure, FailureKind, Reach, RetryRule, Transport, for_every_file, for_file};
use super::outage::GivenUp;
use crate::files::FileError;
use crate::hint::{Explain, Plural};
use crate::package::{FileName, RepositoryName, Target};
use crate::sanitize::Sanitized;

/// The hint if the runner's server issues no ID token.
pub(super) const ID_TOKEN_HINT: &str = "Run the step again. If the error persists, check the server that issues the ID \
                                        tokens of the runner, or use `token` instead of `oidc-audience`";

/// The purpose of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Requests an ID token of the job from the runner.
    RequestIdToken,
    /// Lists the version's files.
    ListFiles,
    /// Checks write access.
    CheckWriteAccess,
    /// Stores a file.
    Upload(FileName),
    /// Deletes a file to replace it.
    Replace(FileName),
    /// Deletes a file permanently.
    Delete(FileName),
    /// Reads the version itself: its page, and the repository that its package is linked to.
    ReadVersion,
    /// Links the package to that repository.
    Link(RepositoryName),
    /// Lists the versions of the package, or the packages of the owner.
    ListVersions,
    /// Reads the content of a file.
    Download(FileName),
}

impl Operation {
    /// Returns a short description of the operation.
    pub(super) fn short_name(&self) -> String {
        match self {
            Self::RequestIdToken => "ID token".to_owned(),
            Self::ListFiles => "list of files".to_owned(),
            Self::CheckWriteAccess => "check of write access".to_owned(),
            Self::Upload(name) | Self::Download(name) => name.to_string(),
            Self::Replace(name) | Self::Delete(name) => format!("deletion of {name}"),
            Self::ReadVersion => "version".to_owned(),
            Self::Link(name) => format!("link to {name}"),
            Self::ListVersions => "list of versions".to_owned(),
        }
    }

    /// Returns its method, and the status of its success.
    pub(super) fn method_and_success(&self) -> (Method, StatusCode) {
        match self {
            Self::RequestIdToken | Self::ListFiles | Self::ReadVersion | Self::ListVersions | Self::Download(_) => {
                (Method::GET, StatusCode::OK)
            }
            Self::CheckWriteAccess | Self::Upload(_) => (Method::PUT, StatusCode::CREATED),
            Self::Replace(_) | Self::Delete(_) => (Method::DELETE, StatusCode::NO_CONTENT),
            Self::Link(_) => (Method::POST, StatusCode::CREATED),
        }
    }

    pub(super) fn method(&self) -> Method {
        self.method_and_success().0
    }

    pub(super) fn is_deletion(&self) -> bool {
        matches!(self, Self::Replace(_) | Self::Delete(_))
    }

    /// Whether it can change the files of the version.
    pub(super) fn can_change_files(&self) -> bool {
        matches!(self, Self::Upload(_)) || self.is_deletion()
    }

    /// Returns the retry rule if it is unclear whether the server processed the request.
    pub(super) fn rule_if_unclear(&self) -> RetryRule {
        if self.can_change_files() { RetryRule::AfterCheck } else { RetryRule::Repeat }
    }

    /// Returns the first line of the error, such as `failed to list the files of acme/widget 1.2.0`.
    pub(super) fn failed(&self, Target { owner, package, version, .. }: &Target) -> String {
        let version = format!("{owner}/{package} {version}");
        match self {
            Self::RequestIdToken => "failed to get an ID token of this job".to_owned(),
            Self::ListFiles => format!("failed to list the files of {version}"),
            Self::CheckWriteAccess => format!("failed to check write access to packages of {owner}"),
            Self::Upload(name) => format!("failed to upload `{name}` to {version}"),
            Self::Replace(name) => {
                format!("failed to replace `{name}` in {version}: failed to delete the old file first")
            }
            Self::Delete(name) => format!("failed to delete `{name}` from {version}"),
            Self::ReadVersion => format!("failed to find the page of {version}"),
            Self::Link(name) => format!("failed to link the package to repository {name}"),
            Self::ListVersions => format!("failed to list the versions of {owner}/{package}"),
            Self::Download(name) => format!("failed to download `{name}` from {version}"),
        }
    }
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct RegistryError {
    pub(crate) operation: Operation,
    what: String,
    pub(super) url: Url,
    /// Why it failed.
    #[source]
    pub(crate) cause: Cause,
    /// Whether anything of the request may have reached the server.
    was_sent: bool,
    failure: Failure,
    attempts: u32,
    /// Whether the server was unavailable, and is back.
    pub(super) is_recovered: bool,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// A response that is no success.
    #[error("{}", response_in_words(*.status, .words))]
    Rejected {
        /// Its row in the table of rejections.
        failure: Failure,
        status: StatusCode,
        /// The server's message.
        words: Sanitized,
        /// The wait that the server asks for.
        retry_after: Option<Duration>,
    },
    /// A response with the right status but unexpected content.
    #[error("unexpected response from the server: {what}")]
    Unexpected {
        /// The problem with the content.
        what: Sanitized,
        /// Whether it ends too early.
        is_cut: bool,
    },
    /// No response.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// The server stopped responding, and the run no longer waits for it.
    #[error("{given_up}")]
    Outage {
        /// Why the run no longer waits.
        given_up: GivenUp,
        /// Why this request failed, if it was sent at all.
        own: Option<Box<Cause>>,
    },
    /// The file could not be read to its end, so the upload was broken off.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Cause {
    /// Returns the consequences of the cause.
    fn classify(&self, operation: &Operation, url: &Url) -> Failure {
        let unclear = operation.rule_if_unclear();
        match self {
            Self::Rejected { failure, .. } | Self::Transport(Transport { failure, reach: Reach::NotSent, .. }) => {
                failure.clone()
            }
            Self::Transport(Transport { failure, .. }) => failure.clone().retry(unclear),
            Self::Unexpected { .. } if *operation == Operation::RequestIdToken => {
                for_every_file("unexpected-response", ID_TOKEN_HINT)
            }
            Self::Unexpected { is_cut, .. } => {
                let hint = "Check that `server-url` is a Gitea or Forgejo server, and that no proxy in front of it changes \
                            responses";
                // A proxy may cut a list and still mark it as complete.
                let is_unclear = *is_cut || operation.can_change_files();
                for_file("unexpected-response", hint).retry(if is_unclear { unclear } else { RetryRule::Never })
            }
            Self::Outage { .. } => {
                let server = url.origin().ascii_serialization();
                let hint = format!(
                    "Check the server {server} and the reverse proxy in front of it, then run the step again. It continues \
                     after the last verified file"
                );
                for_every_file("server-unavailable", hint)
            }
            // The server stores nothing of an upload that breaks off (all versions).
            Self::File(error) => for_file(error.code(), error.hint().unwrap_or_default()),
        }
    }
}

fn response_in_words(status: StatusCode, words: &Sanitized) -> String {
    let status = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    match words.to_string() {
        // The titles of proxies' error pages only repeat the status.
        words if words.is_empty() || words == status => status,
        words => format!("{status}: {words}"),
    }
}

impl RegistryError {
    pub(super) fn new(operation: Operation, what: String, url: Url, cause: Cause) -> Self {
        let failure = cause.classify(&operation, &url);
        let was_sent = match &cause {
            Cause::Transport(transport) => transport.reach != Reach::NotSent,
            Cause::Outage { .. } => false,
            Cause::Rejected { .. } | Cause::Unexpected { .. } | Cause::File(_) => true,
        };
        Self { operation, what, url, cause, was_sent, failure, attempts: 1, is_recovered: false }
    }

    /// Returns the consequences of the error, and the number of attempts.
    pub(super) fn into_failure(self) -> (Failure, u32) {
        (self.failure, self.attempts)
    }

    /// Whether the server rejected the token itself, not what its user may do.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(&self.cause, Cause::Rejected { status: StatusCode::UNAUTHORIZED, words, .. }
            if self.is_server_response() && !words.to_string().contains("reqPackageAccess"))
    }

    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.failure.hint);
        self
    }

    /// Turns this error into an error of `upload` with the same cause.
    pub(crate) fn for_upload(self, upload: Self) -> Self {
        Self { operation: upload.operation, what: upload.what, url: upload.url, ..self }
    }

    /// Sets the number of attempts to at least `attempts`.
    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        Self { attempts: self.attempts.max(attempts), ..self }
    }

    /// Marks an error that an outage of the server caused. The server is back, so the request can be repeated.
    pub(super) fn mark_recovered(mut self) -> Self {
        self.is_recovered = true;
        self.failure.affects_every_file = false;
        self.failure.retry = if self.was_sent { self.operation.rule_if_unclear() } else { RetryRule::Repeat };
        self
    }

    /// Turns the error into that of an outage that the run no longer waits for.
    pub(super) fn with_outage(self, given_up: GivenUp) -> Self {
        let cause = Cause::Outage { given_up, own: Some(self.cause.into()) };
        let failure = cause.classify(&self.operation, &self.url);
        Self { cause, failure, is_recovered: false, ..self }
    }

    pub(crate) fn kind(&self) -> FailureKind {
        self.failure.kind
    }

    /// Whether the server itself responded, not a proxy.
    pub(super) fn is_server_response(&self) -> bool {
        matches!(self.cause, Cause::Rejected { .. }) && self.failure.kind != FailureKind::Unavailable
    }

    /// Returns the retry rule.
    pub(crate) fn retry_rule(&self) -> RetryRule {
        self.failure.retry
    }

    /// Returns the cause of this request's failure, even if the run no longer waits for the server.
    pub(crate) fn own_cause(&self) -> &Cause {
        match &self.cause {
            Cause::Outage { own: Some(own), .. } => own,
            cause => cause,
        }
    }

    /// Whether anything of the request may have reached the server.
    pub(crate) fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// Returns the wait that the server asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.cause {
            Cause::Rejected { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// Whether the registry itself rejects this and every other file of this run. For the check of write access, only
    /// responses of the server itself count.
    pub(crate) fn is_rejection_of_every_file(&self) -> bool {
        matches!(self.cause, Cause::Rejected { .. }) && self.affects_every_file()
    }

    /// Whether a rejected token may be the real cause: the body broke off, or a proxy responded for the server.
    pub(crate) fn can_hide_rejection(&self) -> bool {
        let is_vague = match &self.cause {
            Cause::Rejected { status, .. } => *status == StatusCode::BAD_GATEWAY,
            Cause::Transport(transport) => transport.reach == Reach::Broken,
            Cause::Unexpected { .. } | Cause::Outage { .. } | Cause::File(_) => false,
        };
        is_vague && !self.is_recovered
    }
}

impl Explain for RegistryError {
    fn code(&self) -> &'static str {
        self.failure.code
    }

    fn hint(&self) -> Option<String> {
        Some(self.failure.hint.clone())
    }

    fn request(&self) -> Option<String> {
        let attempts = if self.attempts > 1 { format!(", {} attempts", self.attempts) } else { String::new() };
        Some(format!("{} {}{attempts}", self.operation.method(), self.url))
    }

    fn affects_every_file(&self) -> bool {
        self.failure.affects_every_file
    }

    fn plural(&self) -> Option<Plural> {
        let (text, name) = match &self.operation {
            Operation::Upload(name) => ("failed to upload {} files", name),
            Operation::Download(name) => ("failed to download {} files", name),
            _ => return None,
        };
        Some(Plural { text: text.to_owned(), item: format!("`{name}`"), is_hint_an_example: false })
    }
}
