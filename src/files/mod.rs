//! Patterns -> sorted, unique `LocalFile`s. Nothing outside the workspace and nothing inside `.git` gets through.
//! [`Folder`] is where files are written to.

mod bad_line;
mod bash;
mod braces;
mod correction;
mod exclusion;
mod folder;
mod git;
mod local;
mod mistake;
mod names;
mod near;
mod owner;
mod pattern;
mod place;
mod renaming;
mod syntax;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub(crate) use self::bad_line::BadLine;
pub(crate) use self::correction::correction;
pub use self::folder::Folder;
pub(crate) use self::folder::Found;
pub(crate) use self::git::{is_git, makes_repository, tracked};
pub(crate) use self::local::{FileError, FileFault, LocalFile};
pub(crate) use self::mistake::{Mistake, mistake_in_path};
pub(crate) use self::near::Near;
use self::near::{names, none_found};
pub(crate) use self::pattern::Line;
use self::pattern::Matching;
pub(crate) use self::place::{FETCHED_FOLDER, OWN_FOLDER};
pub use self::place::{Place, PlaceError, PlaceFault};
pub(crate) use self::renaming::Placeholder;
use self::syntax::escaped;
pub(crate) use self::unfinished::{Unfinished, Writing, is_part};
use crate::advice::{self, Advise, Plural};
use crate::package::FileName;
use crate::untrusted::Untrusted;

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
    fn matching(&self) -> Matching {
        Matching { include_hidden: self.include_hidden, ignore_case: false }
    }

    fn passes_over(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        self.passes_over.as_ref().is_some_and(|passed| name == Some(passed.folded()))
    }
}

/// A file that was found, and what it is to be called on the registry.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The file.
    pub(crate) local: LocalFile,
    /// Its name there, which may be none that the registry takes.
    pub(crate) name: String,
    /// Whether a line gives it that name; else it is the file's own.
    pub(crate) is_renamed: bool,
    /// What each placeholder stands for in its name.
    pub(crate) placeholders: Vec<(Placeholder, String)>,
    /// The file's path as a line has it.
    path_in_line: PathBuf,
}

impl Chosen {
    /// A line that gives the file a name which the registry accepts; `None` if no line can name the file.
    #[must_use]
    pub(crate) fn line_with_good_name(&self) -> Option<String> {
        let name = FileName::similar_to(self.local.name())?;
        let path = self.path_in_line.to_str()?;
        let escape = if path.starts_with('!') { "./" } else { "" };
        let can_be_typed = path.trim() == path && Untrusted::whole(path).to_string() == path;
        can_be_typed.then(|| format!("{escape}{path} => {}", escaped(&name)))
    }
}

/// The files that a selection found, sorted by path, and what is worth a warning.
#[derive(Debug)]
pub(crate) struct Selected {
    /// The files, each once for each name that a line gives it, or once under its own.
    pub(crate) files: Vec<Chosen>,
    /// One text a warning.
    pub(crate) warnings: Vec<String>,
}

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    /// A line that found nothing.
    #[error("no file matches `{line}`: {near}", line = Untrusted::new(.line))]
    NoneFound {
        /// The line as it was typed.
        line: String,
        /// What comes closest.
        near: Near,
    },
    /// A line that matches nothing, and is meant for another tool.
    #[error("no file matches `{line}`: the line {mistake}", line = Untrusted::new(.line))]
    Mistake {
        /// The line as it was typed.
        line: String,
        /// What is wrong with it.
        mistake: Mistake,
    },
    /// A line with `!` above the line that adds its files.
    #[error("`{line}` takes nothing away, because a later line adds {names}", line = Untrusted::new(.line))]
    TakenAwayTooEarly {
        /// The line as it was typed.
        line: String,
        /// A few of the files.
        names: String,
    },
    /// A name with `!` for files in other folders.
    #[error("`{line}` takes nothing away, but files of that name are selected: {names}", line = Untrusted::new(.line))]
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
    AllTakenAway,
    /// A placeholder in a new name that stands for nothing.
    #[error("{path}: `{placeholder}` in its new name stands for nothing", path = Untrusted::path(.path))]
    NoPlaceholder {
        /// The file relative to the workspace.
        path: PathBuf,
        /// The placeholder.
        placeholder: Placeholder,
    },
    /// A folder that a line names. What is published, or kept back, are files.
    #[error("{path} is a folder, and only files are published", path = Untrusted::path(.path))]
    Folder {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The line as it was typed, without slashes at its end.
        line: String,
    },
    /// The file of an input that is secret.
    #[error("{path} is the file of `client-certificate`, and holds a private key", path = Untrusted::path(.path))]
    Secret {
        /// The path relative to the workspace.
        path: PathBuf,
    },
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
    fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Mistake { mistake, .. } => mistake.code(),
            Self::Walk { source, .. } => advice::code_of_system(source),
            Self::NoneFound { .. } => "no-files-found",
            Self::TakenAwayTooEarly { .. } => "excluded-too-early",
            Self::TakenAwayInOneFolder { .. } => "excluded-in-one-folder",
            Self::AllTakenAway => "all-files-excluded",
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
            Self::NoneFound { near, .. } => Some(near.advice().to_owned()),
            Self::Mistake { mistake, .. } => mistake.advice(),
            Self::TakenAwayTooEarly { line, .. } => {
                Some(format!("Move `{}` below that line, because lines are applied in order", Untrusted::new(line)))
            }
            Self::TakenAwayInOneFolder { everywhere, .. } => {
                Some(format!("Write `{}` for that name in all folders", Untrusted::new(everywhere)))
            }
            Self::AllTakenAway => Some("Take one of these lines out".to_owned()),
            Self::NoPlaceholder { .. } => Some(
                "Give the file a name of its own in a line of its own: `{dir}` is the folder that a file lies in, and \
                 the workspace is none"
                    .to_owned(),
            ),
            Self::Folder { line, .. } => {
                let line = Untrusted::new(line);
                Some(format!("Write `{line}/*` for the files in it, or `{line}/**` for those below it too"))
            }
            Self::Secret { path } => Some(format!(
                "Exclude it with a line `!{}`, or give the text of the secret instead of a path",
                Untrusted::path(path)
            )),
            Self::Walk { source, .. } if advice::is_of_open_files(source) => Some(advice::OPEN_FILES.to_owned()),
            Self::Walk { .. } => Some(local::READABLE.to_owned()),
            Self::File(error) => error.advice(),
        }
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::File(error) => error.plural(),
            Self::NoneFound { line, near } => Some(Plural {
                text: format!("no file matches {{}} lines ({near})"),
                item: format!("`{}`", Untrusted::new(line)),
                is_hint_an_example: false,
            }),
            _ => None,
        }
    }
}

/// Takes the lines in order and finds their files; the error has all that is wrong with any of them.
pub(crate) fn select(selection: &Selection) -> Result<Selected, Vec<SelectError>> {
    let mut paths = Paths::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    let mut links = BTreeSet::<PathBuf>::new();
    let mut in_vain = Vec::new();
    for line in &selection.lines {
        if line.takes_away {
            match exclusion::take_away(selection, line, &mut paths) {
                Ok(true) => {}
                Ok(false) => in_vain.push(line),
                Err(error) => errors.push(error),
            }
            continue;
        }
        match find(selection, line) {
            Ok(met) if met.files.is_empty() => match (none_found(selection, line), selection.if_none_found) {
                (missing @ SelectError::NoneFound { .. }, IfNoneFound::Warn) => warnings.push(missing.to_string()),
                (SelectError::NoneFound { .. }, IfNoneFound::Ignore) => {}
                (error, _) => errors.push(error),
            },
            Ok(met) => {
                met.files.into_iter().for_each(|path| add(&mut paths, path, line));
                links.extend(met.links);
            }
            Err(error) => errors.push(error),
        }
    }
    for line in in_vain {
        match exclusion::explain(selection, line, &paths) {
            Ok(warning) => warnings.extend(warning),
            Err(error) => errors.push(error),
        }
    }
    if !links.is_empty() {
        let links = names(&links);
        warnings.push(format!("links to folders are not entered: {links}; a line such as `link/**` enters one"));
    }
    let any_found = !paths.is_empty();
    let mut files = Vec::new();
    for (path, lines) in paths {
        match LocalFile::check(&selection.workspace, &path) {
            Ok(file) if selection.secret_file.as_ref().is_some_and(|secret| secret.is_same_file(&file)) => {
                errors.push(SelectError::Secret { path });
            }
            Ok(file) => {
                for chosen in lines.into_iter().map(|line| choose(selection, &file, line)) {
                    chosen.map_or_else(|error| errors.push(error), |chosen| files.push(chosen));
                }
            }
            Err(error) => errors.push(error.into()),
        }
    }
    if !any_found && !selection.lines.is_empty() && errors.is_empty() && selection.if_none_found == IfNoneFound::Error {
        errors.push(SelectError::AllTakenAway);
    }
    if errors.is_empty() { Ok(Selected { files, warnings }) } else { Err(errors) }
}

/// The paths that were found, relative to the workspace, each with the lines that name it.
type Paths<'a> = BTreeMap<PathBuf, Vec<&'a Line>>;

/// Takes note of what a line has found. A file gets each of the names that lines give it, and its own if none does.
pub(crate) fn add<'a, Path: Ord>(paths: &mut BTreeMap<Path, Vec<&'a Line>>, path: Path, line: &'a Line) {
    let lines = paths.entry(path).or_default();
    if line.new_name.is_some() {
        // Two of the patterns that its braces stand for may have found the file.
        lines.retain(|other| other.new_name.is_some() && !std::ptr::eq(*other, line));
        lines.push(line);
    } else if lines.is_empty() {
        lines.push(line);
    }
}

/// Gives a file the name that a line has for it.
fn choose(selection: &Selection, file: &LocalFile, line: &Line) -> Result<Chosen, SelectError> {
    let placeholders = line.placeholders(&file.path, selection.matching());
    let name = match &line.new_name {
        Some(template) => template
            .fill(&placeholders)
            .map_err(|placeholder| SelectError::NoPlaceholder { path: file.path.clone(), placeholder })?,
        None => file.name().to_owned(),
    };
    // A path that is not below the base is written from the root.
    let path = selection.workspace.join(&file.path);
    let path_in_line = path.strip_prefix(&selection.base).map(Path::to_owned).unwrap_or(path);
    Ok(Chosen { local: file.clone(), name, is_renamed: line.new_name.is_some(), placeholders, path_in_line })
}

/// A line that names a folder means something else: that is told while nothing is sent.
fn refuse_folder(selection: &Selection, line: &Line) -> Result<(), SelectError> {
    if line.names_one_path && selection.workspace.join(&line.literal).is_dir() {
        let typed = line.text.trim_end_matches('/').to_owned();
        return Err(SelectError::Folder { path: line.literal.clone(), line: typed });
    }
    Ok(())
}

/// What a line stands for, relative to the workspace.
fn find(selection: &Selection, line: &Line) -> Result<Met, SelectError> {
    refuse_folder(selection, line)?;
    // A line that names an existing file means that file, whatever its characters mean in a pattern.
    match fs::symlink_metadata(selection.workspace.join(&line.literal)) {
        Ok(metadata) if line.names_one_path || !metadata.is_dir() => {
            Ok(Met { files: vec![line.literal.clone()], ..Met::default() })
        }
        Err(error) if line.names_one_path && !is_absent(&error) => {
            Err(FileError { path: line.literal.clone(), fault: FileFault::System(error) }.into())
        }
        _ if line.names_one_path => Ok(Met::default()),
        _ => walk(selection, line, selection.matching()),
    }
}

/// Whether a path is just not there. That it cannot be looked at is another matter: files may lie there unseen.
fn is_absent(error: &io::Error) -> bool {
    // A name that is too long is nobody's.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

/// What a walk through the workspace met that a line stands for.
#[derive(Default)]
struct Met {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// Links to folders in which more of it may lie. They are not entered: they can lead into loops and out of the
    /// workspace.
    links: Vec<PathBuf>,
    passed_over: Vec<PathBuf>,
}

fn walk(selection: &Selection, line: &Line, matching: Matching) -> Result<Met, SelectError> {
    let mut met = Met::default();
    let inside = |path: &Path| path.strip_prefix(&selection.workspace).unwrap_or(path).to_owned();
    for search in line.searches(matching) {
        let root = selection.workspace.join(search.folder);
        match local::resolve(&selection.workspace, search.folder) {
            Ok(_) if root.is_dir() => {}
            Ok(_) | Err(FileFault::BrokenLink) => continue,
            Err(FileFault::System(error)) if is_absent(&error) => continue,
            Err(fault) => return Err(FileError { path: search.folder.to_owned(), fault }.into()),
        }
        let mut walk = WalkDir::new(&root).min_depth(1).sort_by_file_name();
        if let Some(depth) = search.depth {
            walk = walk.max_depth(depth);
        }
        let mut entries = walk.into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = inside(error.path().unwrap_or(&root));
                    // Of the walk's error only the system's part: the rest has the path in it, as it is.
                    match error.into_io_error() {
                        // Files come and go while others build; what is gone matches nothing.
                        Some(source) if is_absent(&source) => continue,
                        source => {
                            let source = source.unwrap_or_else(|| io::ErrorKind::Other.into());
                            return Err(SelectError::Walk { path, source });
                        }
                    }
                }
            };
            let path = inside(entry.path());
            let kind = entry.file_type();
            let is_ours = entry.file_name() == OWN_FOLDER;
            let may_hold_more = !is_git(entry.file_name()) && !is_ours && line.may_lie_in(&path, matching);
            if kind.is_dir() && !may_hold_more {
                entries.skip_current_dir();
            }
            let is_link = kind.is_symlink() && entry.path().is_dir();
            if is_link && may_hold_more {
                met.links.push(path.clone());
            }
            if !is_git(entry.file_name()) && line.matches(&path, matching) {
                let kept = match kind.is_dir() || is_link {
                    true => &mut met.folders,
                    false if line.new_name.is_none() && selection.passes_over(&path) => &mut met.passed_over,
                    false => &mut met.files,
                };
                kept.push(path);
            }
        }
    }
    Ok(met)
}
