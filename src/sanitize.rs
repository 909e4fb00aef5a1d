//! Makes text from servers and file names safe for log, summary and outputs.
//!
//! A runner executes commands in the log: `::command::` at the start of a line (GitHub, act, Gitea and Forgejo; older Gitea and
//! Forgejo runners even execute `::set-env`), and `##[command]` anywhere (GitHub). Terminals execute control characters, and
//! marks that change the direction of text mislead readers.

use std::fmt::{self, Write as _};
use std::path::Path;

/// Marks truncated text.
pub(crate) const CUT: char = '…';

/// A text from outside that is safe to show: one line of limited length, without control and direction characters and workflow
/// commands. Replaced characters are visible as escapes such as `\n` or `\u{1b}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sanitized(String);

impl Sanitized {
    /// The longest text that is shown, in characters. A name on the registry has at most 255.
    const LONGEST: usize = 600;

    /// Sanitizes a text, and truncates it to the longest text that is shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::up_to(Self::LONGEST, text)
    }

    /// Sanitizes a text of any length. Sanitized text does not change.
    pub(crate) fn whole(text: &str) -> Self {
        Self::up_to(usize::MAX, text)
    }

    fn up_to(longest: usize, text: &str) -> Self {
        let mut clean = String::with_capacity(text.len().min(longest.saturating_mul(2)));
        if text.trim_start().starts_with("::") {
            clean.push('\\');
        }
        // Counts the characters that are shown: an escape has up to nine.
        let mut shown = 0;
        for character in text.chars() {
            let before = clean.len();
            if shown >= longest {
                clean.push(CUT);
                break;
            }
            match character {
                '\n' => clean.push_str("\\n"),
                '\r' => clean.push_str("\\r"),
                '\t' => clean.push_str("\\t"),
                '[' if clean.ends_with("##") => clean.push_str("\\["),
                _ if is_misleading(character) => {
                    // Writing to a String cannot fail.
                    let _ = write!(clean, "{}", character.escape_unicode());
                }
                _ => clean.push(character),
            }
            shown += clean[before..].chars().count();
        }
        Self(clean)
    }

    /// Sanitizes a path. Bytes that are not UTF-8 show as `�`.
    pub(crate) fn path(path: &Path) -> Self {
        Self::new(&path.to_string_lossy())
    }
}

/// The first few names, and the number of all: `a`, `b` and 3 more.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) shown: Vec<Sanitized>,
    pub(crate) count: usize,
}

impl Names {
    /// The number of names that a message shows.
    pub(crate) const SHOWN: usize = 5;

    /// Adds a name. After the first few, names are only counted.
    pub(crate) fn add(&mut self, name: Sanitized) {
        self.count += 1;
        if self.shown.len() < Self::SHOWN {
            self.shown.push(name);
        }
    }
}

impl FromIterator<Sanitized> for Names {
    fn from_iter<I: IntoIterator<Item = Sanitized>>(names: I) -> Self {
        names.into_iter().fold(Self::default(), |mut all, name| {
            all.add(name);
            all
        })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.shown.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&shown.join(", "))?;
        match self.count - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Whether a character changes how a text is shown: control characters, line and paragraph separators, and invisible
/// characters such as direction marks (Unicode's property `Default_Ignorable_Code_Point`).
pub(crate) fn is_misleading(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for Sanitized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Sanitized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sanitized({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_or_a_terminal_acts_on_becomes_visible_and_nothing_else_changes() {
        for (text, wanted) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("gpj\u{202e}.exe", "gpj\\u{202e}.exe"),
            ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
            ("::set-env name=A::b", "\\::set-env name=A::b"),
            ("  ::debug::x", "\\  ::debug::x"),
            ("x ##[add-path]y", "x ##\\[add-path]y"),
            ("###[x]", "###\\[x]"),
            ("app_1.0~rc1 [x] {y} é 名 a::b", "app_1.0~rc1 [x] {y} é 名 a::b"),
        ] {
            let shown = Sanitized::new(text);
            assert_eq!(shown.to_string(), wanted);
            assert_eq!(Sanitized::new(wanted), shown, "sanitized text does not change");
        }
    }

    #[test]
    fn a_long_text_is_truncated() {
        let long = Sanitized::new(&"é".repeat(100_000)).to_string();
        assert_eq!(long.chars().count(), Sanitized::LONGEST + 1);
        assert!(long.ends_with('…'));
    }
}
