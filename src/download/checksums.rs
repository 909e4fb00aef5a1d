//! The version's checksums file, with which its other files are verified.

use std::collections::{BTreeMap, HashMap};

use super::error::{DownloadError, Missing};
use super::{Run, Source};
use crate::blocking::on_own_thread;
use crate::checksum::{self, NotAList, Sha256};
use crate::files::Folder;
use crate::listing::RegistryFile;
use crate::package::FileName;
use crate::registry::{FailureKind, KnownProperties, LONGEST_LIST, RegistryError};
use crate::sanitize::Sanitized;
use crate::suggest::SimilarNames;

/// The largest checksums file, in bytes. One that was made of a list is shorter than the list, because a row of the list contains
/// more than a line of the file.
const LONGEST: usize = LONGEST_LIST;

/// How often the file is downloaded if its content is not what the registry lists.
const ATTEMPTS: usize = 2;

const TOO_LONG: &str = "it is larger than 64 MiB";

/// The checksums file of a version.
pub(super) struct Checksums {
    pub(super) name: FileName,
    hashes: BTreeMap<String, Sha256>,
    /// The hashes by name in lower case, because the registry ignores case.
    by_folded_name: HashMap<String, Sha256>,
    /// Paths with folders, by their last component.
    in_folders: HashMap<String, String>,
}

impl Checksums {
    fn new(name: FileName, hashes: BTreeMap<String, Sha256>) -> Self {
        let (mut by_folded_name, mut in_folders) = (HashMap::new(), HashMap::new());
        for (path, sha256) in &hashes {
            by_folded_name.entry(path.to_lowercase()).or_insert(*sha256);
            if let Some((_, last)) = path.rsplit_once(['/', '\\']) {
                in_folders.entry(last.to_owned()).or_insert_with(|| path.clone());
            }
        }
        Self { name, hashes, by_folded_name, in_folders }
    }

    /// Returns the hash of a file; `None` for the checksums file itself, which cannot contain its own.
    pub(super) fn hash_of(&self, name: &FileName) -> Result<Option<Sha256>, DownloadError> {
        let folded = name.folded();
        let named = self.hashes.get(name.as_str()).or_else(|| self.by_folded_name.get(&folded)).copied();
        if named.is_some() || self.name.folded() == folded {
            return Ok(named);
        }
        let in_folder = self.in_folders.get(name.as_str()).map(|path| Sanitized::new(path));
        Err(DownloadError::NotInChecksums { name: name.clone(), checksums: self.name.clone(), in_folder })
    }
}

impl Run<'_> {
    /// Reads the version's checksums file. A local copy that is identical to the listed file needs no request.
    pub(super) async fn checksums(&self, source: &Source) -> Result<Option<Checksums>, DownloadError> {
        let Some(name) = &self.wanted.checksums else { return Ok(None) };
        let bad = |why: &str| DownloadError::BadChecksums { name: name.clone(), why: why.to_owned() };
        let listed = match source {
            Source::Unlisted(_) => None,
            Source::Listed(listing) => Some(listing.find(name).ok_or_else(|| {
                let all: Vec<&str> = listing.files().into_iter().map(|file| file.name.as_str()).collect();
                self.not_found(Missing::ChecksumsFile(name.clone()), SimilarNames::of(name.as_str(), &all))
            })?),
        };
        if listed.is_some_and(|file| file.size > LONGEST as u64) {
            return Err(bad(TOO_LONG));
        }
        let mut local = if listed.is_some() { self.local_copy(name).await } else { None };
        for _ in 0..ATTEMPTS + usize::from(local.is_some()) {
            let bytes = match local.take() {
                Some(bytes) => bytes,
                None => self.fetch_checksums(name, listed).await?,
            };
            if listed.is_none() && bytes.len() > LONGEST {
                return Err(bad(TOO_LONG));
            }
            if let Some(checksums) = read(name, bytes, listed).await {
                return Ok(Some(checksums.map_err(|error| bad(&error.to_string()))?));
            }
        }
        Err(bad("its content differs from the registry's list after 2 attempts"))
    }

    /// Reads a local file; `None` if that fails, or if it is too long for a checksums file.
    async fn local_copy(&self, name: &FileName) -> Option<Vec<u8>> {
        let file = Folder::open(&self.wanted.place).ok()??.find(name).ok()??;
        if file.size > LONGEST as u64 {
            return None;
        }
        on_own_thread(move || {
            let mut bytes = Vec::new();
            let read = file.read(|chunk| {
                bytes.extend_from_slice(&chunk);
                true
            });
            read.ok().map(|_| bytes)
        })
        .await
    }

    /// Downloads the checksums file, but not much more than the expected or the largest size.
    async fn fetch_checksums(&self, name: &FileName, listed: Option<&RegistryFile>) -> Result<Vec<u8>, RegistryError> {
        let promised = KnownProperties { size: listed.map(|file| file.size), has_hash: listed.is_some() };
        let longest = promised.size.unwrap_or(LONGEST as u64);
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
    let (name, listed) = (name.clone(), listed.cloned());
    on_own_thread(move || {
        let is_as_listed = listed.is_none_or(|file| file.has_content(bytes.len() as u64, Sha256::of(&bytes)));
        is_as_listed.then(|| Ok(Checksums::new(name, checksum::read_list(&bytes)?)))
    })
    .await
}
