//! The syntax of a line: `!`, ` => `, wildcards and braces.

use crate::package::FileName;

/// The maximum number of patterns that the braces of one line expand to.
pub(super) const MOST_ALTERNATIVES: usize = 1_000;

/// The maximum depth of nested braces.
pub(super) const DEEPEST: usize = 10;

/// Removes the `!` of a line that excludes files, and returns whether it has one.
pub(super) fn without_exclamation(text: &str) -> (bool, &str) {
    match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    }
}

/// Whether a text contains a wildcard or a brace.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Escapes a name for use after `=>`.
pub(super) fn escaped(name: &FileName) -> String {
    name.as_str().replace('{', "{{").replace('}', "}}")
}

/// Splits a line into its pattern and its new name at the last `=>` between white space.
pub(super) fn split_name(line: &str) -> Option<(&str, &str)> {
    let stands_alone = |before: &str, after: &str| {
        (before.is_empty() || before.ends_with(char::is_whitespace))
            && (after.is_empty() || after.starts_with(char::is_whitespace))
    };
    let mut arrows = line.rmatch_indices("=>").map(|(at, arrow)| (&line[..at], &line[at + arrow.len()..]));
    arrows.find(|(before, after)| stands_alone(before, after)).map(|(before, after)| (before.trim(), after.trim()))
}
