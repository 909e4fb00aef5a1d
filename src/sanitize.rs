//! Text from servers and file names on its way to people: the only way into log, summary and outputs.
//!
//! A runner reads our log and acts on some of its lines: `::command::` at the beginning of a line (GitHub, act,
//! Gitea and Forgejo; older Gitea and Forgejo runners obey even `::set-env`), and `##[command]` anywhere in it
//! (GitHub). Terminals act on control characters, and readers are misled by marks that turn the direction of text.

use std::fmt::{self, Write as _};
use std::path::Path;

/// Marks the place where a text was cut off.
pub(crate) const CUT: char = '…';

/// A text from outside, made harmless: one line, no control or direction characters, no workflow command, of a
/// length that people read. What was taken out stays visible as an escape such as `\n` or `\u{1b}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sanitized(String);

impl Sanitized {
    /// The longest text shown, in characters; a name on the registry has 255 at most.
    const LONGEST: usize = 600;

    /// Makes a text harmless, and cuts it where people stop reading.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::up_to(Self::LONGEST, text)
    }

    /// Makes a text harmless, however long it is. What is harmless already stays as it is.
    #[must_use]
    pub(crate) fn whole(text: &str) -> Self {
        Self::up_to(usize::MAX, text)
    }

    fn up_to(longest: usize, text: &str) -> Self {
        let mut clean = String::with_capacity(text.len().min(longest.saturating_mul(2)));
        if text.trim_start().starts_with("::") {
            clean.push('\\');
        }
        // Counted as it is shown: an escape has up to nine characters.
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
                _ if misleads(character) => {
                    // Writing to a String cannot fail.
                    let _ = write!(clean, "{}", character.escape_unicode());
                }
                _ => clean.push(character),
            }
            shown += clean[before..].chars().count();
        }
        Self(clean)
    }

    /// Makes a path harmless; bytes that are not UTF-8 show as `�`.
    #[must_use]
    pub(crate) fn path(path: &Path) -> Self {
        Self::new(&path.to_string_lossy())
    }
}

/// The first of some names, and how many there are: `a`, `b` and 3 more.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) shown: Vec<Sanitized>,
    pub(crate) count: usize,
}

impl Names {
    /// How many names a message shows.
    const SHOWN: usize = 5;

    /// Adds a name; those behind the first few are only counted.
    pub(crate) fn add(&mut self, name: Sanitized) {
        self.count += 1;
        if self.shown.len() < Self::SHOWN {
            self.shown.push(name);
        }
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

/// Characters that change how a text is shown rather than what it says: control characters, line and paragraph
/// separators, and what cannot be seen (Unicode's property `Default_Ignorable_Code_Point`), marks of direction among
/// it.
pub(crate) fn misleads(character: char) -> bool {
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

    fn shown(text: &str) -> String {
        Sanitized::new(text).to_string()
    }

    #[test]
    fn control_and_direction_characters_become_visible() {
        assert_eq!(shown("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(shown("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(shown("gpj\u{202e}.exe"), "gpj\\u{202e}.exe");
        assert_eq!(shown("\u{85}\u{9b}"), "\\u{85}\\u{9b}");
    }

    #[test]
    fn no_workflow_command_survives() {
        assert_eq!(shown("::set-env name=A::b"), "\\::set-env name=A::b");
        assert_eq!(shown("  ::debug::x"), "\\  ::debug::x");
        assert_eq!(shown("x ##[add-path]y"), "x ##\\[add-path]y");
        assert_eq!(shown("###[x]"), "###\\[x]");
        assert_eq!(shown(&shown("::a ##[b]\n")), shown("::a ##[b]\n"));
    }

    #[test]
    fn a_long_text_is_cut_where_people_stop_reading() {
        let long = shown(&"é".repeat(100_000));
        assert_eq!(long.chars().count(), Sanitized::LONGEST + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(shown("app_1.0~rc1 [x] {y} é 名 a::b"), "app_1.0~rc1 [x] {y} é 名 a::b");
    }
}
