//! The step's outputs, in the file that the runner names in `GITHUB_OUTPUT`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use super::{Outcome, Status};
use crate::advice::Advise;
use crate::publish::Publication;
use crate::report::units;

/// The names of the outputs, as `action.yml` declares them.
pub const NAMES: &[&str] =
    &["files", "urls", "package-url", "version", "uploaded", "unchanged", "failed", "total-size"];

/// An output that a later step takes into its environment breaks there at 128 KiB (Linux's limit on one variable).
const LONGEST: usize = 100 * 1024;

/// The outputs of a step. They say what is verified, also when the step fails.
#[derive(Debug)]
pub struct Outputs {
    values: Vec<(&'static str, String)>,
    /// What had to be left out.
    pub warnings: Vec<String>,
}

impl Advise for OutputError {
    fn advice(&self) -> Option<String> {
        Some("Look at the mounts of the step: GITHUB_OUTPUT must name a file that it can write".to_owned())
    }
}

/// Outputs that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The system gave no random bytes for a delimiter.
    #[error("no random delimiter for the outputs: {0}")]
    Random(getrandom::Error),
    /// The runner's file cannot be written.
    #[error("the outputs cannot be written")]
    Write(#[from] io::Error),
}

/// One object of the output `files`.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    url: &'a str,
    size: u64,
    sha256: Option<String>,
    status: Status,
}

impl Outputs {
    /// The outputs of a run that came as far as its first request, or of one that did not.
    #[must_use]
    pub fn of(publication: Option<&Publication>) -> Self {
        let outcomes = publication.map_or(&[][..], |publication| &publication.outcomes);
        let count = |statuses: &[Status]| outcomes.iter().filter(|o| statuses.contains(&o.status)).count().to_string();
        let published = || outcomes.iter().filter(|outcome| outcome.status.is_published());
        let mut outputs = Self { values: Vec::new(), warnings: Vec::new() };
        outputs.add("files", rows(outcomes), "[]");
        outputs.add("urls", published().map(|outcome| outcome.url.as_str()).collect::<Vec<_>>().join("\n"), "");
        outputs.add(
            "package-url",
            publication.and_then(|p| p.page.as_ref()).map(ToString::to_string).unwrap_or_default(),
            "",
        );
        outputs.add("version", publication.map(|p| p.version.as_str().to_owned()).unwrap_or_default(), "");
        outputs.add("uploaded", count(&[Status::Uploaded]), "");
        outputs.add("unchanged", count(&[Status::Unchanged]), "");
        outputs.add("failed", count(&[Status::Failed, Status::Unknown, Status::NotAttempted]), "");
        outputs.add("total-size", published().map(|outcome| outcome.size).sum::<u64>().to_string(), "");
        outputs
    }

    fn add(&mut self, name: &'static str, value: String, instead: &str) {
        let value = if value.len() <= LONGEST {
            value
        } else {
            let size = units::Bytes(value.len() as u64);
            self.warnings.push(format!(
                "output `{name}` is left empty: it would have {size}, and runners lose what is over {}",
                units::Bytes(LONGEST as u64)
            ));
            instead.to_owned()
        };
        self.values.push((name, value));
    }

    /// Appends the outputs to the runner's file: `name<<delimiter`, the value, the delimiter, without blank lines
    /// between them. The delimiter is random, so that no value can end its own entry.
    pub fn write(&self, path: &Path) -> Result<(), OutputError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(OutputError::Random)?;
        let delimiter = random.iter().fold("ghadelimiter_".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let mut text = String::new();
        for (name, value) in &self.values {
            let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
        }
        // At once, so that a step that is killed leaves all of it or nothing.
        OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())?;
        Ok(())
    }
}

/// A JSON array with one object a line: older Gitea and Forgejo runners lose a line of more than 64 KiB.
fn rows(outcomes: &[Outcome]) -> String {
    let rows: Vec<String> = outcomes
        .iter()
        .map(|outcome| {
            let row = Row {
                name: outcome.name.as_str(),
                url: outcome.url.as_str(),
                size: outcome.size,
                sha256: outcome.sha256.map(|digest| digest.to_string()),
                status: outcome.status,
            };
            serde_json::to_string(&row).expect("text and numbers have a JSON form")
        })
        .collect();
    if rows.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", rows.join(",\n")) }
}
