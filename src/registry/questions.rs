//! What the registry is asked about a version, an owner's packages, and what it lists.

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::answer::{Answer, Reason, is_html, read_up_to};
use super::asked::Asked;
use super::error::{Cause, RegistryError, Transport};
use super::page::page_at;
use super::phase::{Phase, Timeout};
use super::refusal::Refusal;
use super::{Method, Registry, is};
use crate::listing::Listing;
use crate::package::RepositoryName;
use crate::report::units::Bytes;
use crate::untrusted::Untrusted;

/// The list of a version is 341 bytes a file; this is room for 190,000.
const LONGEST_LIST: usize = 64 * 1024 * 1024;

/// A page of versions is some 100 KB: each row has its owner, its repository and who made it.
const LONGEST_PAGE: usize = 4 * 1024 * 1024;

/// How many versions are asked for on a page; no server gives more (recorded), and one may be set up to give fewer.
const PAGE: usize = 50;

/// How many pages are read: up to 20,000 versions of packages whose names contain that of ours.
const MOST_PAGES: usize = 400;

/// How often a list is read that changes while it is read.
const MOST_READINGS: u32 = 3;

/// What we read of a version; text from outside.
#[derive(Clone, Debug, Deserialize)]
pub struct About {
    html_url: String,
    repository: Option<Repository>,
}

#[derive(Clone, Debug, Deserialize)]
struct Repository {
    full_name: String,
}

impl About {
    /// The repository that the version's package is linked to, with its owner; text from outside.
    #[must_use]
    pub fn linked_to(&self) -> Option<&str> {
        self.repository.as_ref().map(|repository| repository.full_name.as_str())
    }
}

/// A version as the registry lists it; text from outside.
#[derive(Clone, Debug, Deserialize)]
pub struct VersionRow {
    /// Grows with each new version (recorded on all versions).
    pub id: u64,
    /// The package.
    pub name: String,
    /// The version.
    pub version: String,
}

/// How many rows a list has on all of its pages, as the registry says in a header (recorded on all versions).
fn total_of(response: &Response) -> Option<usize> {
    response.headers().get("x-total-count")?.to_str().ok()?.parse().ok()
}

impl Registry<'_> {
    /// Which files the version has.
    pub async fn files(&self) -> Result<Listing, RegistryError> {
        self.persist(async || self.files_at_once().await).await
    }

    /// The same, asked once, and whatever pause the server asked for: nobody asks for anything after it.
    pub async fn files_now(&self) -> Result<Listing, RegistryError> {
        self.pause.is_over();
        self.files_at_once().await
    }

    /// The same, asked once.
    pub async fn files_at_once(&self) -> Result<Listing, RegistryError> {
        let url = self.target.files_url();
        let asked = Asked::Files;
        let response = match self.get(&asked, &url).await {
            Ok(response) => response,
            // Nothing there yet. Unknown owners have other words.
            Err(error) if is_absent(&error) => return Ok(Listing::default()),
            Err(error) => return Err(error),
        };
        let rows = self.json(&asked, &url, response, LONGEST_LIST).await?;
        Listing::new(rows).map_err(|bad| self.garbled(&asked, &url, &bad.to_string()))
    }

    /// What the API knows of the version.
    pub async fn about(&self) -> Result<About, RegistryError> {
        self.persist(async || self.about_at_once().await).await
    }

    /// The same, asked once.
    pub async fn about_at_once(&self) -> Result<About, RegistryError> {
        let url = self.target.version_url();
        let response = self.get(&Asked::Version, &url).await?;
        self.json(&Asked::Version, &url, response, LONGEST_PAGE).await
    }

    /// The page of the version, as the API gives it.
    pub fn page_of(&self, about: &About) -> Result<Url, Box<RegistryError>> {
        // It is shown and handed on to other steps, so it has to be a plain address, and that of the version's page.
        let page = Url::parse(&about.html_url).ok().and_then(|address| page_at(&address, &self.target));
        page.filter(|page| !self.redactor.finds(page.as_str())).ok_or_else(|| {
            let what = format!("its html_url is {}", about.html_url);
            self.garbled(&Asked::Version, &self.target.version_url(), &what).into()
        })
    }

    /// Links the package to a repository of its owner, once. A second link, be it to the same one, is refused.
    pub async fn link(&self, repository: &RepositoryName) -> Result<(), RegistryError> {
        let url = self.target.link_url(repository);
        let asked = Asked::Link(repository.clone());
        let request = self.request(Method::POST, &url).header(CONTENT_LENGTH, 0);
        self.ask(&asked, Method::POST, &url, request, is(StatusCode::CREATED)).await.map(drop)
    }

    /// The versions of the owner's packages whose names contain that text, newest first.
    pub async fn versions(&self, name: &str) -> Result<Vec<VersionRow>, RegistryError> {
        for _ in 1..MOST_READINGS {
            if let Some(versions) = self.versions_unless_they_change(name).await? {
                return Ok(versions);
            }
        }
        let versions = self.versions_unless_they_change(name).await?;
        versions.ok_or_else(|| self.unread(name, "it changes while it is read"))
    }

    /// The same; `None` where their number has changed from one page to the next, which may have moved a row from a page
    /// that was still to be read to one that was read already.
    async fn versions_unless_they_change(&self, name: &str) -> Result<Option<Vec<VersionRow>>, RegistryError> {
        let mut versions = Vec::new();
        let mut known = None;
        for page in 1..=MOST_PAGES {
            let (rows, total) = self.persist(async || self.page_of_versions(name, page).await).await?;
            if page > 1 && total != known {
                return Ok(None);
            }
            known = total;
            // How many are on a page tells nothing: an administrator can have fewer than are asked for.
            let is_past_the_end = rows.is_empty();
            versions.extend(rows);
            if is_past_the_end || total.is_some_and(|total| versions.len() >= total) {
                return Ok(Some(versions));
            }
        }
        Err(self.unread(name, &format!("it has more than {} versions", versions.len())))
    }

    /// A list of versions that cannot be read to its end. The answers are good, so nothing is wrong with the server.
    fn unread(&self, name: &str, why: &str) -> RegistryError {
        let error = self.garbled(&Asked::Versions, &self.target.versions_url(name, PAGE, 1), why);
        error.cured_by("Name the version, or run the step again when no other job publishes")
    }

    /// The newest versions of the owner's packages whose names contain that text, asked once: what is told of them is worth
    /// no more.
    pub async fn newest_versions(&self, name: &str) -> Vec<VersionRow> {
        self.page_of_versions(name, 1).await.map(|(rows, _)| rows).unwrap_or_default()
    }

    /// A page of the versions, asked once, and how many there are on all pages.
    async fn page_of_versions(
        &self,
        name: &str,
        page: usize,
    ) -> Result<(Vec<VersionRow>, Option<usize>), RegistryError> {
        let asked = Asked::Versions;
        let url = self.target.versions_url(name, PAGE, page);
        let response = self.get(&asked, &url).await?;
        let total = total_of(&response);
        Ok((self.json(&asked, &url, response, LONGEST_PAGE).await?, total))
    }

    /// Reads a JSON answer of at most so many bytes; a page in HTML is told apart from JSON that is broken.
    async fn json<T: serde::de::DeserializeOwned>(
        &self,
        asked: &Asked,
        url: &Url,
        response: Response,
        longest: usize,
    ) -> Result<T, RegistryError> {
        let status = response.status();
        let cause = if is_html(&response) {
            let answer = Answer::read(response, &self.redactor, self.limits.silence).await;
            Cause::Refused {
                refusal: Refusal::of(asked, url, &self.target, &answer),
                status,
                words: Untrusted::new(&answer.words),
                retry_after: None,
            }
        } else {
            match read_up_to(response, longest, self.limits.silence, self.limits.answer).await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        let what = Untrusted::new(&self.redactor.redact(&error.to_string()));
                        Cause::Garbled { what, is_cut: error.is_eof() }
                    }
                },
                Err(broken) => match broken.reason {
                    Reason::Broken(error) => Cause::Transport(Transport::broken(&error)),
                    Reason::Silent => Timeout { phase: Phase::Receiving, after: self.limits.silence }.into(),
                    Reason::TooSlow => Timeout { phase: Phase::Completing, after: self.limits.answer }.into(),
                    Reason::TooLong => {
                        return Err(self.garbled(asked, url, &format!("it is longer than {}", Bytes(longest as u64))));
                    }
                },
            }
        };
        Err(self.error(asked, Method::GET, url, cause))
    }

    pub(super) fn garbled(&self, asked: &Asked, url: &Url, what: &str) -> RegistryError {
        let what = Untrusted::new(&self.redactor.redact(what));
        self.error(asked, Method::GET, url, Cause::Garbled { what, is_cut: false })
    }
}

/// Whether the answer to the list call means that the version has no files yet.
fn is_absent(error: &RegistryError) -> bool {
    matches!(&error.cause, Cause::Refused { status: StatusCode::NOT_FOUND, words, .. }
        if words.to_string().contains("package does not exist"))
}
