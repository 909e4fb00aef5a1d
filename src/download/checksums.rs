//! The version's file of checksums, against which its other files are held.

use std::collections::{BTreeMap, HashMap};

use super::error::DownloadError;
use super::fetch::on_disk;
use super::{Run, Source};
use crate::checksum::{self, Sha256};
use crate::files::{Folder, Found};
use crate::listing::RegistryFile;
use crate::nearest::Near;
use crate::package::FileName;
use crate::registry::{Cause, Moved, Promised, Refusal, RegistryError};
use crate::untrusted::Untrusted;

/// The largest file of checksums, in bytes: room for ten thousand lines.
const LONGEST: usize = 1024 * 1024;

const TOO_LONG: &str = "it has more than 1 MiB";

/// The file of checksums of a version, and what it says.
pub(super) struct Checksums {
    pub(super) name: FileName,
    hashes: BTreeMap<String, Sha256>,
    /// The hashes by the names in lower case: the registry does not regard case.
    by_folded_name: HashMap<String, Sha256>,
    /// The paths of files in folders, by the names of the files.
    in_folders: HashMap<String, String>,
}

impl Checksums {
    fn new(name: FileName, hashes: BTreeMap<String, Sha256>) -> Self {
        let (mut by_folded_name, mut in_folders) = (HashMap::new(), HashMap::new());
        for (path, sha256) in &hashes {
            by_folded_name.entry(path.to_lowercase()).or_insert(*sha256);
            if let Some((_, file)) = path.rsplit_once(['/', '\\']) {
                in_folders.entry(file.to_owned()).or_insert_with(|| path.clone());
            }
        }
        Self { name, hashes, by_folded_name, in_folders }
    }

    /// The hash that is named for a file; none for the file of checksums itself, which cannot name its own.
    pub(super) fn hash_of(&self, name: &FileName) -> Result<Option<Sha256>, DownloadError> {
        let named = self.hashes.get(name.as_str()).or_else(|| self.by_folded_name.get(&name.folded())).copied();
        if named.is_some() || self.name.folded() == name.folded() {
            return Ok(named);
        }
        let in_folder = self.in_folders.get(name.as_str()).map(|path| Untrusted::new(path));
        Err(DownloadError::NotNamed { name: name.clone(), checksums: self.name.clone(), in_folder })
    }
}

impl Run<'_> {
    /// What the version's file of checksums says. A copy that is here and is what the registry lists needs no request.
    pub(super) async fn checksums(&self, source: &Source) -> Result<Option<Checksums>, DownloadError> {
        let Some(name) = &self.wanted.checksums else { return Ok(None) };
        let bad = |why: &str| DownloadError::BadChecksums { name: name.clone(), why: why.to_owned() };
        let listed = match source {
            Source::Unlisted(_) => None,
            Source::Listed(listing) => Some(listing.find(name).ok_or_else(|| {
                let all: Vec<&str> = listing.files().into_iter().map(|file| file.name.as_str()).collect();
                let (target, near) = (Box::new(self.registry.target().clone()), Near::of(name.as_str(), &all));
                DownloadError::NoChecksums { target, name: name.clone(), near }
            })?),
        };
        let is_as_listed = |bytes: &[u8]| listed.is_none_or(|file| file.holds(bytes.len() as u64, Sha256::of(bytes)));
        if listed.is_some_and(|file| file.size > LONGEST as u64) {
            return Err(bad(TOO_LONG));
        }
        let at_hand = if listed.is_some() { self.at_hand(name).await } else { None };
        let mut bytes = match at_hand.filter(|bytes| is_as_listed(bytes)) {
            Some(bytes) => bytes,
            None => self.fetch_checksums(name, listed).await.map_err(|error| match error.cause {
                Cause::Refused { refusal: Refusal::NotThere, .. } => {
                    error.cured_by("Check `checksums`: the version has no file of that name")
                }
                _ => error,
            })?,
        };
        if !is_as_listed(&bytes) {
            bytes = self.fetch_checksums(name, listed).await?;
        }
        if bytes.len() > LONGEST {
            return Err(bad(TOO_LONG));
        }
        if !is_as_listed(&bytes) {
            return Err(bad("it did not come as the registry lists it, also when it was fetched again"));
        }
        let own = name.clone();
        let read = on_disk(move || checksum::read_list(&bytes).map(|hashes| Checksums::new(own, hashes))).await;
        read.map(Some).map_err(|error| bad(&error.to_string()))
    }

    /// The content of a file that is here already; `None` where it cannot be read, or is too long for one of checksums.
    async fn at_hand(&self, name: &FileName) -> Option<Vec<u8>> {
        let Found::File(file) = Folder::open(&self.wanted.place).ok()??.find(name).ok()? else { return None };
        if file.size > LONGEST as u64 {
            return None;
        }
        on_disk(move || {
            let mut bytes = Vec::new();
            let read = file.read(|chunk| {
                bytes.extend_from_slice(&chunk);
                true
            });
            read.ok().map(|_| bytes)
        })
        .await
    }

    /// Fetches the file of checksums, but not much more than the longest that is read.
    async fn fetch_checksums(&self, name: &FileName, listed: Option<&RegistryFile>) -> Result<Vec<u8>, RegistryError> {
        let promised = Promised { size: listed.map(|file| file.size), has_hash: listed.is_some() };
        self.registry
            .persist_while(
                || None,
                async || {
                    let mut incoming = self.registry.fetch(name, None, &promised).await?;
                    let mut bytes = Vec::new();
                    while bytes.len() <= LONGEST
                        && let Some(chunk) = incoming.next(&Moved::default()).await?
                    {
                        bytes.extend_from_slice(&chunk);
                    }
                    Ok(bytes)
                },
            )
            .await
    }
}
