//! Explains lines that do nothing: no file matches them, or they take no file away.

use std::collections::BTreeSet;
use std::path::Path;

use super::correction::correction;
use super::local::{self, FileError, FileFault};
use super::near::Near;
use super::pattern::{Line, Matching};
use super::selection::{IfNoneFound, Paths, SelectError, Selection};
use super::walk::{Entry, Folders, Kind, find, walk};
use crate::nearest::{first_paths, paths_near};
use crate::untrusted::Untrusted;

/// Explains a line that finds nothing by what would have matched, or by what lies where was looked.
pub(super) fn none_found(folders: &mut Folders, selection: &Selection, line: &Line) -> SelectError {
    let found = |near: Near| SelectError::NoneFound { line: line.text.clone(), near };
    let strict = selection.matching();
    // What cannot be walked is told by the lines that match something there.
    let mut met = |matching| walk(folders, selection, line, matching).unwrap_or_default();
    let hidden = met(Matching { include_hidden: true, ..strict });
    if !hidden.files.is_empty() {
        return found(Near::Hidden(first_paths(&hidden.files)));
    }
    if !hidden.passed_over.is_empty() {
        return found(Near::PassedOver(first_paths(&hidden.passed_over)));
    }
    if !hidden.folders.is_empty() {
        return found(Near::Folders(first_paths(&hidden.folders)));
    }
    if !hidden.links.is_empty() {
        return found(Near::Links(first_paths(&hidden.links)));
    }
    let other_case = met(Matching { include_hidden: true, ignore_case: true });
    if !other_case.files.is_empty() {
        return found(Near::OtherCase(first_paths(&other_case.files)));
    }
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base);
    let mut finds = |line: &Line| find(folders, selection, line).is_ok_and(|met| !met.files.is_empty());
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
    let mut there: Vec<String> = entries
        .iter()
        .map(|Entry { name, kind }| {
            let slash = if *kind == Kind::Other { "" } else { "/" };
            format!("{}{slash}", name.to_string_lossy())
        })
        .collect();
    there.sort_unstable();
    let meant =
        line.literal.strip_prefix(folder).ok().and_then(|rest| rest.iter().next()?.to_str()).unwrap_or_default();
    let is_workspace = folder.as_os_str().is_empty();
    found(match there.is_empty() && is_workspace {
        true if !selection.sees_runner => Near::NoMounts,
        true => Near::EmptyWorkspace,
        false => Near::There { folder: folder.to_owned(), names: paths_near(meant, &there) },
    })
}

/// Explains a line that took nothing away, given what is selected in the end: a warning, or an error if files are selected
/// that it seems to mean.
pub(super) fn nothing_taken_away(
    selection: &Selection,
    line: &Line,
    paths: &Paths<'_>,
) -> Result<Option<String>, SelectError> {
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base).ok();
    let selected = |line: &Line| -> BTreeSet<_> {
        paths.keys().filter(|path| line.matches(path, selection.matching_to_take_away())).cloned().collect()
    };
    let added = selected(line);
    if !added.is_empty() {
        return Err(SelectError::TakenAwayTooEarly { line: line.text.clone(), names: first_paths(&added) });
    }
    let pattern = line.text.trim_start_matches('!').trim_start();
    if !pattern.contains('/') {
        let everywhere = format!("!**/{pattern}");
        let meant = parse(&everywhere).map(|line| selected(&line)).unwrap_or_default();
        if !meant.is_empty() {
            let names = first_paths(&meant);
            return Err(SelectError::TakenAwayInOneFolder { line: line.text.clone(), names, everywhere });
        }
    }
    if let Some(mistake) = correction(line, |text| parse(text).is_some_and(|line| !selected(&line).is_empty())) {
        return Err(SelectError::Mistake { line: line.text.clone(), mistake });
    }
    let is_told = selection.if_none_found != IfNoneFound::Ignore;
    Ok(is_told.then(|| format!("`{}` takes nothing away", Untrusted::new(&line.text))))
}
