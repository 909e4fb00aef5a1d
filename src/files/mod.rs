//! Patterns -> sorted, unique [`LocalFile`]s. Nothing outside the workspace and nothing inside `.git` gets through.
//! [`Folder`] is where files are written to.

mod braces;
mod folder;
mod local;
mod pattern;
mod place;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub use self::folder::{Folder, Found, Unfinished, Writing, is_part};
pub use self::local::{FileError, FileFault, LocalFile};
use self::pattern::Matching;
pub use self::pattern::{BadLine, Line, is_git};
pub use self::place::{OWN_FOLDER, Place, PlaceError, PlaceFault};
use crate::advice::Advise;
use crate::package::FileName;
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
    /// A name that wildcards pass over, whatever its case: that of the file of checksums, of which an earlier run's copy
    /// may lie there.
    pub passes_over: Option<FileName>,
    /// Whether the files of the runner can be seen from here; they cannot from a container on a host label.
    pub sees_runner: bool,
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

/// The files that a selection found, sorted by path, and what is worth a warning.
#[derive(Debug)]
pub struct Selected {
    /// The files, each once.
    pub files: Vec<LocalFile>,
    /// One text a warning.
    pub warnings: Vec<String>,
}

/// What comes closest to a line that finds nothing. The texts have been made harmless.
#[derive(Debug)]
pub enum Near {
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
    fn advice(&self) -> &'static str {
        match self {
            Self::Hidden(_) => "Set `include-hidden-files: true`, or write the dot in the pattern",
            Self::Folders(_) => "Write `/*` behind it for the files in them, or `/**` for those below them too",
            Self::Links(_) => "Name the link without wildcards, as in `link/*`",
            Self::OtherCase(_) => "Write the name in the case that it has",
            Self::PassedOver(_) => "Take the line out; a job that only seals needs no `files`",
            Self::EmptyWorkspace => "Check the repository out, or build or download the files, in a step before",
            Self::NoMounts => {
                "Run the job on a label that is a container image: on a label of the host, container actions see \
                 nothing of the job"
            }
            Self::There { .. } => {
                "Correct the pattern, or build the file first; `if-no-files-found: warn` goes on without it"
            }
        }
    }
}

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A line that found nothing.
    #[error("no file matches `{line}`: {near}", line = Untrusted::new(.line))]
    NoneFound {
        /// The line as it was typed.
        line: String,
        /// What comes closest.
        near: Near,
    },
    /// Lines that take away all that the others found.
    #[error("the lines that begin with `!` take away every file")]
    AllTakenAway,
    /// A folder that a line names. What is published, or kept back, are files.
    #[error("{path} is a folder, and only files are published", path = Untrusted::path(.path))]
    Folder {
        /// The folder relative to the workspace.
        path: PathBuf,
        /// The line as it was typed, without slashes at its end.
        line: String,
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
    fn advice(&self) -> Option<String> {
        match self {
            Self::NoneFound { near, .. } => Some(near.advice().to_owned()),
            Self::AllTakenAway => Some("Take one of these lines out".to_owned()),
            Self::Folder { line, .. } => {
                let line = Untrusted::new(line);
                Some(format!("Write `{line}/*` for the files in it, or `{line}/**` for those below it too"))
            }
            Self::Walk { .. } => Some(local::READABLE.to_owned()),
            Self::File(error) => error.advice(),
        }
    }
}

/// Takes the lines in order and finds their files; the error has all that is wrong with any of them.
pub fn select(selection: &Selection) -> Result<Selected, Vec<SelectError>> {
    let mut paths = BTreeSet::<PathBuf>::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    let mut links = BTreeSet::<PathBuf>::new();
    for line in &selection.lines {
        if line.takes_away {
            match take_away(selection, line, &mut paths) {
                Ok(None) => {}
                Ok(Some(warning)) => warnings.push(warning),
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
                paths.extend(met.files);
                links.extend(met.links);
            }
            Err(error) => errors.push(error),
        }
    }
    if !links.is_empty() {
        let links = names(&links);
        warnings.push(format!("links to folders are not entered: {links}; a line such as `link/**` enters one"));
    }
    let any_found = !paths.is_empty();
    let mut files = Vec::new();
    for path in paths {
        match LocalFile::check(&selection.workspace, &path) {
            Ok(file) => files.push(file),
            Err(error) => errors.push(error.into()),
        }
    }
    if !any_found && !selection.lines.is_empty() && errors.is_empty() && selection.if_none_found == IfNoneFound::Error {
        errors.push(SelectError::AllTakenAway);
    }
    if errors.is_empty() { Ok(Selected { files, warnings }) } else { Err(errors) }
}

/// Takes away what a line stands for; the same rule as for lines that add: an existing file's name means that file.
fn take_away(selection: &Selection, line: &Line, paths: &mut BTreeSet<PathBuf>) -> Result<Option<String>, SelectError> {
    let named = selection.workspace.join(&line.literal);
    refuse_folder(selection, line)?;
    let before = paths.len();
    if named.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        paths.remove(&line.literal);
    } else {
        // What somebody wants to keep back is kept back, hidden or not.
        let matching = Matching { include_hidden: true, ..selection.matching() };
        paths.retain(|path| !line.matches(path, matching));
    }
    let in_vain = paths.len() == before
        && selection.if_none_found != IfNoneFound::Ignore
        && !selection.passes_over(&line.literal);
    Ok(in_vain.then(|| format!("`{}` takes nothing away", Untrusted::new(&line.text))))
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
                    false if selection.passes_over(&path) => &mut met.passed_over,
                    false => &mut met.files,
                };
                kept.push(path);
            }
        }
    }
    Ok(met)
}

/// What to tell somebody whose line finds nothing: what would have matched, or what lies where was looked.
fn none_found(selection: &Selection, line: &Line) -> SelectError {
    let found = |near: Near| SelectError::NoneFound { line: line.text.clone(), near };
    let strict = selection.matching();
    // What cannot be walked is told by the lines that match something there.
    let met = |matching| walk(selection, line, matching).unwrap_or_default();
    let hidden = met(Matching { include_hidden: true, ..strict });
    if !hidden.files.is_empty() {
        return found(Near::Hidden(names(&hidden.files)));
    }
    if !hidden.passed_over.is_empty() {
        return found(Near::PassedOver(names(&hidden.passed_over)));
    }
    if !hidden.folders.is_empty() {
        return found(Near::Folders(names(&hidden.folders)));
    }
    if !hidden.links.is_empty() {
        return found(Near::Links(names(&hidden.links)));
    }
    let other_case = met(Matching { include_hidden: true, ignore_case: true });
    if !other_case.files.is_empty() {
        return found(Near::OtherCase(names(&other_case.files)));
    }
    let mut folder = line.searches(strict).next().map_or(Path::new(""), |search| search.folder);
    while !selection.workspace.join(folder).is_dir() && !folder.as_os_str().is_empty() {
        folder = folder.parent().unwrap_or(Path::new(""));
    }
    // What lies outside, or in .git, is nobody's business.
    if let Err(fault @ (FileFault::Outside | FileFault::Git)) = local::resolve(&selection.workspace, folder) {
        return FileError { path: folder.to_owned(), fault }.into();
    }
    let entries = fs::read_dir(selection.workspace.join(folder)).into_iter().flatten().flatten();
    let there: BTreeSet<PathBuf> = entries
        .map(|entry| {
            let name = PathBuf::from(entry.file_name());
            // Joined with nothing, a path ends in a slash.
            if entry.path().is_dir() { name.join("") } else { name }
        })
        .collect();
    let is_workspace = folder.as_os_str().is_empty();
    found(match there.is_empty() && is_workspace {
        true if !selection.sees_runner => Near::NoMounts,
        true => Near::EmptyWorkspace,
        false => Near::There { folder: folder.to_owned(), names: names(&there) },
    })
}

/// How many names a message shows.
const SHOWN: usize = 4;

/// A few of some paths, made harmless.
fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let mut shown: Vec<String> = paths.into_iter().map(|path| Untrusted::path(path).to_string()).collect();
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
