//! What somebody may have meant who mistyped a word, and what there is in its place.

use std::path::PathBuf;

use crate::sanitize::{Names, Sanitized};

/// The one of some words that a mistyped word is closest to, where it is close at all.
#[must_use]
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .filter(|_| can_be_compared(word))
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The longest name that is compared, in characters: no name on a registry is longer. The time to compare two grows with
/// the product of their lengths.
const LONGEST: usize = 255;

/// How many names are compared: this many take less than a tenth of a second.
const MOST: usize = 1_000;

fn can_be_compared(name: &str) -> bool {
    name.len() <= LONGEST * 4 && name.chars().count() <= LONGEST
}

/// How many names a hint shows.
const SHOWN: usize = 4;

/// As many of some words as a hint shows, those first that look most like a word; among equals their order stays. Words
/// that are too long to be names are left out.
fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // What no name can be, is like none.
    let word = if can_be_compared(word) { word.to_lowercase() } else { String::new() };
    let words = words.into_iter().filter(|known| can_be_compared(known)).take(MOST);
    let likeness = |known: &str| strsim::jaro_winkler(&word, &known.to_lowercase());
    let mut words: Vec<(f64, &str)> = words.map(|known| (likeness(known), known)).collect();
    words.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    words.into_iter().map(|(_, known)| known).take(SHOWN).collect()
}

/// What there is in place of something that is missing. The texts have been made harmless.
#[derive(Debug, Default)]
pub(crate) struct Near(Names);

impl Near {
    /// A few of those names that look most like that one.
    pub(crate) fn of(name: &str, all: &[&str]) -> Self {
        let closest = closest(name, all.iter().copied());
        Self(Names { shown: closest.into_iter().map(Sanitized::new).collect(), count: all.len() })
    }

    /// The names in a row; `None` where there are none.
    pub(crate) fn in_words(&self) -> Option<String> {
        match &self.0 {
            Names { count: 0, .. } => None,
            Names { shown, count } if shown.is_empty() => {
                Some(format!("no name of 255 characters or less among {count}"))
            }
            names => Some(names.to_string()),
        }
    }
}

/// The first few of some paths, made harmless, and how many more there are. Lines that find nothing in one folder have one
/// text for it, so that they are one message.
pub(crate) fn first_paths<'a>(paths: impl ExactSizeIterator<Item = &'a PathBuf>) -> String {
    let more = paths.len().saturating_sub(SHOWN);
    let shown = paths.take(SHOWN).map(|path| Sanitized::path(path).to_string()).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_to_be_names_are_not_compared() {
        let long = "a".repeat(4_000_000);
        assert_eq!(nearest(&long, &["a", "b"]), None);
        assert_eq!(closest("app", [long.as_str(), "other", "apps"]), ["apps", "other"]);
        assert_eq!(closest(&long, [long.as_str(), "other", "apps"]), ["other", "apps"]);
        let most = "a".repeat(255);
        assert_eq!(closest("app", [most.as_str(), "apps"]), ["apps", &most]);
    }

    #[test]
    fn names_that_are_too_long_are_counted_though_they_are_not_shown() {
        let long = "a".repeat(256);
        assert_eq!(Near::of("app", &[&long]).in_words().as_deref(), Some("no name of 255 characters or less among 1"));
        assert_eq!(Near::of("app", &[&long, "apps"]).in_words().as_deref(), Some("`apps` and 1 more"));
        assert_eq!(Near::of("app", &[]).in_words(), None);
    }

    #[test]
    fn of_many_names_only_the_first_are_compared() {
        let names: Vec<String> = (0..=MOST).map(|number| format!("{number:04}")).collect();
        let closest = closest("1000", names.iter().map(String::as_str));
        assert!(!closest.contains(&"1000"), "{closest:?}");
    }
}
