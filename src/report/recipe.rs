//! Commands that download and verify the published files, for release notes.

use std::fmt::Write as _;

use super::{Outcome, RunReport};
use crate::command::Command;
use crate::package::{FileName, Target};
use crate::runner::Action;
use crate::sanitize::is_misleading;

/// The most files for which commands are shown. For more files, the step for a workflow is shorter.
const MOST_COMMANDS: usize = 50;

/// Returns commands for a shell, and a step for a workflow, each in a block of code; nothing if not all is published. There is
/// no step if the runner does not say what this action is called.
pub(super) fn recipe(report: &RunReport, action: Option<&Action>) -> String {
    let files: Vec<&Outcome> = report.outcomes.iter().filter(|outcome| outcome.status.is_in_place()).collect();
    let is_published = report.command == Command::Publish && report.plan.is_none() && report.is_complete();
    let mut text = String::new();
    let (Some(target), Some(last), true) = (&report.target, files.last(), is_published) else { return text };
    // The checksums file verifies all files of the version, including those of other jobs. The hash verifies the
    // checksums file.
    let checksums = Some(&last.name).filter(|_| !report.covered.is_empty());
    let (names, sums) = match checksums {
        Some(checksums) => (report.covered.iter().chain([checksums]).collect(), &files[files.len() - 1..]),
        None => (files.iter().map(|outcome| &outcome.name).collect::<Vec<_>>(), &files[..]),
    };
    // Writing to a String cannot fail, here and below.
    if names.len() <= MOST_COMMANDS {
        let _ = writeln!(text, "Download and verify (for a private package, curl needs `--user NAME` too):\n");
        block(&mut text, "sh", &commands(target, &names, sums, checksums));
    }
    if let Some(step) = action.and_then(|action| step(action, target, checksums)) {
        let _ = writeln!(text, "In a workflow:\n");
        block(&mut text, "yaml", &step);
    }
    text
}

/// Writes a block of code, which nothing in it ends.
fn block(text: &mut String, language: &str, code: &str) {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(text, "{fence}{language}\n{code}{fence}\n");
}

/// Returns commands that download files and verify them, first by hash, then with the checksums file.
fn commands(target: &Target, names: &[&FileName], sums: &[&Outcome], checksums: Option<&FileName>) -> String {
    let mut commands = String::new();
    for name in names {
        let url = target.file_url(name);
        let last = url.path().rsplit('/').next().unwrap_or_default();
        let (is_last, url) = (last == name.as_str(), quoted(url.as_str()));
        // curl uses the last segment of the URL as the file name without decoding it.
        let _ = if is_last {
            writeln!(commands, "curl -fsSLO {url}")
        } else {
            writeln!(commands, "curl -fsSL -o {} {url}", quoted(name.as_str()))
        };
    }
    let lists = checksums.map(|checksums| format!(" - {}", quoted(&as_path_argument(checksums)))).unwrap_or_default();
    let _ = writeln!(commands, "sha256sum -c{lists} <<'EOF'");
    for Outcome { name, sha256, .. } in sums {
        if let Some(sha256) = sha256 {
            // sha256sum interprets `-` as standard input.
            let name = if name.as_str() == "-" { "./-" } else { name.as_str() };
            let _ = writeln!(commands, "{sha256}  {name}");
        }
    }
    commands + "EOF\n"
}

/// Returns a name that no program takes for an option.
fn as_path_argument(name: &FileName) -> String {
    let before = if name.as_str().starts_with('-') { "./" } else { "" };
    format!("{before}{}", name.as_str())
}

/// Quotes a text as one word of a shell (POSIX, XCU 2.2.2).
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+%/:@".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Returns the step of a workflow; `None` if a runner would take a part of it for an expression, for which there is no escape.
fn step(action: &Action, target: &Target, checksums: Option<&FileName>) -> Option<String> {
    let mut inputs = vec![
        ("server-url", target.server.to_string()),
        ("owner", target.owner.as_str().to_owned()),
        ("repo", target.package.as_str().to_owned()),
        ("version", target.version.as_str().to_owned()),
    ];
    inputs.extend(checksums.map(|checksums| ("checksums", checksums.as_str().to_owned())));
    if inputs.iter().any(|(_, value)| value.contains("${{")) {
        return None;
    }
    let Action { repository, git_ref } = action;
    let mut step = format!("- uses: {repository}/download@{git_ref}\n  with:\n");
    for (name, value) in inputs {
        let _ = writeln!(step, "    {name}: {}", in_yaml(&value));
    }
    Some(step)
}

/// Quotes a text in YAML, without what misleads a reader (YAML 1.2.2, 5.7): `1.10` alone would be a number.
fn in_yaml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            character if is_misleading(character) => write!(quoted, "\\U{:08X}", u32::from(character)),
            character => write!(quoted, "{character}"),
        };
    }
    quoted + "\""
}
