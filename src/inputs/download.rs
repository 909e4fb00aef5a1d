//! The inputs about the files to download, and the folder to download them to.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{ChecksumsFile, InputError, Reader};
use crate::files::{IfNoneFound, Line, Place, is_git, mistake_in_path};
use crate::hint::{Explain, HOST_LABEL};
use crate::sanitize::Sanitized;

/// The options of the command that downloads.
///
/// The version is that of the target. `latest` means a version with that name, else the highest release, else the newest
/// version that is not a pre-release, else the highest pre-release.
#[derive(Clone, Debug)]
pub(crate) struct DownloadOptions {
    /// File name patterns, in the order of the input.
    pub(crate) files: Vec<Line>,
    /// The policy for lines that match no file.
    pub(crate) if_none_found: IfNoneFound,
    /// Name patterns of the files to make executable.
    pub(crate) executable: Vec<Line>,
    /// The checksums file to verify the files with.
    pub(crate) checksums: Option<ChecksumsFile>,
    /// The folder to download to.
    pub(crate) place: Place,
}

impl Reader<'_> {
    pub(super) fn download_options(&mut self) -> Option<DownloadOptions> {
        let if_none_found = self.if_none_found();
        let bad_line = InputError::bad_line;
        let files = self.name_lines("files", |line| Line::to_download(line).map_err(bad_line("files", line)));
        let executable =
            self.name_lines("executable", |line| Line::of_names(line).map_err(bad_line("executable", line)));
        let place = self.keep(self.place());
        let checksums = self.keep(self.checksums_file()).flatten();
        Some(DownloadOptions {
            files: files?,
            if_none_found: if_none_found?,
            executable: executable?,
            checksums,
            place: place?,
        })
    }

    /// Reads file name patterns, one per line.
    pub(super) fn name_lines(
        &mut self,
        input: &'static str,
        read: impl FnMut(&str) -> Result<Line, InputError>,
    ) -> Option<Vec<Line>> {
        let default = if input == "files" { "*" } else { "" };
        let hint = format!("Set `{input}` to file name patterns, one per line, such as `{input}: app-*.tar.gz`");
        self.lines_of(input, self.raw.get(input).unwrap_or(default), &hint, read)
    }

    /// Checks that later steps can see the workspace. On a host label, the container gets an empty folder instead, which
    /// is deleted with the container.
    pub(super) fn check_workspace(&self, workspace: &Path) -> Result<(), InputError> {
        let is_empty = || fs::read_dir(workspace).is_ok_and(|mut entries| entries.next().is_none());
        if self.runner.output.is_none() || self.runner.has_runner_files() || !is_empty() {
            return Ok(());
        }
        let shown = self.runner.workspace.to_string_lossy();
        let problem = "is the workspace, but the container cannot access it: the folder is empty, and the file in \
                       `GITHUB_OUTPUT` does not exist";
        Err(InputError::new("path", Some(&shown), problem, HOST_LABEL).with_code("workspace-not-mounted"))
    }

    /// Reads the folder to download to, without links in its path. It need not exist.
    fn place(&self) -> Result<Place, InputError> {
        let workspace = self.workspace()?;
        self.check_workspace(&workspace)?;
        let text = self.raw.get("path").unwrap_or_default();
        let given = Path::new(text);
        let within = [&self.runner.workspace, &workspace].into_iter().find_map(|root| given.strip_prefix(root).ok());
        let within = within.unwrap_or(given);
        if !workspace.join(within).is_dir()
            && let Some((mistake, corrected)) = mistake_in_path(text)
        {
            let hint = match corrected {
                Some(path) => format!("Set `path: {}`", Sanitized::new(&path)),
                None => "Set `path` to a folder in the workspace, such as `path: tools`".to_owned(),
            };
            return Err(InputError::new("path", Some(text), mistake.to_string(), hint).with_code(mistake.code()));
        }
        let within = real_folder(&workspace, within).map_err(|problem| {
            let hint = "Set `path` to a folder in the workspace, such as `path: tools`. A missing folder is created";
            InputError::new("path", Some(text), problem, hint)
        })?;
        Ok(Place { workspace, within })
    }
}

/// Resolves the links in the path of a folder in the workspace, which need not exist; the error is the problem of the path.
fn real_folder(workspace: &Path, within: &Path) -> Result<PathBuf, String> {
    let mut path = workspace.to_owned();
    for component in within.components() {
        let name = match component {
            Component::CurDir => continue,
            Component::ParentDir => return Err("contains `..`".to_owned()),
            Component::RootDir | Component::Prefix(_) => return Err("is outside the workspace".to_owned()),
            Component::Normal(name) => name,
        };
        if name.to_string_lossy().contains(char::is_control) {
            return Err("contains a line break or another control character".to_owned());
        }
        let next = path.join(name);
        path = match next.canonicalize() {
            Ok(real) if !real.starts_with(workspace) => return Err("is outside the workspace".to_owned()),
            Ok(real) if !real.is_dir() => return Err("is not a folder, or leads through a file".to_owned()),
            Ok(real) => real,
            Err(_) if next.is_symlink() => return Err("leads through a broken link".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => next,
            Err(error) => return Err(format!("cannot be opened: {error}")),
        };
    }
    let within = path.strip_prefix(workspace).unwrap_or(Path::new(""));
    if within.iter().any(is_git) { Err("is inside `.git`".to_owned()) } else { Ok(within.to_owned()) }
}
