//! Packages, versions and files, as in the servers' tables.

use std::sync::Arc;

use crate::blob::Blob;

#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) owner: u64,
    pub(crate) name: String,
    pub(crate) repository: Option<&'static str>,
    pub(crate) versions: Vec<Version>,
}

#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) creator: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The files in upload order.
    pub(crate) files: Vec<File>,
}

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created: u64,
    pub(crate) blob: Arc<Blob>,
    /// The number of the change that added it.
    added: u64,
}

/// A deleted file.
struct DeletedFile {
    owner: u64,
    package: String,
    /// Its version, without files.
    version: Version,
    file: File,
    /// The number of the change that removed it.
    removed: u64,
}

/// The owner, package, version and name of a file. Names are unique ignoring case, and keep their first spelling.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) owner: u64,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) file: String,
}

/// A file with this name already exists.
#[derive(Debug)]
pub(crate) struct Duplicate;

#[derive(Default)]
pub(crate) struct Packages {
    rows: Vec<Package>,
    last_version: u64,
    last_file: u64,
    /// The number of times that files were added or removed.
    changes: u64,
    gone: Vec<DeletedFile>,
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

impl Packages {
    /// Returns a package that has versions. The servers keep the row of an empty package, but do not show it.
    pub(crate) fn package(&self, owner: u64, name: &str) -> Option<&Package> {
        let matches = |package: &&Package| package.owner == owner && same(&package.name, name);
        self.rows.iter().find(matches).filter(|package| !package.versions.is_empty())
    }

    pub(crate) fn package_mut(&mut self, owner: u64, name: &str) -> Option<&mut Package> {
        self.rows.iter_mut().find(|package| package.owner == owner && same(&package.name, name))
    }

    pub(crate) fn version(&self, owner: u64, package: &str, version: &str) -> Option<(&Package, &Version)> {
        let package = self.package(owner, package)?;
        Some((package, package.versions.iter().find(|candidate| same(&candidate.name, version))?))
    }

    /// Adds a file, and its package and version if they are missing.
    pub(crate) fn add(&mut self, place: &Place, creator: u64, blob: Arc<Blob>, now: u64) -> Result<(), Duplicate> {
        let known = |package: &Package| package.owner == place.owner && same(&package.name, &place.package);
        let index = self.rows.iter().position(known).unwrap_or_else(|| {
            let (owner, name) = (place.owner, place.package.clone());
            self.rows.push(Package { owner, name, repository: None, versions: Vec::new() });
            self.rows.len() - 1
        });
        let versions = &mut self.rows[index].versions;
        let index = versions.iter().position(|version| same(&version.name, &place.version)).unwrap_or_else(|| {
            self.last_version += 1;
            let (id, name) = (self.last_version, place.version.clone());
            versions.push(Version { id, name, creator, created: now, files: Vec::new() });
            versions.len() - 1
        });
        let files = &mut versions[index].files;
        if files.iter().any(|file| same(&file.name, &place.file)) {
            return Err(Duplicate);
        }
        self.last_file += 1;
        self.changes += 1;
        files.push(File { id: self.last_file, name: place.file.clone(), created: now, blob, added: self.changes });
        Ok(())
    }

    /// Deletes a file, and the version with its last file. Returns `false` if the file does not exist.
    pub(crate) fn delete_file(&mut self, place: &Place) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.owner == place.owner && same(&row.name, &place.package))
        else {
            return false;
        };
        let Some(index) = row.versions.iter().position(|version| same(&version.name, &place.version)) else {
            return false;
        };
        let version = &mut row.versions[index];
        let Some(file) = version.files.iter().position(|file| same(&file.name, &place.file)) else { return false };
        let file = version.files.remove(file);
        self.changes += 1;
        let without_files = Version { name: version.name.clone(), files: Vec::new(), ..*version };
        self.gone.push(DeletedFile {
            owner: place.owner,
            package: row.name.clone(),
            version: without_files,
            file,
            removed: self.changes,
        });
        row.versions.retain(|version| !version.files.is_empty());
        true
    }

    /// Returns the packages before the latest `changes` changes.
    pub(crate) fn before(&self, changes: usize) -> Self {
        let then = self.changes.saturating_sub(changes as u64);
        let mut rows = self.rows.clone();
        for gone in self.gone.iter().filter(|gone| gone.removed > then) {
            let row = rows.iter_mut().find(|row| row.owner == gone.owner && same(&row.name, &gone.package));
            let Some(row) = row else { continue };
            let index = row.versions.iter().position(|version| version.id == gone.version.id).unwrap_or_else(|| {
                row.versions.push(gone.version.clone());
                row.versions.len() - 1
            });
            row.versions[index].files.push(gone.file.clone());
        }
        for row in &mut rows {
            for version in &mut row.versions {
                version.files.retain(|file| file.added <= then);
                version.files.sort_by_key(|file| file.id);
            }
            row.versions.retain(|version| !version.files.is_empty());
        }
        Self { rows, changes: then, ..Self::default() }
    }

    /// Whether any file was ever added.
    pub(crate) fn have_changed(&self) -> bool {
        self.changes > 0
    }

    /// Returns the versions of an owner's packages whose names contain a text, newest first. `ties_newest_first` sorts
    /// versions of the same second.
    pub(crate) fn versions(&self, owner: u64, text: &str, ties_newest_first: bool) -> Vec<(&Package, &Version)> {
        let wanted = |package: &&Package| package.owner == owner && package.name.to_lowercase().contains(text);
        let packages = self.rows.iter().filter(wanted);
        let mut found: Vec<_> =
            packages.flat_map(|package| package.versions.iter().map(move |version| (package, version))).collect();
        found.sort_by_key(|(_, version)| {
            let tie = if ties_newest_first { u64::MAX - version.id } else { version.id };
            (u64::MAX - version.created, tie)
        });
        found
    }
}

impl Version {
    pub(crate) fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| same(&file.name, name))
    }
}
