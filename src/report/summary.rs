//! The step's part of the job's summary, in Markdown. GitHub shows it, and so does Gitea from 1.27 on if the runner
//! sends it (runner 1.0.8 does not). Forgejo does not show it, so the log has everything too.

use std::fmt::Write as _;

use super::message::{Message, messages};
use super::recipe::recipe;
use super::{Outcome, Planned, Remark, RunReport};
use crate::command::Command;
use crate::runner::Action;
use crate::sanitize::Sanitized;
use crate::secret::Redactor;
use crate::units::Bytes;

/// The maximum size of the summary up to the end of the table, in bytes. GitHub drops a summary of more than 1 MiB.
const LONGEST_TABLE: usize = 900 * 1024;

/// The maximum size of the summary with the download commands, in bytes. The rest is for remarks and errors.
const LONGEST: usize = 960 * 1024;

const PUBLISH_HEAD: &str = "| file | size | SHA-256 | status |\n|---|---:|---|---|\n";
const DOWNLOAD_HEAD: &str = "| file | size | SHA-256 | verified by | status |\n|---|---:|---|---|---|\n";
const PLAN_HEAD: &str = "| what | plan | size | on the registry |\n|---|---|---:|---|\n";

/// The maximum number of errors, and of remarks, in the summary. The log has the others.
const MOST_PROBLEMS: usize = 20;

/// Writes the summary: a title, a sentence, a table, the commands for a download, and the errors.
pub(super) fn markdown(report: &RunReport, remarks: &[Remark], action: Option<&Action>, redactor: &Redactor) -> String {
    let code = |text: &str| code(&redactor.redact(text));
    let mut text = format!("### {}", report.title());
    if let Some(target) = &report.target {
        let name = code(&format!("{}/{} {}", target.owner, target.package, target.version));
        // Writing to a String cannot fail, here and below.
        let _ = match &report.page {
            Some(page) => write!(text, " [{name}](<{page}>)"),
            None => write!(text, " {name}"),
        };
    }
    let _ = writeln!(text, "\n\n{}\n", report.sentence(code));
    if let Some(rows) = &report.plan {
        table(&mut text, PLAN_HEAD, rows.len(), rows.iter().map(|row| plan_row(row, code)));
    } else {
        let outcomes = &report.outcomes;
        let head = if report.command == Command::Download { DOWNLOAD_HEAD } else { PUBLISH_HEAD };
        table(&mut text, head, outcomes.len(), outcomes.iter().map(|outcome| outcome_row(outcome, code)));
    }
    let recipe = recipe(report, action);
    if text.len() + recipe.len() <= LONGEST {
        text.push_str(&redactor.redact(&recipe));
    }
    for remark in remarks.iter().take(MOST_PROBLEMS) {
        let _ = writeln!(text, "- {}: {}", remark.level.word(), code(&Sanitized::whole(&remark.text).to_string()));
    }
    more(&mut text, remarks.len());
    problems(&mut text, &messages(&report.errors), code);
    text
}

/// Writes a table, as far as there is room for it.
fn table(text: &mut String, head: &str, count: usize, rows: impl Iterator<Item = String>) {
    if count == 0 {
        return;
    }
    text.push_str(head);
    for (done, row) in rows.enumerate() {
        if text.len() > LONGEST_TABLE {
            let _ = writeln!(text, "\nTable truncated: {} more rows are not shown.", count - done);
            break;
        }
        text.push_str(&row);
    }
    text.push('\n');
}

fn outcome_row(outcome: &Outcome, code: impl Fn(&str) -> String) -> String {
    let name = code(&outcome.name.to_string());
    let url = outcome.url.as_str().replace('|', "\\|");
    let file = if outcome.status.is_in_place() { format!("[{name}](<{url}>)") } else { name };
    let sha256 = outcome.sha256.map(|digest| format!("`{digest}`")).unwrap_or_default();
    let size = outcome.size.map(|size| Bytes(size).to_string()).unwrap_or_default();
    let verified_by = outcome.local.as_ref().map(|local| {
        let word = if outcome.status.is_in_place() { local.verified_by.word() } else { "" };
        format!("{word} | ")
    });
    let verified_by = verified_by.unwrap_or_default();
    format!("| {file} | {size} | {sha256} | {verified_by}{} |\n", outcome.status.word())
}

fn plan_row(row: &Planned, code: impl Fn(&str) -> String) -> String {
    let size = row.size.map(|size| Bytes(size).to_string()).unwrap_or_default();
    format!("| {} | {} | {size} | {} |\n", code(&row.what), row.action.word(), row.on_registry)
}

fn problems(text: &mut String, messages: &[Message], code: impl Fn(&str) -> String) {
    for message in messages.iter().take(MOST_PROBLEMS) {
        let _ = write!(text, "- {}", code(&message.what));
        for cause in message.causes() {
            let _ = write!(text, "<br>caused by: {}", code(&cause));
        }
        if let Some(hint) = &message.hint {
            let _ = write!(text, "<br>hint: {}", code(hint));
        }
        text.push('\n');
    }
    more(text, messages.len());
}

/// Writes how many more problems there are than are shown.
fn more(text: &mut String, count: usize) {
    if count > MOST_PROBLEMS {
        let _ = writeln!(text, "- and {} more: see the log", count - MOST_PROBLEMS);
    }
}

/// Formats a text as code, of which no renderer makes links: GitHub and Gitea look for addresses and names in any other text,
/// also after it has been rendered. A code span ends at as many backticks as it begins with (`CommonMark` 6.1); a `|`
/// would end the cell of a table.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    format!("{fence} {} {fence}", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_span_ends_after_its_text() {
        assert_eq!(code("a|b"), "` a\\|b `");
        assert_eq!(code("`a``b`"), "``` `a``b` ```");
        assert_eq!(code(""), "`  `");
    }
}
