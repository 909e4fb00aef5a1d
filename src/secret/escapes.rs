//! Undoes the escapes in which servers, proxies and clients may have written a secret. Each pass is linear.

use std::borrow::Cow;
use std::ops::Range;

use crate::untrusted::misleads;

/// A text in lower case, without characters that cannot be seen and with one kind of escapes undone.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where in the text each of these bytes begins, and where the text ends.
    starts: Vec<usize>,
}

impl View {
    fn of(text: &str, unescape: Unescape) -> Self {
        let mut view = Self { bytes: Vec::with_capacity(text.len()), starts: Vec::with_capacity(text.len() + 1) };
        let mut start = 0;
        while let Some(next) = text[start..].chars().next() {
            let rest = &text.as_bytes()[start..];
            let length = next.len_utf8();
            let (bytes, length) = match unescape(rest) {
                Some((bytes, length)) => (Cow::Owned(bytes), length),
                None if misleads(next) => (Cow::Borrowed(&[][..]), length),
                None => (Cow::Borrowed(&rest[..length]), length),
            };
            view.starts.extend(bytes.iter().map(|_| start));
            view.bytes.extend_from_slice(&bytes);
            start += length;
        }
        view.starts.push(text.len());
        view.bytes.make_ascii_lowercase();
        view
    }

    /// The place in the text of some of the bytes.
    pub(super) fn place_of(&self, bytes: Range<usize>) -> Range<usize> {
        self.starts[bytes.start]..self.starts[bytes.end]
    }

    /// How many of the bytes come from before a place in the text.
    pub(super) fn count_before(&self, place: usize) -> usize {
        self.starts[..self.bytes.len()].partition_point(|start| *start < place)
    }
}

/// Reads the escape at the beginning of a text, if there is one: the bytes it stands for, and its own length.
type Unescape = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// The text as it is, and as it is without the escapes of URLs, of JSON and of HTML.
pub(super) fn views(text: &str) -> impl Iterator<Item = View> {
    let kinds: [(char, Unescape); 3] = [('%', percent), ('\\', backslash), ('&', entity)];
    let kinds = kinds.into_iter().filter(|(first, _)| text.contains(*first)).map(|(_, unescape)| unescape);
    [(|_| None) as Unescape].into_iter().chain(kinds).map(|unescape| View::of(text, unescape))
}

/// `%2F`
fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'%', rest @ ..] = text else { return None };
    Some((vec![u8::try_from(number(rest.get(..2)?, 16)?).ok()?], 3))
}

/// `\u002f`, `\u{2f}`, `\/`
fn backslash(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    match text {
        [b'\\', b'u', b'{', rest @ ..] => {
            let digits = &rest[..rest.iter().take(7).position(|byte| *byte == b'}')?];
            Some((utf8(number(digits, 16)?)?, digits.len() + 4))
        }
        [b'\\', b'u', rest @ ..] => Some((utf8(number(rest.get(..4)?, 16)?)?, 6)),
        [b'\\', plain @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((vec![*plain], 2)),
        _ => None,
    }
}

/// `&amp;`, `&#47;`, `&#x2F;`
fn entity(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    const NAMED: [(&[u8], u8); 5] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    let [b'&', b'#', rest @ ..] = text else {
        let (name, byte) = NAMED.iter().find(|(name, _)| text.starts_with(name))?;
        return Some((vec![*byte], name.len()));
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
