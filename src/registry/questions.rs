//! Requests for lists, and for the details of a version.

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Cause, Operation, RegistryError};
use super::page::{address_by_page, is_usable};
use super::response::{Broken, ErrorResponse, is_html, read_up_to};
use super::{Connection, Registry};
use crate::blocking::on_own_thread;
use crate::listing::{LONGEST_LIST, Listing, VersionRow};
use crate::package::{PackageName, PublicAddress, RepositoryName};
use crate::units::Bytes;

/// The longest page of versions that is read, in bytes. Usual pages have about 100 KB.
const LONGEST_PAGE: usize = 4 * 1024 * 1024;

/// The number of versions that are requested per page. No server returns more (recorded), and some are configured to
/// return fewer.
const PAGE: usize = 50;

/// The maximum number of pages: up to 20,000 versions of packages whose names contain the package's name.
const MOST_PAGES: usize = 400;

/// The maximum size of all pages of versions, in bytes: 400 pages have 40 MB.
const LONGEST_PAGES: usize = 64 * 1024 * 1024;

/// The maximum number of attempts to read a list that changes meanwhile.
const MAX_LIST_ATTEMPTS: u32 = 3;

/// The API's details of a version, not sanitized.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VersionDetails {
    html_url: String,
    repository: Option<Repository>,
}

#[derive(Clone, Debug, Deserialize)]
struct Repository {
    full_name: String,
}

impl VersionDetails {
    /// Returns the repository that the package is linked to, with its owner, not sanitized.
    pub(crate) fn linked_to(&self) -> Option<&str> {
        self.repository.as_ref().map(|repository| repository.full_name.as_str())
    }
}

/// A page of a list of versions.
struct Page {
    rows: Vec<VersionRow>,
    /// The number of rows on all pages, if the registry returns it.
    total: Option<usize>,
    /// The length of the page in bytes.
    length: usize,
}

/// Returns the number of rows on all pages of a list, from a header (recorded on all versions).
fn total_of(response: &Response) -> Option<usize> {
    response.headers().get("x-total-count")?.to_str().ok()?.parse().ok()
}

impl Registry<'_> {
    /// Lists the files of the version.
    pub(crate) async fn list_files(&self) -> Result<Listing, RegistryError> {
        self.with_retries(async || self.list_files_once().await).await
    }

    /// Prepares for the last lists of a canceled run: they neither wait for the end of a pause that the server asked for, nor
    /// for a new ID token.
    pub(crate) fn expect_no_further_requests(&self) {
        self.pause.end();
        self.id_tokens.stop_renewals();
    }

    /// Lists the files without retries.
    pub(crate) async fn list_files_once(&self) -> Result<Listing, RegistryError> {
        let url = self.target.files_url();
        let operation = Operation::ListFiles;
        let response = match self.send_request(&operation, &url).await {
            Ok(response) => response,
            // The version does not exist yet. Unknown owners have another text.
            Err(error) if is_absent(&error) => return Ok(Listing::default()),
            Err(error) => return Err(error),
        };
        self.json(&operation, &url, response, LONGEST_LIST).await.map(|(listing, _)| listing)
    }

    /// Requests the details of the version.
    pub(crate) async fn read_version_details(&self) -> Result<VersionDetails, RegistryError> {
        self.with_retries(async || self.read_version_details_once().await).await
    }

    /// Requests the details of the version without retries.
    pub(crate) async fn read_version_details_once(&self) -> Result<VersionDetails, RegistryError> {
        let url = self.target.version_url();
        let response = self.send_request(&Operation::ReadVersion, &url).await?;
        self.json(&Operation::ReadVersion, &url, response, LONGEST_PAGE).await.map(|(about, _)| about)
    }

    /// Returns the public address of the version from the API. If the server does not know its own public address,
    /// returns the address of the requests.
    pub(crate) fn public_address(&self, about: &VersionDetails) -> Result<PublicAddress, Box<RegistryError>> {
        // It is printed and passed to other steps, so it must be a plain URL, and that of the version's page.
        let address = Url::parse(&about.html_url).ok().and_then(|page| address_by_page(&page, &self.target));
        let address = address
            .filter(|address| !self.connection.redactor.contains_secret(address.page.as_str()))
            .ok_or_else(|| {
                let what = format!("its html_url is {}", about.html_url);
                Box::new(self.unexpected_response(&Operation::ReadVersion, &self.target.version_url(), &what))
            })?;
        Ok(if is_usable(&address, &self.target) { address } else { self.target.address() })
    }

    /// Links the package to a repository of its owner, without retries. A second link is rejected, even if it is to the
    /// same one.
    pub(crate) async fn link(&self, repository: &RepositoryName) -> Result<(), RegistryError> {
        self.change(&Operation::Link(repository.clone()), &self.target.link_url(repository)).await
    }

    /// Lists the versions of a package of the owner, newest first. Rows with invalid versions are left out.
    pub(crate) async fn list_versions(&self, package: &PackageName) -> Result<Vec<VersionRow>, RegistryError> {
        for _ in 0..MAX_LIST_ATTEMPTS {
            if let Some(versions) = self.versions_unless_they_change(package).await? {
                return Ok(versions);
            }
        }
        Err(self.unreadable_list(package, "the list changed while it was being read"))
    }

    /// Lists the versions once; `None` if their number changed between two pages, because then a row may have moved
    /// from an unread page to one that was already read.
    async fn versions_unless_they_change(
        &self,
        package: &PackageName,
    ) -> Result<Option<Vec<VersionRow>>, RegistryError> {
        let mut versions = Vec::new();
        let mut known = None;
        let (mut count, mut length) = (0, 0);
        for page in 1..=MOST_PAGES {
            let read = self.with_retries(async || self.list_page_of_versions(package.as_str(), page).await).await?;
            if page > 1 && read.total != known {
                return Ok(None);
            }
            known = read.total;
            count += read.rows.len();
            length += read.length;
            // A page with fewer rows than requested may not be the last, because administrators can configure smaller
            // pages.
            let is_past_the_end = read.rows.is_empty();
            versions.extend(read.rows.into_iter().filter(|row| row.is_of(package)));
            if is_past_the_end || read.total.is_some_and(|total| count >= total) {
                return Ok(Some(versions));
            }
            if count > MOST_PAGES * PAGE {
                break;
            }
            if length > LONGEST_PAGES {
                return Err(
                    self.unreadable_list(package, &format!("the list is longer than {}", Bytes(LONGEST_PAGES as u64)))
                );
            }
        }
        Err(self.unreadable_list(package, &format!("the list has more than {count} versions")))
    }

    /// Returns the error for a list of versions that cannot be read to its end, although each response is valid.
    fn unreadable_list(&self, package: &PackageName, why: &str) -> RegistryError {
        let error = self.unexpected_response(
            &Operation::ListVersions,
            &self.target.versions_url(package.as_str(), PAGE, 1),
            why,
        );
        error.with_hint("Set `version`, or run the step again when no other job publishes")
    }

    /// Lists the newest versions of all packages of the owner; empty if that fails. There are no retries, because the
    /// list is only used for hints.
    pub(crate) async fn list_newest_versions(&self) -> Vec<VersionRow> {
        self.list_page_of_versions("", 1).await.map(|page| page.rows).unwrap_or_default()
    }

    /// Reads a page of the versions, without retries.
    async fn list_page_of_versions(&self, name: &str, page: usize) -> Result<Page, RegistryError> {
        let operation = Operation::ListVersions;
        let url = self.target.versions_url(name, PAGE, page);
        let response = self.send_request(&operation, &url).await?;
        let total = total_of(&response);
        let (rows, length) = self.json(&operation, &url, response, LONGEST_PAGE).await?;
        Ok(Page { rows, total, length })
    }

    /// Reads a JSON response of at most `longest` bytes, and returns its length too. A web page is an error of its own.
    async fn json<T: DeserializeOwned + Send + 'static>(
        &self,
        operation: &Operation,
        url: &Url,
        response: Response,
        longest: usize,
    ) -> Result<(T, usize), RegistryError> {
        let cause = if is_html(&response) {
            let Connection { redactor, limits, .. } = &self.connection;
            let response = ErrorResponse::read(response, redactor, limits.stall_timeout).await;
            self.rejected(operation, url, &response)
        } else {
            match read_up_to(response, longest, self.connection.limits.stall_timeout, self.connection.limits.answer)
                .await
            {
                Ok(body) => match parsed(body).await {
                    Ok(parsed) => return Ok(parsed),
                    Err((error, is_cut)) => Cause::Unexpected { what: self.connection.redactor.shown(&error), is_cut },
                },
                Err(Broken { why: Some(why), .. }) => why.into(),
                Err(Broken { why: None, .. }) => {
                    let what = format!("it is longer than {}", Bytes(longest as u64));
                    return Err(self.unexpected_response(operation, url, &what));
                }
            }
        };
        Err(self.error(operation, url, cause))
    }

    pub(super) fn unexpected_response(&self, operation: &Operation, url: &Url, what: &str) -> RegistryError {
        let what = self.connection.redactor.shown(what);
        self.error(operation, url, Cause::Unexpected { what, is_cut: false })
    }
}

/// Parses a JSON body on a separate thread, because a long one would delay signals. Returns its length too. The error
/// contains the reason, and whether the body ends too early.
async fn parsed<T: DeserializeOwned + Send + 'static>(body: Vec<u8>) -> Result<(T, usize), (String, bool)> {
    let parse = move || match serde_json::from_slice(&body) {
        Ok(value) => Ok((value, body.len())),
        Err(error) => Err((error.to_string(), error.is_eof())),
    };
    on_own_thread(parse).await
}

/// Returns whether an error of the list means that the version does not exist yet.
fn is_absent(error: &RegistryError) -> bool {
    matches!(&error.cause, Cause::Rejected { status: StatusCode::NOT_FOUND, words, .. }
        if words.to_string().contains("package does not exist"))
}
