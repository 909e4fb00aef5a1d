//! Where files are written to, and what can be wrong with that.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::advice::{self, Advise};
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::units::Bytes;

/// The folder in the workspace that holds what this program makes for later steps. Wildcards do not enter it.
pub(crate) const OWN_FOLDER: &str = ".generic-packages";

/// The folder in there that holds what is fetched to be sent again.
pub(crate) const FETCHED_FOLDER: &str = "mirrored";

/// A folder in the workspace, which need not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The workspace, without any links in its path.
    pub(crate) workspace: PathBuf,
    /// The folder's path in the workspace without any links; empty for the workspace itself.
    pub(crate) within: PathBuf,
}

impl Place {
    /// This program's own folder in a workspace, which is given without any links in its path.
    #[must_use]
    pub(crate) fn own(workspace: &Path) -> Self {
        Self { workspace: workspace.to_owned(), within: OWN_FOLDER.into() }
    }

    /// A folder in it.
    #[must_use]
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { workspace: self.workspace.clone(), within: self.within.join(name) }
    }

    /// The folder's path relative to the workspace, as later steps may use it.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        if self.within.as_os_str().is_empty() { ".".to_owned() } else { self.within.to_string_lossy().into_owned() }
    }

    /// The path of a file in it, relative to the workspace.
    #[must_use]
    pub(crate) fn path_of(&self, name: &FileName) -> PathBuf {
        self.within.join(name.as_str())
    }
}

/// Why a file cannot be put into its place.
#[derive(Debug)]
pub(crate) struct PlaceError {
    /// The path relative to the workspace.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) fault: PlaceFault,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        write!(f, "{} {}", Sanitized::path(path), self.fault)
    }
}

impl std::error::Error for PlaceError {
    /// The fault is part of what is said already; the system's reason is not.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// What can be wrong with the place of a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceFault {
    /// A folder has the file's name.
    #[error("is a folder, and a file is to be put there")]
    Folder,
    /// A file or a link is where a folder has to be.
    #[error("is no folder, or has become a link")]
    NoFolder,
    /// The temporary file has lost its name, or has another length.
    #[error("cannot be put there: its temporary file was removed or changed")]
    TemporaryFileRemoved,
    /// Another folder, or none, is where it was.
    #[error("is no longer where it was: somebody has moved or replaced it, and what was written has gone with it")]
    Moved,
    /// A disk that takes nothing.
    #[error("could not be written on for {} s", .0.as_secs())]
    Stalled(Duration),
    /// What the system says of the folder.
    #[error("cannot be opened or made")]
    Open(#[source] io::Error),
    /// What the system says of the file.
    #[error("cannot be written{}", .missing.map(|size| format!(" ({} to go)", Bytes(size))).unwrap_or_default())]
    Write {
        /// How many bytes are not written yet, where that is known.
        missing: Option<u64>,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl PlaceError {
    /// The cure; `elsewhere` says in what other way the file could be put somewhere else.
    fn cure(&self, elsewhere: &str) -> String {
        let of_system = |error: &io::Error, missing: Option<u64>| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => match missing {
                Some(size) => format!("Make room for {} more on the disk or in the quota of the runner", Bytes(size)),
                None => "Make room on the disk or in the quota of the runner".to_owned(),
            },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!(
                    "Give the step the right to write there, for example with `chmod -R u+w` in a step before{elsewhere}"
                )
            }
            _ if advice::is_of_open_files(error) => advice::OPEN_FILES.to_owned(),
            _ => "Look at the disk and the mounts of the runner, then run the step again".to_owned(),
        };
        match &self.fault {
            PlaceFault::Folder => format!("Take the folder away{elsewhere}"),
            PlaceFault::NoFolder => {
                format!("Take away what is there{elsewhere}; let nothing else change it meanwhile")
            }
            PlaceFault::TemporaryFileRemoved | PlaceFault::Moved => {
                "Run the step again, and let no other step write to this folder or clean it meanwhile".to_owned()
            }
            PlaceFault::Stalled(_) => {
                "Look at the disk and the mounts of the runner, then run the step again".to_owned()
            }
            PlaceFault::Open(error) => of_system(error, None),
            PlaceFault::Write { missing, source } => of_system(source, *missing),
        }
    }
}

impl Advise for PlaceError {
    fn code(&self) -> &'static str {
        match &self.fault {
            PlaceFault::Folder => "destination-is-a-folder",
            PlaceFault::NoFolder => "destination-is-no-folder",
            PlaceFault::TemporaryFileRemoved | PlaceFault::Moved => "destination-changed",
            PlaceFault::Stalled(_) => "file-system-timeout",
            PlaceFault::Open(error) | PlaceFault::Write { source: error, .. } => advice::code_of_system(error),
        }
    }

    fn advice(&self) -> Option<String> {
        // Where our own folder is, nobody chooses.
        let is_ours = self.path.starts_with(OWN_FOLDER);
        Some(self.cure(if is_ours { "" } else { ", or set `path` to another folder" }))
    }
}
