//! Braces in a pattern, which glob does not know.

use super::bad_line::BadLine;

/// How many patterns the braces of one line may stand for.
pub(super) const MOST_ALTERNATIVES: usize = 1_000;

/// What `{a,b}` stands for. Braces nest; in a character class such as `[{]` they are characters.
pub(super) fn expand_braces(text: &str) -> Result<Vec<String>, BadLine> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        match first_group(&text)? {
            None => done.push(text),
            Some((before, parts, after)) => {
                open.extend(parts.iter().rev().map(|part| format!("{before}{part}{after}")));
            }
        }
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return Err(BadLine::TooMany);
        }
    }
    Ok(done)
}

/// Braces in a text: what stands before them, their parts, and what stands behind them.
type Group<'a> = (&'a str, Vec<&'a str>, &'a str);

/// The first outermost braces of a text, where it has any.
fn first_group(text: &str) -> Result<Option<Group<'_>>, BadLine> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut part = 0;
    let mut parts = Vec::new();
    let mut skip_to = 0;
    for (at, character) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        match character {
            '[' => skip_to = end_of_class(text, at),
            '{' => {
                depth += 1;
                if depth == 1 {
                    (start, part) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                parts.push(&text[part..at]);
                part = at + 1;
            }
            '}' if depth == 0 => return Err(BadLine::Brace),
            '}' => {
                depth -= 1;
                if depth == 0 {
                    parts.push(&text[part..at]);
                    return Ok(Some((&text[..start], parts, &text[at + 1..])));
                }
            }
            _ => {}
        }
    }
    if depth == 0 { Ok(None) } else { Err(BadLine::Brace) }
}

/// Where the character class that begins at `start` ends: behind its `]`, which may be its first character; at `start`
/// where it has none.
fn end_of_class(text: &str, start: usize) -> usize {
    let mut rest = text[start + 1..].char_indices().peekable();
    if rest.peek().is_some_and(|&(_, c)| c == '!') {
        rest.next();
    }
    rest.next();
    rest.find(|&(_, c)| c == ']').map_or(start, |(at, _)| start + 1 + at + 1)
}
