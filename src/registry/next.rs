//! What may follow on a request that failed: one table.

use reqwest::StatusCode;

use super::asked::Asked;
use super::error::{Cause, RegistryError, Transport};
use super::refusal::Refusal;

/// What may follow on a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it would fail again.
    Final,
    /// The same again.
    Again,
    /// A look at what is stored, since this may have stored something or met something stored; the same again where
    /// there is nothing.
    LookFirst,
    /// A look at what is stored, and nothing after it.
    LookOnly,
}

impl RegistryError {
    /// What may follow on this. Versions are those of the recordings, and RFC 9110 is the one on HTTP's semantics.
    #[must_use]
    pub(crate) fn next(&self) -> Next {
        let changes = matches!(self.asked, Asked::Upload(_) | Asked::Delete(_) | Asked::Remove(_));
        let if_it_changes = |then: Next, otherwise: Next| if changes { then } else { otherwise };
        if self.is_outlasted() {
            return if self.was_sent() { if_it_changes(Next::LookFirst, Next::Again) } else { Next::Again };
        }
        match &self.cause {
            // The file itself is at fault; the server stores nothing of an upload that breaks off (all versions). Nor is a
            // server waited for twice.
            Cause::File(_) | Cause::Outage { .. } => Next::Final,
            Cause::Transport(transport) => match transport {
                // Nothing was sent. A name that does not exist will not come to exist, no certificate gets better, and
                // the server leads to the same place again.
                Transport::Resolve(_) | Transport::Tls(_) | Transport::LocalTarget(_) => Next::Final,
                Transport::ResolveLater(_) | Transport::Connect(_) | Transport::OpenFiles(_) => Next::Again,
                Transport::Proxy(fault) => {
                    if fault.may_pass() {
                        Next::Again
                    } else {
                        Next::Final
                    }
                }
                // The answer may be all that was lost (RFC 9110, 9.2.2: PUT and DELETE may be repeated, but the
                // registry answers 409 and 404 to a second one, all versions).
                Transport::Timeout(timeout) if timeout.phase.is_before_the_request() => Next::Again,
                Transport::Broken(_) | Transport::Timeout(_) => if_it_changes(Next::LookFirst, Next::Again),
            },
            // A list that breaks off in its middle behind a proxy that says it is whole.
            Cause::Garbled { is_cut: true, .. } => if_it_changes(Next::LookFirst, Next::Again),
            Cause::Garbled { is_cut: false, .. } => if_it_changes(Next::LookFirst, Next::Final),
            Cause::Refused { refusal, status, .. } => match *status {
                // RFC 9110, 15.5.9, RFC 8470, 5.2, and RFC 6585, 4: the request was not acted upon, and may be
                // repeated.
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Next::Again,
                // A race of first uploads (Gitea 1.22 and 1.24 on PostgreSQL), a proxy in front of a server that
                // restarts; a 500 can follow on a commit (source), and a 502 on an upload that the server took.
                status if status.is_server_error() => if_it_changes(Next::LookFirst, Next::Again),
                // The file is there, or was a moment ago (all versions).
                StatusCode::CONFLICT if *refusal == Refusal::Exists => Next::LookFirst,
                // The package is linked, be it by another job or by a try whose answer was lost (all versions that can
                // link); where a look shows nothing, it is to what the token's user cannot see.
                StatusCode::BAD_REQUEST if *refusal == Refusal::Linked => Next::LookOnly,
                // The file is not there, or is no longer (all versions).
                StatusCode::NOT_FOUND if *refusal == Refusal::NotThere => Next::LookOnly,
                // A success that is not the one of the registry may be anybody's word.
                status if status.is_success() => if_it_changes(Next::LookOnly, Next::Final),
                // 400, 401, 403, 404, 405, 413 and redirects: all versions, each time.
                _ => Next::Final,
            },
        }
    }

    /// Whether the registry itself says no, and would say so to every other file of this run, however often. Of the check
    /// for write access only answers of the forge count.
    #[must_use]
    pub(crate) fn is_a_refusal_of_every_file(&self) -> bool {
        matches!(self.cause, Cause::Refused { .. }) && self.meets_every_file()
    }
}
