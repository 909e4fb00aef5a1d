//! Walks the workspace to find the files that a line matches.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::git::is_git;
use super::line::Line;
use super::local::{self, FileError, FileFault};
use super::pattern::Matching;
use super::place::OWN_FOLDER;
use super::selection::{SelectError, Selection};

/// The folders of the workspace. Each is read once, when the first line needs it, for any number of lines and patterns.
#[derive(Default)]
pub(super) struct Folders(HashMap<PathBuf, Vec<Entry>>);

/// An entry of a folder.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    LinkToFolder,
    /// A file, a link to one or to nothing, a device and the like.
    Other,
}

impl Folders {
    /// Lists a folder, given relative to the workspace.
    pub(super) fn list(&mut self, workspace: &Path, folder: &Path) -> io::Result<&[Entry]> {
        Ok(match self.0.entry(folder.to_owned()) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unknown) => unknown.insert(read(&workspace.join(folder))?),
        })
    }
}

fn read(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => Kind::Folder,
            Ok(kind) if kind.is_symlink() && entry.path().is_dir() => Kind::LinkToFolder,
            Ok(_) => Kind::Other,
            // A file can disappear while other processes build; then it matches nothing.
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(error),
        };
        entries.push(Entry { name: entry.file_name(), kind });
    }
    Ok(entries)
}

/// The paths that a line matches.
#[derive(Default)]
pub(super) struct Matches {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) folders: BTreeSet<PathBuf>,
    /// Links to folders that can contain more matches. They are not entered, because they can lead into loops and out of the
    /// workspace.
    pub(super) links: BTreeSet<PathBuf>,
    pub(super) skipped: BTreeSet<PathBuf>,
}

/// Matches all patterns of a line against each entry of the folders in which one of them can match.
pub(super) fn walk(
    folders: &mut Folders,
    selection: &Selection,
    line: &Line,
    matching: Matching,
) -> Result<Matches, SelectError> {
    let workspace = &selection.workspace;
    let mut matches = Matches::default();
    let mut open = BTreeMap::new();
    for (root, candidates) in line.roots(matching) {
        match local::resolve(workspace, root) {
            Ok(_) if workspace.join(root).is_dir() => {
                open.insert(root.to_owned(), candidates);
            }
            Ok(_) | Err(FileFault::BrokenLink) => {}
            Err(FileFault::System(error)) if is_absent(&error) => {}
            Err(fault) => return Err(FileError { path: root.to_owned(), fault }.into()),
        }
    }
    while let Some((folder, candidates)) = open.pop_first() {
        let entries = match folders.list(workspace, &folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(source) => return Err(SelectError::Walk { path: folder, source }),
        };
        for Entry { name, kind } in entries.iter().filter(|entry| !is_git(&entry.name)) {
            let candidates = candidates.after_component(name, matching);
            let path = folder.join(name);
            if candidates.has_match() {
                let kept = match kind {
                    Kind::Folder | Kind::LinkToFolder => &mut matches.folders,
                    Kind::Other if line.new_name.is_none() && selection.is_skipped(&path) => &mut matches.skipped,
                    Kind::Other => &mut matches.files,
                };
                kept.insert(path.clone());
            }
            if name == OWN_FOLDER || !candidates.can_match_below() {
                continue;
            }
            match kind {
                Kind::Folder => open.entry(path).or_default().extend(candidates),
                Kind::LinkToFolder => {
                    matches.links.insert(path);
                }
                Kind::Other => {}
            }
        }
    }
    // A folder can have the line itself as its name.
    if workspace.join(&line.literal).is_dir() {
        matches.folders.insert(line.literal.clone());
    }
    Ok(matches)
}

/// Finds the paths that a line matches, relative to the workspace.
pub(super) fn find(folders: &mut Folders, selection: &Selection, line: &Line) -> Result<Matches, SelectError> {
    reject_folder(selection, line)?;
    // The name of an existing file means that file, even if it is also a pattern.
    match fs::symlink_metadata(selection.workspace.join(&line.literal)) {
        Ok(metadata) if line.is_literal || !metadata.is_dir() => {
            Ok(Matches { files: [line.literal.clone()].into(), ..Matches::default() })
        }
        Err(error) if line.is_literal && !is_absent(&error) => {
            Err(FileError { path: line.literal.clone(), fault: FileFault::System(error) }.into())
        }
        _ if line.is_literal => Ok(Matches::default()),
        _ => walk(folders, selection, line, selection.matching()),
    }
}

/// Rejects a line that names a folder, because only files are published.
pub(super) fn reject_folder(selection: &Selection, line: &Line) -> Result<(), SelectError> {
    if line.is_literal && selection.workspace.join(&line.literal).is_dir() {
        let typed = line.text.trim_end_matches('/').to_owned();
        return Err(SelectError::Folder { path: line.literal.clone(), line: typed });
    }
    Ok(())
}

/// Returns whether an error means that a path does not exist. Other errors can hide files.
fn is_absent(error: &io::Error) -> bool {
    // No file can have a name that is too long.
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_once() {
        let workspace = tempfile::tempdir().expect("a folder");
        let mut folders = Folders::default();
        for name in ["a", "b"] {
            fs::write(workspace.path().join(name), "").expect("a file");
            let entries = folders.list(workspace.path(), Path::new("")).expect("a list");
            assert_eq!(entries.iter().map(|entry| &entry.name).collect::<Vec<_>>(), ["a"]);
        }
    }
}
