//! The registry's naming rules and its URLs.
//!
//! The rules are those of Gitea 1.22 and later and Forgejo 7 and later, as recorded. Names there are unique ignoring case.
//! Every URL is built by `Target`.

use std::fmt;

use icu_normalizer::DecomposingNormalizerBorrowed;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::sanitize::Sanitized;

/// The longest name or version, in characters: servers on PostgreSQL answer 500 to a longer one (recorded).
pub(crate) const LONGEST: usize = 255;

/// The characters of a path segment that are percent-encoded. The server decodes each segment once.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// A name that the registry would reject.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{name}` {why}")]
pub struct BadName {
    /// The kind of name: `owner`, `package name`, `version`, `file name` or `repository`.
    pub(crate) what: &'static str,
    /// The name as it was given.
    pub(crate) name: Sanitized,
    /// The problem, as a predicate, followed by ". Allowed: ..." if that is known.
    pub(crate) why: String,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks a name against the registry's rule.
            pub fn parse(name: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> Result<(), String> = $check;
                length(name).and_then(|()| check(name)).map(|()| Self(name.to_owned())).map_err(|why| BadName {
                    what: $what,
                    name: Sanitized::new(name),
                    why,
                })
            }

            /// Returns the unsanitized name, for URLs, outputs and comparisons. For people, use `Display`.
            #[must_use]
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&Sanitized::new(&self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    };
}

name_type! {
    /// The user or organization that owns a package.
    Owner, "owner", |name| {
        only(name, |c| c.is_ascii_alphanumeric() || "-_.".contains(c), "letters, digits and `-_.`")?;
        not_dots(name)
    }
}

name_type! {
    /// The name of a package.
    PackageName, "package name", |name| {
        only(name, |c| c.is_ascii_alphanumeric() || "-_+.".contains(c), "letters, digits and `-_+.`")?;
        if name.len() == 1 && !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err("is a single character. Allowed: a letter or a digit".to_owned());
        }
        not_dots(name)
    }
}

name_type! {
    /// A version of a package: any text without a space at either end.
    Version, "version", |name| {
        if name.is_empty() {
            return Err("is empty".to_owned());
        }
        if name.trim() != name {
            return Err("starts or ends with white space".to_owned());
        }
        if name.chars().any(char::is_control) {
            return Err("contains a control character".to_owned());
        }
        not_dots(name)
    }
}

name_type! {
    /// The name of a file on the registry.
    FileName, "file name", |name| {
        let allowed = "letters, digits, inner spaces and `-_+=:;.()[]{}~!@#$%^&`";
        only(name, is_allowed_in_file_name, allowed)?;
        if name.trim() != name {
            return Err(format!("starts or ends with a space. Allowed: {allowed}"));
        }
        not_dots(name)
    }
}

name_type! {
    /// The name of a repository, without its owner.
    RepositoryName, "repository", |name| {
        only(name, |c| c.is_ascii_alphanumeric() || "-_.".contains(c), "letters, digits and `-_.`")?;
        not_dots(name)
    }
}

impl Version {
    /// The version that means the newest one, if no version has that name.
    pub(crate) const LATEST: &str = "latest";

    /// Whether this is `latest`, in any case.
    #[must_use]
    pub(crate) fn is_latest(&self) -> bool {
        self.0.eq_ignore_ascii_case(Self::LATEST)
    }

    /// Returns a key that is equal for versions that the registry regards as one, because it ignores case.
    #[must_use]
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FileName {
    /// Returns a valid name that is similar to an invalid one: `cafe.zip` for `café.zip`.
    #[must_use]
    pub(crate) fn similar_to(name: &str) -> Option<Self> {
        let is_accent = |c: &char| matches!(c, '\u{300}'..='\u{36f}');
        let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(name);
        let letters = decomposed.chars().filter(|c| !is_accent(c));
        let name: String = letters.map(|c| if is_allowed_in_file_name(c) { c } else { '_' }).collect();
        Self::parse(name.trim()).ok()
    }

    /// Returns a key that is equal for names that the registry regards as one, because it ignores case.
    #[must_use]
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

fn is_allowed_in_file_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || " -_+=:;.()[]{}~!@#$%^&".contains(c)
}

/// Checks that a name is not empty and contains only allowed characters.
fn only(name: &str, is_allowed: impl Fn(char) -> bool, allowed: &str) -> Result<(), String> {
    match name.chars().find(|&c| !is_allowed(c)) {
        None if name.is_empty() => Err(format!("is empty. Allowed: {allowed}")),
        None => Ok(()),
        Some(c) => {
            // It can look like an allowed character.
            let code = if c.is_ascii() { String::new() } else { format!(" (U+{:04X})", u32::from(c)) };
            Err(format!("contains `{}`{code}. Allowed: {allowed}", Sanitized::new(&c.to_string())))
        }
    }
}

/// Rejects `.` and `..`, which clients and proxies resolve as folders.
fn not_dots(name: &str) -> Result<(), String> {
    if name == "." || name == ".." { Err("cannot be part of a URL path".to_owned()) } else { Ok(()) }
}

fn length(name: &str) -> Result<(), String> {
    match name.chars().count() {
        count if count > LONGEST => Err(format!("has {count} characters. Allowed: {LONGEST}")),
        _ => Ok(()),
    }
}

/// The base URL of a server, with its sub-path if it has one: `https://host/git`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// Creates a base URL. [`crate::inputs`] checks that it is `http` or `https`, with a host, without credentials, query and
    /// fragment.
    pub(crate) fn new(url: Url) -> Self {
        Self(url)
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the host.
    #[must_use]
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether a text is this base URL, with or without a slash at the end.
    #[must_use]
    pub(crate) fn matches(&self, url: &str) -> bool {
        Url::parse(url.trim()).is_ok_and(|url| Self(url).to_string() == self.to_string())
    }

    /// Returns the base URL as a URL.
    #[must_use]
    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether a URL has the same scheme, host and port.
    #[must_use]
    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// Appends path segments. Each is percent-encoded, so that none can become two.
    #[must_use]
    pub(crate) fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut path = self.0.path().trim_end_matches('/').to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let mut url = self.0.clone();
        url.set_path(&path);
        url
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

/// The version of a package that a run publishes or downloads.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The server.
    pub(crate) server: ServerUrl,
    /// The owner of the package.
    pub(crate) owner: Owner,
    /// The package.
    pub(crate) package: PackageName,
    /// Its version.
    pub(crate) version: Version,
}

impl Target {
    /// Returns the URL to upload and download a file.
    #[must_use]
    pub(crate) fn file_url(&self, file: &FileName) -> Url {
        self.version_below(&["api"], &[file.as_str()])
    }

    /// Returns the URL to check write access: a file name that no server accepts.
    #[must_use]
    pub(crate) fn write_access_url(&self) -> Url {
        self.version_below(&["api"], &["*"])
    }

    /// Returns the URL of the list of the version's files.
    #[must_use]
    pub(crate) fn files_url(&self) -> Url {
        self.version_below(&["api", "v1"], &["files"])
    }

    /// Returns the URL of one page of the versions of the owner's packages whose names contain a text.
    #[must_use]
    pub(crate) fn versions_url(&self, name: &str, limit: usize, page: usize) -> Url {
        let mut url = self.server.join(["api", "v1", "packages", self.owner.as_str()]);
        let numbers = [limit, page].map(|number| number.to_string());
        let query = [("type", "generic"), ("q", name), ("limit", &numbers[0]), ("page", &numbers[1])];
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    /// Returns the URL to link the package to a repository of its owner (Gitea 1.24 and later, Forgejo 11 and later).
    #[must_use]
    pub(crate) fn link_url(&self, repository: &RepositoryName) -> Url {
        let package = ["packages", self.owner.as_str(), "generic", self.package.as_str()];
        self.server.join(["api", "v1"].iter().chain(&package).chain(&["-", "link", repository.as_str()]).copied())
    }

    /// Returns the URL of the version in the API.
    #[must_use]
    pub(crate) fn version_url(&self) -> Url {
        self.version_below(&["api", "v1"], &[])
    }

    /// Returns the URL of the version's page in Gitea and Forgejo, for servers whose API does not return it.
    #[must_use]
    pub(crate) fn page_url(&self) -> Url {
        let (package, version) = (self.package.as_str(), self.version.as_str());
        self.server.join([self.owner.as_str(), "-", "packages", "generic", package, version])
    }

    /// Returns the address for links that follows from `server-url`.
    #[must_use]
    pub(crate) fn address(&self) -> PublicAddress {
        PublicAddress { page: self.page_url(), server: self.server.clone() }
    }

    /// Returns a URL below the version in one of the two APIs.
    fn version_below(&self, family: &[&str], rest: &[&str]) -> Url {
        let version = ["packages", self.owner.as_str(), "generic", self.package.as_str(), self.version.as_str()];
        self.server.join(family.iter().chain(&version).chain(rest).copied())
    }
}

/// The address of a version for people. Requests can go to another address of the same server.
#[derive(Clone, Debug)]
pub(crate) struct PublicAddress {
    /// The page of the version.
    pub(crate) page: Url,
    /// The base URL of the server.
    pub(crate) server: ServerUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_is_encoded_and_a_sub_path_is_kept() {
        let target = Target {
            server: ServerUrl::new(Url::parse("https://host/git/").expect("a URL")),
            owner: Owner::parse("acme").expect("an owner"),
            package: PackageName::parse("widget").expect("a package"),
            version: Version::parse("feature/x+1 %41").expect("a version"),
        };
        let file = FileName::parse("a b#[1]%2F~.txt").expect("a name");
        assert_eq!(
            target.file_url(&file).as_str(),
            "https://host/git/api/packages/acme/generic/widget/feature%2Fx+1%20%2541/a%20b%23%5B1%5D%252F~.txt"
        );
        assert!(target.write_access_url().as_str().ends_with("/%2A"));
        assert_eq!(target.server.to_string(), "https://host/git");
    }
}
