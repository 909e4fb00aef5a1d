//! Failures: the consequences of a failed request, regardless of the reason.

/// The consequences of a failed request.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(super) kind: FailureKind,
    /// Whether it would affect every other file of the run.
    pub(super) affects_every_file: bool,
    pub(super) retry: RetryRule,
    pub(super) code: &'static str,
    pub(super) hint: String,
}

/// The kinds of failures that the code distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The server does not accept the file's name.
    FileName,
    /// The server requires a token.
    SignInRequired,
    /// A file of that name already exists.
    Exists,
    /// The file to delete or download does not exist.
    NotFound,
    /// The server could not be reached: no connection, or a response of a proxy in its place.
    Unavailable,
    Other,
}

/// The request that may follow a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryRule {
    /// None, because it would fail again.
    Never,
    /// A retry of the request.
    Repeat,
    /// A list of the files first, because the request may have taken effect. It is repeated only if it did not.
    AfterCheck,
    /// A list of the files, and nothing after it.
    CheckOnly,
}

/// Returns a failure of one file or one request that a retry does not change.
pub(super) fn for_file(code: &'static str, hint: impl Into<String>) -> Failure {
    let (kind, retry) = (FailureKind::Other, RetryRule::Never);
    Failure { kind, affects_every_file: false, retry, code, hint: hint.into() }
}

/// Returns a failure that affects every file of the run and that a retry does not change.
pub(super) fn for_every_file(code: &'static str, hint: impl Into<String>) -> Failure {
    Failure { affects_every_file: true, ..for_file(code, hint) }
}

impl Failure {
    pub(super) fn kind(self, kind: FailureKind) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn retry(self, retry: RetryRule) -> Self {
        Self { retry, ..self }
    }
}

/// A request without a response, or with an incomplete one.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Transport {
    pub(super) words: String,
    pub(super) reach: Reach,
    /// The consequences. If the request may have reached the server, the operation decides on the retry.
    pub(super) failure: Failure,
}

/// The progress of a request before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// There was no connection, so the server has stored nothing.
    NotSent,
    /// The connection was interrupted.
    Broken,
    /// No data moved until the timeout.
    Stalled,
}

impl Transport {
    /// Returns a request that was not sent.
    pub(super) fn not_sent(words: String, failure: Failure) -> Self {
        Self { words, reach: Reach::NotSent, failure }
    }
}
