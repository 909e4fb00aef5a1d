//! The step's outputs, in the file that the runner names in `GITHUB_OUTPUT`.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::append::append;
use super::{Outcome, RunReport, Status, VerifiedBy};
use crate::command::Command;
use crate::package::Version;
use crate::units::Bytes;

impl Command {
    /// The names of the outputs, as the command's `action.yml` declares them.
    #[must_use]
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Publish => &[
                "files",
                "urls",
                "package-url",
                "version",
                "uploaded",
                "replaced",
                "unchanged",
                "skipped",
                "failed",
                "total-size",
                "checksums-file",
                "aliases",
            ],
            Self::Download => &["files", "version", "path", "downloaded", "unchanged", "total-size"],
        }
    }
}

/// An output that a later step takes into its environment breaks there at 128 KiB (Linux's limit on one variable).
const LONGEST: usize = 100 * 1024;

/// The outputs of a step. They say what is verified, also when the step fails.
#[derive(Debug)]
pub(super) struct Outputs {
    values: Vec<(&'static str, String)>,
}

/// One object of the output `files`.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    url: &'a str,
    size: Option<u64>,
    sha256: Option<String>,
    status: Status,
    #[serde(rename = "verified-by", skip_serializing_if = "Option::is_none")]
    verified_by: Option<VerifiedBy>,
}

impl Outputs {
    /// The outputs of a run, and warnings about those that had to be left out.
    pub(super) fn of(report: &RunReport) -> (Self, Vec<String>) {
        let outcomes = &report.outcomes;
        let count = |statuses: &[Status]| outcomes.iter().filter(|o| statuses.contains(&o.status)).count().to_string();
        let in_place = || outcomes.iter().filter(|outcome| outcome.status.is_in_place());
        let value = |name: &'static str| match name {
            "files" => rows(outcomes),
            "urls" => in_place().map(|outcome| outcome.url.as_str()).collect::<Vec<_>>().join("\n"),
            "package-url" => report.page.as_ref().map(ToString::to_string).unwrap_or_default(),
            "version" => report.target.as_ref().map(|target| target.version.to_string()).unwrap_or_default(),
            "path" => report.folder.clone(),
            "checksums-file" => report.checksums_file.clone(),
            "aliases" => report.aliases.iter().map(Version::as_str).collect::<Vec<_>>().join("\n"),
            "uploaded" => count(&[Status::Uploaded]),
            "replaced" => count(&[Status::Replaced]),
            "downloaded" => count(&[Status::Downloaded]),
            "unchanged" => count(&[Status::Unchanged]),
            "skipped" => count(&[Status::Skipped]),
            "failed" => count(&[Status::Failed, Status::Unknown, Status::NotAttempted]),
            "total-size" => in_place().filter_map(|outcome| outcome.size).fold(0, u64::saturating_add).to_string(),
            other => unreachable!("no command has the output {other}"),
        };
        let values = report.command.outputs().iter().map(|name| (*name, value(name))).collect();
        let mut outputs = Self { values };
        let warnings = outputs.leave_out_what_is_too_long();
        (outputs, warnings)
    }

    /// Never cuts a value: half a list would be taken for the whole, and half a JSON text for none.
    fn leave_out_what_is_too_long(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, value) in self.values.iter_mut().filter(|(_, value)| value.len() > LONGEST) {
            let (size, most) = (Bytes(value.len() as u64), Bytes(LONGEST as u64));
            warnings.push(format!("output `{name}` is left empty: it would have {size}, and runners take {most}"));
            // Of `files` too: `[]` would say that there are none, and a step that reads JSON finds out at once.
            value.clear();
        }
        warnings
    }

    /// Appends the outputs to the runner's file: `name<<delimiter`, the value, the delimiter, without blank lines
    /// between them. The delimiter is random, so that no value can end its own entry.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let delimiter = random.iter().fold("ghadelimiter_".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let mut text = String::new();
        for (name, value) in &self.values {
            let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
        }
        append(path, &text)
    }
}

/// A JSON array with one object a line: older Gitea and Forgejo runners lose a line of more than 64 KiB.
fn rows(outcomes: &[Outcome]) -> String {
    let rows: Vec<String> = outcomes
        .iter()
        .map(|outcome| {
            let local = outcome.local.as_ref();
            let row = Row {
                name: outcome.name.as_str(),
                path: local.map(|local| local.path.as_str()),
                url: outcome.url.as_str(),
                size: outcome.size,
                sha256: outcome.sha256.map(|digest| digest.to_string()),
                status: outcome.status,
                verified_by: local.filter(|_| outcome.status.is_in_place()).map(|local| local.verified_by),
            };
            serde_json::to_string(&row).expect("text and numbers have a JSON form")
        })
        .collect();
    if rows.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", rows.join(",\n")) }
}
