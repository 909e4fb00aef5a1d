//! Collects the faults of many runs, so that one failure shows all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A fault that a checker found: its kind and the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// The maximum number of examples of a kind in the failure message.
const EXAMPLES: usize = 3;

/// The maximum length of an example in the failure message, in characters.
const LONGEST: usize = 250;

/// All that was found at one place where text from outside enters.
#[derive(Default)]
pub(super) struct Findings {
    by_kind: BTreeMap<&'static str, Vec<String>>,
    pub(super) runs: usize,
}

impl Findings {
    /// Takes what one run gave; `what` tells which run it was.
    pub(super) fn take(&mut self, what: &str, faults: impl IntoIterator<Item = Fault>) {
        self.runs += 1;
        for Fault { kind, detail } in faults {
            self.by_kind.entry(kind).or_default().push(format!("{} <- {}", shortened(&detail), shortened(what)));
        }
    }

    /// Ends the test if anything was found, or if there were not as many runs as there should have been.
    #[track_caller]
    pub(super) fn are_none_in(&self, runs: usize) {
        let mut text = String::new();
        for (kind, found) in &self.by_kind {
            let _ = writeln!(text, "{kind}: {} times, such as", found.len());
            for example in found.iter().take(EXAMPLES) {
                let _ = writeln!(text, "    {example}");
            }
        }
        assert!(self.by_kind.is_empty(), "in {} runs:\n{text}", self.runs);
        assert!(self.runs >= runs, "{} runs are fewer than {runs}: does the corpus still reach this place?", self.runs);
    }
}

/// A text as it can be shown: with escapes, and not too long.
fn shortened(text: &str) -> String {
    let text = text.escape_debug().to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
