//! The inputs about the files to publish, and the folder that they are in.

use std::path::{Path, PathBuf};

use super::{RawInputs, Reader};
use crate::command::Command;
use crate::files::{IfNoneFound, Line, Selection, is_git};
use crate::hint::HOST_LABEL;
use crate::package::FileName;
use crate::runner::Runner;

impl Reader {
    pub(super) fn selection(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Selection> {
        let workspace = self.workspace(runner);
        let base = workspace.as_deref().and_then(|workspace| self.base(raw, runner, workspace));
        let if_none_found = self.if_none_found(raw);
        let include_hidden = self.boolean("include-hidden-files", raw.include_hidden_files.as_deref());
        let lines = self.lines(raw, runner, workspace.as_deref(), base.as_deref());
        let passes_over = raw.checksums.as_deref().and_then(|name| FileName::parse(name.trim()).ok());
        Some(Selection {
            workspace: workspace?,
            base: base?,
            lines: lines?,
            if_none_found: if_none_found?,
            include_hidden: include_hidden?,
            passes_over,
            secret_file: self.secret_file.clone(),
            sees_runner: runner.has_runner_files(),
        })
    }

    pub(super) fn if_none_found(&mut self, raw: &RawInputs) -> Option<IfNoneFound> {
        let policies = [("error", IfNoneFound::Error), ("warn", IfNoneFound::Warn), ("ignore", IfNoneFound::Ignore)];
        self.choice("if-no-files-found", raw.if_no_files_found.as_deref(), &policies)
    }

    /// Returns the workspace, without links in its path. A problem of it is reported for the input that is relative to it.
    pub(super) fn workspace(&mut self, runner: &Runner) -> Option<PathBuf> {
        let input = match self.command {
            Command::Publish => "working-directory",
            Command::Download => "path",
        };
        let shown = runner.workspace.to_string_lossy();
        let (problem, hint) = match runner.workspace.canonicalize() {
            // It contains /proc/self/environ, and with it the token.
            Ok(path) if path == Path::new("/") => (
                "is the workspace, but is the root of the file system",
                "Set `GITHUB_WORKSPACE`, or start the container with `-v \"$PWD:/workspace\" -w /workspace`",
            ),
            Ok(path) if path.iter().any(is_git) => {
                ("is the workspace, but is inside `.git`", "Set `GITHUB_WORKSPACE` to the folder of the checkout")
            }
            Ok(path) if path.is_dir() => return Some(path),
            Ok(_) => ("is the workspace, but is not a folder", "Set `GITHUB_WORKSPACE` to a folder"),
            Err(error) => {
                let problem = format!("is the workspace, but cannot be opened: {error}");
                self.reject("workspace-not-mounted", input, Some(&shown), problem, HOST_LABEL);
                return None;
            }
        };
        self.problem(input, Some(&shown), problem, hint);
        None
    }

    fn base(&mut self, raw: &RawInputs, runner: &Runner, workspace: &Path) -> Option<PathBuf> {
        let Some(text) = raw.working_directory.as_deref().map(str::trim) else {
            return Some(workspace.to_owned());
        };
        let hint = "Set `working-directory` to a folder in the workspace, such as `working-directory: build`";
        let within = Path::new(text).strip_prefix(&runner.workspace).unwrap_or(Path::new(text));
        let problem = match workspace.join(within).canonicalize() {
            Ok(path) if !path.starts_with(workspace) => "is outside the workspace".to_owned(),
            Ok(path) if path.iter().any(is_git) => "is inside `.git`".to_owned(),
            Ok(path) if !path.is_dir() => "is not a folder".to_owned(),
            Ok(path) => return Some(path),
            Err(error) => format!("cannot be opened: {error}"),
        };
        self.problem("working-directory", Some(text), problem, hint);
        None
    }

    fn lines(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        workspace: Option<&Path>,
        base: Option<&Path>,
    ) -> Option<Vec<Line>> {
        let hint = "Set `files` to patterns, one per line, relative to `working-directory`, such as \
                        `files: dist/*.tar.gz`";
        let Some(text) = raw.files.as_deref() else {
            // A job that only creates the checksums file publishes no other files.
            if raw.checksums.is_some() {
                return Some(Vec::new());
            }
            self.missing("files", "is not set", hint);
            return None;
        };
        let checksums_file = raw.checksums.as_deref().map(|name| name.trim().to_lowercase());
        let before = self.problems.len();
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // Without a workspace, the patterns are checked too, so that one run shows all problems.
            let workspace = workspace.unwrap_or(&runner.workspace);
            match Line::parse(line, workspace, &runner.workspace, base.unwrap_or(workspace)) {
                Ok(line) if line.names_a_file_called(checksums_file.as_deref()) => {
                    let problem = "is the file that `checksums` generates from the registry's list";
                    let hint = "Remove the line, or remove `checksums`. Wildcards skip that name";
                    self.problem("files", Some(&line.text), problem, hint);
                }
                Ok(line) => lines.push(line),
                Err(bad) => self.bad_line("files", line, &bad),
            }
        }
        let has_only_exclusions = text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('!'));
        if has_only_exclusions && self.problems.len() == before {
            self.problem("files", None, "only excludes files", hint);
            return None;
        }
        Some(lines)
    }
}
