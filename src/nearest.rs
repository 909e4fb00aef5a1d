//! What somebody may have meant who mistyped a word, and what there is in its place.

use crate::untrusted::Untrusted;

/// The one of some words that a mistyped word is closest to, where it is close at all.
#[must_use]
pub fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// So many of some words, those first that look most like a word; among equals their order stays.
#[must_use]
pub fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&word, &known.to_lowercase());
    let mut words: Vec<(f64, &str)> = words.into_iter().map(|known| (likeness(known), known)).collect();
    words.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    words.into_iter().map(|(_, known)| known).take(most).collect()
}

/// What there is in place of something that is missing. The texts have been made harmless.
#[derive(Debug, Default)]
pub struct Near {
    /// What comes closest, first.
    names: Vec<Untrusted>,
    /// How many there are.
    of: usize,
}

impl Near {
    /// A few of those names that look most like that one.
    pub(crate) fn of(name: &str, all: &[&str]) -> Self {
        const SHOWN: usize = 4;
        let closest = closest(name, all.iter().copied(), SHOWN);
        Self { names: closest.into_iter().map(Untrusted::new).collect(), of: all.len() }
    }

    /// The names in a row; `None` where there are none.
    pub(crate) fn in_words(&self) -> Option<String> {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        match self.of - self.names.len() {
            _ if names.is_empty() => None,
            0 => Some(names.join(", ")),
            more => Some(format!("{} and {more} more", names.join(", "))),
        }
    }
}
