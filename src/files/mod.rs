//! Patterns -> sorted, unique `LocalFile`s, never from outside the workspace or inside `.git`. Files are written to a
//! [`Folder`].

mod bad_line;
mod bash;
mod braces;
mod content;
mod correction;
mod explain;
mod folder;
mod git;
mod line;
mod local;
mod mistake;
mod names;
mod pattern;
mod place;
mod renaming;
mod selection;
mod syntax;
mod temporary;
mod walk;
mod workspace_owner;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) use self::bad_line::BadLine;
pub(crate) use self::content::{Content, hash};
pub(crate) use self::correction::correction;
use self::explain::{none_found, nothing_excluded};
pub(crate) use self::folder::Folder;
pub(crate) use self::git::{is_git, is_repository_file, tracked};
pub(crate) use self::line::Line;
pub(crate) use self::local::{FileError, FileFault, LocalFile};
pub(crate) use self::mistake::{Mistake, mistake_in_path};
pub(crate) use self::place::{ALIAS_DOWNLOADS, OWN_FOLDER};
pub(crate) use self::place::{Place, PlaceError, PlaceFault};
pub(crate) use self::renaming::Placeholder;
use self::selection::Paths;
pub(crate) use self::selection::{IfNoneFound, SelectError, Selection};
use self::syntax::escaped;
pub(crate) use self::temporary::{FileWriter, is_temporary_name};
use self::walk::{Folders, find, reject_folder};
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::suggest::first_paths;

/// A selected file, and its name on the registry.
#[derive(Debug)]
pub(crate) struct SelectedFile {
    /// The file.
    pub(crate) local: LocalFile,
    /// Its name on the registry, which can be invalid.
    pub(crate) name: String,
    /// Whether a line gives it a new name.
    pub(crate) is_renamed: bool,
    /// The values of the placeholders in its name.
    pub(crate) placeholders: Vec<(Placeholder, String)>,
    /// The path of the file as a line has it.
    path_in_line: PathBuf,
}

impl SelectedFile {
    /// Returns a line that renames the file to a valid name; `None` if no line can contain its path.
    #[must_use]
    pub(crate) fn line_with_valid_name(&self) -> Option<String> {
        let name = FileName::similar_to(self.local.name())?;
        let path = self.path_in_line.to_str()?;
        let escape = if path.starts_with('!') { "./" } else { "" };
        let can_be_typed = path.trim() == path && Sanitized::whole(path).to_string() == path;
        can_be_typed.then(|| format!("{escape}{path} => {}", escaped(&name)))
    }
}

/// The selected files, sorted by path, and warnings.
#[derive(Debug)]
pub(crate) struct Selected {
    /// The files, once for each new name, or once with their own.
    pub(crate) files: Vec<SelectedFile>,
    /// Warnings for the log.
    pub(crate) warnings: Vec<String>,
}

/// Applies the lines in order, and returns the selected files or all errors.
pub(crate) fn select(selection: &Selection) -> Result<Selected, Vec<SelectError>> {
    let mut folders = Folders::default();
    let mut paths = Paths::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    let mut links = BTreeSet::<PathBuf>::new();
    let mut without_effect = Vec::new();
    for line in &selection.lines {
        if line.excludes {
            match exclude(selection, line, &mut paths) {
                Ok(true) => {}
                Ok(false) => without_effect.push(line),
                Err(error) => errors.push(error),
            }
            continue;
        }
        match find(&mut folders, selection, line) {
            Ok(matches) if matches.files.is_empty() => {
                match (none_found(&mut folders, selection, line), selection.if_none_found) {
                    (missing @ SelectError::NoneFound { .. }, IfNoneFound::Warn) => warnings.push(missing.to_string()),
                    (SelectError::NoneFound { .. }, IfNoneFound::Ignore) => {}
                    (error, _) => errors.push(error),
                }
            }
            Ok(matches) => {
                matches.files.into_iter().for_each(|path| add(&mut paths, path, line));
                links.extend(matches.links);
            }
            Err(error) => errors.push(error),
        }
    }
    for line in without_effect {
        match nothing_excluded(selection, line, &paths) {
            Ok(warning) => warnings.extend(warning),
            Err(error) => errors.push(error),
        }
    }
    if !links.is_empty() {
        let links = first_paths(links.iter());
        warnings.push(format!(
            "wildcards do not follow links to folders: {links}. To follow one, add a line such as `link/**`"
        ));
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
        errors.push(SelectError::AllExcluded);
    }
    if errors.is_empty() { Ok(Selected { files, warnings }) } else { Err(errors) }
}

/// Excludes the matches of a line, and returns whether it has an effect. As in lines that add files, the name of an existing
/// file means that file.
fn exclude(selection: &Selection, line: &Line, paths: &mut Paths<'_>) -> Result<bool, SelectError> {
    let named = selection.workspace.join(&line.literal);
    reject_folder(selection, line)?;
    let before = paths.len();
    if named.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        paths.remove(&line.literal);
    } else {
        paths.retain(|path, _| !line.matches(path, selection.matching_for_exclusion()));
    }
    Ok(paths.len() < before || selection.is_skipped(&line.literal))
}

/// Adds a file that a line matches. A file gets every new name that lines give it, and its own name if none does.
pub(crate) fn add<'a, Path: Ord>(paths: &mut BTreeMap<Path, Vec<&'a Line>>, path: Path, line: &'a Line) {
    let lines = paths.entry(path).or_default();
    if line.new_name.is_some() {
        lines.retain(|other| other.new_name.is_some());
        lines.push(line);
    } else if lines.is_empty() {
        lines.push(line);
    }
}

/// Selects a file under the name that a line gives it.
fn choose(selection: &Selection, file: &LocalFile, line: &Line) -> Result<SelectedFile, SelectError> {
    let placeholders = line.placeholders(&file.path, selection.matching());
    let name = match &line.new_name {
        Some(template) => template
            .fill(&placeholders)
            .map_err(|placeholder| SelectError::NoPlaceholder { path: file.path.clone(), placeholder })?,
        None => file.name().to_owned(),
    };
    // A path outside the base is written as an absolute path.
    let path = selection.workspace.join(&file.path);
    let path_in_line = path.strip_prefix(&selection.base).map(Path::to_owned).unwrap_or(path);
    Ok(SelectedFile { local: file.clone(), name, is_renamed: line.new_name.is_some(), placeholders, path_in_line })
}
