//! Decodes the escapes that servers, proxies and clients use. Each pass is linear.

use std::borrow::Cow;
use std::ops::Range;

use crate::sanitize::is_misleading;

/// A text in lower case, without invisible characters and with one kind of escapes decoded.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// The position of each byte in the text. Invisible characters can follow before the next one.
    places: Vec<Range<usize>>,
}

impl View {
    fn of(text: &str, unescape: Unescape) -> Self {
        let (mut decoded, places) = decode(text, unescape);
        decoded.make_ascii_lowercase();
        // Invisible characters are removed last, because they can be escaped too.
        let mut seen = Self { bytes: Vec::with_capacity(decoded.len()), places: Vec::with_capacity(decoded.len()) };
        let mut at = 0;
        for chunk in decoded.utf8_chunks() {
            let valid = chunk.valid().chars().map(|character| (character.len_utf8(), !is_misleading(character)));
            for (length, is_seen) in valid.chain([(chunk.invalid().len(), true)]) {
                if is_seen {
                    seen.bytes.extend_from_slice(&decoded[at..at + length]);
                    seen.places.extend_from_slice(&places[at..at + length]);
                }
                at += length;
            }
        }
        seen
    }

    /// Returns the place in the text of one or more bytes.
    pub(super) fn place_of(&self, bytes: Range<usize>) -> Range<usize> {
        self.places[bytes.start].start..self.places[bytes.end - 1].end
    }

    /// Counts the bytes before a place in the text.
    pub(super) fn count_before(&self, place: usize) -> usize {
        self.places.partition_point(|before| before.start < place)
    }
}

/// Decodes the escape at the start of a text, if there is one, and returns the bytes and the length of the escape.
type Unescape = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// Returns the text as it is, with the escapes of URLs, JSON or HTML decoded, and with all three decoded. All views are needed,
/// because a secret can contain text that looks like an escape.
pub(super) fn views(text: &str) -> impl Iterator<Item = View> {
    let kinds: [(char, Unescape); 3] = [('%', percent), ('\\', backslash), ('&', entity)];
    let mut kinds: Vec<Unescape> =
        kinds.into_iter().filter(|(first, _)| text.contains(*first)).map(|(_, unescape)| unescape).collect();
    if kinds.len() > 1 {
        kinds.push(|text| percent(text).or_else(|| backslash(text)).or_else(|| entity(text)));
    }
    [(|_| None) as Unescape].into_iter().chain(kinds).map(|unescape| View::of(text, unescape))
}

/// Decodes the entities of a text in HTML.
pub(crate) fn unescape_html(text: &str) -> String {
    String::from_utf8_lossy(&decode(text, entity).0).into_owned()
}

/// Decodes the escapes of a text, and returns the place in the text of each byte.
fn decode(text: &str, unescape: Unescape) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut decoded, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut start = 0;
    while let Some(next) = text[start..].chars().next() {
        let rest = &text.as_bytes()[start..];
        let (bytes, length) = match unescape(rest) {
            Some((bytes, length)) => (Cow::Owned(bytes), length),
            None => (Cow::Borrowed(&rest[..next.len_utf8()]), next.len_utf8()),
        };
        decoded.extend_from_slice(&bytes);
        places.resize(decoded.len(), start..start + length);
        start += length;
    }
    (decoded, places)
}

/// `%2F`
fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'%', rest @ ..] = text else { return None };
    Some((vec![u8::try_from(number(rest.get(..2)?, 16)?).ok()?], 3))
}

/// `\u002f`, `\u{2f}`, `\/`, `\n`
fn backslash(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    match text {
        [b'\\', b'u', b'{', rest @ ..] => {
            let digits = &rest[..rest.iter().take(7).position(|byte| *byte == b'}')?];
            Some((utf8(number(digits, 16)?)?, digits.len() + 4))
        }
        [b'\\', b'u', rest @ ..] => Some((utf8(number(rest.get(..4)?, 16)?)?, 6)),
        [b'\\', plain @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((vec![*plain], 2)),
        // Invisible characters.
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'0', ..] => Some((Vec::new(), 2)),
        _ => None,
    }
}

/// `&amp;`, `&#47;`, `&#x2F;`
fn entity(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    // The entities that a secret can need, and those of typography in titles.
    const NAMED: [(&str, &str); 11] = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&ndash;", "\u{2013}"),
        ("&mdash;", "\u{2014}"),
        ("&middot;", "\u{b7}"),
        ("&hellip;", "\u{2026}"),
        ("&raquo;", "\u{bb}"),
    ];
    let [b'&', b'#', rest @ ..] = text else {
        let (name, character) = NAMED.iter().find(|(name, _)| text.starts_with(name.as_bytes()))?;
        return Some((character.as_bytes().to_vec(), name.len()));
    };
    let digits = &rest[..rest.iter().take(10).position(|byte| *byte == b';')?];
    let code = match digits {
        [b'x' | b'X', hex @ ..] => number(hex, 16),
        decimal => number(decimal, 10),
    };
    Some((utf8(code?)?, digits.len() + 3))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

fn utf8(code: u32) -> Option<Vec<u8>> {
    Some(char::from_u32(code)?.to_string().into_bytes())
}
