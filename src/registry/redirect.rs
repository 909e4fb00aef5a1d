//! Redirects: which one a download follows, and what every other one means.

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use url::Url;

use super::Registry;
use super::failure::{Failure, for_every_file, for_file};
use super::response::ErrorResponse;
use crate::package::Target;
use crate::sanitize::Sanitized;

/// The longest URL that a redirect may lead to, in bytes. A signed URL of object storage has at most two thousand.
const LONGEST_LOCATION: usize = 8 * 1024;

/// Returns the target of a redirect that may be followed: from the server to object storage on another host (303 by
/// Gitea's source, 302 and 307 by others), and on from there. A redirect from https to http is never followed, and
/// neither is one of the server from http to the same path with https, which means a wrong `server-url`.
pub(super) fn leads_to(response: &Response, hop: usize) -> Option<Url> {
    let asked = response.url();
    if !is_for_now(response.status()) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let location = asked.join(location).ok()?;
    let is_followed = match (asked.scheme(), location.scheme()) {
        ("http", "https") => hop > 0 || location.path() != asked.path(),
        (from, to) => from == to,
    };
    // A redirect within the server leads to a renamed owner or to the login page.
    let is_elsewhere = hop > 0 || location.origin() != asked.origin();
    (is_plain(&location) && is_followed && is_elsewhere).then_some(location)
}

/// Returns whether a redirect is temporary. A permanent one means another `server-url`.
fn is_for_now(status: StatusCode) -> bool {
    matches!(status, StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT)
}

/// Returns whether a file can be downloaded from a URL: HTTP, no credentials, limited length.
pub(super) fn is_plain(location: &Url) -> bool {
    matches!(location.scheme(), "http" | "https")
        && location.username().is_empty()
        && location.password().is_none()
        && location.as_str().len() <= LONGEST_LOCATION
}

impl Registry<'_> {
    /// Classifies a redirect of a download that is not followed.
    pub(super) fn rejected_download_redirect(&self, url: &Url, response: &ErrorResponse) -> Failure {
        let server = &self.target.server;
        let is_at_server = server.is_origin_of(url);
        match response.location.as_ref().and_then(|given| url.join(given).ok()) {
            Some(location) if url.scheme() == "https" && location.scheme() == "http" => for_every_file(
                "redirect-to-http",
                if is_at_server {
                    let host = Sanitized::new(location.host_str().unwrap_or_default());
                    format!(
                        "Configure the server's object storage with https, because {server} redirects to {host} with http, which is \
                         not encrypted"
                    )
                } else {
                    // The target of another origin's redirect is not shown.
                    "Configure the server's object storage with https, because one of its redirects leads from https to http, \
                     which is not encrypted"
                        .to_owned()
                },
            ),
            Some(location) if !is_at_server && is_for_now(response.status) && is_plain(&location) => for_every_file(
                "too-many-redirects",
                format!("Check the server's object storage, because {server} redirects too many times"),
            ),
            _ if !is_at_server => self.storage_error(url),
            Some(location) if !is_plain(&location) => self.storage_error(&location),
            // The path and query may be a secret.
            Some(location) if location.host_str() != url.host_str() => {
                self.redirected(&location.origin().ascii_serialization())
            }
            _ => self.rejected_redirect(url, response),
        }
    }

    /// Reads a redirect of any other request, or one of a download within the server.
    pub(super) fn rejected_redirect(&self, url: &Url, response: &ErrorResponse) -> Failure {
        let Target { server, owner, .. } = &self.target;
        let Some(given) = &response.location else { return self.unexpected() };
        let Ok(mut location) = url.join(given) else { return self.unexpected() };
        // All but the path may contain a secret, such as the state of a login.
        location.set_query(None);
        location.set_fragment(None);
        if location.set_username("").is_err() || location.set_password(None).is_err() {
            return self.unexpected();
        }
        // The base, if the rest is that of the request.
        let below = url.as_str().strip_prefix(&server.to_string()).unwrap_or_default();
        let below = below.split('?').next().unwrap_or_default();
        let base = location.as_str().strip_suffix(below).unwrap_or(location.as_str());
        if location.host_str() != url.host_str() {
            return self.redirected(base);
        }
        if url.scheme() == "http" && location.scheme() == "https" {
            return for_every_file("https-required", format!("Set `server-url: {}`", Sanitized::new(base)));
        }
        match new_owner(url.path(), location.path()).map(Sanitized::new) {
            Some(new) if response.status == StatusCode::TEMPORARY_REDIRECT => {
                for_every_file("owner-renamed", format!("Set `owner: {new}`, which is the new name of {owner}"))
            }
            // Another path on the same server: its login page.
            _ => self.web_page(),
        }
    }

    fn redirected(&self, location: &str) -> Failure {
        let (server, location) = (&self.target.server, Sanitized::new(location));
        for_every_file(
            "redirected",
            format!("Set `server-url` to the address of the server itself, because {server} redirects to {location}"),
        )
    }

    /// A response of the host that keeps the server's files.
    pub(super) fn storage_error(&self, location: &Url) -> Failure {
        let (server, host) = (&self.target.server, Sanitized::new(location.host_str().unwrap_or_default()));
        let hint = format!(
            "Run the step again. If the error persists, check the server's object storage. {server} redirects to {host} for this \
             file"
        );
        for_file("object-storage-error", hint)
    }
}

/// Returns the other owner in a path that differs only by the owner: `.../packages/OWNER/generic/...` (all versions).
fn new_owner<'a>(asked: &str, given: &'a str) -> Option<&'a str> {
    let (before, rest) = asked.split_once("/packages/")?;
    let after = rest.find('/').map_or("", |at| &rest[at..]);
    let owner = given.strip_prefix(before)?.strip_prefix("/packages/")?.strip_suffix(after)?;
    (!owner.contains('/')).then_some(owner)
}
