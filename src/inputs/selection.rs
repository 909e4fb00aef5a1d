//! Which files, and where they are looked for.

use std::path::{Path, PathBuf};

use super::{RawInputs, Reader};
use crate::command::Command;
use crate::files::{IfNoneFound, Line, Selection, is_git};
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

    /// The workspace, without any links in its path. What is wrong with it is told of the input that lies in it.
    pub(super) fn workspace(&mut self, runner: &Runner) -> Option<PathBuf> {
        let input = match self.command {
            Command::Publish => "working-directory",
            Command::Download => "path",
        };
        let shown = runner.workspace.to_string_lossy();
        match runner.workspace.canonicalize() {
            Ok(path) if path == Path::new("/") => {
                // In there lies /proc/self/environ, and with it the token.
                let accepted =
                    "Set GITHUB_WORKSPACE, or start the container with `-v \"$PWD:/workspace\" -w /workspace`";
                self.problem(input, Some("/"), "would make the whole file system the workspace", accepted);
                None
            }
            Ok(path) if path.iter().any(is_git) => {
                let accepted = "Set GITHUB_WORKSPACE to the folder of the checkout";
                self.problem(input, Some(&shown), "is the workspace, and lies inside .git", accepted);
                None
            }
            Ok(path) if path.is_dir() => Some(path),
            Ok(_) => {
                self.problem(input, Some(&shown), "is the workspace, but no folder", "Set GITHUB_WORKSPACE");
                None
            }
            Err(error) => {
                let accepted = "Run the step in a job that has a workspace: container actions do not see it on a \
                                runner with a host label";
                let problem = format!("is the workspace, but cannot be opened: {error}");
                self.reject("workspace-not-mounted", input, Some(&shown), problem, accepted);
                None
            }
        }
    }

    fn base(&mut self, raw: &RawInputs, runner: &Runner, workspace: &Path) -> Option<PathBuf> {
        let Some(text) = raw.working_directory.as_deref().map(str::trim) else {
            return Some(workspace.to_owned());
        };
        let accepted = "Give a folder in the workspace, relative to it: `working-directory: build`";
        let within = Path::new(text).strip_prefix(&runner.workspace).unwrap_or(Path::new(text));
        let problem = match workspace.join(within).canonicalize() {
            Ok(path) if !path.starts_with(workspace) => "lies outside the workspace".to_owned(),
            Ok(path) if path.iter().any(is_git) => "lies inside .git".to_owned(),
            Ok(path) if !path.is_dir() => "is no folder".to_owned(),
            Ok(path) => return Some(path),
            Err(error) => format!("cannot be opened: {error}"),
        };
        self.problem("working-directory", Some(text), problem, accepted);
        None
    }

    fn lines(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        workspace: Option<&Path>,
        base: Option<&Path>,
    ) -> Option<Vec<Line>> {
        let accepted = "Give a pattern a line, relative to `working-directory`: `files: dist/*.tar.gz`";
        let Some(text) = raw.files.as_deref() else {
            // A job that only seals publishes nothing of its own.
            if raw.checksums.is_some() {
                return Some(Vec::new());
            }
            self.missing("files", "is not given", accepted);
            return None;
        };
        let sealed_by = raw.checksums.as_deref().map(|name| name.trim().to_lowercase());
        let before = self.problems.len();
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // Without a workspace there is a problem already; the patterns are checked for their form all the same.
            let workspace = workspace.unwrap_or(&runner.workspace);
            match Line::parse(line, workspace, &runner.workspace, base.unwrap_or(workspace)) {
                Ok(line) if line.names_a_file_called(sealed_by.as_deref()) => {
                    let problem = "is the file that `checksums` makes of the registry's own list";
                    let accepted = "Take the line out, or `checksums`: wildcards pass over that name";
                    self.problem("files", Some(&line.text), problem, accepted);
                }
                Ok(line) => lines.push(line),
                Err(bad) => self.bad_line("files", line, &bad),
            }
        }
        let has_only_exclusions = text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('!'));
        if has_only_exclusions && self.problems.len() == before {
            self.problem("files", None, "only takes files away", accepted);
            return None;
        }
        Some(lines)
    }
}
