//! Lists, and other requests about a version and an owner's packages.

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Cause, Operation, RegistryError};
use super::page::{address_by_page, is_usable};
use super::response::{Broken, ErrorResponse, is_html, read_up_to};
use super::{Connection, Registry};
use crate::blocking::on_own_thread;
use crate::listing::{Listing, VersionRow};
use crate::package::{PackageName, PublicAddress, RepositoryName};
use crate::units::Bytes;

/// The longest list of a version that is read, in bytes. It is 341 bytes a file; this is room for 190,000.
pub(crate) const LONGEST_LIST: usize = 64 * 1024 * 1024;

/// A page of versions is some 100 KB: each row has its owner, its repository and who made it.
const LONGEST_PAGE: usize = 4 * 1024 * 1024;

/// How many versions are requested for a page; no server gives more (recorded), and one may be set up to give fewer.
const PAGE: usize = 50;

/// How many pages are read: up to 20,000 versions of packages whose names contain that of ours.
const MOST_PAGES: usize = 400;

/// How many bytes all pages of versions may have: 400 pages have 40 MB.
const LONGEST_PAGES: usize = 64 * 1024 * 1024;

/// How often a list is read that changes while it is read.
const MOST_READINGS: u32 = 3;

/// A version, as far as we read it; text from outside.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct About {
    html_url: String,
    repository: Option<Repository>,
}

#[derive(Clone, Debug, Deserialize)]
struct Repository {
    full_name: String,
}

impl About {
    /// The repository that the version's package is linked to, with its owner; text from outside.
    pub(crate) fn linked_to(&self) -> Option<&str> {
        self.repository.as_ref().map(|repository| repository.full_name.as_str())
    }
}

/// A page of a list of versions.
struct Page {
    rows: Vec<VersionRow>,
    /// How many rows there are on all pages, if the registry says it.
    total: Option<usize>,
    /// How long it was, in bytes.
    length: usize,
}

/// How many rows a list has on all of its pages, as the registry says in a header (recorded on all versions).
fn total_of(response: &Response) -> Option<usize> {
    response.headers().get("x-total-count")?.to_str().ok()?.parse().ok()
}

impl Registry<'_> {
    /// Lists the files of the version.
    pub(crate) async fn files(&self) -> Result<Listing, RegistryError> {
        self.with_retries(async || self.files_once().await).await
    }

    /// Lists the files without retries, and without a pause that the server asked for: no request follows.
    pub(crate) async fn files_now(&self) -> Result<Listing, RegistryError> {
        self.pause.end();
        self.files_once().await
    }

    /// Lists the files without retries.
    pub(crate) async fn files_once(&self) -> Result<Listing, RegistryError> {
        let url = self.target.files_url();
        let operation = Operation::ListFiles;
        let response = match self.ask(&operation, &url).await {
            Ok(response) => response,
            // Nothing there yet. Unknown owners have other words.
            Err(error) if is_absent(&error) => return Ok(Listing::default()),
            Err(error) => return Err(error),
        };
        self.json(&operation, &url, response, LONGEST_LIST).await.map(|(listing, _)| listing)
    }

    /// Reads what the API knows of the version.
    pub(crate) async fn about(&self) -> Result<About, RegistryError> {
        self.with_retries(async || self.about_once().await).await
    }

    /// Reads what the API knows of the version, without retries.
    pub(crate) async fn about_once(&self) -> Result<About, RegistryError> {
        let url = self.target.version_url();
        let response = self.ask(&Operation::ReadVersion, &url).await?;
        self.json(&Operation::ReadVersion, &url, response, LONGEST_PAGE).await.map(|(about, _)| about)
    }

    /// Returns the public address of the version, as the API gives it. If the forge does not know its own public address, it
    /// is the address of the requests.
    pub(crate) fn public_address(&self, about: &About) -> Result<PublicAddress, Box<RegistryError>> {
        // It is shown and handed on to other steps, so it has to be a plain address, and that of the version's page.
        let address = Url::parse(&about.html_url).ok().and_then(|page| address_by_page(&page, &self.target));
        let address =
            address.filter(|address| !self.connection.redactor.finds(address.page.as_str())).ok_or_else(|| {
                let what = format!("its html_url is {}", about.html_url);
                Box::new(self.garbled(&Operation::ReadVersion, &self.target.version_url(), &what))
            })?;
        Ok(if is_usable(&address, &self.target) { address } else { self.target.address() })
    }

    /// Links the package to a repository of its owner, once. A second link is rejected, even if it is to the same one.
    pub(crate) async fn link(&self, repository: &RepositoryName) -> Result<(), RegistryError> {
        self.change(&Operation::Link(repository.clone()), &self.target.link_url(repository)).await
    }

    /// Lists the versions of a package of the owner, newest first. What could be no version is left out.
    pub(crate) async fn versions(&self, package: &PackageName) -> Result<Vec<VersionRow>, RegistryError> {
        for _ in 0..MOST_READINGS {
            if let Some(versions) = self.versions_unless_they_change(package).await? {
                return Ok(versions);
            }
        }
        Err(self.unread(package, "the list changed while it was being read"))
    }

    /// Lists the versions once; `None` if their number has changed from one page to the next, which may have moved a row from a page
    /// that was still to be read to one that was read already.
    async fn versions_unless_they_change(
        &self,
        package: &PackageName,
    ) -> Result<Option<Vec<VersionRow>>, RegistryError> {
        let mut versions = Vec::new();
        let mut known = None;
        let (mut count, mut length) = (0, 0);
        for page in 1..=MOST_PAGES {
            let read = self.with_retries(async || self.page_of_versions(package.as_str(), page).await).await?;
            if page > 1 && read.total != known {
                return Ok(None);
            }
            known = read.total;
            count += read.rows.len();
            length += read.length;
            // How many are on a page tells nothing: an administrator can have fewer than are asked for.
            let is_past_the_end = read.rows.is_empty();
            versions.extend(read.rows.into_iter().filter(|row| row.is_of(package)));
            if is_past_the_end || read.total.is_some_and(|total| count >= total) {
                return Ok(Some(versions));
            }
            if count > MOST_PAGES * PAGE {
                break;
            }
            if length > LONGEST_PAGES {
                return Err(self.unread(package, &format!("the list is longer than {}", Bytes(LONGEST_PAGES as u64))));
            }
        }
        Err(self.unread(package, &format!("the list has more than {count} versions")))
    }

    /// A list of versions that cannot be read to its end. The responses are good, so nothing is wrong with the server.
    fn unread(&self, package: &PackageName, why: &str) -> RegistryError {
        let error = self.garbled(&Operation::ListVersions, &self.target.versions_url(package.as_str(), PAGE, 1), why);
        error.with_hint("Set `version`, or run the step again when no other job publishes")
    }

    /// Lists the newest versions of the owner's packages whose names contain that text, without retries: what is told of
    /// them is worth no more.
    pub(crate) async fn newest_versions(&self, name: &str) -> Vec<VersionRow> {
        self.page_of_versions(name, 1).await.map(|page| page.rows).unwrap_or_default()
    }

    /// Reads a page of the versions, without retries.
    async fn page_of_versions(&self, name: &str, page: usize) -> Result<Page, RegistryError> {
        let operation = Operation::ListVersions;
        let url = self.target.versions_url(name, PAGE, page);
        let response = self.ask(&operation, &url).await?;
        let total = total_of(&response);
        let (rows, length) = self.json(&operation, &url, response, LONGEST_PAGE).await?;
        Ok(Page { rows, total, length })
    }

    /// Reads a JSON response of at most so many bytes, and how many it had; a page in HTML is told apart from JSON that is
    /// broken.
    async fn json<T: DeserializeOwned + Send + 'static>(
        &self,
        operation: &Operation,
        url: &Url,
        response: Response,
        longest: usize,
    ) -> Result<(T, usize), RegistryError> {
        let cause = if is_html(&response) {
            let Connection { redactor, limits, .. } = &self.connection;
            let response = ErrorResponse::read(response, redactor, limits.silence).await;
            self.rejected(operation, url, &response)
        } else {
            match read_up_to(response, longest, self.connection.limits.silence, self.connection.limits.answer).await {
                Ok(body) => match parsed(body).await {
                    Ok(parsed) => return Ok(parsed),
                    Err((error, is_cut)) => Cause::Garbled { what: self.connection.redactor.shown(&error), is_cut },
                },
                Err(Broken { why: Some(why), .. }) => why.into(),
                Err(Broken { why: None, .. }) => {
                    let what = format!("it is longer than {}", Bytes(longest as u64));
                    return Err(self.garbled(operation, url, &what));
                }
            }
        };
        Err(self.error(operation, url, cause))
    }

    pub(super) fn garbled(&self, operation: &Operation, url: &Url, what: &str) -> RegistryError {
        let what = self.connection.redactor.shown(what);
        self.error(operation, url, Cause::Garbled { what, is_cut: false })
    }
}

/// Parses a JSON body, and says how long it was, on a thread of its own: a long one would keep signals waiting. The error
/// says what is wrong, and whether the body ends too early.
async fn parsed<T: DeserializeOwned + Send + 'static>(body: Vec<u8>) -> Result<(T, usize), (String, bool)> {
    let parse = move || match serde_json::from_slice(&body) {
        Ok(value) => Ok((value, body.len())),
        Err(error) => Err((error.to_string(), error.is_eof())),
    };
    on_own_thread(parse).await
}

/// Whether the response to the list call means that the version has no files yet.
fn is_absent(error: &RegistryError) -> bool {
    matches!(&error.cause, Cause::Rejected { status: StatusCode::NOT_FOUND, words, .. }
        if words.to_string().contains("package does not exist"))
}
