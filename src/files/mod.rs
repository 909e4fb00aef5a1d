//! Patterns -> sorted, unique [`LocalFile`]s. Nothing outside the workspace and nothing inside `.git` gets through.

mod local;
mod pattern;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub use self::local::{FileError, FileFault, LocalFile};
pub use self::pattern::{BadLine, Line, is_git};
use crate::advice::Advise;
use crate::untrusted::Untrusted;

/// What to do when a line finds no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNoneFound {
    /// The run fails before it sends anything.
    Error,
    /// The run goes on with a warning.
    Warn,
    /// The run goes on.
    Ignore,
}

/// Which files to publish, as the inputs say.
#[derive(Debug)]
pub struct Selection {
    /// The workspace, without any links in its path.
    pub workspace: PathBuf,
    /// The folder that the lines are relative to: the workspace or one inside it, without any links in its path.
    pub base: PathBuf,
    /// The lines, in the order in which they were given.
    pub lines: Vec<Line>,
    /// What to do when a line finds no file.
    pub if_none_found: IfNoneFound,
    /// Whether wildcards match names that begin with a dot.
    pub include_hidden: bool,
}

/// The files that a selection found, sorted by path, and what is worth a warning.
#[derive(Debug)]
pub struct Selected {
    /// The files, each once.
    pub files: Vec<LocalFile>,
    /// One text a warning.
    pub warnings: Vec<String>,
}

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A line that found nothing.
    #[error("no file matches `{line}` in {place}{near}", line = Untrusted::new(.line))]
    NoneFound {
        /// The line as it was typed.
        line: String,
        /// The folder that was looked in.
        place: Untrusted,
        /// What lies there, or what would have matched.
        near: String,
    },
    /// Lines that take away all that the others found.
    #[error("the lines that begin with `!` take away every file")]
    AllTakenAway,
    /// A folder that cannot be listed.
    #[error("folder {path} cannot be listed", path = Untrusted::path(.path))]
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
    fn advice(&self) -> Option<String> {
        match self {
            Self::NoneFound { .. } => Some(
                "Correct the pattern or build the file first; with `if-no-files-found: warn` the run goes on without it"
                    .to_owned(),
            ),
            Self::AllTakenAway => Some("Take one of these lines out".to_owned()),
            Self::Walk { .. } => {
                Some("Give the step the right to read it, for example with `chmod -R a+rX` in a step before".to_owned())
            }
            Self::File(error) => error.advice(),
        }
    }
}

/// Takes the lines in order and finds their files; the error has all that is wrong with any of them.
pub fn select(selection: &Selection) -> Result<Selected, Vec<SelectError>> {
    let mut paths = BTreeSet::<PathBuf>::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    for line in &selection.lines {
        if line.takes_away {
            let before = paths.len();
            paths.retain(|path| !line.matches(path, selection.include_hidden));
            if line.names_one_path && selection.workspace.join(&line.literal).is_dir() {
                errors.push(FileError { path: line.literal.clone(), fault: FileFault::Folder }.into());
            } else if paths.len() == before && selection.if_none_found != IfNoneFound::Ignore {
                warnings.push(format!("`{}` takes nothing away", Untrusted::new(&line.text)));
            }
            continue;
        }
        match find(selection, line) {
            Ok(found) if found.is_empty() => {
                let missing = none_found(selection, line);
                match selection.if_none_found {
                    IfNoneFound::Error => errors.push(missing),
                    IfNoneFound::Warn => warnings.push(missing.to_string()),
                    IfNoneFound::Ignore => {}
                }
            }
            Ok(found) => paths.extend(found),
            Err(error) => errors.push(error),
        }
    }
    let any_found = !paths.is_empty();
    let mut files = Vec::new();
    for path in paths {
        match LocalFile::check(&selection.workspace, &path) {
            Ok(file) => files.push(file),
            Err(error) => errors.push(error.into()),
        }
    }
    if !any_found && errors.is_empty() && selection.if_none_found == IfNoneFound::Error {
        errors.push(SelectError::AllTakenAway);
    }
    if errors.is_empty() { Ok(Selected { files, warnings }) } else { Err(errors) }
}

/// The paths that a line stands for, relative to the workspace; folders only where the line names one.
fn find(selection: &Selection, line: &Line) -> Result<Vec<PathBuf>, SelectError> {
    // A line that names an existing file means that file, whatever its characters mean in a pattern.
    match fs::symlink_metadata(selection.workspace.join(&line.literal)) {
        Ok(metadata) if line.names_one_path || !metadata.is_dir() => return Ok(vec![line.literal.clone()]),
        _ if line.names_one_path => return Ok(Vec::new()),
        _ => {}
    }
    let mut found = Vec::new();
    for search in line.searches() {
        let root = selection.workspace.join(search.folder);
        match root.canonicalize() {
            Ok(real) if !real.starts_with(&selection.workspace) => {
                return Err(FileError { path: search.folder.to_owned(), fault: FileFault::Outside }.into());
            }
            Ok(real) if !real.is_dir() => continue,
            Err(_) => continue,
            Ok(_) => {}
        }
        // Links in the walk are not entered: they can lead into loops and out of the workspace.
        let mut walk = WalkDir::new(&root).min_depth(1).sort_by_file_name();
        if let Some(depth) = search.depth {
            walk = walk.max_depth(depth);
        }
        let inside = |path: &Path| path.strip_prefix(&selection.workspace).unwrap_or(path).to_owned();
        let entries = walk.into_iter().filter_entry(|entry| {
            let hidden = selection.include_hidden;
            entry.depth() == 0
                || !is_git(entry.file_name())
                    && (!entry.file_type().is_dir() || line.may_lie_in(&inside(entry.path()), hidden))
        });
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // Files come and go while others build; what is gone matches nothing.
                Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => continue,
                Err(error) => {
                    let path = inside(error.path().unwrap_or(&root));
                    return Err(SelectError::Walk { path, source: error.into() });
                }
            };
            let path = inside(entry.path());
            let folder = entry.file_type().is_dir() || entry.file_type().is_symlink() && entry.path().is_dir();
            if !folder && line.matches(&path, selection.include_hidden) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// What to tell somebody whose line finds nothing: where was looked, and what lies there.
fn none_found(selection: &Selection, line: &Line) -> SelectError {
    const SHOWN: usize = 5;
    let mut folder = line.searches().next().map_or(Path::new(""), |search| search.folder);
    while !selection.workspace.join(folder).is_dir() {
        folder = folder.parent().unwrap_or(Path::new(""));
    }
    let place = match folder {
        folder if folder.as_os_str().is_empty() => Untrusted::new("the workspace"),
        folder => Untrusted::new(&format!("{}/", folder.display())),
    };
    let mut names: Vec<String> = fs::read_dir(selection.workspace.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", Untrusted::new(&entry.file_name().to_string_lossy()))
        })
        .collect();
    names.sort_unstable();
    let near = match names.len() {
        0 => ", which is empty: has this job a checkout or a build?".to_owned(),
        count if count > SHOWN => format!(", where {} and {} more lie", names[..SHOWN].join(", "), count - SHOWN),
        _ => format!(", where {} lie", names.join(", ")),
    };
    SelectError::NoneFound { line: line.text.clone(), place, near }
}
