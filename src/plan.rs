//! Pure: files and what the registry already has -> what to do, or why not. Nothing is sent before this is settled.

use std::collections::BTreeMap;
use std::fmt;

use crate::advice::Advise;
use crate::checksum::Sha256;
use crate::files::LocalFile;
use crate::listing::{Listing, RegistryFile};
use crate::package::{BadName, FileName};
use crate::report::units::Bytes;
use crate::secret::Redactor;
use crate::untrusted::Untrusted;

/// A local file and its name on the registry.
#[derive(Clone, Debug)]
pub struct NamedFile {
    /// The file in the workspace.
    pub local: LocalFile,
    /// Its name on the registry.
    pub name: FileName,
    /// Whether that name has to be spelled so there; otherwise one that differs by case will do.
    pub is_exact: bool,
}

impl NamedFile {
    fn may_be_called(&self, theirs: &RegistryFile) -> bool {
        !self.is_exact || theirs.name == self.name.as_str()
    }
}

/// Why files cannot be published under their names.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A name that the registry refuses.
    #[error("{path}: the {bad}")]
    Name {
        /// The path relative to the workspace.
        path: Untrusted,
        /// What is wrong with the name.
        bad: BadName,
    },
    /// Names that the registry takes for one.
    #[error("{}: the registry takes these for one name, {how}", listed(.paths))]
    SameName {
        /// The paths relative to the workspace.
        paths: Vec<Untrusted>,
        /// In which way the names are the same.
        how: &'static str,
    },
    /// The name of the file that is made of all others.
    #[error("{path}: `{name}` is what `checksums` makes of the registry's own list")]
    Sealed {
        /// The path relative to the workspace.
        path: Untrusted,
        /// The name.
        name: FileName,
    },
    /// A name with the token in it.
    #[error("a file's name contains the token or another secret, which everybody would see")]
    Secret,
}

impl Advise for PlanError {
    fn advice(&self) -> Option<String> {
        Some(
            match self {
                Self::Name { .. } => "Rename the file before this step, or take it away with a line `!path`",
                Self::SameName { .. } => "Give each file a name of its own: only the last part of a path is published",
                Self::Sealed { .. } => "Take the file out of `files`, or give `checksums` another name",
                Self::Secret => "Rename the file",
            }
            .to_owned(),
        )
    }
}

/// Gives every file its name; the error has all that is wrong with any of them.
pub fn name_files(files: Vec<LocalFile>, redactor: &Redactor) -> Result<Vec<NamedFile>, Vec<PlanError>> {
    let mut named = Vec::new();
    let mut errors = Vec::new();
    for local in files {
        match FileName::parse(local.name()) {
            _ if redactor.finds(local.name()) => errors.push(PlanError::Secret),
            Ok(name) => named.push(NamedFile { local, name, is_exact: false }),
            Err(bad) => errors.push(PlanError::Name { path: Untrusted::path(&local.path), bad }),
        }
    }
    let mut by_name = BTreeMap::<String, Vec<&NamedFile>>::new();
    for file in &named {
        by_name.entry(file.name.folded()).or_default().push(file);
    }
    for same in by_name.values().filter(|same| same.len() > 1) {
        let equal = same.iter().all(|file| file.name == same[0].name);
        errors.push(PlanError::SameName {
            paths: same.iter().map(|file| Untrusted::path(&file.local.path)).collect(),
            how: if equal { "since it sees no folders" } else { "since it does not regard case" },
        });
    }
    if errors.is_empty() { Ok(named) } else { Err(errors) }
}

/// A few of some paths.
fn listed(paths: &[Untrusted]) -> String {
    const SHOWN: usize = 4;
    let mut shown: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
    if paths.len() > SHOWN {
        shown.push(format!("{} more", paths.len() - SHOWN));
    }
    shown.join(" and ")
}

/// What to do with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The registry does not have it.
    Upload,
    /// The registry has it, bit for bit.
    Unchanged(Sha256),
    /// The registry has other content under its name.
    Conflict(Conflict),
}

/// Two contents under one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Conflict {
    name: FileName,
    /// What the registry has, under its own spelling of the name.
    pub(crate) theirs: RegistryFile,
    size: u64,
    sha256: Option<Sha256>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is on the registry with other content: ", self.name)?;
        if self.theirs.name != self.name.as_str() {
            write!(f, "it is called `{}` there, ", Untrusted::new(&self.theirs.name))?;
        }
        match self.sha256 {
            Some(ours) if self.theirs.size == self.size => {
                let size = Bytes::exact(self.size);
                write!(f, "{size} in both places, SHA-256 {} there, {ours} here", self.theirs.sha256)
            }
            _ => write!(f, "{} there, {} here", Bytes::exact(self.theirs.size), Bytes::exact(self.size)),
        }
    }
}

/// Whether a file has to be hashed to tell what to do with it: its name is there, with the same size.
#[must_use]
pub fn needs_hash(file: &NamedFile, listing: &Listing) -> bool {
    listing.find(&file.name).is_some_and(|theirs| theirs.size == file.local.size)
}

/// What to do with a file, given its hash where [`needs_hash`] asks for it.
#[must_use]
pub fn step(file: &NamedFile, listing: &Listing, sha256: Option<Sha256>) -> Step {
    match (listing.find(&file.name), sha256) {
        (None, _) => Step::Upload,
        (Some(theirs), Some(ours)) if theirs.holds(file.local.size, ours) && file.may_be_called(theirs) => {
            Step::Unchanged(ours)
        }
        (Some(theirs), sha256) => {
            Step::Conflict(Conflict { name: file.name.clone(), theirs: theirs.clone(), size: file.local.size, sha256 })
        }
    }
}
