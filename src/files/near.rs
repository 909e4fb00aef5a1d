//! What comes closest to a line that finds nothing.

use std::fmt;
use std::path::PathBuf;

use crate::advice::HOST_LABEL;
use crate::untrusted::Untrusted;

/// What comes closest to a line that finds nothing. The texts have been made harmless.
#[derive(Debug)]
pub(crate) enum Near {
    /// Files that begin with a dot, or lie in a folder that does.
    Hidden(String),
    /// Folders.
    Folders(String),
    /// Links to folders, which a wildcard does not enter.
    Links(String),
    /// Files whose names differ by case.
    OtherCase(String),
    /// Files of the name that is passed over.
    PassedOver(String),
    /// Nothing at all in the workspace.
    EmptyWorkspace,
    /// Nothing at all in the workspace, and no output file either.
    NoMounts,
    /// Other things, in the folder that was looked in.
    There {
        /// The folder relative to the workspace; empty for the workspace itself.
        folder: PathBuf,
        /// A few names of what lies there.
        names: String,
    },
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden(names) => write!(f, "only hidden files would, such as {names}"),
            Self::Folders(names) => write!(f, "only folders do, such as {names}"),
            Self::Links(names) => write!(f, "there are links to folders, such as {names}, which are not entered"),
            Self::OtherCase(names) => write!(f, "only files of another case would, such as {names}"),
            Self::PassedOver(names) => {
                write!(f, "only {names} would, which `checksums` makes of the registry's own list")
            }
            Self::EmptyWorkspace => f.write_str("the workspace is empty; no checkout or build in this job?"),
            Self::NoMounts => f.write_str("the container sees neither the job's workspace nor GITHUB_OUTPUT"),
            Self::There { folder, names } => {
                let place = match folder.as_os_str() {
                    name if name.is_empty() => "the workspace".to_owned(),
                    _ => Untrusted::path(folder).to_string(),
                };
                match names.as_str() {
                    "" => write!(f, "{place} is empty"),
                    names => write!(f, "{place} has {names}"),
                }
            }
        }
    }
}

impl Near {
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Hidden(_) => "Set `include-hidden-files: true`, or write the dot in the pattern",
            Self::Folders(_) => "Write `/*` behind it for the files in them, or `/**` for those below them too",
            Self::Links(_) => "Name the link without wildcards, as in `link/*`",
            Self::OtherCase(_) => "Write the name in the case that it has",
            Self::PassedOver(_) => "Take the line out; a job that only seals needs no `files`",
            Self::EmptyWorkspace => "Check the repository out, or build or download the files, in a step before",
            Self::NoMounts => HOST_LABEL,
            Self::There { .. } => {
                "Correct the pattern, or build the file first; `if-no-files-found: warn` goes on without it"
            }
        }
    }
}
