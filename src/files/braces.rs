//! Expands the braces of a pattern, which glob does not support.

use super::bad_line::BadLine;
use super::syntax::{DEEPEST, MOST_ALTERNATIVES};

/// Expands `{a,b}`. Braces can nest. In a character class such as `[{]` they are literal.
pub(super) fn expand_braces(text: &str) -> Result<Vec<String>, BadLine> {
    let patterns = Expansion { text, at: 0, last_bracket: text.rfind(']').unwrap_or_default() }.alternatives(0)?;
    // Compiled patterns take many times as much memory.
    if length_of(&patterns) > LONGEST { Err(BadLine::TooMany) } else { Ok(patterns) }
}

/// A text that is being expanded from left to right.
struct Expansion<'a> {
    text: &'a str,
    /// The start of the rest.
    at: usize,
    /// The place of the last `]`. No class starts after it.
    last_bracket: usize,
}

impl Expansion<'_> {
    /// Returns the patterns up to the end of the text, or up to the end of the braces at this depth.
    fn alternatives(&mut self, depth: usize) -> Result<Vec<String>, BadLine> {
        if depth > DEEPEST {
            return Err(BadLine::TooDeep);
        }
        let mut done = Vec::new();
        let mut part = vec![String::new()];
        while let Some(character) = self.text[self.at..].chars().next() {
            let start = self.at;
            self.at += character.len_utf8();
            match character {
                '{' => part = joined(part, &self.alternatives(depth + 1)?)?,
                ',' if depth > 0 => done.extend(std::mem::replace(&mut part, vec![String::new()])),
                '}' if depth > 0 => {
                    done.extend(part);
                    return Ok(done);
                }
                '}' => return Err(BadLine::Brace),
                other => {
                    if other == '[' && start < self.last_bracket {
                        self.at = end_of_class(self.text, start).unwrap_or(self.at);
                    }
                    for pattern in &mut part {
                        pattern.push_str(&self.text[start..self.at]);
                    }
                }
            }
            if done.len() + part.len() > MOST_ALTERNATIVES {
                return Err(BadLine::TooMany);
            }
        }
        if depth == 0 { Ok(part) } else { Err(BadLine::Brace) }
    }
}

/// The maximum total length of the patterns of one line, in bytes.
const LONGEST: usize = 256 * 1024;

fn length_of(patterns: &[String]) -> usize {
    patterns.iter().map(String::len).sum()
}

/// Appends each end to each pattern.
fn joined(mut patterns: Vec<String>, ends: &[String]) -> Result<Vec<String>, BadLine> {
    if let [end] = ends {
        for pattern in &mut patterns {
            pattern.push_str(end);
        }
        return Ok(patterns);
    }
    let length = length_of(&patterns) * ends.len() + length_of(ends) * patterns.len();
    if patterns.len() * ends.len() > MOST_ALTERNATIVES || length > LONGEST {
        return Err(BadLine::TooMany);
    }
    Ok(patterns.iter().flat_map(|pattern| ends.iter().map(move |end| format!("{pattern}{end}"))).collect())
}

/// Returns the end of the character class that starts at `start`. A `]` can be its first character.
fn end_of_class(text: &str, start: usize) -> Option<usize> {
    let mut rest = text[start + 1..].char_indices().peekable();
    if rest.peek().is_some_and(|&(_, c)| c == '!') {
        rest.next();
    }
    rest.next();
    rest.find(|&(_, c)| c == ']').map(|(at, _)| start + 1 + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_keep_their_order() {
        let expanded = expand_braces("{a,b{1,}}-{x}{y,z}[{,}][").expect("a pattern");
        assert_eq!(expanded, ["a-xy", "a-xz", "b1-xy", "b1-xz", "b-xy", "b-xz"].map(|text| format!("{text}[{{,}}][")));
        assert_eq!(expand_braces("a,b").expect("a pattern"), ["a,b"]);
    }

    #[test]
    fn braces_nest_ten_deep_and_no_deeper() {
        let nested = |depth: usize| format!("{}a,b{}", "{".repeat(depth), "}".repeat(depth));
        assert_eq!(expand_braces(&nested(10)).expect("a pattern"), ["a", "b"]);
        assert_eq!(expand_braces(&nested(11)), Err(BadLine::TooDeep));
        assert_eq!(expand_braces(&nested(60_000)), Err(BadLine::TooDeep));
    }

    #[test]
    fn the_time_to_expand_grows_only_with_the_length_of_a_line() {
        // Reading each character again for each brace would take minutes.
        assert_eq!(expand_braces(&"{a}".repeat(100_000)).expect("a pattern"), ["a".repeat(100_000)]);
        assert_eq!(expand_braces(&"[".repeat(200_000)).expect("a pattern"), ["[".repeat(200_000)]);
        assert_eq!(expand_braces(&"{,}".repeat(100_000)), Err(BadLine::TooMany));
        // A thousand times as long as the line.
        assert_eq!(expand_braces(&format!("{{{}}}{}", ",".repeat(900), "x".repeat(2_000))), Err(BadLine::TooMany));
    }
}
