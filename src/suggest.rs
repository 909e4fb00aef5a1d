//! Suggestions for mistyped words and names.

use std::path::PathBuf;

use crate::sanitize::{Names, Sanitized};

/// Returns the word that is most similar to a mistyped word, if one is similar enough.
#[must_use]
pub(crate) fn suggest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .filter(|_| can_be_compared(word))
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The longest name that is compared, in characters: no name on a registry is longer. The time to compare two names grows
/// with the product of their lengths.
const LONGEST: usize = 255;

/// The number of names that are compared: 1,000 take less than 0.1 s.
const MOST: usize = 1_000;

fn can_be_compared(name: &str) -> bool {
    name.len() <= LONGEST * 4 && name.chars().count() <= LONGEST
}

/// The number of names that a hint shows.
const SHOWN: usize = 4;

/// Returns the most similar words, as many as a hint shows. Words that are too long to be names are left out.
fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // A text that is too long to be a name is similar to no name.
    let word = if can_be_compared(word) { word.to_lowercase() } else { String::new() };
    let words = words.into_iter().filter(|known| can_be_compared(known)).take(MOST);
    let likeness = |known: &str| strsim::jaro_winkler(&word, &known.to_lowercase());
    let mut words: Vec<(f64, &str)> = words.map(|known| (likeness(known), known)).collect();
    words.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    words.into_iter().map(|(_, known)| known).take(SHOWN).collect()
}

/// The existing names that are most similar to one that is missing, sanitized.
#[derive(Debug, Default)]
pub(crate) struct SimilarNames(Names);

impl SimilarNames {
    /// Selects the existing names that are most similar to a missing one.
    pub(crate) fn of(name: &str, all: &[&str]) -> Self {
        let closest = closest(name, all.iter().copied());
        Self(Names { shown: closest.into_iter().map(Sanitized::new).collect(), count: all.len() })
    }

    /// Returns the names as text, or `None` if there are no names at all.
    pub(crate) fn in_words(&self) -> Option<String> {
        match &self.0 {
            Names { count: 0, .. } => None,
            Names { shown, count } if shown.is_empty() => {
                Some(format!("only names of more than {LONGEST} characters ({count})"))
            }
            names => Some(names.to_string()),
        }
    }
}

/// Returns the first few paths, sanitized, and the number of the others. Lines that match nothing in the same folder get the
/// same text, so that they become one message.
pub(crate) fn first_paths<'a>(paths: impl ExactSizeIterator<Item = &'a PathBuf>) -> String {
    let count = paths.len();
    Names { count, shown: paths.take(SHOWN).map(|path| Sanitized::path(path)).collect() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_to_be_names_are_not_compared() {
        let long = "a".repeat(4_000_000);
        assert_eq!(suggest(&long, &["a", "b"]), None);
        assert_eq!(closest("app", [long.as_str(), "other", "apps"]), ["apps", "other"]);
        assert_eq!(closest(&long, [long.as_str(), "other", "apps"]), ["other", "apps"]);
        let most = "a".repeat(255);
        assert_eq!(closest("app", [most.as_str(), "apps"]), ["apps", &most]);
    }

    #[test]
    fn names_that_are_too_long_are_counted_but_not_shown() {
        let long = "a".repeat(256);
        assert_eq!(
            SimilarNames::of("app", &[&long]).in_words().as_deref(),
            Some("only names of more than 255 characters (1)")
        );
        assert_eq!(SimilarNames::of("app", &[&long, "apps"]).in_words().as_deref(), Some("`apps` and 1 more"));
        assert_eq!(SimilarNames::of("app", &[]).in_words(), None);
    }

    #[test]
    fn only_the_first_1000_names_are_compared() {
        let names: Vec<String> = (0..=MOST).map(|number| format!("{number:04}")).collect();
        let closest = closest("1000", names.iter().map(String::as_str));
        assert!(!closest.contains(&"1000"), "{closest:?}");
    }
}
