//! Finds control characters, invisible characters, characters that change the text direction, and long lines.

use super::findings::Fault;

/// No line has more characters than this of words that are no URLs: a text of 600 characters, and what goes with it.
const LONGEST: usize = 700;

/// No URL is longer: a server, a version of 255 characters that need twelve bytes each when they are encoded (and a
/// third more where a command encodes each `%`), and a file name.
const LONGEST_URL: usize = 8_000;

/// Whether a character cannot be seen: a control character, one that UAX 44 calls `Default_Ignorable_Code_Point`
/// (Unicode 16, `DerivedCoreProperties.txt`: joiners, marks of direction, fillers, variation selectors, tags), a line or
/// paragraph separator, or a mark of an annotation.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the control characters and the invisible characters of a log or of a displayed summary, as faults.
pub(super) fn check(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for line in text.split('\n') {
        if let Some(character) = line.chars().find(|&c| c.is_control()) {
            faults.push(Fault::new("a control character", format!("{character:?} in {line}")));
        }
        if let Some(character) = line.chars().find(|&c| is_invisible(c) && !c.is_control()) {
            faults.push(Fault::new("a character that cannot be seen", format!("{character:?} in {line}")));
        }
    }
    faults
}

/// Returns the lines of a log that are too long, as faults.
pub(super) fn check_widths(log: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    // A mask is as long as the secret, and shown to nobody.
    for line in log.split('\n').filter(|line| !line.starts_with("::add-mask::")) {
        let is_debug = line.starts_with("::debug::") || line.starts_with("debug: ");
        let is_path = |word: &str| word.contains("://") || is_debug && word.starts_with('/');
        let (urls, words): (Vec<&str>, Vec<&str>) = line.split(' ').partition(|word| is_path(word));
        let width = words.iter().map(|word| word.chars().count() + 1).sum::<usize>();
        // In a command each `%` takes three characters.
        let width = if line.starts_with("::") { width.min(line.replace("%25", "%").chars().count()) } else { width };
        if width > LONGEST {
            faults.push(Fault::new("a line without end", format!("{width} characters: {line}")));
        }
        if let Some(url) = urls.iter().find(|url| url.chars().count() > LONGEST_URL) {
            faults.push(Fault::new("a URL without end", format!("{} characters: {url}", url.chars().count())));
        }
    }
    faults
}
