//! The result of a run: the log, the outputs and the summary. None of them may contain a secret of the job.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The start of a log line about a retry.
pub(crate) const RETRY: &str = "  retrying in ";

/// The commands that the program gives a runner.
const COMMANDS: [&str; 6] = [
    "error title=generic-packages",
    "warning title=generic-packages",
    "notice title=generic-packages",
    "debug",
    "group",
    "endgroup",
];

/// The results of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// The log, without the `::add-mask::` lines and, unless the job has set `RUNNER_DEBUG`, without debug messages.
    pub(crate) log: String,
    /// The code of each error, if a runner reads the log.
    pub(crate) codes: Vec<String>,
    /// The outputs, as a runner reads them.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The text that the program appended to the output file.
    pub(crate) written: String,
    /// The step's part of the job's summary.
    pub(crate) summary: String,
    /// The `::add-mask::` lines.
    pub(crate) masks: Vec<String>,
}

impl Ran {
    /// Reads what a run left behind in a folder, and searches all of it for the forms of secrets.
    pub(super) fn read(
        (code, stdout): (Option<i32>, Vec<u8>),
        folder: &Path,
        outputs_so_far: &str,
        secrets: &[String],
        shows_debug: bool,
    ) -> Self {
        let stdout = String::from_utf8(stdout).expect("the log is UTF-8");
        let (masks, lines): (Vec<&str>, Vec<&str>) = stdout.lines().partition(|line| line.starts_with("::add-mask::"));
        let log = lines.join("\n");
        let outputs = fs::read_to_string(folder.join("output")).unwrap_or_default();
        let summary = fs::read_to_string(folder.join("summary")).unwrap_or_default();
        for secret in secrets {
            for (what, text) in [("log", &log), ("outputs", &outputs), ("summary", &summary)] {
                assert!(!text.contains(secret), "a secret is in the {what}:\n{text}");
            }
        }
        let is_foreign_command = |line: &&str| {
            let command = line.trim_start().strip_prefix("::");
            command.is_some_and(|line| !COMMANDS.iter().any(|own| line.starts_with(&format!("{own}::"))))
        };
        assert_eq!(lines.iter().find(|line| is_foreign_command(line)), None, "the log commands the runner:\n{log}");
        assert!(!log.contains("##["), "the log commands the runner:\n{log}");
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "the log controls the terminal: {log:?}");
        let codes = lines.iter().filter_map(|line| debug_message(line)?.strip_prefix("error code: "));
        let shown = lines.iter().copied().filter(|line| shows_debug || debug_message(line).is_none());
        let written = outputs.strip_prefix(outputs_so_far).expect("what was written before is still there");
        let has_open_line = !outputs_so_far.is_empty() && !outputs_so_far.ends_with('\n');
        let entries = if has_open_line { written.strip_prefix('\n').expect("the open line ends") } else { written };
        Self {
            code,
            log: shown.collect::<Vec<_>>().join("\n"),
            codes: codes.map(str::to_owned).collect(),
            outputs: read_outputs(entries),
            written: written.to_owned(),
            summary,
            masks: masks.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Ends the test if the log, the outputs or the summary contain a form of a JWT, or its signature alone.
    #[track_caller]
    pub(crate) fn shows_no_jwt(self, tokens: &[String]) -> Self {
        for token in tokens {
            let signature = token.rsplit('.').next().expect("a split has a last part");
            let forms = [forms(token, "alice"), forms(&format!("Bearer {token}"), "alice"), forms(signature, "alice")];
            for form in forms.concat() {
                for (what, text) in [("log", &self.log), ("outputs", &self.written), ("summary", &self.summary)] {
                    assert!(!text.contains(&form), "an ID token is in the {what}:\n{text}");
                }
            }
        }
        self
    }

    /// Returns the output `files`, parsed.
    pub(crate) fn files(&self) -> Vec<Value> {
        serde_json::from_str(&self.outputs["files"]).expect("the output `files` is a JSON array")
    }

    /// Returns the status of each file by name.
    pub(crate) fn statuses(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        self.files().iter().map(|file| (text(&file["name"]), text(&file["status"]))).collect()
    }

    /// Ends the test unless this is the exit code.
    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.log);
        self
    }

    /// Ends the test unless these are the statuses of the files, in the order of their names.
    #[track_caller]
    pub(crate) fn has_statuses(self, statuses: &[&str]) -> Self {
        assert_eq!(self.statuses().into_values().collect::<Vec<_>>(), statuses, "{}", self.log);
        self
    }

    /// Ends the test unless the outputs have these values.
    #[track_caller]
    pub(crate) fn has_outputs(self, outputs: &[(&str, &str)]) -> Self {
        let values: Vec<(&str, &str)> = outputs.iter().map(|(name, _)| (*name, &*self.outputs[*name])).collect();
        assert_eq!(values, outputs, "{}", self.log);
        self
    }

    /// Returns the log with each wrapped text joined to one line.
    pub(crate) fn unwrapped_log(&self) -> String {
        self.log.replace("\n        ", " ")
    }

    /// The lines of the log that begin so, without that beginning.
    pub(crate) fn lines(&self, beginning: &str) -> Vec<String> {
        self.unwrapped_log().lines().filter_map(|line| line.strip_prefix(beginning)).map(str::to_owned).collect()
    }

    /// Returns the first line of each error.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.lines("error: ")
    }

    /// Ends the test unless these are the codes of the errors.
    #[track_caller]
    pub(crate) fn has_codes(self, codes: &[&str]) -> Self {
        assert_eq!(self.codes, codes, "{}", self.log);
        self
    }

    /// Ends the test unless the log has this number of retries.
    #[track_caller]
    pub(crate) fn has_retries(self, count: usize) -> Self {
        assert_eq!(self.log.matches(RETRY).count(), count, "{}", self.log);
        self
    }

    /// Ends the test if the log has no error, or one without a hint.
    #[track_caller]
    pub(crate) fn has_a_hint_for_each_error(self) -> Self {
        let lines: Vec<&str> =
            self.log.lines().filter(|l| l.starts_with("error: ") || l.starts_with("  hint: ")).collect();
        let in_turn = lines.chunks(2).all(|pair| matches!(pair, [e, h] if e.starts_with('e') && h.starts_with(' ')));
        assert!(!lines.is_empty() && in_turn, "each error has a hint:\n{}", self.log);
        self
    }

    /// Whether the log contains a text, ignoring line breaks.
    fn has(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words(&self.log).contains(&words(text))
    }

    /// Ends the test if the log has that text.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.has(text), "{text:?} is in the log:\n{}", self.log);
        self
    }

    /// Ends the test unless the log has that text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.has(text), "{text:?} is not in the log:\n{}", self.log);
        self
    }
}

/// Every form in which a secret could come out: plain, percent-encoded, and in base64, alone and after a user name.
pub(super) fn forms(secret: &str, user: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for text in [secret.to_owned(), format!("{user}:{secret}")] {
        forms.push(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
        forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)));
    }
    forms
}

/// Returns the text of a debug message, in the format of any runner.
fn debug_message(line: &str) -> Option<&str> {
    line.strip_prefix("::debug::").or_else(|| line.strip_prefix("debug: "))
}

/// Reads an output file as GitHub's runner does: `name<<delimiter`, the value, the delimiter.
fn read_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("an entry begins with its name and delimiter");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        // If an output is written twice, the later value counts.
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}
