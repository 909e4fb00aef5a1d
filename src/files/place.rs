//! The folders that files are written to, and the errors of writing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::local::CHECK_DISK;
use crate::hint::{self, Explain};
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::units::Bytes;

/// The folder in the workspace for files that this action creates. Wildcards do not enter it.
pub(crate) const OWN_FOLDER: &str = ".generic-packages";

/// Its subfolder for files that are downloaded in order to upload them to an alias.
pub(crate) const ALIAS_DOWNLOADS: &str = "downloads";

/// A folder in the workspace, which need not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The workspace, without any links in its path.
    pub(crate) workspace: PathBuf,
    /// The folder's path in the workspace without any links; empty for the workspace itself.
    pub(crate) within: PathBuf,
}

impl Place {
    /// Returns the action's own folder in a workspace, whose path must not contain links.
    #[must_use]
    pub(crate) fn own(workspace: &Path) -> Self {
        Self { workspace: workspace.to_owned(), within: OWN_FOLDER.into() }
    }

    /// Returns a folder in this one.
    #[must_use]
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { workspace: self.workspace.clone(), within: self.within.join(name) }
    }

    /// Returns the folder's path relative to the workspace, for later steps.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        if self.within.as_os_str().is_empty() { ".".to_owned() } else { self.within.to_string_lossy().into_owned() }
    }

    /// Returns the path of a file in it, relative to the workspace.
    #[must_use]
    pub(crate) fn path_of(&self, name: &FileName) -> PathBuf {
        self.within.join(name.as_str())
    }
}

/// A file or a folder that cannot be written, and why.
#[derive(Debug)]
pub(crate) struct PlaceError {
    /// The path relative to the workspace.
    pub(crate) path: PathBuf,
    /// Why it cannot be written.
    pub(crate) fault: PlaceFault,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let verb = if matches!(self.fault, PlaceFault::Open(_)) { "open" } else { "write" };
        write!(f, "failed to {verb} `{}`{}", Sanitized::path(path), self.fault)
    }
}

impl std::error::Error for PlaceError {
    /// Returns only the system's reason, because the message contains the fault.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// Why a file or a folder cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceFault {
    /// A folder has the file's name.
    #[error(": a folder has this name")]
    Folder,
    /// A file or a link is where a folder has to be.
    #[error(": it is not a folder, or it was replaced by a link")]
    NoFolder,
    /// The temporary file is missing, or has a different length.
    #[error(": its temporary file was removed or changed")]
    TemporaryFileRemoved,
    /// The folder was moved or replaced while files were written to it.
    #[error(": the folder was moved or replaced during this run, with the files in it")]
    Moved,
    /// A disk that accepts no data.
    #[error(": the disk accepted no data for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The folder cannot be opened or created.
    #[error("")]
    Open(#[source] io::Error),
    /// The file cannot be written.
    #[error("{}", .missing.map(|size| format!(": {} are not written yet", Bytes(size))).unwrap_or_default())]
    Write {
        /// The number of bytes that are not written yet, if known.
        missing: Option<u64>,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl Explain for PlaceError {
    fn code(&self) -> &'static str {
        match &self.fault {
            PlaceFault::Folder => "destination-is-a-folder",
            PlaceFault::NoFolder => "destination-is-no-folder",
            PlaceFault::TemporaryFileRemoved | PlaceFault::Moved => "destination-changed",
            PlaceFault::Stalled(_) => "file-system-timeout",
            PlaceFault::Open(error) | PlaceFault::Write { source: error, .. } => hint::system_error_code(error),
        }
    }

    fn hint(&self) -> Option<String> {
        // The path of the action's own folder is fixed.
        let (what, elsewhere) = if self.path.starts_with(OWN_FOLDER) {
            ("the workspace", "")
        } else {
            ("it", ", or set `path` to another folder")
        };
        let (error, missing) = match &self.fault {
            PlaceFault::Open(error) => (error, None),
            PlaceFault::Write { missing, source } => (source, *missing),
            PlaceFault::Stalled(_) => return Some(CHECK_DISK.to_owned()),
            PlaceFault::Folder => return Some(format!("Remove the folder{elsewhere}")),
            PlaceFault::NoFolder => {
                return Some(format!("Remove the file or link{elsewhere}. Make sure that no other step changes it"));
            }
            PlaceFault::TemporaryFileRemoved | PlaceFault::Moved => {
                let hint = "Make sure that no other step writes to this folder or cleans it, then run the step again";
                return Some(hint.to_owned());
            }
        };
        Some(match (hint::system_error_code(error), missing) {
            ("disk-full", Some(size)) => {
                format!("Free at least {} on the runner's disk, or raise its quota", Bytes(size))
            }
            ("disk-full", None) => "Free space on the runner's disk, or raise its quota".to_owned(),
            ("permission-denied", _) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                format!("Mount {what} read-write{elsewhere}")
            }
            ("permission-denied", _) => {
                format!(
                    "Make {what} writable for this step, for example with `chmod -R a+w` in an earlier step{elsewhere}"
                )
            }
            ("too-many-open-files", _) => hint::OPEN_FILES.to_owned(),
            _ => CHECK_DISK.to_owned(),
        })
    }
}
