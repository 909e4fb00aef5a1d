//! The inputs about the files to publish, and the folder that they are in.

use std::path::{Path, PathBuf};

use super::{InputError, Reader};
use crate::command::Command;
use crate::files::{IfNoneFound, Line, Selection, is_git};
use crate::hint::HOST_LABEL;
use crate::package::FileName;

impl Reader<'_> {
    pub(super) fn selection(&mut self) -> Option<Selection> {
        let workspace = self.keep(self.workspace());
        let base = workspace.as_deref().and_then(|workspace| self.keep(self.base(workspace)));
        let if_none_found = self.if_none_found();
        let include_hidden = self.boolean("include-hidden-files");
        let lines = self.lines(workspace.as_deref(), base.as_deref());
        let skipped_name = self.raw.get("checksums").and_then(|name| FileName::parse(name).ok());
        Some(Selection {
            workspace: workspace?,
            base: base?,
            lines: lines?,
            if_none_found: if_none_found?,
            include_hidden: include_hidden?,
            skipped_name,
            secret_file: self.secret_file.clone(),
            has_runner_files: self.runner.has_runner_files(),
        })
    }

    pub(super) fn if_none_found(&mut self) -> Option<IfNoneFound> {
        let policies = [("error", IfNoneFound::Error), ("warn", IfNoneFound::Warn), ("ignore", IfNoneFound::Ignore)];
        self.choice("if-no-files-found", &policies)
    }

    /// Returns the workspace, without links in its path. A problem of it is reported for the input that is relative to it.
    pub(super) fn workspace(&self) -> Result<PathBuf, InputError> {
        let input = match self.command {
            Command::Publish => "working-directory",
            Command::Download => "path",
        };
        let shown = self.runner.workspace.to_string_lossy();
        let error = |problem: &str, hint| Err(InputError::new(input, Some(&shown), problem, hint));
        match self.runner.workspace.canonicalize() {
            // It contains /proc/self/environ, and with it the token.
            Ok(path) if path == Path::new("/") => error(
                "is the workspace, but is the root of the file system",
                "Set `GITHUB_WORKSPACE`, or start the container with `-v \"$PWD:/workspace\" -w /workspace`",
            ),
            Ok(path) if path.iter().any(is_git) => {
                error("is the workspace, but is inside `.git`", "Set `GITHUB_WORKSPACE` to the folder of the checkout")
            }
            Ok(path) if path.is_dir() => Ok(path),
            Ok(_) => error("is the workspace, but is not a folder", "Set `GITHUB_WORKSPACE` to a folder"),
            Err(cause) => error(&format!("is the workspace, but cannot be opened: {cause}"), HOST_LABEL)
                .map_err(|error| error.with_code("workspace-not-mounted")),
        }
    }

    fn base(&self, workspace: &Path) -> Result<PathBuf, InputError> {
        let Some(text) = self.raw.get("working-directory") else { return Ok(workspace.to_owned()) };
        let hint = "Set `working-directory` to a folder in the workspace, such as `working-directory: build`";
        let within = Path::new(text).strip_prefix(&self.runner.workspace).unwrap_or(Path::new(text));
        let problem = match workspace.join(within).canonicalize() {
            Ok(path) if !path.starts_with(workspace) => "is outside the workspace".to_owned(),
            Ok(path) if path.iter().any(is_git) => "is inside `.git`".to_owned(),
            Ok(path) if !path.is_dir() => "is not a folder".to_owned(),
            Ok(path) => return Ok(path),
            Err(error) => format!("cannot be opened: {error}"),
        };
        Err(InputError::new("working-directory", Some(text), problem, hint))
    }

    fn lines(&mut self, workspace: Option<&Path>, base: Option<&Path>) -> Option<Vec<Line>> {
        let hint = "Set `files` to patterns, one per line, relative to `working-directory`, such as \
                    `files: dist/*.tar.gz`";
        let checksums_file = self.raw.get("checksums").map(str::to_lowercase);
        let text = match self.raw.get("files") {
            // A job that only creates the checksums file publishes no other files.
            None if checksums_file.is_some() => return Some(Vec::new()),
            text => self.keep(text.ok_or_else(|| InputError::missing("files", "is not set", hint)))?,
        };
        // Without a workspace, the patterns are checked too, so that one run shows all problems.
        let given_workspace = &self.runner.workspace;
        let workspace = workspace.unwrap_or(given_workspace);
        self.lines_of("files", text, hint, |line| {
            let line = Line::parse(line, workspace, given_workspace, base.unwrap_or(workspace))
                .map_err(InputError::bad_line("files", line))?;
            if line.names_a_file_called(checksums_file.as_deref()) {
                let problem = "is the file that `checksums` generates from the registry's list";
                let hint = "Remove the line, or remove `checksums`. Wildcards skip that name";
                return Err(InputError::new("files", Some(&line.text), problem, hint));
            }
            Ok(line)
        })
    }

    /// Reads the lines of an input, which must not only exclude files.
    pub(super) fn lines_of(
        &mut self,
        input: &'static str,
        text: &str,
        hint: &str,
        read: impl FnMut(&str) -> Result<Line, InputError>,
    ) -> Option<Vec<Line>> {
        let lines = self.each_line(text, read)?;
        if !lines.is_empty() && lines.iter().all(|line| line.excludes) {
            self.problems.push(InputError::new(input, None, "only excludes files", hint));
            return None;
        }
        Some(lines)
    }
}
