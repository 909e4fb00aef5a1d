//! SHA-256: digests, hashing of streams, and the format of `sha256sum`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::Digest as _;

use crate::sanitize::Sanitized;

/// A SHA-256 digest. It reads hexadecimal in either case and shows lower case, as `sha256sum` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Hashes bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// A text that is not a SHA-256 in hexadecimal.
#[derive(Debug, thiserror::Error)]
#[error("not a SHA-256: 64 hexadecimal digits expected")]
pub struct NotSha256;

impl FromStr for Sha256 {
    type Err = NotSha256;

    fn from_str(text: &str) -> Result<Self, NotSha256> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(NotSha256);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(NotSha256);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).map_err(|_| NotSha256)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// Hashes a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes.
    #[must_use]
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

/// Why a text is not a list of checksums.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAList {
    /// A name with two different hashes, the second in this line.
    #[error("it has two different hashes for `{0}`, the second in line {1}")]
    Twice(Sanitized, usize),
    /// A line whose hash has a wrong character, or a few characters too many or too few.
    #[error("line {0} has no SHA-256 of 64 hexadecimal digits")]
    BadHash(usize),
    /// No line with a hash and a name.
    #[error("it contains no line with a SHA-256 and a name")]
    Empty,
}

/// Reads a list as `sha256sum -c` does, and returns the hashes by name, without a leading `./`. Other lines, such as
/// signatures and other kinds of hashes, are skipped.
pub(crate) fn read_list(bytes: &[u8]) -> Result<BTreeMap<String, Sha256>, NotAList> {
    let text = String::from_utf8_lossy(bytes);
    let mut hashes = BTreeMap::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        let Some((sha256, name)) = line_of(line).and_then(|(digest, name)| Some((digest.parse().ok()?, name))) else {
            if is_almost_a_line(line) {
                return Err(NotAList::BadHash(number));
            }
            continue;
        };
        let name = name.strip_prefix("./").unwrap_or(name);
        if hashes.insert(name.to_owned(), sha256).is_some_and(|other| other != sha256) {
            return Err(NotAList::Twice(Sanitized::new(name), number));
        }
    }
    if hashes.is_empty() { Err(NotAList::Empty) } else { Ok(hashes) }
}

/// Writes a list for `sha256sum -c`: a line `HASH  NAME` per file. Names on the registry contain no character that must be
/// escaped.
#[must_use]
pub fn write_list<'a>(files: impl IntoIterator<Item = (&'a str, Sha256)>) -> String {
    files.into_iter().fold(String::new(), |mut list, (name, sha256)| {
        // The name `-` alone would mean the standard input.
        let prefix = if name == "-" { "./" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{sha256}  {prefix}{name}");
        list
    })
}

/// Whether a line begins with a word that was probably meant as a SHA-256, and has a name. Other hashes have at most 56 or at
/// least 96 digits.
fn is_almost_a_line(line: &str) -> bool {
    let (digest, name) = line.split_once([' ', '\t']).unwrap_or_default();
    (60..=68).contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_alphanumeric()) && !name.trim().is_empty()
}

/// Returns hash and name of a line: `HASH  NAME`, `HASH *NAME`, `HASH NAME` or `SHA256 (NAME) = HASH`. A line that starts with
/// `\` has an escaped name, which no file on the registry has.
fn line_of(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((digest, name));
    }
    let (digest, rest) = line.split_at_checked(64)?;
    let rest = rest.strip_prefix([' ', '\t'])?;
    let name = rest.strip_prefix([' ', '*']).unwrap_or(rest).trim_start();
    Some((digest, name)).filter(|(_, name)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_either_case_and_shows_lower_case() {
        let digest: Sha256 = EMPTY.to_uppercase().parse().expect("a digest");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(Hasher::default().finish(), digest);
    }

    #[test]
    fn a_list_is_read_as_sha256sum_writes_it() {
        let upper = EMPTY.to_uppercase();
        let text = format!(
            "\u{feff}{EMPTY}  a b\n\n{upper} *./b\r\nSHA256 (c) d) = {EMPTY}\n# by hand\n{EMPTY}  a b\n{EMPTY} e\n  {EMPTY}  f\n\
             -----BEGIN PGP SIGNATURE-----\nSHA512 (g) = {EMPTY}{EMPTY}\n\\{EMPTY}  h\\ni\n{EMPTY}{EMPTY}  j\n{EMPTY}   k\n"
        );
        let list = read_list(text.as_bytes()).expect("a list");
        assert_eq!(list.keys().collect::<Vec<_>>(), ["a b", "b", "c) d", "e", "f", "k"]);
        assert!(list.values().all(|digest| digest.to_string() == EMPTY));
        let other = EMPTY.replace('e', "f");
        for (text, wanted) in [
            (String::new(), "it contains no line with a SHA-256 and a name"),
            (format!("{EMPTY}  "), "it contains no line with a SHA-256 and a name"),
            (format!("{EMPTY}a"), "it contains no line with a SHA-256 and a name"),
            (format!("# by hand\n{}  a", &EMPTY[1..]), "line 2 has no SHA-256 of 64 hexadecimal digits"),
            (format!("{} *a", EMPTY.replace('0', "O")), "line 1 has no SHA-256 of 64 hexadecimal digits"),
            ("<html>".to_owned(), "it contains no line with a SHA-256 and a name"),
            (format!("{EMPTY}  a\n{other}  a"), "it has two different hashes for `a`, the second in line 2"),
        ] {
            assert_eq!(read_list(text.as_bytes()).expect_err(&text).to_string(), wanted);
        }
    }

    #[test]
    fn a_written_list_can_be_read() {
        let digest: Sha256 = EMPTY.parse().expect("a digest");
        let names = ["-", "-rf", "a  b", "b) = c"];
        let text = write_list(names.map(|name| (name, digest)));
        assert!(text.starts_with(&format!("{EMPTY}  ./-\n{EMPTY}  -rf\n")), "{text}");
        assert_eq!(read_list(text.as_bytes()).expect("a list").keys().collect::<Vec<_>>(), names);
        assert_eq!(write_list([]), "");
    }

    #[test]
    fn invalid_digests_are_rejected() {
        for text in ["", "e3b0", &EMPTY[1..], &format!("{EMPTY}0"), &EMPTY.replace('e', "é"), &"+1".repeat(32)] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
