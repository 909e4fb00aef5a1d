//! The outputs and the summary of a run, read as runners read them.

use std::collections::{BTreeMap, BTreeSet};

use generic_packages::command::Command;
use serde_json::Value;

/// The row of one file.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) size: Option<u64>,
    pub(crate) sha256: Option<String>,
    pub(crate) status: String,
}

impl Row {
    /// Whether the file was reported as in place.
    pub(crate) fn is_in_place(&self) -> bool {
        matches!(self.status.as_str(), "uploaded" | "replaced" | "downloaded" | "unchanged")
    }
}

/// The outputs of a run.
#[derive(Default)]
pub(crate) struct Outputs {
    /// All of them, by their names.
    pub(crate) values: BTreeMap<String, String>,
    /// The files of the first.
    pub(crate) rows: Vec<Row>,
}

impl Outputs {
    /// Parses the output file. If an output is written twice, the later value counts.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (name, delimiter) =
                line.split_once("<<").ok_or_else(|| format!("the line `{line}` does not begin an output"))?;
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            values.insert(name.to_owned(), value.join("\n"));
        }
        let rows = rows(values.get("files").ok_or("there is no output `files`")?)?;
        Ok(Self { values, rows })
    }

    /// Returns the contradictions between the output `files` and the other outputs.
    pub(crate) fn contradictions(&self, task: Command) -> Vec<String> {
        let count = |statuses: &[&str]| {
            self.rows.iter().filter(|row| statuses.contains(&row.status.as_str())).count().to_string()
        };
        let in_place = || self.rows.iter().filter(|row| row.is_in_place());
        let mut expected = vec![
            ("unchanged", count(&["unchanged"])),
            ("total-size", in_place().filter_map(|row| row.size).sum::<u64>().to_string()),
        ];
        match task {
            Command::Publish => expected.extend([
                ("urls", in_place().map(|row| row.url.clone()).collect::<Vec<_>>().join("\n")),
                ("uploaded", count(&["uploaded"])),
                ("replaced", count(&["replaced"])),
                ("skipped", count(&["skipped"])),
                ("failed", count(&["failed", "unknown", "not-attempted"])),
            ]),
            Command::Download => {
                expected.extend([("path", "tools".to_owned()), ("downloaded", count(&["downloaded"]))]);
            }
        }
        let wrong = expected.iter().filter(|(name, value)| self.values.get(*name) != Some(value));
        wrong
            .map(|(name, value)| format!("output `{name}` is {:?}, expected {value:?}", self.values.get(*name)))
            .collect()
    }
}

fn rows(json: &str) -> Result<Vec<Row>, String> {
    let rows: Vec<Value> =
        serde_json::from_str(json).map_err(|error| format!("the output `files` is not valid JSON: {error}"))?;
    let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
    rows.iter()
        .map(|row| {
            Some(Row {
                name: text(row, "name")?,
                url: text(row, "url")?,
                size: row["size"].as_u64(),
                sha256: text(row, "sha256"),
                status: text(row, "status")?,
            })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("the output `files` lacks a field: {json}"))
}

/// Returns the contradictions between a summary and the output `files`: statuses and links.
pub(crate) fn summary_contradictions(summary: &str, rows: &[Row]) -> Vec<String> {
    let table: Vec<&str> = summary
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| file | size | SHA-256 | "))
        .collect();
    if table.len() != rows.len() {
        return vec![format!("the summary has {} rows, expected {}", table.len(), rows.len())];
    }
    let mut wrong = Vec::new();
    for (line, row) in table.iter().zip(rows) {
        if !line.ends_with(&format!("| {} |", row.status)) {
            wrong.push(format!(
                "the status of `{}` is {} in the outputs, but the summary has: {line}",
                row.name, row.status
            ));
        }
    }
    let linked: BTreeSet<&str> =
        table.iter().filter_map(|line| line.split_once("](<")?.1.split_once(">)")).map(|(url, _)| url).collect();
    let published: BTreeSet<&str> = rows.iter().filter(|row| row.is_in_place()).map(|row| row.url.as_str()).collect();
    if linked != published {
        wrong.push(format!("the summary links to {linked:?}, but the outputs have {published:?}"));
    }
    wrong
}
