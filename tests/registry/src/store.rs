//! Packages, versions and files, as the tables of the servers hold them.

use std::sync::Arc;

use crate::blob::Blob;

pub(crate) struct Package {
    pub(crate) owner: u64,
    pub(crate) name: String,
    pub(crate) repository: Option<&'static str>,
    pub(crate) versions: Vec<Version>,
}

pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) creator: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// In the order of their upload.
    pub(crate) files: Vec<File>,
}

pub(crate) struct File {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created: u64,
    pub(crate) blob: Arc<Blob>,
}

/// Where a file belongs. Names are unique without regard to case; the first spelling stays.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) owner: u64,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) file: String,
}

/// A file of that name is there.
#[derive(Debug)]
pub(crate) struct Duplicate;

#[derive(Default)]
pub(crate) struct Packages {
    rows: Vec<Package>,
    last_version: u64,
    last_file: u64,
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

impl Packages {
    /// A package that has versions; the servers keep the row of an emptied one, but do not show it.
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

    /// Adds a file, and package and version where they are missing.
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
        files.push(File { id: self.last_file, name: place.file.clone(), created: now, blob });
        Ok(())
    }

    pub(crate) fn delete_version(&mut self, owner: u64, package: &str, version: &str) -> bool {
        let Some(package) = self.package_mut(owner, package) else { return false };
        let before = package.versions.len();
        package.versions.retain(|candidate| !same(&candidate.name, version));
        package.versions.len() < before
    }

    /// The last file takes its version with it.
    pub(crate) fn delete_file(&mut self, place: &Place) -> bool {
        let Some(package) = self.package_mut(place.owner, &place.package) else { return false };
        let version = package.versions.iter_mut().find(|version| same(&version.name, &place.version));
        let Some(version) = version else { return false };
        let before = version.files.len();
        version.files.retain(|file| !same(&file.name, &place.file));
        let deleted = version.files.len() < before;
        package.versions.retain(|version| !version.files.is_empty());
        deleted
    }

    /// The versions of an owner's packages whose names contain the text, newest first; with ties of a second as told.
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
