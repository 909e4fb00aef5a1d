//! The code of each failed request.

use super::asked::Asked;
use super::error::{Cause, Transport};
use super::refusal::Refusal;
use crate::hint::Explain as _;

impl Cause {
    /// Returns the code of a request that failed because of this. A visitor sends no token.
    pub(super) fn code(&self, asked: &Asked, is_visitor: bool) -> &'static str {
        match self {
            Self::Refused { refusal, .. } => refusal.code(asked, is_visitor),
            Self::Garbled { .. } => "unexpected-response",
            Self::Transport(transport) => transport.code(),
            Self::Outage { .. } => "server-unavailable",
            Self::File(error) => error.code(),
        }
    }
}

impl Transport {
    fn code(&self) -> &'static str {
        match self {
            Self::Resolve(_) | Self::ResolveLater(_) => "host-not-found",
            Self::Connect(_) => "connection-failed",
            Self::OpenFiles(_) => "too-many-open-files",
            Self::Tls(fault) => fault.code(),
            Self::LocalTarget(_) => "redirect-to-local-address",
            Self::Proxy(fault) => fault.code(),
            Self::Broken(_) => "connection-broken",
            Self::Timeout(_) => "timeout",
        }
    }
}

impl Refusal {
    fn code(&self, asked: &Asked, is_visitor: bool) -> &'static str {
        let is_read = matches!(asked, Asked::Files | Asked::Version | Asked::Versions | Asked::Download(_));
        match self {
            Self::BadToken
            | Self::SignedInOnly
            | Self::NoScope
            | Self::NoRight
            | Self::NoWriteAccess
            | Self::Private
            | Self::PublicOnly
                if is_visitor =>
            {
                "token-required"
            }
            Self::BadToken | Self::SignedInOnly => "bad-token",
            Self::NoScope => "missing-scope",
            Self::NoRight if is_read => "no-read-access",
            Self::NoRight | Self::NoWriteAccess => "no-write-access",
            Self::Private => "private-owner",
            Self::PublicOnly => "public-only-token",
            Self::NoOwner => "owner-not-found",
            Self::Renamed(_) => "owner-renamed",
            Self::HttpsOnly(_) => "https-required",
            Self::Redirect(_) => "redirected",
            Self::Unencrypted(_) => "redirect-to-http",
            Self::Redirects => "too-many-redirects",
            Self::Storage(_) => "object-storage-error",
            Self::ClientCertificate => "client-certificate-rejected",
            Self::FileName => "invalid-file-name",
            Self::PackageName => "invalid-package-name",
            Self::Version => "invalid-version",
            Self::SizeLimit => "file-too-large",
            Self::StorageQuota | Self::OwnerQuota => "quota-exceeded",
            Self::CountLimit => "too-many-versions",
            Self::ProxyBodyLimit => "body-limit-exceeded",
            Self::SlashInVersion => "slash-in-version",
            Self::WrongPath | Self::WrongMethod => "wrong-server-url",
            Self::Linked => "already-linked",
            Self::NoRepository => "repository-not-found",
            Self::NoRightToLink => "no-repository-access",
            Self::NoLinks => "links-not-supported",
            Self::Exists => "file-exists",
            Self::NotThere => "file-not-found",
            Self::NoVersion => "version-not-found",
            Self::WebPage => "web-page",
            Self::Later => "rate-limited",
            Self::ProxyFault => "server-unavailable",
            Self::ServerFault => "server-error",
            Self::Unexpected => "unexpected-response",
        }
    }
}
