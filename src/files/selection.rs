//! Which files to publish, and why they cannot be selected.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::line::Line;
use super::local::{FileError, LocalFile, READABLE};
use super::mistake::Mistake;
use super::pattern::Matching;
use super::renaming::Placeholder;
use crate::advice::{self, Advise, Plural};
use crate::package::FileName;
use crate::sanitize::Sanitized;

/// What to do when a line finds no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfNoneFound {
    /// The run fails before it sends anything.
    Error,
    /// The run goes on with a warning.
    Warn,
    /// The run goes on.
    Ignore,
}

/// Which files to publish, as the inputs say.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The workspace, without any links in its path.
    pub(crate) workspace: PathBuf,
    /// The folder that the lines are relative to: the workspace or one inside it, without any links in its path.
    pub(crate) base: PathBuf,
    /// The lines, in the order in which they were given.
    pub(crate) lines: Vec<Line>,
    /// What to do when a line finds no file.
    pub(crate) if_none_found: IfNoneFound,
    /// Whether wildcards match names that begin with a dot.
    pub(crate) include_hidden: bool,
    /// A name that wildcards pass over, whatever its case: that of the file of checksums, of which an earlier run's copy
    /// may lie there.
    pub(crate) passes_over: Option<FileName>,
    /// A file that holds a secret of the inputs, and is never published.
    pub(crate) secret_file: Option<Box<LocalFile>>,
    /// Whether the files of the runner can be seen from here; they cannot from a container on a host label.
    pub(crate) sees_runner: bool,
}

impl Selection {
    pub(super) fn matching(&self) -> Matching {
        Matching { include_hidden: self.include_hidden, ignore_case: false }
    }

    /// What somebody wants to keep back is kept back, hidden or not.
    pub(super) fn matching_for_exclusion(&self) -> Matching {
        Matching { include_hidden: true, ..self.matching() }
    }

    pub(super) fn passes_over(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        self.passes_over.as_ref().is_some_and(|passed| name == Some(passed.folded()))
    }
}

/// The paths that were found, relative to the workspace, each with the lines that name it.
pub(super) type Paths<'a> = BTreeMap<PathBuf, Vec<&'a Line>>;

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    /// A line that found nothing.
    #[error("no file matches `{line}`: {reason}", line = Sanitized::new(.line))]
    NoneFound {
        /// The line as it was typed.
        line: String,
        /// What comes closest, made harmless.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A line that matches nothing, and is meant for another tool.
    #[error("no file matches `{line}`: the line {mistake}", line = Sanitized::new(.line))]
    Mistake {
        /// The line as it was typed.
        line: String,
        /// What is wrong with it.
        mistake: Mistake,
    },
    /// A line with `!` above the line that adds its files.
    #[error("`{line}` takes nothing away, because a later line adds {names}", line = Sanitized::new(.line))]
    TakenAwayTooEarly {
        /// The line as it was typed.
        line: String,
        /// A few of the files.
        names: String,
    },
    /// A name with `!` for files in other folders.
    #[error("`{line}` takes nothing away, but files of that name are selected: {names}", line = Sanitized::new(.line))]
    TakenAwayInOneFolder {
        /// The line as it was typed.
        line: String,
        /// A few of the files.
        names: String,
        /// The line for all folders.
        everywhere: String,
    },
    /// Lines that take away all that the others found.
    #[error("the lines that begin with `!` take away every file")]
    AllExcluded,
    /// A placeholder in a new name that stands for nothing.
    #[error("{path}: `{placeholder}` in its new name stands for nothing", path = Sanitized::path(.path))]
    NoPlaceholder {
        /// The file relative to the workspace.
        path: PathBuf,
        /// The placeholder.
        placeholder: Placeholder,
    },
    /// A folder that a line names. What is published, or kept back, are files.
    #[error("{path} is a folder, and only files are published", path = Sanitized::path(.path))]
    Folder {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The line as it was typed, without slashes at its end.
        line: String,
    },
    /// The file of an input that is secret.
    #[error("{path} is the file of `client-certificate`, and holds a private key", path = Sanitized::path(.path))]
    Secret {
        /// The path relative to the workspace.
        path: PathBuf,
    },
    /// A folder that cannot be listed.
    #[error("folder {path} cannot be listed", path = Sanitized::path(.path))]
    Walk {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file that cannot be published.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Advise for SelectError {
    fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Mistake { mistake, .. } => mistake.code(),
            Self::Walk { source, .. } => advice::code_of_system(source),
            Self::NoneFound { .. } => "no-files-found",
            Self::TakenAwayTooEarly { .. } => "excluded-too-early",
            Self::TakenAwayInOneFolder { .. } => "excluded-in-one-folder",
            Self::AllExcluded => "all-files-excluded",
            Self::NoPlaceholder { .. } => "empty-placeholder",
            Self::Folder { .. } => "is-a-folder",
            Self::Secret { .. } => "private-key-file",
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::NoneFound { line, .. } if line.contains("=>") => {
                Some("Put a blank on each side of `=>`, if a new name is meant to stand behind it".to_owned())
            }
            Self::NoneFound { hint, .. } => Some((*hint).to_owned()),
            Self::Mistake { mistake, .. } => mistake.advice(),
            Self::TakenAwayTooEarly { line, .. } => {
                Some(format!("Move `{}` below that line, because lines are applied in order", Sanitized::new(line)))
            }
            Self::TakenAwayInOneFolder { everywhere, .. } => {
                Some(format!("Write `{}` for that name in all folders", Sanitized::new(everywhere)))
            }
            Self::AllExcluded => Some("Take one of these lines out".to_owned()),
            Self::NoPlaceholder { .. } => Some(
                "Give the file a name of its own in a line of its own: `{dir}` is the folder that a file lies in, and \
                 the workspace is none"
                    .to_owned(),
            ),
            Self::Folder { line, .. } => {
                let line = Sanitized::new(line);
                Some(format!("Write `{line}/*` for the files in it, or `{line}/**` for those below it too"))
            }
            Self::Secret { path } => Some(format!(
                "Exclude it with a line `!{}`, or give the text of the secret instead of a path",
                Sanitized::path(path)
            )),
            Self::Walk { source, .. } if advice::is_of_open_files(source) => Some(advice::OPEN_FILES.to_owned()),
            Self::Walk { .. } => Some(READABLE.to_owned()),
            Self::File(error) => error.advice(),
        }
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::File(error) => error.plural(),
            Self::NoneFound { line, reason, .. } => Some(Plural {
                text: format!("no file matches {{}} lines ({reason})"),
                item: format!("`{}`", Sanitized::new(line)),
                is_hint_an_example: false,
            }),
            _ => None,
        }
    }
}
