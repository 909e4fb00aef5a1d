//! The step's outputs, in the file that the runner names in `GITHUB_OUTPUT`.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::append::append;
use super::{Outcome, RunReport, Status};
use crate::command::Command;
use crate::package::Version;
use crate::units::Bytes;

impl Command {
    /// Returns the names of the outputs, in the order in which the command's `action.yml` declares them.
    #[must_use]
    pub fn outputs(self) -> Vec<&'static str> {
        values(&RunReport::new(self, None)).into_iter().map(|(name, _)| name).collect()
    }
}

/// The longest value of an output, in bytes. Linux limits an environment variable to 128 KiB, and later steps may use
/// an output as one.
const LONGEST: usize = 100 * 1024;

/// One object of the output `files`.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    url: &'a str,
    size: Option<u64>,
    sha256: Option<String>,
    status: &'static str,
    #[serde(rename = "verified-by", skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'static str>,
}

/// Returns the outputs of a run. They contain what is verified, also if the step fails.
fn values(report: &RunReport) -> Vec<(&'static str, String)> {
    let outcomes = &report.outcomes;
    let count = |statuses: &[Status]| outcomes.iter().filter(|o| statuses.contains(&o.status)).count().to_string();
    let in_place = || outcomes.iter().filter(|outcome| outcome.status.is_in_place());
    let files = ("files", rows(outcomes));
    let version = ("version", report.target.as_ref().map_or("", |target| target.version.as_str()).to_owned());
    let unchanged = ("unchanged", count(&[Status::Unchanged]));
    let size = in_place().filter_map(|outcome| outcome.size).fold(0, u64::saturating_add);
    let total_size = ("total-size", size.to_string());
    match report.command {
        Command::Publish => vec![
            files,
            ("urls", in_place().map(|outcome| outcome.url.as_str()).collect::<Vec<_>>().join("\n")),
            ("package-url", report.page.as_ref().map(ToString::to_string).unwrap_or_default()),
            version,
            ("uploaded", count(&[Status::Uploaded])),
            ("replaced", count(&[Status::Replaced])),
            unchanged,
            ("skipped", count(&[Status::Skipped])),
            ("failed", count(&[Status::Failed, Status::Unknown, Status::NotAttempted])),
            total_size,
            ("checksums-file", report.checksums_file.clone()),
            ("aliases", report.aliases.iter().map(Version::as_str).collect::<Vec<_>>().join("\n")),
        ],
        Command::Download => vec![
            files,
            version,
            ("path", report.folder.clone()),
            ("downloaded", count(&[Status::Downloaded])),
            unchanged,
            total_size,
        ],
    }
}

/// Returns the outputs of a run that runners can take, and warnings about the others. A value is never cut: half a list would be
/// taken for the whole, and half a JSON text for none.
pub(super) fn outputs(report: &RunReport) -> (Vec<(&'static str, String)>, Vec<String>) {
    let mut values = values(report);
    let mut warnings = Vec::new();
    for (name, value) in values.iter_mut().filter(|(_, value)| value.len() > LONGEST) {
        let (size, most) = (Bytes(value.len() as u64), Bytes(LONGEST as u64));
        warnings.push(format!("output `{name}` is empty, because its value has {size}, and the limit is {most}"));
        // Of `files` too: `[]` would say that there are none, and a step that reads JSON finds out at once.
        value.clear();
    }
    (values, warnings)
}

/// Appends outputs to the runner's file: `name<<delimiter`, the value, the delimiter, without blank lines between them. The
/// delimiter is random, so that no value can end its own entry.
pub(super) fn write(outputs: &[(&'static str, String)], path: &Path) -> io::Result<()> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let delimiter = format!("ghadelimiter_{:032x}", u128::from_be_bytes(random));
    let entries = outputs.iter().map(|(name, value)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    append(path, &entries.collect::<Vec<_>>().concat())
}

/// Returns a JSON array with one object per line, because older Gitea and Forgejo runners lose lines over 64 KiB.
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
                status: outcome.status.word(),
                verified_by: local.filter(|_| outcome.status.is_in_place()).map(|local| local.verified_by.word()),
            };
            serde_json::to_string(&row).expect("text and numbers have a JSON form")
        })
        .collect();
    if rows.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", rows.join(",\n")) }
}
