//! Explains lines that do nothing: no file matches them, or they take no file away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::correction::correction;
use super::line::Line;
use super::local::{self, FileError, FileFault};
use super::pattern::Matching;
use super::selection::{IfNoneFound, Paths, SelectError, Selection};
use super::walk::{Entry, Folders, Kind, find, walk};
use crate::advice::HOST_LABEL;
use crate::sanitize::Sanitized;
use crate::suggest::first_paths;

/// Explains a line that finds nothing by what would have matched, or by what lies where was looked.
pub(super) fn none_found(folders: &mut Folders, selection: &Selection, line: &Line) -> SelectError {
    let found = |reason: String, hint| SelectError::NoneFound { line: line.text.clone(), reason, hint };
    let hidden = Matching { include_hidden: true, ..selection.matching() };
    // What cannot be walked is told by the lines that match something there.
    let mut matches = |matching| walk(folders, selection, line, matching).unwrap_or_default();
    let (hidden, other_case) = (matches(hidden), matches(Matching { ignore_case: true, ..hidden }));
    let found_instead = [
        (
            hidden.files,
            "only hidden files would, such as {}",
            "Set `include-hidden-files: true`, or write the dot in the pattern",
        ),
        (
            hidden.passed_over,
            "only {} would, which `checksums` makes of the registry's own list",
            "Take the line out; a job that only seals needs no `files`",
        ),
        (
            hidden.folders,
            "only folders do, such as {}",
            "Write `/*` behind it for the files in them, or `/**` for those below them too",
        ),
        (
            hidden.links,
            "there are links to folders, such as {}, which are not entered",
            "Name the link without wildcards, as in `link/*`",
        ),
        (other_case.files, "only files of another case would, such as {}", "Write the name in the case that it has"),
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
    // What lies outside, or in .git, is nobody's business.
    if let Err(fault @ (FileFault::Outside | FileFault::Git)) = local::resolve(&selection.workspace, folder) {
        return FileError { path: folder.to_owned(), fault }.into();
    }
    let entries = folders.list(&selection.workspace, folder).unwrap_or_default();
    // Joined with nothing, a path ends in a slash.
    let shown = |Entry { name, kind }: &Entry| match kind {
        Kind::Other => PathBuf::from(name),
        Kind::Folder | Kind::LinkToFolder => Path::new(name).join(""),
    };
    let there: BTreeSet<PathBuf> = entries.iter().map(shown).collect();
    let is_workspace = folder.as_os_str().is_empty();
    if there.is_empty() && is_workspace {
        return if selection.sees_runner {
            found(
                "the workspace is empty; no checkout or build in this job?".to_owned(),
                "Check the repository out, or build or download the files, in a step before",
            )
        } else {
            found("the container sees neither the job's workspace nor GITHUB_OUTPUT".to_owned(), HOST_LABEL)
        };
    }
    let place = if is_workspace { "the workspace".to_owned() } else { Sanitized::path(folder).to_string() };
    let has = if there.is_empty() { "is empty".to_owned() } else { format!("has {}", first_paths(there.iter())) };
    found(
        format!("{place} {has}"),
        "Correct the pattern, or build the file first; `if-no-files-found: warn` goes on without it",
    )
}

/// Explains a line that took nothing away, given what is selected in the end: a warning, or an error if files are selected
/// that it seems to mean.
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
        return Err(SelectError::TakenAwayTooEarly { line: line.text.clone(), names: first_paths(added.iter()) });
    }
    let pattern = line.text.trim_start_matches('!').trim_start();
    if !pattern.contains('/') {
        let everywhere = format!("!**/{pattern}");
        let meant = parse(&everywhere).map(|line| selected(&line)).unwrap_or_default();
        if !meant.is_empty() {
            let names = first_paths(meant.iter());
            return Err(SelectError::TakenAwayInOneFolder { line: line.text.clone(), names, everywhere });
        }
    }
    if let Some(mistake) = correction(line, |text| parse(text).is_some_and(|line| !selected(&line).is_empty())) {
        return Err(SelectError::Mistake { line: line.text.clone(), mistake });
    }
    let is_reported = selection.if_none_found != IfNoneFound::Ignore;
    Ok(is_reported.then(|| format!("`{}` takes nothing away", Sanitized::new(&line.text))))
}
