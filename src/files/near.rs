//! What to tell somebody whose line finds nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::correction::correction;
use super::local::{self, FileError, FileFault};
use super::pattern::{Line, Matching};
use super::{SelectError, Selection, find, walk};
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

/// What would answer a line that finds nothing: what would have matched, or what lies where was looked.
pub(super) fn none_found(selection: &Selection, line: &Line) -> SelectError {
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
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base);
    let finds = |line: &Line| find(selection, line).is_ok_and(|met| !met.files.is_empty());
    if let Some(mistake) = correction(line, |text| parse(text).is_ok_and(|line| finds(&line))) {
        return SelectError::Mistake { line: line.text.clone(), mistake };
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
pub(super) fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let mut shown: Vec<String> = paths.into_iter().map(|path| Untrusted::path(path).to_string()).collect();
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
