//! Reads a file of the workspace that an input names, with the same checks as for published files.

use std::io;
use std::path::Path;

use crate::files::{FileError, FileFault, LocalFile};
use crate::hint::Explain as _;

const OUTSIDE: &str = "is outside the workspace";

/// The code of a file that does not exist.
pub(super) const NOT_FOUND: &str = "file-not-found";

/// A file that an input names and that cannot be read.
pub(super) struct Unreadable {
    /// Why. The text follows on the value of the input.
    pub(super) problem: String,
    pub(super) code: &'static str,
}

impl From<FileError> for Unreadable {
    fn from(error: FileError) -> Self {
        let code = error.code();
        let (problem, code) = match error.fault {
            FileFault::System(_) if error.path.is_absolute() || error.path.starts_with("..") => {
                (OUTSIDE.to_owned(), "outside-workspace")
            }
            FileFault::System(error) if error.kind() == io::ErrorKind::NotFound => {
                (format!("cannot be read: {error}"), NOT_FOUND)
            }
            FileFault::System(error) => (format!("cannot be read: {error}"), code),
            FileFault::Outside => (OUTSIDE.to_owned(), code),
            FileFault::Git => ("is inside `.git`".to_owned(), code),
            FileFault::Folder => ("is a folder".to_owned(), code),
            FileFault::Special(kind) => (format!("is a {kind}"), code),
            other => (other.to_string(), code),
        };
        Self { problem, code }
    }
}

/// Checks that a path in the (real) workspace is a regular, readable file.
pub(super) fn check(workspace: &Path, within: &Path) -> Result<LocalFile, Unreadable> {
    Ok(LocalFile::check(workspace, within)?)
}

/// Returns the content of a file; `None` if it has more than `largest` bytes.
pub(super) fn read(file: &LocalFile, largest: u64) -> Result<Option<Vec<u8>>, Unreadable> {
    if file.size > largest { Ok(None) } else { Ok(Some(file.read_to_end()?)) }
}
