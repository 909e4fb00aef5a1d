//! The checksums file that verifies the other files: one of the version, or one of the workspace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::{DownloadError, Missing};
use super::{Run, Source};
use crate::blocking::on_own_thread;
use crate::checksum::{self, NotAList, Sha256};
use crate::files::Folder;
use crate::inputs::ChecksumsFile;
use crate::listing::{LONGEST_LIST, RegistryFile};
use crate::package::FileName;
use crate::registry::{FailureKind, KnownProperties, RegistryError};
use crate::report::VerifiedBy;
use crate::sanitize::Sanitized;
use crate::suggest::SimilarNames;

/// The maximum number of downloads of the checksums file if its content does not match the list.
const ATTEMPTS: usize = 2;

const TOO_LONG: &str = "it is larger than 64 MiB";

/// The content of a checksums file.
pub(super) struct Checksums {
    file: ChecksumsFile,
    hashes: Arc<BTreeMap<String, Sha256>>,
    /// The hashes by name in lower case, because the registry ignores case.
    by_folded_name: HashMap<String, Sha256>,
    /// Paths with folders, by their last component.
    in_folders: HashMap<String, String>,
}

impl Checksums {
    fn new(file: ChecksumsFile, hashes: Arc<BTreeMap<String, Sha256>>) -> Self {
        let (mut by_folded_name, mut in_folders) = (HashMap::new(), HashMap::new());
        for (path, sha256) in &*hashes {
            by_folded_name.entry(path.to_lowercase()).or_insert(*sha256);
            if let Some((_, last)) = path.rsplit_once(['/', '\\']) {
                in_folders.entry(last.to_owned()).or_insert_with(|| path.clone());
            }
        }
        Self { file, hashes, by_folded_name, in_folders }
    }

    /// Returns the hash of a file. The checksums file itself, which cannot contain its own hash, needs none if it is of the
    /// version, and must be identical to the one of the workspace otherwise.
    pub(super) fn hash_of(&self, name: &FileName) -> Result<Option<Sha256>, DownloadError> {
        if let Some(named) = self.named(name) {
            return Ok(Some(named));
        }
        match &self.file {
            ChecksumsFile::OfVersion(own) if own.folded() == name.folded() => Ok(None),
            ChecksumsFile::OfWorkspace(own) if own.name.to_lowercase() == name.folded() => Ok(Some(own.sha256)),
            _ => Err(self.not_named(name)),
        }
    }

    fn named(&self, name: &FileName) -> Option<Sha256> {
        self.hashes.get(name.as_str()).or_else(|| self.by_folded_name.get(&name.folded())).copied()
    }

    fn not_named(&self, name: &FileName) -> DownloadError {
        let in_folder = self.in_folders.get(name.as_str()).map(|path| Sanitized::new(path));
        DownloadError::NotInChecksums { name: name.clone(), checksums: self.file.clone(), in_folder }
    }

    /// Returns the error for a file that the registry lists with another hash.
    pub(super) fn mismatch(&self, name: &FileName, listed: Sha256) -> DownloadError {
        match self.named(name) {
            Some(named) => {
                DownloadError::ChecksumsMismatch { name: name.clone(), checksums: self.file.clone(), listed, named }
            }
            None => self.not_named(name),
        }
    }

    /// Returns what the report gives as the source of a file's hash. `is_listed` is whether the registry lists it too.
    pub(super) fn verified_by(&self, is_listed: bool) -> VerifiedBy {
        match self.file {
            ChecksumsFile::OfWorkspace(_) => VerifiedBy::Workspace,
            ChecksumsFile::OfVersion(_) if is_listed => VerifiedBy::Registry,
            ChecksumsFile::OfVersion(_) => VerifiedBy::Checksums,
        }
    }

    /// Returns the checksums file and its names that files on the registry can have, if it is a file of the workspace.
    pub(super) fn pinned(&self) -> Option<(&ChecksumsFile, Vec<&str>)> {
        let names = self.hashes.keys().map(String::as_str).filter(|name| FileName::parse(name).is_ok());
        self.file.is_of_workspace().then(|| (&self.file, names.collect()))
    }
}

impl Run<'_> {
    /// Reads the checksums file.
    pub(super) async fn checksums(&self, source: &Source) -> Result<Option<Checksums>, DownloadError> {
        match &self.wanted.checksums {
            None => Ok(None),
            Some(ChecksumsFile::OfVersion(name)) => self.checksums_of_version(name, source).await.map(Some),
            // It was read before the first request.
            Some(file @ ChecksumsFile::OfWorkspace(pinned)) => {
                let (file, hashes) = (file.clone(), Arc::clone(&pinned.hashes));
                Ok(Some(on_own_thread(move || Checksums::new(file, hashes)).await))
            }
        }
    }

    /// Reads the version's checksums file. A local copy that is identical to the listed file needs no request.
    async fn checksums_of_version(&self, name: &FileName, source: &Source) -> Result<Checksums, DownloadError> {
        let bad = |why: &str| DownloadError::BadChecksums { name: name.clone(), why: why.to_owned() };
        let listed = match source {
            Source::Unlisted(_) => None,
            Source::Listed(listing) => Some(listing.find(name).ok_or_else(|| {
                self.not_found(Missing::ChecksumsFile(name.clone()), SimilarNames::of(name.as_str(), &listing.names()))
            })?),
        };
        if listed.is_some_and(|file| file.size > LONGEST_LIST as u64) {
            return Err(bad(TOO_LONG));
        }
        let mut local = if listed.is_some() { self.local_copy(name).await } else { None };
        for _ in 0..ATTEMPTS + usize::from(local.is_some()) {
            let bytes = match local.take() {
                Some(bytes) => bytes,
                None => self.fetch_checksums(name, listed).await?,
            };
            if listed.is_none() && bytes.len() > LONGEST_LIST {
                return Err(bad(TOO_LONG));
            }
            if let Some(checksums) = read(name, bytes, listed).await {
                return checksums.map_err(|error| bad(&error.to_string()));
            }
        }
        Err(bad("its content differs from the registry's list after 2 attempts"))
    }

    /// Reads a local file; `None` if that fails, or if it is too long for a checksums file.
    async fn local_copy(&self, name: &FileName) -> Option<Vec<u8>> {
        let file = Folder::open(&self.wanted.place).ok()??.find(name).ok()??;
        if file.size > LONGEST_LIST as u64 {
            return None;
        }
        on_own_thread(move || file.read_to_end().ok()).await
    }

    /// Downloads the checksums file, but not much more than the expected or the largest size.
    async fn fetch_checksums(&self, name: &FileName, listed: Option<&RegistryFile>) -> Result<Vec<u8>, RegistryError> {
        let promised = KnownProperties { size: listed.map(|file| file.size), has_hash: listed.is_some() };
        let longest = promised.size.unwrap_or(LONGEST_LIST as u64);
        let fetch = async || self.registry.fetch(name, None, &promised).await?.read(longest).await;
        self.registry.with_retries(fetch).await.map_err(|error| match error.kind() {
            FailureKind::NotFound => error.with_hint("Check `checksums`, because the version has no file of that name"),
            _ => error,
        })
    }
}

/// Parses a checksums file; `None` if it differs from the registry's list. It runs on a separate thread, so that
/// signals are handled meanwhile.
async fn read(name: &FileName, bytes: Vec<u8>, listed: Option<&RegistryFile>) -> Option<Result<Checksums, NotAList>> {
    let (file, listed) = (ChecksumsFile::OfVersion(name.clone()), listed.cloned());
    on_own_thread(move || {
        let is_as_listed = listed.is_none_or(|file| file.has_content(bytes.len() as u64, Sha256::of(&bytes)));
        is_as_listed.then(|| Ok(Checksums::new(file, Arc::new(checksum::read_list(&bytes)?))))
    })
    .await
}
