//! The signs of a line: `!`, ` => `, wildcards and braces. Reading a line and explaining what is wrong with it share them.

use crate::package::FileName;

/// How many patterns the braces of one line may stand for.
pub(super) const MOST_ALTERNATIVES: usize = 1_000;

/// How deep the braces of one line may nest.
pub(super) const DEEPEST: usize = 10;

/// Splits off the `!` of a line that takes files away, and returns whether it has one.
pub(super) fn without_exclamation(text: &str) -> (bool, &str) {
    match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    }
}

/// Whether a text has a character that makes it a pattern.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// A name as it is written behind `=>`.
pub(super) fn escaped(name: &FileName) -> String {
    name.as_str().replace('{', "{{").replace('}', "}}")
}

/// Splits a line into its pattern and its name, if it has both: `=>` with white space, or nothing, on either side of it.
pub(super) fn split_name(line: &str) -> Option<(&str, &str)> {
    let stands_alone = |before: &str, after: &str| {
        (before.is_empty() || before.ends_with(char::is_whitespace))
            && (after.is_empty() || after.starts_with(char::is_whitespace))
    };
    let mut arrows = line.rmatch_indices("=>").map(|(at, arrow)| (&line[..at], &line[at + arrow.len()..]));
    arrows.find(|(before, after)| stands_alone(before, after)).map(|(before, after)| (before.trim(), after.trim()))
}
