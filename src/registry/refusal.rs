//! What an answer means: one table from status and words to a domain error. What to do about each is in `hint`.
//!
//! The rows are the recorded answers of Gitea 1.22 to 1.26 and Forgejo 7 to 15, and of the reverse proxies in front of
//! them; a row that holds for some versions only says so. `docs/troubleshooting.md` shows them as they are printed.

mod hint;

use reqwest::StatusCode;
use url::Url;

use super::answer::{Answer, is_for_now, is_of_gateway, is_plain};
use super::asked::Asked;
use crate::command::Command;
use crate::package::Target;
use crate::sanitize::Sanitized;
use crate::secret::Credentials;

/// Who asks the registry, and for what.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) command: Command,
    pub(super) target: &'a Target,
    /// None for a visitor.
    pub(super) credentials: Option<&'a Credentials>,
}

/// Why the registry, or something in front of it, does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The token is wrong, expired or garbled.
    BadToken,
    /// Only those who are signed in are answered.
    SignedInOnly,
    /// The token is good but has no scope for packages.
    NoScope,
    /// The token lacks the scope write:package, or its user may not write packages of this owner.
    NoRight,
    /// The token's user may not write packages of this owner. The scope is good.
    NoWriteAccess,
    /// The owner is private, and the token's user is not a member.
    Private,
    /// The owner is private, and the token is for public owners only.
    PublicOnly,
    /// No such user or organisation, or packages are disabled.
    NoOwner,
    /// The owner has another name now.
    Renamed(Sanitized),
    /// The same server by https.
    HttpsOnly(Sanitized),
    /// A redirect to somewhere else.
    Redirect(Sanitized),
    /// A redirect from https to http. The host is known if the server itself leads there.
    Unencrypted(Option<Sanitized>),
    /// One redirect after the other.
    Redirects,
    /// Where the forge keeps its files, that is what is not as it should be.
    Storage(Sanitized),
    /// nginx wants a client certificate, or another one.
    ClientCertificate,
    /// The file's name is one that this server refuses.
    FileName,
    /// The package's name is one that this server refuses.
    PackageName,
    /// The version is one that this server refuses.
    Version,
    /// A file larger than the server allows.
    SizeLimit,
    /// The server's limit on the bytes that an owner may store.
    StorageQuota,
    /// The server's limit on the versions that an owner may have.
    CountLimit,
    /// The owner's quota (Forgejo 9 and later).
    OwnerQuota,
    /// A reverse proxy's limit on the body of a request.
    ProxyBodyLimit,
    /// A reverse proxy took `%2F` in the version for a `/`.
    SlashInVersion,
    /// Not the root of a forge.
    WrongPath,
    /// The package is linked to a repository already, be it the same.
    Linked,
    /// The owner has no such repository.
    NoRepository,
    /// The user has no right to link packages to the repository.
    NoRightToLink,
    /// The server cannot link packages by its API: Gitea before 1.24, Forgejo before 11.
    NoLinks,
    /// A method that this path does not know.
    WrongMethod,
    /// A file of that name is there.
    Exists,
    /// The file that is to be deleted, or fetched, is not there.
    NotThere,
    /// The version that a file is to be fetched of is not there, or the package.
    NoVersion,
    /// A web page where the registry should answer: a login wall, a bot check, another web server.
    WebPage,
    /// Too many requests, or a request that took too long to arrive.
    Later,
    /// A fault of the proxy, or of the way between it and the server.
    ProxyFault,
    /// A fault of the server.
    ServerFault,
    /// Anything else.
    Unexpected,
}

impl Refusal {
    /// Reads an answer that is not the one that was hoped for. `asked_url` is where it was asked.
    pub(super) fn of(asked: &Asked, asked_url: &Url, target: &Target, answer: &Answer) -> Self {
        let has = |text: &str| answer.words.contains(text);
        let is_download = matches!(asked, Asked::Download(_));
        let is_link = matches!(asked, Asked::Link(_));
        match answer.status {
            status if is_download && status.is_redirection() => Self::of_download_redirect(asked_url, target, answer),
            _ if !target.server.is_origin_of(asked_url) => {
                Self::Storage(Sanitized::new(asked_url.host_str().unwrap_or_default()))
            }
            // A gate may refuse the odd name of the check, and still let uploads through.
            _ if matches!(asked, Asked::Right) && !is_answer_of_forge(answer) => Self::Unexpected,
            StatusCode::OK if answer.is_html => Self::WebPage,
            status if status.is_redirection() => Self::of_redirect(asked_url, target, answer),
            // nginx, with `ssl_verify_client on`.
            StatusCode::BAD_REQUEST
                if answer.is_html
                    && (has("No required SSL certificate was sent") || has("The SSL certificate error")) =>
            {
                Self::ClientCertificate
            }
            StatusCode::BAD_REQUEST if has("invalid filename") => Self::FileName,
            StatusCode::BAD_REQUEST if has("invalid package name") => Self::PackageName,
            StatusCode::BAD_REQUEST if has("invalid package version") => Self::Version,
            StatusCode::BAD_REQUEST if is_link => Self::Linked,
            // The right's refusal names it; everything else at this status is about the token (all versions).
            StatusCode::UNAUTHORIZED if has("reqPackageAccess") => Self::NoRight,
            // What visitors are told on the API's lists: by Gitea, and by Forgejo up to 11; by servers that want a
            // sign-in for everything.
            StatusCode::UNAUTHORIZED if answer.words == "token is required" => Self::SignedInOnly,
            StatusCode::FORBIDDEN if answer.words == "Only signed in user is allowed to call APIs." => {
                Self::SignedInOnly
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if answer.is_html => Self::WebPage,
            StatusCode::UNAUTHORIZED => Self::BadToken,
            StatusCode::FORBIDDEN if has("package type size") => Self::SizeLimit,
            StatusCode::FORBIDDEN if has("storage quota") => Self::StorageQuota,
            StatusCode::FORBIDDEN if has("package count") => Self::CountLimit,
            StatusCode::FORBIDDEN if has("required scope") => Self::NoScope,
            // An upload's refusal, and that of the API (Forgejo 15).
            StatusCode::FORBIDDEN if has("reqToken") || has("limited to public packages") => Self::PublicOnly,
            // Who may read packages but not write them is refused first by a link.
            StatusCode::FORBIDDEN if is_link && has("specific permission") => Self::NoWriteAccess,
            // `permission denied` is about the repository (source: Gitea 1.24, services/packages/package_update.go).
            StatusCode::FORBIDDEN if is_link && has("permission") => Self::NoRightToLink,
            StatusCode::FORBIDDEN if has("specific permission") => Self::Private,
            StatusCode::FORBIDDEN => Self::NoRight,
            // The API names the missing owner; below /api/packages the words are the same for all owners that are not
            // to be had. Elsewhere they mean a path that does not exist.
            StatusCode::NOT_FOUND if has("user redirect does not exist") => Self::NoOwner,
            StatusCode::NOT_FOUND if is_link && has("repository does not exist") => Self::NoRepository,
            StatusCode::NOT_FOUND if is_link && has("package does not exist") => Self::NoVersion,
            // The list call was answered before, so this is about no other path.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if is_link => Self::NoLinks,
            StatusCode::NOT_FOUND
                if has("Not found.") && !matches!(asked, Asked::Files | Asked::Version | Asked::Versions) =>
            {
                Self::NoOwner
            }
            StatusCode::NOT_FOUND if has("package does not exist") && is_download => Self::NoVersion,
            StatusCode::NOT_FOUND
                if has("does not exist") && (is_download || matches!(asked, Asked::Delete(_) | Asked::Remove(_))) =>
            {
                Self::NotThere
            }
            StatusCode::NOT_FOUND if target.version.as_str().contains('/') => Self::SlashInVersion,
            StatusCode::NOT_FOUND => Self::WrongPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::WrongMethod,
            StatusCode::CONFLICT if matches!(asked, Asked::Upload(_)) => Self::Exists,
            // Forgejo 9 and later, before the body; a proxy answers the same status in HTML.
            StatusCode::PAYLOAD_TOO_LARGE if has("enforcePackagesQuota") => Self::OwnerQuota,
            StatusCode::PAYLOAD_TOO_LARGE => Self::ProxyBodyLimit,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Self::Later,
            status if is_of_gateway(status) => Self::ProxyFault,
            // The registry's own errors are JSON or plain text (all versions).
            status if status.is_server_error() && answer.is_html => Self::ProxyFault,
            status if status.is_server_error() => Self::ServerFault,
            _ => Self::Unexpected,
        }
    }

    /// Whether an answer of that status means one thing or another by its words.
    pub(super) fn is_told_by_words(asked: &Asked, status: StatusCode) -> bool {
        match status {
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => true,
            // A visitor may be shown no list, or may be no visitor that anybody lets in.
            StatusCode::UNAUTHORIZED => matches!(asked, Asked::Files | Asked::Versions | Asked::Right),
            _ => false,
        }
    }

    /// Those that are not followed.
    fn of_download_redirect(asked_url: &Url, target: &Target, answer: &Answer) -> Self {
        let is_at_forge = target.server.is_origin_of(asked_url);
        let storage = |host: Option<&str>| Self::Storage(Sanitized::new(host.unwrap_or_default()));
        match answer.location.as_ref().and_then(|given| asked_url.join(given).ok()) {
            Some(place) if asked_url.scheme() == "https" && place.scheme() == "http" => {
                // Where another origin leads is not shown.
                Self::Unencrypted(is_at_forge.then(|| Sanitized::new(place.host_str().unwrap_or_default())))
            }
            Some(place) if !is_at_forge && is_for_now(answer.status) && is_plain(&place) => Self::Redirects,
            _ if !is_at_forge => storage(asked_url.host_str()),
            Some(place) if !is_plain(&place) => storage(place.host_str()),
            // What stands behind may be a key to it.
            Some(place) if place.host_str() != asked_url.host_str() => {
                Self::Redirect(Sanitized::new(&place.origin().ascii_serialization()))
            }
            _ => Self::of_redirect(asked_url, target, answer),
        }
    }

    fn of_redirect(asked_url: &Url, target: &Target, answer: &Answer) -> Self {
        let Some(given) = &answer.location else { return Self::Unexpected };
        let Ok(place) = asked_url.join(given) else { return Self::Redirect(Sanitized::new(given)) };
        // The base, where the rest is as it was asked for.
        let below = asked_url.as_str().strip_prefix(&target.server.to_string()).unwrap_or_default();
        let base = || Sanitized::new(place.as_str().strip_suffix(below).unwrap_or(place.as_str()));
        if place.host_str() != asked_url.host_str() {
            return Self::Redirect(base());
        }
        if asked_url.scheme() == "http" && place.scheme() == "https" {
            return Self::HttpsOnly(base());
        }
        match new_owner(asked_url.path(), place.path()) {
            Some(owner) if answer.status == StatusCode::TEMPORARY_REDIRECT => Self::Renamed(Sanitized::new(owner)),
            // Elsewhere on the same server: to its login.
            _ => Self::WebPage,
        }
    }

    /// Whether every other file of this run would meet the same refusal.
    pub(super) fn meets_every_file(&self) -> bool {
        match self {
            Self::BadToken
            | Self::SignedInOnly
            | Self::NoScope
            | Self::NoRight
            | Self::NoWriteAccess
            | Self::Private
            | Self::PublicOnly
            | Self::NoOwner
            | Self::Renamed(_)
            | Self::HttpsOnly(_)
            | Self::Redirect(_)
            | Self::Unencrypted(_)
            | Self::Redirects
            | Self::NoVersion
            | Self::StorageQuota
            | Self::CountLimit
            | Self::OwnerQuota
            | Self::PackageName
            | Self::Version
            | Self::SlashInVersion
            | Self::WrongPath
            | Self::WrongMethod
            | Self::ClientCertificate
            | Self::WebPage => true,
            Self::FileName
            | Self::SizeLimit
            | Self::ProxyBodyLimit
            | Self::Exists
            | Self::Linked
            | Self::NoRepository
            | Self::NoRightToLink
            | Self::NoLinks
            | Self::NotThere
            | Self::Storage(_)
            | Self::Later
            | Self::ProxyFault
            | Self::ServerFault
            | Self::Unexpected => false,
        }
    }
}

/// Whether the forge itself gave this answer to the check for write access, and nothing in front of it. `404 page not
/// found` is not among these texts: Go's own 404 is also that of proxies written in Go.
fn is_answer_of_forge(answer: &Answer) -> bool {
    const TEXTS: [(StatusCode, &str); 9] = [
        (StatusCode::BAD_REQUEST, "invalid filename"),
        (StatusCode::BAD_REQUEST, "invalid package name"),
        (StatusCode::BAD_REQUEST, "invalid package version"),
        // Gitea 1.26, and before it Gitea and Forgejo.
        (StatusCode::UNAUTHORIZED, "Failed to authenticate user"),
        (StatusCode::UNAUTHORIZED, "authGroup.Verify"),
        (StatusCode::UNAUTHORIZED, "reqPackageAccess"),
        (StatusCode::FORBIDDEN, "reqToken"),
        (StatusCode::NOT_FOUND, "Not found."),
        (StatusCode::PAYLOAD_TOO_LARGE, "enforcePackagesQuota"),
    ];
    let is_given = |(status, text): &(StatusCode, &str)| answer.status == *status && answer.words.contains(text);
    !answer.is_html && TEXTS.iter().any(is_given)
}

/// The other owner in a path that is the same but for the owner: `.../packages/OWNER/generic/...` (all versions).
fn new_owner<'a>(asked: &str, given: &'a str) -> Option<&'a str> {
    let (before, rest) = asked.split_once("/packages/")?;
    let after = rest.find('/').map_or("", |at| &rest[at..]);
    let owner = given.strip_prefix(before)?.strip_prefix("/packages/")?.strip_suffix(after)?;
    (!owner.contains('/')).then_some(owner)
}
