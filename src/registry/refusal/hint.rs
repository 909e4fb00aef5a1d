//! What to do about each refusal.

use super::{Asker, Refusal};
use crate::command::Command;
use crate::package::{Target, Version};
use crate::secret::{Credentials, TokenShape};

impl Refusal {
    /// The cure, as an instruction.
    pub(in crate::registry) fn hint(&self, asker: &Asker<'_>) -> String {
        let Asker { command, target, credentials } = *asker;
        let Target { owner, version, .. } = target;
        let (access, tokens) = (asker.access(), asker.tokens_page());
        let scope = format!("{access}:package");
        match (self, credentials) {
            (Self::NoVersion, None) if version.as_str().eq_ignore_ascii_case(Version::LATEST) => {
                "Name the version, or give a `token`: finding the newest takes a list that this registry shows only to \
                 those who are signed in, and no version is called `latest`"
                    .to_owned()
            }
            (
                Self::BadToken
                | Self::SignedInOnly
                | Self::NoScope
                | Self::NoRight
                | Self::NoWriteAccess
                | Self::Private
                | Self::PublicOnly,
                Some(credentials),
            ) if credentials.shape() != TokenShape::Plain => asker.hint_of_shape(credentials.shape()),
            (Self::BadToken | Self::SignedInOnly, Some(_)) => {
                format!("Make a new personal token with the scope {scope}: this one is wrong or expired; {tokens}")
            }
            (Self::NoScope, Some(_)) => {
                format!("Make a personal token with the scope {scope}: this one has it not; {tokens}")
            }
            (Self::NoRight, Some(credentials)) => {
                let user = user(credentials);
                format!(
                    "Give the token the scope {scope}, or give {user} {access} access to packages of {owner}. \
                     {JOBS_OWN}: {tokens}"
                )
            }
            (Self::NoWriteAccess, Some(credentials)) => {
                format!("Give {} write access to packages of {owner}. {JOBS_OWN}: {tokens}", user(credentials))
            }
            (Self::Private, Some(_)) => format!(
                "Set `token` to a personal access token of a member of {owner}, which is private. The job's own token \
                 has no access to private owners"
            ),
            (Self::PublicOnly, Some(_)) => format!(
                "Create a personal access token with access to all owners, because this one is limited to public \
                 owners and {owner} is private: {tokens}"
            ),
            (Self::NotThere, _) if command == Command::Publish => {
                "Run the step again: another job has deleted the file meanwhile".to_owned()
            }
            (other, _) => other.hint_for_everybody(target),
        }
    }

    /// The cure that is the same for all who ask, or that is for visitors.
    fn hint_for_everybody(&self, target: &Target) -> String {
        let Target { server, owner, package, version } = target;
        let packages = format!("{server}/{}/-/packages", owner.as_str());
        let settings = format!("{}/settings", target.page_url());
        match self {
            Self::BadToken
            | Self::SignedInOnly
            | Self::NoScope
            | Self::NoRight
            | Self::NoWriteAccess
            | Self::Private
            | Self::PublicOnly => hint_for_visitors(target),
            Self::NoOwner => {
                format!("Check `owner`: there is no user or organisation {owner}, or packages are disabled on {server}")
            }
            Self::Renamed(new) => format!("Set `owner: {new}`: that is the new name of {owner}"),
            Self::HttpsOnly(base) => format!("Set `server-url: {base}`"),
            Self::Redirect(place) => format!("Set `server-url` to the forge itself: {server} leads to {place}"),
            Self::ClientCertificate => {
                format!("Set `client-certificate` to a certificate that {server} accepts, with its private key, in PEM")
            }
            Self::FileName => {
                "Rename the file: Gitea before 1.22 takes only letters, digits and `._+-` in names".to_owned()
            }
            Self::PackageName => "Set `repo` to a name of letters, digits and `._-`".to_owned(),
            Self::Version => "Set `version` to one of letters, digits and `._+-`".to_owned(),
            Self::SizeLimit => {
                "Make the file smaller, or have LIMIT_SIZE_GENERIC raised in the forge's configuration".to_owned()
            }
            Self::StorageQuota => format!(
                "Delete old versions ({packages}), or have LIMIT_TOTAL_OWNER_SIZE raised in the forge's configuration"
            ),
            Self::CountLimit => format!(
                "Delete old versions ({packages}), or have LIMIT_TOTAL_OWNER_COUNT raised in the forge's configuration"
            ),
            Self::OwnerQuota => {
                format!("Delete old versions ({packages}), or ask the forge's administrator for a larger quota")
            }
            Self::ProxyBodyLimit => "Raise the body limit of the reverse proxy in front of the forge; for nginx: \
                                     `client_max_body_size 0;`"
                .to_owned(),
            Self::SlashInVersion => format!(
                "Use a version without `/`, or let the reverse proxy pass `%2F` on (nginx: proxy_pass without a path; \
                 Apache: AllowEncodedSlashes NoDecode and nocanon), or check that {server} is the forge's base URL"
            ),
            Self::WrongPath | Self::WrongMethod => {
                format!(
                    "Check `server-url`: {server} is not the base URL of a forge; does it lack a sub-path, or have one too many?"
                )
            }
            Self::Exists => format!(
                "Run the step again; if it fails again, turn off the cache for {server}/api/ in the proxy in front of the \
                 server: the registry has a file of this name, but its list of files does not show it"
            ),
            Self::Linked => format!(
                "It is linked already, to a repository that the token's user cannot see: look it up as somebody who can, and unlink \
                 it where it is the wrong one: {settings}"
            ),
            Self::NoRepository => format!("Correct `link-repository`: {owner} has no repository of that name"),
            Self::NoRightToLink => format!(
                "Let the token's user write packages of that repository too, or link the package by hand: {settings}"
            ),
            Self::NoLinks => format!(
                "Link the package by hand ({settings}), or take `link-repository` out: Gitea before 1.24 and Forgejo \
                 before 11 have no API for it"
            ),
            Self::NotThere => format!(
                "Check `files` and run the step again: version {version} has no such file, or another job has deleted it \
                 meanwhile"
            ),
            Self::NoVersion => {
                format!("Check `version` and `repo`: there is no version {version} of package {owner}/{package}")
            }
            Self::Unencrypted(None) => {
                "Make the server's object storage reachable by https: one of its redirects leads from \
                                        https to http, where anybody on the way could change the file"
                    .to_owned()
            }
            Self::Unencrypted(Some(host)) => format!(
                "Have the forge's object storage reached by https: {server} leads to {host} by http, where anybody on \
                 the way could change the file"
            ),
            Self::Redirects => {
                format!("Look at the forge's object storage: {server} leads from one place to the next, without end")
            }
            Self::Storage(host) => format!(
                "Run the step again; if it stays so, look at the forge's object storage: {server} leads to {host} for \
                 this file"
            ),
            Self::WebPage => format!(
                "Check `server-url`: a web page answers at {server}; a login wall or bot check has to let /api/ pass"
            ),
            Self::Later => "Run the step again later: the server asks for a pause".to_owned(),
            Self::ProxyFault => "Run the step again: what is there stays as it is; if it stays so, look whether the \
                                 forge runs behind its reverse proxy"
                .to_owned(),
            Self::ServerFault => "Run the step again: what is there stays as it is; if it stays so, look into the \
                                  forge's log"
                .to_owned(),
            Self::Unexpected => format!("Check that {server} is a Gitea or Forgejo server"),
        }
    }
}

/// For refusals of a token that may be the job's own. Gitea's runner puts that one into no variable, so it is not
/// recognized.
const JOBS_OWN: &str = "If the token is the job's own, set `token` to a personal access token instead";

impl Asker<'_> {
    /// What is done with packages, as scopes and teams name it.
    fn access(&self) -> &'static str {
        match self.command {
            Command::Publish => "write",
            Command::Download => "read",
        }
    }

    /// The page where users create tokens.
    fn tokens_page(&self) -> String {
        format!("{}/user/settings/applications", self.target.server)
    }

    /// What to do about a token that was refused for what it is.
    fn hint_of_shape(&self, shape: TokenShape) -> String {
        let (access, tokens) = (self.access(), self.tokens_page());
        match shape {
            TokenShape::WithUser => {
                "Give `token` alone: this one is `user:token`, and the user belongs in `username`".to_owned()
            }
            TokenShape::Encoded => {
                "Give `token` as the forge showed it: this one is `user:token` in base64, which is encoded once more"
                    .to_owned()
            }
            TokenShape::Jwt => format!(
                "Set `token` to a personal access token with the scope {access}:package. The current value is a JWT, \
                 such as the ID token of a job, and not an access token: {tokens}"
            ),
            TokenShape::JobsOwn | TokenShape::Plain => {
                let why = match self.command {
                    Command::Publish => "cannot publish packages".to_owned(),
                    Command::Download => format!("has no access to packages of {}", self.target.owner),
                };
                format!(
                    "Create a personal access token with the scope {access}:package, because the job's own token \
                     {why}: {tokens}"
                )
            }
        }
    }
}

/// What to do about a refusal of a request without a token.
fn hint_for_visitors(Target { server, owner, .. }: &Target) -> String {
    format!(
        "Give a `token` with the scope read:package, from a secret: {server} shows this only to those who are signed \
         in and may read packages of {owner} ({server}/user/settings/applications)"
    )
}

/// The user whom the refusal is about.
fn user(credentials: &Credentials) -> String {
    credentials.user().map_or_else(|| "the token's user".to_owned(), |user| user.to_string())
}
