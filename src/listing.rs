//! Lists of the registry: the files of a version, and the versions of a package.

use std::collections::HashMap;

use serde::Deserialize;

use crate::checksum::Sha256;
use crate::package::{FileName, PackageName, Version};
use crate::sanitize::Sanitized;

/// The longest list of files that is read, in bytes. With 341 bytes per file, it has room for 190,000 files. A checksums
/// file may have the same length: a line of it is shorter than a row of the list.
pub(crate) const LONGEST_LIST: usize = 64 * 1024 * 1024;

/// The files of a version; empty if the version does not exist.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<Row>")]
pub(crate) struct Listing {
    by_folded_name: HashMap<String, RegistryFile>,
    /// Whether the version exists.
    pub(crate) version_exists: bool,
}

/// A file as the registry lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryFile {
    /// The name as it was first spelled, not sanitized.
    pub(crate) name: String,
    /// The length in bytes.
    pub(crate) size: u64,
    /// The SHA-256 that the registry reports.
    pub(crate) sha256: Sha256,
}

impl RegistryFile {
    /// Whether the file has this size and hash.
    #[must_use]
    pub(crate) fn has_content(&self, size: u64, sha256: Sha256) -> bool {
        self.size == size && self.sha256 == sha256
    }
}

/// A row of the API's list. The length is `size` on Gitea 1.24 and later and `Size` on older Gitea and on Forgejo up to
/// 15 (recorded).
#[derive(Deserialize)]
struct Row {
    name: String,
    size: Option<u64>,
    #[serde(rename = "Size")]
    older_size: Option<u64>,
    sha256: String,
}

impl TryFrom<Vec<Row>> for Listing {
    /// The problem of the first invalid row.
    type Error = String;

    fn try_from(rows: Vec<Row>) -> Result<Self, String> {
        let mut by_folded_name = HashMap::<String, RegistryFile>::new();
        for row in rows {
            let bad = |what| format!("it has no {what} for `{}`", Sanitized::new(&row.name));
            let size = row.size.or(row.older_size).ok_or_else(|| bad("size"))?;
            let sha256 = row.sha256.parse().map_err(|_| bad("SHA-256"))?;
            let known = by_folded_name.get(&row.name.to_lowercase());
            if let Some(other) = known.filter(|other| !other.has_content(size, sha256)) {
                return Err(format!("it has `{}` twice, with different content", Sanitized::new(&other.name)));
            }
            by_folded_name.insert(row.name.to_lowercase(), RegistryFile { name: row.name, size, sha256 });
        }
        Ok(Self { by_folded_name, version_exists: true })
    }
}

impl Listing {
    /// Returns the list with one more file. It replaces a file with the same name, also in other case.
    #[must_use]
    pub(crate) fn with(mut self, file: RegistryFile) -> Self {
        self.by_folded_name.insert(file.name.to_lowercase(), file);
        Self { version_exists: true, ..self }
    }

    /// Returns all files, sorted by name.
    #[must_use]
    pub(crate) fn files(&self) -> Vec<&RegistryFile> {
        let mut files: Vec<&RegistryFile> = self.by_folded_name.values().collect();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        files
    }

    /// Returns the names of all files, sorted.
    #[must_use]
    pub(crate) fn names(&self) -> Vec<&str> {
        self.files().into_iter().map(|file| file.name.as_str()).collect()
    }

    /// Returns the file with the same name as a file of another list, ignoring case.
    #[must_use]
    pub(crate) fn find_same_name(&self, file: &RegistryFile) -> Option<&RegistryFile> {
        self.by_folded_name.get(&file.name.to_lowercase())
    }

    /// Returns the file with a name, ignoring case as the registry does.
    #[must_use]
    pub(crate) fn find(&self, name: &FileName) -> Option<&RegistryFile> {
        self.by_folded_name.get(&name.folded())
    }
}

/// A version as the registry lists it, not sanitized.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VersionRow {
    /// The id, which grows with each new version (recorded on all versions).
    pub(crate) id: u64,
    /// The package.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
}

impl VersionRow {
    /// Whether it is a valid version of a package. The registry returns every package whose name contains the query,
    /// ignoring case.
    #[must_use]
    pub(crate) fn is_of(&self, package: &PackageName) -> bool {
        self.name.eq_ignore_ascii_case(package.as_str()) && Version::parse(&self.version).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_packages_and_invalid_versions_are_left_out() {
        let package = PackageName::parse("Widget").expect("a name");
        let is_of = |name: &str, version: &str| {
            VersionRow { id: 1, name: name.to_owned(), version: version.to_owned() }.is_of(&package)
        };
        assert!(is_of("widget", "1.0.0") && is_of("WIDGET", &"v".repeat(255)));
        assert!(!is_of("widget-extra", "1.0.0") && !is_of("widget", &"v".repeat(256)) && !is_of("widget", ".."));
    }
}
