//! Cuts, splits and escapes texts for the log.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// Cuts a text to at most `longest` characters, after a whole word, because half a URL is useless.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(longest) else { return text.to_owned() };
    let text = &text[..end];
    format!("{} …", text.rsplit_once(' ').map_or(text, |(words, _)| words))
}

/// Writes the IPv6 addresses of a text without `::`, such as `[0:0:0:0:0:0:0:1]` for `[::1]`. Only addresses in brackets
/// are expanded, as in URLs, because `a::b` elsewhere may be anything.
pub(super) fn expand_ipv6(text: &str) -> String {
    let expanded =
        text.split_inclusive(['[', ']']).map(|part| match part.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
            Some(Ok(address)) => {
                format!("{}]", address.segments().map(|segment| format!("{segment:x}")).join(":")).into()
            }
            _ => Cow::Borrowed(part),
        });
    expanded.collect()
}

/// The maximum width of a line in characters. Longer names and URLs are not broken.
const WIDTH: usize = 100;

/// Breaks a text into lines of up to [`WIDTH`] characters. All but the first are indented, and a longer word has a line of
/// its own.
pub(super) fn wrapped(prefix: &str, text: &str) -> String {
    const INDENT: &str = "        ";
    let mut lines = Vec::new();
    let mut line = prefix.to_owned();
    for word in words(text) {
        let is_first = line.len() == prefix.len() && lines.is_empty() || line == INDENT;
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            // GitHub's runner takes a command also behind blanks of any kind at the beginning of a line.
            let harmless = if word.trim_start().starts_with("::") { "\\" } else { "" };
            lines.push(std::mem::replace(&mut line, format!("{INDENT}{harmless}{word}")));
        } else {
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.push(line);
    lines.join("\n")
}

/// Splits a text into words. A text between backticks is one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.split(move |character| {
        in_code ^= character == '`';
        character == ' ' && !in_code
    })
}
