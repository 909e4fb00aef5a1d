//! How to download what was published, and to verify it: what a maintainer pastes into release notes.

use std::fmt::Write as _;

use super::{Account, Outcome};
use crate::command::Command;
use crate::untrusted::misleads;

/// The action that downloads, as the README calls it.
const ACTION: &str = "OWNER/generic-packages/download@v1";

/// For more files than this nobody types commands: the action brings all of them.
const MOST_COMMANDS: usize = 50;

/// Commands for a shell, and a step for a workflow, each in a block of code; nothing where not all is published.
pub(super) fn recipe(account: &Account) -> String {
    let files: Vec<&Outcome> = account.outcomes.iter().filter(|outcome| outcome.status.is_in_place()).collect();
    let is_published = account.command == Command::Publish && account.plan.is_none() && account.is_complete();
    let mut text = String::new();
    if !is_published || files.is_empty() {
        return text;
    }
    // Writing to a String cannot fail, here and below.
    if files.len() <= MOST_COMMANDS {
        let _ = writeln!(text, "Download and verify (for a private package, curl needs `--user NAME` too):\n");
        block(&mut text, "sh", &commands(&files));
    }
    if let Some(step) = step(account) {
        let _ = writeln!(text, "In a workflow:\n");
        block(&mut text, "yaml", &step);
    }
    text
}

/// A block of code, which nothing in it ends.
fn block(text: &mut String, language: &str, code: &str) {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(text, "{fence}{language}\n{code}{fence}\n");
}

fn commands(files: &[&Outcome]) -> String {
    let (mut commands, mut sums) = (String::new(), String::new());
    for Outcome { name, url, sha256, .. } in files {
        let (name, last) = (name.as_str(), url.path().rsplit('/').next().unwrap_or_default());
        let url = quoted(url.as_str());
        // curl saves under the last segment as it stands, without decoding it.
        let _ = if last == name {
            writeln!(commands, "curl -fsSLO {url}")
        } else {
            writeln!(commands, "curl -fsSL -o {} {url}", quoted(name))
        };
        // sha256sum takes `-` alone for its standard input.
        let name = if name == "-" { "./-" } else { name };
        if let Some(sha256) = sha256 {
            let _ = writeln!(sums, "{sha256}  {name}");
        }
    }
    format!("{commands}sha256sum -c <<'EOF'\n{sums}EOF\n")
}

/// A text as one word of a shell (POSIX, XCU 2.2.2).
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+%/:@".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The step of a workflow; `None` where a runner would take a part of it for an expression, for which there is no escape.
fn step(account: &Account) -> Option<String> {
    let target = &account.target;
    let inputs = [
        ("server-url", target.server.to_string()),
        ("owner", target.owner.as_str().to_owned()),
        ("repo", target.package.as_str().to_owned()),
        ("version", target.version.as_str().to_owned()),
    ];
    if inputs.iter().any(|(_, value)| value.contains("${{")) {
        return None;
    }
    let mut step = format!("- uses: {ACTION}\n  with:\n");
    for (name, value) in inputs {
        let _ = writeln!(step, "    {name}: {}", in_yaml(&value));
    }
    Some(step)
}

/// A text in double quotes, without what misleads a reader (YAML 1.2.2, 5.7): `1.10` alone would be a number.
fn in_yaml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            character if misleads(character) => write!(quoted, "\\U{:08X}", u32::from(character)),
            character => write!(quoted, "{character}"),
        };
    }
    quoted + "\""
}
