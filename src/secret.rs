//! Secrets, and the redactor that removes them from text.

mod escapes;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use serde::Deserialize;

pub(crate) use self::escapes::unescape_html;
use self::escapes::{View, views};
use crate::sanitize::{CUT, Sanitized, is_misleading};

/// A token or a password. It has no `Display` and no `Serialize`, and its `Debug` shows nothing of it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret from a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, only for the requests that need it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Replaces every known form of a secret by `***`. Some servers repeat an unknown token in their errors (Forgejo 15).
///
/// The forms are the secret itself, and its base64 and base64url, also as a part of a longer text. The search ignores case, and
/// covers the text itself and the text with one kind of escapes decoded. The time grows only with the length of the text and
/// the number of secrets. Clones are cheap.
#[derive(Clone, Default)]
pub struct Redactor {
    /// In lower case. Clones share the lock, so that a secret that becomes known during a run is added to all of them.
    forms: Arc<RwLock<Forms>>,
}

type Forms = Arc<[Finder<'static>]>;

impl Redactor {
    /// The shortest secret that is replaced, in bytes. A shorter one is part of many texts.
    pub(crate) const SHORTEST: usize = 6;

    /// The longest part of a text that is searched before it is shown, in bytes. At most 600 characters are shown.
    const LONGEST: usize = 8 * 1024;

    /// The shortest start of a form that is replaced, in bytes. A shorter one is part of many words and reveals little.
    const SHORTEST_BEGINNING: usize = 4;

    /// Returns another redactor, which replaces these secrets too.
    pub(crate) fn with(&self, secrets: &[Secret]) -> Self {
        Self { forms: Arc::new(RwLock::new(with_forms_of(&self.forms(), secrets))) }
    }

    /// Adds a secret to those that this redactor and its clones replace.
    pub(crate) fn add(&self, secret: &Secret) {
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        *forms = with_forms_of(&forms, std::slice::from_ref(secret));
    }

    fn forms(&self) -> Forms {
        self.forms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the start of a text from outside, without secrets and sanitized. The text is truncated before the search, so its
    /// length costs nothing.
    pub(crate) fn shown(&self, text: &str) -> Sanitized {
        Sanitized::new(&self.redact_start(text, true))
    }

    /// Returns the start of a text without secrets. `is_whole` says that the text was not truncated before.
    pub(crate) fn redact_start(&self, text: &str, is_whole: bool) -> String {
        let start = &text[..text.floor_char_boundary(Self::LONGEST)];
        if is_whole && start.len() == text.len() {
            return self.redact(start).into_owned();
        }
        // The end of a truncated text can be the start of a secret.
        let cut = format!("{start}{CUT}");
        let clean = self.redact(&cut);
        clean.strip_suffix(CUT).unwrap_or(&clean).to_owned()
    }

    /// Replaces every form of a secret, and the start of one before a `…`, which marks truncated text.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let forms = self.forms();
        if forms.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut found = Vec::new();
        for view in views(text) {
            for form in forms.iter() {
                let starts = form.find_iter(&view.bytes);
                found.extend(starts.map(|start| view.place_of(start..start + form.needle().len())));
            }
            // No form extends over a cut, so no part of the text is searched twice.
            let mut part_start = 0;
            for (cut, _) in text.match_indices(CUT) {
                found.extend(beginning_before(&forms, cut, part_start, &view).map(|start| start..cut));
                part_start = cut + CUT.len_utf8();
            }
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|found| found.start);
        let mut clean = String::new();
        let mut end = 0;
        for found in found {
            if found.start >= end {
                clean.push_str(&text[end..found.start]);
                clean.push_str("***");
            }
            end = end.max(found.end);
        }
        clean.push_str(&text[end..]);
        Cow::Owned(clean)
    }

    /// Whether a text contains any form of a secret.
    pub(crate) fn contains_secret(&self, text: &str) -> bool {
        let forms = self.forms();
        !forms.is_empty() && views(text).any(|view| forms.iter().any(|form| form.find(&view.bytes).is_some()))
    }

    /// Whether the part of a name from outside that can be shown contains any form of a secret.
    pub(crate) fn name_contains_secret(&self, name: &str) -> bool {
        self.contains_secret(&name[..name.floor_char_boundary(Self::LONGEST)])
    }
}

/// Finds the start of a form that ends at a cut in the text. The part before the cut starts at `part_start`.
fn beginning_before(forms: &[Finder<'static>], cut: usize, part_start: usize, view: &View) -> Option<usize> {
    let longest = forms.iter().map(|form| form.needle().len()).max()?;
    let end = view.count_before(cut);
    let start = end.saturating_sub(longest).max(view.count_before(part_start));
    let before = &view.bytes[start..end];
    let begins = |found: &[u8]| forms.iter().any(|form| form.needle().starts_with(found));
    // The cut may be in an escape.
    let escape = before.iter().rposition(|byte| b"%\\&".contains(byte)).filter(|at| before.len() - at < 10);
    [Some(before.len()), escape].into_iter().flatten().find_map(|length| {
        let last = length.checked_sub(Redactor::SHORTEST_BEGINNING)?;
        let at = (0..=last).find(|&at| begins(&before[at..length]))?;
        Some(view.place_of(start + at..end).start)
    })
}

/// Adds the forms of secrets to known ones.
fn with_forms_of(known: &Forms, secrets: &[Secret]) -> Forms {
    let known = known.iter().map(|form| form.needle().to_owned());
    let more = secrets.iter().flat_map(|secret| forms_of(secret.expose()));
    let all: BTreeSet<Vec<u8>> = known.chain(more).collect();
    all.iter().map(|form| Finder::new(form).into_owned()).collect()
}

/// Returns the forms of a secret in lower case, without escapes.
fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    if secret.len() < Redactor::SHORTEST {
        return Vec::new();
    }
    // Texts are searched without invisible characters.
    let mut forms = vec![secret.replace(is_misleading, "")];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
        // In a longer text it follows any number of bytes, and only these digits encode the secret alone.
        for (bytes_before, foreign_digits) in [(0, 0), (1, 2), (2, 3)] {
            let encoded = engine.encode([&vec![0; bytes_before], secret.as_bytes()].concat());
            let own_digits = foreign_digits..(bytes_before + secret.len()) * 8 / 6;
            forms.push(encoded[own_digits].to_owned());
        }
    }
    // A secret of invisible characters only has no form of itself.
    forms.into_iter().filter(|form| !form.is_empty()).map(|form| form.to_ascii_lowercase().into_bytes()).collect()
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms().len())
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn redactor_of(token: &str) -> Redactor {
        Redactor::default().with(&[Secret::new(token), Secret::new(format!("alice:{token}"))])
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let shown = format!("{:?} {:?}", Secret::new("s3cret/t0ken+x"), redactor_of("s3cret/t0ken+x"));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("***"));
    }

    /// `tests/it/hostile/secrets.rs` has the plain forms.
    #[test]
    fn odd_forms_of_the_token_are_replaced_and_nothing_else() {
        let redactor = redactor_of("s3cret/t0ken+x");
        for echo in [
            "sha: s3cret/t0ken+x]",
            "S3CRET/T0KEN+X",
            "s3cret/\u{200b}t0k\nen+x",
            "s3cret%2Ft0ken&#43;x",
            r"s3cret\u002ft0k%65n&#x2B;x",
            r"s3cret/t0\nken\u{200b}+x",
            "s3cret/t0%E2%80%8Bken+x",
        ] {
            assert!(redactor.contains_secret(echo), "{echo}");
            assert!(!redactor.contains_secret(&redactor.redact(echo)), "{echo}");
            assert!(redactor.redact(echo).contains("***"), "{echo}");
        }
        let odd = redactor_of("%41é\"x/");
        for echo in ["%41é\"x/", "%2541%c3%A9%22x%2f", r#"%41\u00e9\"x\/"#, "%41&#xe9;&quot;x/"] {
            assert_eq!(odd.redact(echo), "***", "{echo}");
        }
        let with_tab = redactor_of("one-half\tthe-other");
        assert_eq!(with_tab.redact("one-half\tthe-other"), "***");
        assert_eq!(with_tab.redact(r"one-half\tthe-other"), "***");
        assert_eq!(redactor.redact("s3cret/t0ken+x é s3cret/t0ken+x"), "*** é ***");
        assert_eq!(redactor.redact("s3cret/\nt0ken+x\nthe next line"), "***\nthe next line");
        assert_eq!(redactor.redact("nothing here % \\u &#; é"), "nothing here % \\u &#; é");
    }

    #[test]
    fn a_token_inside_encoded_text_is_redacted_at_every_alignment() {
        let redactor = Redactor::default().with(&[Secret::new("s3cret/t0ken+x?\u{ff}~")]);
        for before in ["", "a", "ab", "abc", "anybody:"] {
            for after in ["", "z", "zz", "zzz"] {
                let text = format!("{before}s3cret/t0ken+x?\u{ff}~{after}");
                for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let echo = engine.encode(&text);
                    for echo in [echo.replace('+', "%2b").replace('/', "%2F"), echo.replace('+', "&#43;"), echo] {
                        let clean = redactor.redact(&echo);
                        // At most one digit on each side contains bits of the token.
                        assert!(clean.contains("***"), "{text}: {echo}");
                        assert!(clean.len() <= 3 + 2 + (before.len() + after.len()) * 4 / 3 + 4, "{text}: {clean}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_secret_that_is_added_during_a_run_is_known_to_every_clone() {
        let redactor = redactor_of("s3cret/t0ken+x");
        let clone = redactor.clone();
        redactor.add(&Secret::new("eyJhbGci.eyJleHAi.c2ln"));
        assert_eq!(clone.redact("s3cret/t0ken+x eyJhbGci.eyJleHAi.c2ln"), "*** ***");
    }

    #[test]
    fn the_beginning_of_a_token_at_the_end_of_cut_text_is_redacted() {
        let redactor = redactor_of("s3cret/t0ken+x");
        for (text, clean) in [
            ("sha: s3cret/t0ken+", "sha: ***"),
            ("sha: S3CR", "sha: ***"),
            ("sha: s3cret%2Ft0ken%2", "sha: ***"),
            ("sha: s3cret&#47;t0ken&#4", "sha: ***"),
            ("Basic YWxpY2U6czNjcm", "Basic ***"),
            ("a s3cret/t0ken+x b", "a *** b"),
            ("nothing here s3c", "nothing here s3c"),
        ] {
            assert_eq!(redactor.redact_start(text, false), clean);
            assert_eq!(redactor.redact(&format!("{text}… and more")), format!("{clean}… and more"));
        }
        assert_eq!(redactor.redact_start("sha: s3cret/t0ken+", true), "sha: s3cret/t0ken+");
    }

    #[test]
    fn the_time_to_redact_grows_only_with_the_length_of_a_text() {
        let long = Secret::new("0f".repeat(4_000));
        let redactor = redactor_of(&"f".repeat(40)).with(&[long]);
        // A separate search at each place would take minutes.
        for part in ["f", "%66", "\\u0066", "&#102;", "f\u{200b}", "ZmZm", "0f0f…"] {
            let text = part.repeat(100_000);
            assert!(redactor.redact(&text).len() < text.len(), "{part}");
            assert!(redactor.shown(&text).to_string().len() < 2_000, "{part}");
        }
    }
}
