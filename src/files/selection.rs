//! The files to select, and the errors of selecting them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::line::Line;
use super::local::{FileError, LocalFile, READABLE};
use super::mistake::Mistake;
use super::pattern::Matching;
use super::renaming::Placeholder;
use crate::hint::{self, Explain, Plural};
use crate::package::FileName;
use crate::sanitize::Sanitized;

/// The policy for lines that match no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfNoneFound {
    /// Fail before anything is uploaded.
    Error,
    /// Continue with a warning.
    Warn,
    /// Continue.
    Ignore,
}

/// The inputs that select files to publish.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The workspace, without any links in its path.
    pub(crate) workspace: PathBuf,
    /// The folder that the lines are relative to: the workspace or one inside it, without any links in its path.
    pub(crate) base: PathBuf,
    /// The lines, in the order of the input.
    pub(crate) lines: Vec<Line>,
    /// The policy for lines that match no file.
    pub(crate) if_none_found: IfNoneFound,
    /// Whether wildcards match names that begin with a dot.
    pub(crate) include_hidden: bool,
    /// The name of the checksums file, which wildcards skip in any case: the workspace can contain the copy of an earlier
    /// run.
    pub(crate) skipped_name: Option<FileName>,
    /// A file with a secret of the inputs, which is never published.
    pub(crate) secret_file: Option<Box<LocalFile>>,
    /// Whether the runner's files are visible. In a container on a host label they are not.
    pub(crate) has_runner_files: bool,
}

impl Selection {
    pub(super) fn matching(&self) -> Matching {
        Matching { include_hidden: self.include_hidden, ignore_case: false }
    }

    /// Returns how exclusions match. They always include hidden files.
    pub(super) fn matching_for_exclusion(&self) -> Matching {
        Matching { include_hidden: true, ..self.matching() }
    }

    pub(super) fn is_skipped(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        self.skipped_name.as_ref().is_some_and(|skipped| name == Some(skipped.folded()))
    }
}

/// The selected paths, relative to the workspace, each with the lines that select it.
pub(super) type Paths<'a> = BTreeMap<PathBuf, Vec<&'a Line>>;

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    /// A line that matches no file.
    #[error("failed to match `{line}`: {reason}", line = Sanitized::new(.line))]
    NoneFound {
        /// The line as it was typed.
        line: String,
        /// The nearest match, sanitized.
        reason: String,
        /// The instruction that corrects the line.
        hint: &'static str,
    },
    /// A line that matches no file, and is in the syntax of another tool.
    #[error("failed to match `{line}`: the line {mistake}", line = Sanitized::new(.line))]
    Mistake {
        /// The line as it was typed.
        line: String,
        /// The mistake in it.
        mistake: Mistake,
    },
    /// A line with `!` above the line that adds its files.
    #[error("failed to exclude `{line}`: a later line adds {names}", line = Sanitized::new(.line))]
    ExcludedTooEarly {
        /// The line as it was typed.
        line: String,
        /// A few of the files.
        names: String,
    },
    /// A name with `!` for files in other folders.
    #[error("failed to exclude `{line}`: the selected files with that name are in other folders: {names}", line = Sanitized::new(.line))]
    ExcludedInOneFolder {
        /// The line as it was typed.
        line: String,
        /// A few of the files.
        names: String,
        /// The line for all folders.
        everywhere: String,
    },
    /// Lines that exclude all files of the others.
    #[error("failed to select files: the lines that start with `!` exclude every file")]
    AllExcluded,
    /// A placeholder in a new name that has no value for a file.
    #[error("failed to rename `{path}`: `{placeholder}` in its new name has no value", path = Sanitized::path(.path))]
    NoPlaceholder {
        /// The file relative to the workspace.
        path: PathBuf,
        /// The placeholder.
        placeholder: Placeholder,
    },
    /// A folder that a line names.
    #[error("failed to select `{path}`: it is a folder, and only files are published", path = Sanitized::path(.path))]
    Folder {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The line as it was typed, without slashes at its end.
        line: String,
    },
    /// The file of an input that is secret.
    #[error("failed to select `{path}`: it is the file of `client-certificate` and contains a private key", path = Sanitized::path(.path))]
    Secret {
        /// The path relative to the workspace.
        path: PathBuf,
    },
    /// A folder that cannot be listed.
    #[error("failed to list folder `{path}`", path = Sanitized::path(.path))]
    Walk {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Explain for SelectError {
    fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Mistake { mistake, .. } => mistake.code(),
            Self::Walk { source, .. } => hint::system_error_code(source),
            Self::NoneFound { .. } => "no-files-found",
            Self::ExcludedTooEarly { .. } => "excluded-too-early",
            Self::ExcludedInOneFolder { .. } => "excluded-in-one-folder",
            Self::AllExcluded => "all-files-excluded",
            Self::NoPlaceholder { .. } => "empty-placeholder",
            Self::Folder { .. } => "is-a-folder",
            Self::Secret { .. } => "private-key-file",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Mistake { mistake, .. } => return mistake.hint(),
            Self::NoneFound { line, .. } if line.contains("=>") => {
                "Put a space on each side of `=>` if a new name follows it".to_owned()
            }
            Self::NoneFound { hint, .. } => (*hint).to_owned(),
            Self::ExcludedTooEarly { line, .. } => {
                format!("Move `{}` below that line, because lines are applied in order", Sanitized::new(line))
            }
            Self::ExcludedInOneFolder { everywhere, .. } => {
                format!("Write `{}` to exclude that name in all folders", Sanitized::new(everywhere))
            }
            Self::AllExcluded => "Remove one of these lines".to_owned(),
            Self::NoPlaceholder { .. } => {
                "Add a line with a new name for this file only. It is in the top folder of the \
                                           workspace, so it has no `{dir}`"
                    .to_owned()
            }
            Self::Folder { line, .. } => {
                let line = Sanitized::new(line);
                format!("Write `{line}/*` for the files in it, or `{line}/**` to include subfolders")
            }
            Self::Secret { path } => format!(
                "Exclude it with a line `!{}`, or set `client-certificate` to the text instead of a path",
                Sanitized::path(path)
            ),
            Self::Walk { source, .. } if hint::is_open_files_limit(source) => hint::OPEN_FILES.to_owned(),
            Self::Walk { .. } => READABLE.to_owned(),
        })
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::File(error) => error.plural(),
            Self::NoneFound { line, reason, .. } => Some(Plural {
                text: format!("failed to match {{}} lines ({reason})"),
                item: format!("`{}`", Sanitized::new(line)),
                is_hint_an_example: false,
            }),
            _ => None,
        }
    }
}
