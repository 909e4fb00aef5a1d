//! The inputs about the files to download, and the folder to download them to.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{RawInputs, Reader};
use crate::files::{BadLine, IfNoneFound, Line, Place, is_git, mistake_in_path};
use crate::hint::{Explain, HOST_LABEL};
use crate::package::FileName;
use crate::runner::Runner;
use crate::sanitize::Sanitized;

/// The options of the command that downloads.
///
/// The version is that of the target. `latest` means a version with that name, else the highest release, else the newest
/// version that is not a pre-release.
#[derive(Clone, Debug)]
pub(crate) struct DownloadOptions {
    /// File name patterns, in the order of the input.
    pub(crate) files: Vec<Line>,
    /// The policy for lines that match no file.
    pub(crate) if_none_found: IfNoneFound,
    /// Name patterns of the files to make executable.
    pub(crate) executable: Vec<Line>,
    /// The checksums file to verify the files with.
    pub(crate) checksums: Option<FileName>,
    /// The folder to download to.
    pub(crate) place: Place,
}

impl Reader {
    pub(super) fn download_options(&mut self, raw: &RawInputs, runner: &Runner) -> Option<DownloadOptions> {
        let if_none_found = self.if_none_found(raw);
        let files = self.lines_of("files", raw.files.as_deref().unwrap_or("*"), Line::to_download);
        let executable = self.name_lines("executable", raw.executable.as_deref().unwrap_or_default());
        let checksums = self.checksums_file(raw);
        let workspace = self.workspace(runner).filter(|workspace| self.check_workspace(workspace, runner));
        let place = workspace.and_then(|workspace| self.place(raw, runner, workspace));
        Some(DownloadOptions {
            files: files?,
            if_none_found: if_none_found?,
            executable: executable?,
            checksums,
            place: place?,
        })
    }

    /// Reads file name patterns, one per line.
    pub(super) fn name_lines(&mut self, input: &'static str, text: &str) -> Option<Vec<Line>> {
        self.lines_of(input, text, Line::of_names)
    }

    fn lines_of(
        &mut self,
        input: &'static str,
        text: &str,
        parse: fn(&str) -> Result<Line, BadLine>,
    ) -> Option<Vec<Line>> {
        let before = self.problems.len();
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match parse(line) {
                Ok(line) => lines.push(line),
                Err(bad) => self.bad_line(input, line, &bad),
            }
        }
        if !lines.is_empty() && lines.iter().all(|line| line.excludes) {
            let hint = format!("Set `{input}` to file name patterns, one per line, such as `{input}: app-*.tar.gz`");
            self.problem(input, None, "only excludes files", hint);
        }
        (self.problems.len() == before).then_some(lines)
    }

    fn checksums_file(&mut self, raw: &RawInputs) -> Option<FileName> {
        let text = raw.checksums.as_deref().map(str::trim)?;
        let hint = "Set `checksums` to the name of a checksums file of the version, such as `checksums: SHA256SUMS`";
        self.bad_name("checksums", FileName::parse(text), hint)
    }

    /// Checks that later steps can see the workspace. On a host label, the container gets an empty folder instead, which
    /// is deleted with the container.
    fn check_workspace(&mut self, workspace: &Path, runner: &Runner) -> bool {
        let is_empty = || fs::read_dir(workspace).is_ok_and(|mut entries| entries.next().is_none());
        if runner.output.is_none() || runner.has_runner_files() || !is_empty() {
            return true;
        }
        let shown = runner.workspace.to_string_lossy();
        let problem = "is the workspace, but the container cannot access it: the folder is empty, and the file in \
                       `GITHUB_OUTPUT` does not exist";
        self.reject("workspace-not-mounted", "path", Some(&shown), problem, HOST_LABEL);
        false
    }

    /// Reads the folder to download to, without links in its path. It need not exist.
    fn place(&mut self, raw: &RawInputs, runner: &Runner, workspace: PathBuf) -> Option<Place> {
        let text = raw.path.as_deref().map_or("", str::trim);
        let given = Path::new(text);
        let within = [&runner.workspace, &workspace].into_iter().find_map(|root| given.strip_prefix(root).ok());
        if !workspace.join(within.unwrap_or(given)).is_dir()
            && let Some((mistake, corrected)) = mistake_in_path(text)
        {
            let hint = match corrected {
                Some(path) => format!("Set `path: {}`", Sanitized::new(&path)),
                None => "Set `path` to a folder in the workspace, such as `path: tools`".to_owned(),
            };
            self.reject(mistake.code(), "path", Some(text), mistake.to_string(), hint);
            return None;
        }
        let mut path = workspace.clone();
        let mut problem = None;
        for component in within.unwrap_or(given).components() {
            problem = match component {
                Component::CurDir => continue,
                Component::ParentDir => Some("contains `..`".to_owned()),
                Component::RootDir | Component::Prefix(_) => Some("is outside the workspace".to_owned()),
                Component::Normal(name) if name.to_string_lossy().contains(char::is_control) => {
                    Some("contains a line break or another control character".to_owned())
                }
                Component::Normal(name) => {
                    let next = path.join(name);
                    match next.canonicalize() {
                        Ok(real) if !real.starts_with(&workspace) => Some("is outside the workspace".to_owned()),
                        Ok(real) if !real.is_dir() => Some("is not a folder, or leads through a file".to_owned()),
                        Ok(real) => {
                            path = real;
                            None
                        }
                        Err(_) if next.is_symlink() => Some("leads through a broken link".to_owned()),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                            path = next;
                            None
                        }
                        Err(error) => Some(format!("cannot be opened: {error}")),
                    }
                }
            };
            if problem.is_some() {
                break;
            }
        }
        let real = path.strip_prefix(&workspace).unwrap_or(Path::new("")).to_owned();
        if problem.is_none() && real.iter().any(is_git) {
            problem = Some("is inside `.git`".to_owned());
        }
        if let Some(problem) = problem {
            let hint = "Set `path` to a folder in the workspace, such as `path: tools`. A missing folder is created";
            self.problem("path", Some(text), problem, hint);
            return None;
        }
        Some(Place { workspace, within: real })
    }
}
