//! What an answer means: one table from status and words to a domain error, and its cure.
//!
//! The rows are the recorded answers of Gitea 1.22 to 1.26 and Forgejo 7 to 15, and of the reverse proxies in front of
//! them; a row that holds for some versions only says so.

use reqwest::StatusCode;

use super::answer::Answer;
use super::error::Asked;
use crate::package::Target;
use crate::untrusted::Untrusted;

/// Why the registry, or something in front of it, does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is wrong, expired or garbled.
    BadToken,
    /// The token is good but lacks the scope.
    NoScope,
    /// The token lacks the scope write:package, or its user may not write packages of this owner.
    NoRight,
    /// The owner is private, and the user is no member.
    Private,
    /// No such user or organisation, or packages are disabled.
    NoOwner,
    /// The owner has another name now.
    Renamed(Option<Untrusted>),
    /// A redirect to somewhere else.
    Redirect(Untrusted),
    /// A name that this server refuses.
    Name,
    /// A file larger than the server allows.
    SizeLimit,
    /// The owner's or the server's limit on stored bytes.
    StorageQuota,
    /// The server's limit on versions.
    CountLimit,
    /// A reverse proxy's limit on the body of a request.
    ProxyBodyLimit,
    /// Not the root of a forge, or a path that a proxy has changed.
    WrongPath,
    /// A method that this path does not know.
    WrongMethod,
    /// A file of that name is there.
    Exists,
    /// An answer in HTML where the registry gives none: a login wall, a bot check, another web server.
    NotTheRegistry,
    /// Too many requests, or a request that took too long to arrive.
    Later,
    /// A fault of the server or of the proxy in front of it.
    ServerFault,
    /// Anything else.
    Unexpected,
}

impl Refusal {
    /// Reads an answer that is not the one that was hoped for.
    pub(super) fn of(asked: &Asked, answer: &Answer) -> Self {
        let words = answer.words.as_str();
        let has = |text: &str| words.contains(text);
        match answer.status {
            StatusCode::OK if answer.is_html => Self::NotTheRegistry,
            status if status.is_redirection() => match answer.location.as_deref() {
                // 307 with another owner in the same path: the owner was renamed (all versions).
                Some(place) if status == StatusCode::TEMPORARY_REDIRECT && is_path(place) => {
                    Self::Renamed(new_owner(place))
                }
                Some(place) => Self::Redirect(Untrusted::new(place)),
                None => Self::Unexpected,
            },
            StatusCode::BAD_REQUEST if has("invalid ") && !answer.is_html => Self::Name,
            StatusCode::UNAUTHORIZED if has("reqPackageAccess") => Self::NoRight,
            StatusCode::UNAUTHORIZED if answer.is_html => Self::NotTheRegistry,
            StatusCode::UNAUTHORIZED => Self::BadToken,
            StatusCode::FORBIDDEN if has("package type size") => Self::SizeLimit,
            StatusCode::FORBIDDEN if has("storage quota") => Self::StorageQuota,
            StatusCode::FORBIDDEN if has("package count") => Self::CountLimit,
            StatusCode::FORBIDDEN if has("required scope") => Self::NoScope,
            StatusCode::FORBIDDEN if has("reqToken") || has("specific permission") => Self::Private,
            StatusCode::FORBIDDEN if has("Only signed in user") => Self::BadToken,
            StatusCode::FORBIDDEN if answer.is_html => Self::NotTheRegistry,
            StatusCode::FORBIDDEN => Self::NoRight,
            // The API names the missing owner; the packages' own path has two words for everything.
            StatusCode::NOT_FOUND if has("user redirect does not exist") => Self::NoOwner,
            StatusCode::NOT_FOUND if has("Not found.") && !answer.is_html => Self::NoOwner,
            StatusCode::NOT_FOUND => Self::WrongPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::WrongMethod,
            StatusCode::CONFLICT if matches!(asked, Asked::Upload(_)) => Self::Exists,
            StatusCode::PAYLOAD_TOO_LARGE if has("enforcePackagesQuota") => Self::StorageQuota,
            StatusCode::PAYLOAD_TOO_LARGE => Self::ProxyBodyLimit,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Self::Later,
            status if status.is_server_error() => Self::ServerFault,
            _ => Self::Unexpected,
        }
    }

    /// Whether every other file of this run would meet the same refusal.
    pub(super) fn meets_every_file(&self) -> bool {
        match self {
            Self::BadToken
            | Self::NoScope
            | Self::NoRight
            | Self::Private
            | Self::NoOwner
            | Self::Renamed(_)
            | Self::Redirect(_)
            | Self::StorageQuota
            | Self::CountLimit
            | Self::WrongPath
            | Self::WrongMethod
            | Self::NotTheRegistry => true,
            Self::Name
            | Self::SizeLimit
            | Self::ProxyBodyLimit
            | Self::Exists
            | Self::Later
            | Self::ServerFault
            | Self::Unexpected => false,
        }
    }

    /// The cure, as an instruction.
    pub(super) fn advice(&self, target: &Target, username: &str) -> String {
        let server = &target.server;
        let owner = &target.owner;
        let tokens = format!("{server}/user/settings/applications");
        let user = match username {
            "" => "the token's user".to_owned(),
            name => format!("the token's user (`username` is {})", Untrusted::new(name)),
        };
        match self {
            Self::BadToken => format!(
                "Check `token`: it is wrong, expired or cut; make a personal access token with the scope write:package \
                 at {tokens}, and give it alone, without user name and without base64"
            ),
            Self::NoScope => format!("Make a personal access token with the scope write:package at {tokens}"),
            Self::NoRight => format!(
                "Give the token the scope write:package ({tokens}), and {user} the right to write packages of {owner}; \
                 the job's own token cannot publish packages"
            ),
            Self::Private => format!("Make {user} a member of {owner}, and do not limit the token to public owners"),
            Self::NoOwner => {
                format!("Check `owner`: {server} knows no user or organisation {owner}, or has packages disabled")
            }
            Self::Renamed(Some(new)) => format!("Set `owner: {new}`: {owner} was renamed"),
            Self::Renamed(None) => format!("Set `owner` to the new name of {owner}: it was renamed"),
            Self::Redirect(place) => format!("Set `server-url` to where {server} leads: {place}"),
            Self::Name => "Rename the file: older servers allow letters, digits and `._+-` only".to_owned(),
            Self::SizeLimit => {
                "Ask the forge's administrator to raise LIMIT_SIZE_GENERIC, or publish smaller files".to_owned()
            }
            Self::StorageQuota => {
                format!("Delete old versions of {owner}'s packages, or ask the administrator for a larger quota")
            }
            Self::CountLimit => format!(
                "Delete old versions of {owner}'s packages, or ask the administrator to raise LIMIT_TOTAL_OWNER_COUNT"
            ),
            Self::ProxyBodyLimit => {
                "Raise the body limit of the reverse proxy in front of the forge (nginx: `client_max_body_size 0;`)"
                    .to_owned()
            }
            Self::WrongPath if target.version.as_str().contains('/') => format!(
                "Use a version without `/`, or let the reverse proxy pass `%2F` as it is (nginx: no `/` at the end of \
                 proxy_pass; Apache: AllowEncodedSlashes NoDecode and nocanon); otherwise check that {server} is the \
                 forge's base URL"
            ),
            Self::WrongPath | Self::WrongMethod => {
                format!(
                    "Check `server-url`: {server} is not the base URL of a forge with packages; is its sub-path missing?"
                )
            }
            Self::Exists => "Use a new version, or delete the file on the registry first".to_owned(),
            Self::NotTheRegistry => format!(
                "Check `server-url`: a web page answers at {server} where the registry should; let requests to \
                 /api/ pass a login wall or a bot check"
            ),
            Self::Later => "Run the step again later: the server asks for a pause".to_owned(),
            Self::ServerFault => {
                "Run the step again: what is there already stays as it is; if it fails again, the log \
                                  of the forge has the reason"
                    .to_owned()
            }
            Self::Unexpected => format!("Check that {server} is a Gitea or Forgejo server"),
        }
    }
}

fn is_path(place: &str) -> bool {
    place.starts_with('/') && !place.starts_with("//")
}

/// The owner in `.../api/packages/OWNER/generic/...` or `.../api/v1/packages/OWNER/generic/...`.
fn new_owner(path: &str) -> Option<Untrusted> {
    let (_, rest) = path.split_once("/packages/")?;
    let (owner, _) = rest.split_once('/')?;
    Some(Untrusted::new(owner))
}
