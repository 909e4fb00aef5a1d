//! Failures: the consequences of a request that failed, whatever the reason.

/// The consequences of a failed request.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(super) kind: FailureKind,
    /// Whether every other file of the run would meet it.
    pub(super) meets_every_file: bool,
    pub(super) retry: RetryRule,
    pub(super) code: &'static str,
    pub(super) hint: String,
}

/// The kinds of failures that code tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The server does not accept the file's name.
    FileName,
    /// Visitors get no response.
    SignInRequired,
    /// A file of that name is there.
    Exists,
    /// The file that is to be deleted, or downloaded, is not there.
    NotFound,
    /// The server could not be reached: no connection, or a response of a proxy in its place.
    Unavailable,
    Other,
}

/// The request that may follow a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryRule {
    /// Nothing: it would fail again.
    Never,
    /// It may be sent again.
    Repeat,
    /// First a check of what the registry has, because the request may have taken effect. It is repeated only if it has not.
    AfterCheck,
    /// A check of what the registry has, and nothing after it.
    CheckOnly,
}

/// A failure of one file, or of one request, that would be the same each time.
pub(super) fn one(code: &'static str, hint: impl Into<String>) -> Failure {
    let (kind, retry) = (FailureKind::Other, RetryRule::Never);
    Failure { kind, meets_every_file: false, retry, code, hint: hint.into() }
}

/// A failure that every file of the run would meet, each time.
pub(super) fn every(code: &'static str, hint: impl Into<String>) -> Failure {
    Failure { meets_every_file: true, ..one(code, hint) }
}

impl Failure {
    pub(super) fn kind(self, kind: FailureKind) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn retry(self, retry: RetryRule) -> Self {
        Self { retry, ..self }
    }
}
