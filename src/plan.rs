//! Pure: the desired files, the registry's list and the state of each file -> the operation for each file.

use std::collections::HashSet;
use std::fmt;

use crate::checksum::Sha256;
use crate::inputs::IfFileExists;
use crate::listing::{Listing, RegistryFile};
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::state::{IfMissing, State};
use crate::units::{self, Bytes};

/// A file that must be on the registry at the end of a run.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    /// Its name on the registry.
    pub(crate) name: FileName,
    /// The length in bytes.
    pub(crate) size: u64,
    /// Its SHA-256, if already known.
    pub(crate) sha256: Option<Sha256>,
    /// Whether the registry must have exactly this spelling of the name. Otherwise the case may differ.
    pub(crate) is_exact: bool,
    /// Whether it is the checksums file, which is uploaded when all other files are uploaded.
    pub(crate) is_checksums_file: bool,
    /// The policy if the registry has different content under its name.
    pub(crate) if_file_exists: IfFileExists,
}

impl Desired {
    /// Creates a desired file whose hash is not known yet.
    pub(crate) fn new(name: FileName, size: u64, if_file_exists: IfFileExists) -> Self {
        Self { name, size, sha256: None, is_exact: false, is_checksums_file: false, if_file_exists }
    }

    /// Whether the plan needs its hash, because its name is listed with the same size.
    #[must_use]
    pub(crate) fn needs_hash(&self, listing: &Listing) -> bool {
        self.sha256.is_none() && listing.find(&self.name).is_some_and(|theirs| theirs.size == self.size)
    }

    /// Compares it with the registry's file of the same name.
    #[must_use]
    pub(crate) fn compare(&self, listing: &Listing) -> Listed {
        let Some(theirs) = listing.find(&self.name) else { return Listed::Nothing };
        let is_named_so = !self.is_exact || theirs.name == self.name.as_str();
        if let Some(sha256) = self.sha256.filter(|sha256| is_named_so && theirs.has_content(self.size, *sha256)) {
            return Listed::Identical(sha256);
        }
        let (name, theirs, size, sha256) = (self.name.clone(), theirs.clone(), self.size, self.sha256);
        Listed::Other(Conflict { name, existing: theirs, size, sha256 })
    }
}

/// The registry's list of a name, compared with a desired file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Nothing,
    /// Content of the same size and SHA-256.
    Identical(Sha256),
    Other(Conflict),
}

/// Two contents under one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Conflict {
    pub(crate) name: FileName,
    /// The file on the registry, with the registry's spelling of the name.
    pub(crate) existing: RegistryFile,
    size: u64,
    sha256: Option<Sha256>,
}

impl Conflict {
    /// Returns the name with the difference, for a message about several conflicts.
    pub(crate) fn in_brief(&self) -> String {
        if self.existing.size == self.size {
            return format!("`{}` (same size, different SHA-256)", self.name);
        }
        format!("`{}` ({})", self.name, self.difference())
    }

    /// Returns the difference: `registry: 15 bytes, local: 7 bytes`.
    pub(crate) fn difference(&self) -> String {
        match self.sha256 {
            Some(ours) if self.existing.size == self.size => {
                let (size, theirs) = (Bytes::exact(self.size), self.existing.sha256);
                format!("{size} each; registry: SHA-256 {theirs}, local: SHA-256 {ours}")
            }
            _ => format!("registry: {}, local: {}", Bytes::exact(self.existing.size), Bytes::exact(self.size)),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` already exists", self.name)?;
        if self.existing.name != self.name.as_str() {
            write!(f, " as `{}`", Sanitized::new(&self.existing.name))?;
        }
        write!(f, " with different content ({})", self.difference())
    }
}

/// The operation for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// The registry lacks it.
    Upload,
    /// The registry has different content, which is deleted first.
    Replace(Conflict),
    /// The registry has a file that is not desired.
    Delete(RegistryFile),
    /// The registry has the identical file.
    Keep,
    /// The registry has different content, and keeps it.
    Skip(Conflict),
    /// The registry has different content, which is an error.
    Conflict(Conflict, ConflictTime),
    /// The list contradicts the state of the file, for this reason. It is read again.
    ListAgain(&'static str),
    /// Its upload failed, and the list does not show it.
    GiveUp,
    /// Its upload failed, and the list still shows the old content.
    Blocked,
    /// Its state is final.
    Nothing,
}

/// The moment when different content was found under a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConflictTime {
    /// Before the registry accepted the file from this run.
    Before,
    /// After an earlier list showed something else.
    DuringRun,
    /// After the registry had accepted the file.
    AfterUpload,
}

/// Returns the operation for each desired file, in the same order, and then for each extra file to delete. A listed extra
/// file is deleted if `extras` has it too, with the same content.
#[must_use]
pub(crate) fn plan<'a>(
    files: impl IntoIterator<Item = (&'a Desired, &'a State)>,
    listing: &Listing,
    extras: Option<&Listing>,
) -> Vec<Op> {
    let mut desired = HashSet::new();
    let mut ops = Vec::new();
    for (file, state) in files {
        desired.insert(file.name.folded());
        ops.push(decide(file, state, listing));
    }
    if let Some(seen) = extras {
        let is_extra = |file: &&RegistryFile| !desired.contains(&file.name.to_lowercase());
        let was_seen = |file: &&RegistryFile| seen.find_same_name(file) == Some(*file);
        ops.extend(listing.files().into_iter().filter(is_extra).filter(was_seen).cloned().map(Op::Delete));
    }
    ops
}

/// Why the list is read again after a deletion.
pub(crate) const STALE: &str = "the list still shows the deleted file";

/// Decides what is to be done with a desired file.
#[must_use]
pub(crate) fn decide(file: &Desired, state: &State, listing: &Listing) -> Op {
    let now = match (file.compare(listing), state) {
        (Listed::Identical(_), _) => return Op::Keep,
        (_, State::Failed { .. } | State::Unverified { .. }) => return Op::Nothing,
        (
            Listed::Nothing,
            State::Planned | State::ToReplace { .. } | State::Sent { if_missing: Some(IfMissing::Retry), .. },
        ) => return Op::Upload,
        (Listed::Nothing, State::Sent { if_missing: Some(IfMissing::ListAgain), deleted: None, .. }) => {
            return Op::ListAgain("the registry says that the file exists, but does not list it");
        }
        (Listed::Nothing, State::Sent { .. }) => return Op::GiveUp,
        (Listed::Nothing, State::Accepted { .. }) => {
            return Op::ListAgain("the registry accepted it, but does not list it");
        }
        (Listed::Nothing, State::Verified { .. } | State::Skipped) => return Op::ListAgain("it is no longer listed"),
        (Listed::Other(now), _) => now,
    };
    let is_what_was_deleted = state.deleted() == Some(&now.existing);
    match state {
        State::Accepted { .. } | State::Verified { .. } if is_what_was_deleted => Op::ListAgain(STALE),
        State::Accepted { .. } => Op::Conflict(now, ConflictTime::AfterUpload),
        // The list may be outdated, and the file may be missing.
        State::Sent { if_missing, .. } if is_what_was_deleted => match if_missing {
            Some(IfMissing::ListAgain) => Op::Blocked,
            _ => Op::ListAgain(STALE),
        },
        State::Sent { deleted: Some(_), .. } => Op::Conflict(now, ConflictTime::DuringRun),
        _ => match (file.if_file_exists, state) {
            (IfFileExists::Fail, _) => Op::Conflict(now, ConflictTime::Before),
            (IfFileExists::Skip, _) => Op::Skip(now),
            // Only the content that was seen first is deleted.
            (IfFileExists::Overwrite, State::Verified { .. }) => Op::Conflict(now, ConflictTime::DuringRun),
            (IfFileExists::Overwrite, State::ToReplace { seen }) if *seen != now.existing => {
                Op::Conflict(now, ConflictTime::DuringRun)
            }
            (IfFileExists::Overwrite, _) => Op::Replace(now),
        },
    }
}

/// The numbers of identical, different, missing and extra files of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) identical: usize,
    different: usize,
    missing: usize,
    extra: usize,
}

impl Diff {
    pub(crate) fn of(ops: &[Op]) -> Self {
        let mut diff = Self::default();
        for op in ops {
            match op {
                Op::Keep => diff.identical += 1,
                Op::Replace(_) => diff.different += 1,
                Op::Upload => diff.missing += 1,
                Op::Delete(_) => diff.extra += 1,
                _ => {}
            }
        }
        diff
    }

    /// Returns the counts for a cell of a table: `3 identical, 1 different, 1 missing`.
    pub(crate) fn in_brief(self) -> String {
        let Self { identical, different, missing, extra } = self;
        units::counts([(identical, "identical"), (different, "different"), (missing, "missing"), (extra, "extra")])
    }

    pub(crate) fn is_empty(self) -> bool {
        (self.different, self.missing, self.extra) == (0, 0, 0)
    }
}

/// Shows the state of an alias: `3 of 5 files identical, 1 different, 1 missing, 2 extra files`.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identical, different, missing, extra } = *self;
        write!(f, "{identical} of {} identical", units::files(identical + different + missing))?;
        for (count, word) in [(different, "different"), (missing, "missing")] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        match extra {
            0 => Ok(()),
            1 => f.write_str(", 1 extra file"),
            extra => write!(f, ", {extra} extra files"),
        }
    }
}
