//! Finds the mistake in a line that matches nothing, by trying corrected lines.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::line::Line;
use super::mistake::{Kind, Mistake, items, with_name};
use super::syntax::{escaped, has_wildcard};
use crate::package::FileName;

/// The maximum number of list items that are tried.
const MOST_ITEMS: usize = 20;

/// Finds the mistake in a line that matches nothing. `finds` returns whether another line matches something.
pub(crate) fn correction(line: &Line, mut finds: impl FnMut(&str) -> bool) -> Option<Mistake> {
    let text = line.text.replace('\\', "/");
    // No name on the registry contains a comma.
    let items = items_of(line, &text, |c| c == ',');
    if items.len() > 1 || text.ends_with(',') {
        return Some(Mistake::new(Kind::List, items));
    }
    for is_separator in [|c| c == ';', char::is_whitespace] {
        let items = items_of(line, &text, is_separator);
        if (2..=MOST_ITEMS).contains(&items.len()) && items.iter().all(|item| finds(item)) {
            return Some(Mistake::new(Kind::List, items));
        }
    }
    if text != line.text {
        let corrected = with_name(&text, new_name(line));
        let lines = Some(corrected).filter(|line| finds(line)).into_iter().collect();
        return Some(Mistake::new(Kind::Backslash, lines));
    }
    normalization(line, finds)
}

/// Returns the lines for the items of a list.
fn items_of(line: &Line, text: &str, is_separator: fn(char) -> bool) -> Vec<String> {
    let sign = if line.excludes { "!" } else { "" };
    let whole = with_name(text, new_name(line));
    let items = items(whole.trim_start_matches(sign), is_separator);
    items.into_iter().map(|item| format!("{sign}{}", item.trim_start_matches(sign))).collect()
}

fn new_name(line: &Line) -> Option<&str> {
    line.new_name.as_ref().map(|name| name.text.as_str())
}

/// Finds a difference in Unicode normalization. macOS and Linux can use different code points for one character.
fn normalization(line: &Line, mut finds: impl FnMut(&str) -> bool) -> Option<Mistake> {
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&line.text);
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&line.text);
    if ![&composed, &decomposed].into_iter().any(|text| **text != line.text && finds(text)) {
        return None;
    }
    let mut pattern = String::new();
    for c in composed.chars().map(|c| if c.is_ascii() { c } else { '*' }) {
        if c != '*' || !pattern.ends_with('*') {
            pattern.push(c);
        }
    }
    let name = composed.rsplit('/').next().filter(|name| !name.is_ascii() && !has_wildcard(name) && !line.excludes);
    let name = new_name(line).map(str::to_owned).or_else(|| Some(escaped(&FileName::similar_to(name?)?)));
    Some(Mistake::new(Kind::Normalization, vec![with_name(&pattern, name.as_deref())]))
}
