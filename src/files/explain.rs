//! Explains lines without effect: no file matches them, or they exclude no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::correction::correction;
use super::line::Line;
use super::local::{self, FileError, FileFault};
use super::pattern::Matching;
use super::selection::{IfNoneFound, Paths, SelectError, Selection};
use super::walk::{Entry, Folders, Kind, find, walk};
use crate::hint::HOST_LABEL;
use crate::sanitize::Sanitized;
use crate::suggest::first_paths;

/// Explains a line that matches no file by files that nearly match, or by the content of its folder.
pub(super) fn none_found(folders: &mut Folders, selection: &Selection, line: &Line) -> SelectError {
    let found = |reason: String, hint| SelectError::NoneFound { line: line.text.clone(), reason, hint };
    let hidden = Matching { include_hidden: true, ..selection.matching() };
    // A folder that cannot be read is reported for the lines that match something in it.
    let mut matches = |matching| walk(folders, selection, line, matching).unwrap_or_default();
    let (hidden, other_case) = (matches(hidden), matches(Matching { ignore_case: true, ..hidden }));
    let found_instead = [
        (
            hidden.files,
            "only hidden files match, such as {}",
            "Set `include-hidden-files: true`, or write the dot in the pattern",
        ),
        (
            hidden.skipped,
            "the only match is {}, which `checksums` generates from the registry's list",
            "Remove the line. A job that only creates the checksums file needs no `files`",
        ),
        (
            hidden.folders,
            "only folders match, such as {}",
            "Add `/*` for the files in them, or `/**` to include subfolders",
        ),
        (hidden.links, "wildcards do not follow links to folders, such as {}", "Write the name of the link: `link/*`"),
        (
            other_case.files,
            "only files with different letter case match, such as {}",
            "Write the name in the case of the file",
        ),
    ];
    if let Some((paths, reason, hint)) = found_instead.into_iter().find(|(paths, ..)| !paths.is_empty()) {
        return found(reason.replace("{}", &first_paths(paths.iter())), hint);
    }
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base);
    let mut finds = |line: &Line| find(folders, selection, line).is_ok_and(|matches| !matches.files.is_empty());
    if let Some(mistake) = correction(line, |text| parse(text).is_ok_and(|line| finds(&line))) {
        return SelectError::Mistake { line: line.text.clone(), mistake };
    }
    let mut folder = line.folder();
    while !selection.workspace.join(folder).is_dir() && !folder.as_os_str().is_empty() {
        folder = folder.parent().unwrap_or(Path::new(""));
    }
    // The content of folders outside the workspace or in .git is not shown.
    if let Err(fault @ (FileFault::Outside | FileFault::Git)) = local::resolve(&selection.workspace, folder) {
        return FileError { path: folder.to_owned(), fault }.into();
    }
    let entries = folders.list(&selection.workspace, folder).unwrap_or_default();
    // Joined with nothing, a path ends in a slash.
    let shown = |Entry { name, kind }: &Entry| match kind {
        Kind::Other => PathBuf::from(name),
        Kind::Folder | Kind::LinkToFolder => Path::new(name).join(""),
    };
    let content: BTreeSet<PathBuf> = entries.iter().map(shown).collect();
    let is_workspace = folder.as_os_str().is_empty();
    if content.is_empty() && is_workspace {
        return if selection.has_runner_files {
            found(
                "the workspace is empty".to_owned(),
                "Check out the repository, or build or download the files, in an earlier step",
            )
        } else {
            found(
                "the container cannot access the job's workspace or the file in `GITHUB_OUTPUT`".to_owned(),
                HOST_LABEL,
            )
        };
    }
    let place = if is_workspace { "the workspace".to_owned() } else { format!("`{}`", Sanitized::path(folder)) };
    let has =
        if content.is_empty() { "is empty".to_owned() } else { format!("contains {}", first_paths(content.iter())) };
    found(
        format!("no file matches; {place} {has}"),
        "Correct the pattern, or build the file first. To continue without it, set `if-no-files-found: warn`",
    )
}

/// Explains a line that excluded no file, given the files that are selected in the end: a warning, or an error if the line
/// seems to mean selected files.
pub(super) fn nothing_excluded(
    selection: &Selection,
    line: &Line,
    paths: &Paths<'_>,
) -> Result<Option<String>, SelectError> {
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base).ok();
    let selected = |line: &Line| -> BTreeSet<_> {
        paths.keys().filter(|path| line.matches(path, selection.matching_for_exclusion())).cloned().collect()
    };
    let added = selected(line);
    if !added.is_empty() {
        return Err(SelectError::ExcludedTooEarly { line: line.text.clone(), names: first_paths(added.iter()) });
    }
    let pattern = line.text.trim_start_matches('!').trim_start();
    if !pattern.contains('/') {
        let everywhere = format!("!**/{pattern}");
        let meant = parse(&everywhere).map(|line| selected(&line)).unwrap_or_default();
        if !meant.is_empty() {
            let names = first_paths(meant.iter());
            return Err(SelectError::ExcludedInOneFolder { line: line.text.clone(), names, everywhere });
        }
    }
    if let Some(mistake) = correction(line, |text| parse(text).is_some_and(|line| !selected(&line).is_empty())) {
        return Err(SelectError::Mistake { line: line.text.clone(), mistake });
    }
    let is_reported = selection.if_none_found != IfNoneFound::Ignore;
    Ok(is_reported.then(|| format!("`{}` excludes no file", Sanitized::new(&line.text))))
}
