//! Secrets: a type from their first byte, and what takes them out of text from outside.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::untrusted::{Untrusted, misleads};

/// A token or a password. It has no `Display` and no `Serialize`, and its `Debug` shows nothing of it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes over a text that nobody may see.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the request that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// User name and token, as Basic authentication sends them (RFC 7617). The registry looks at the token alone,
/// whatever the user name (recorded on Gitea 1.22 to 1.26 and Forgejo 7 to 15).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name: no colon, may be empty.
    pub username: String,
    /// Whether somebody said that the token is that user's. The workflow's actor is only a guess.
    pub is_named: bool,
    /// The personal access token.
    pub token: Secret,
    /// Whether the token is the job's own, which runners hand to every job.
    pub is_jobs_own: bool,
}

/// What a token looks like. A guess: it chooses the advice, and refuses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenShape {
    /// Nothing is odd about it.
    Plain,
    /// The job's own token.
    JobsOwn,
    /// `user:token`.
    WithUser,
    /// `user:token` in base64, as a widespread recipe for curl has it.
    Encoded,
}

impl Credentials {
    /// The user whom the token belongs to, to be shown; `None` where nobody has said.
    #[must_use]
    pub fn user(&self) -> Option<Untrusted> {
        let is_known = self.is_named && !self.username.is_empty();
        is_known.then(|| Untrusted::new(&self.username))
    }

    /// The value behind `Basic ` in the Authorization header.
    #[must_use]
    pub fn basic(&self) -> Secret {
        Secret::new(STANDARD.encode(format!("{}:{}", self.username, self.token.expose())))
    }

    /// What the token looks like.
    #[must_use]
    pub fn shape(&self) -> TokenShape {
        let token = self.token.expose();
        let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // GitHub's tokens for jobs begin with `ghs_`.
        if self.is_jobs_own || token.starts_with("ghs_") {
            TokenShape::JobsOwn
        } else if token.contains(':') {
            TokenShape::WithUser
        } else if decoded.is_some_and(|text| text.contains(':') && text.trim_end().chars().all(|c| !c.is_control())) {
            TokenShape::Encoded
        } else {
            TokenShape::Plain
        }
    }

    /// What takes these credentials out of a text, in every form in which they may come back.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let token = self.token.expose();
        Redactor::of(&[token, &format!("{}:{token}", self.username)])
    }
}

/// Replaces every known form of a secret by `***`. Some servers send back in their errors what was presented to
/// them (Forgejo 15 does, for a token that it does not know).
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that no form leaves the rest of a longer one behind.
    forms: Vec<String>,
}

impl Redactor {
    /// A form shorter than this is no secret that anybody could keep, and replacing it would garble every text.
    pub(crate) const SHORTEST: usize = 6;

    /// What takes a token out of a text, where nobody's name goes with it.
    #[must_use]
    pub fn of_token(token: &Secret) -> Self {
        Self::of(&[token.expose()])
    }

    /// The same redactor, which takes these out as well.
    #[must_use]
    pub fn with(self, secrets: &[Secret]) -> Self {
        let more: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        self.and(&more)
    }

    fn of(secrets: &[&str]) -> Self {
        Self::default().and(secrets)
    }

    fn and(mut self, secrets: &[&str]) -> Self {
        for secret in secrets {
            self.forms.push((*secret).to_owned());
            self.forms.extend([STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
        }
        self.forms.retain(|form| form.len() >= Self::SHORTEST);
        self.forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.forms.dedup();
        self
    }

    /// The text without any form of the secret.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(first) = self.find(text) else { return Cow::Borrowed(text) };
        let mut clean = String::new();
        let (mut rest, mut next) = (text, Some(first));
        while let Some(found) = next {
            clean.push_str(&rest[..found.start]);
            clean.push_str("***");
            rest = &rest[found.end..];
            next = self.find(rest);
        }
        clean.push_str(rest);
        Cow::Owned(clean)
    }

    /// The text without any form of the secret, and without what may be the beginning of one at its end: for a text
    /// that was cut off.
    #[must_use]
    pub fn redact_cut(&self, text: &str) -> String {
        let clean = self.redact(text);
        let begins = |at: &usize| self.forms.iter().any(|form| matches!(spelled(&clean[*at..], form), Spelled::Cut));
        match clean.char_indices().map(|(at, _)| at).find(begins) {
            Some(at) => format!("{}***", &clean[..at]),
            None => clean.into_owned(),
        }
    }

    /// Whether the text holds any form of the secret.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    fn find(&self, text: &str) -> Option<Range<usize>> {
        text.char_indices().find_map(|(start, _)| {
            self.forms.iter().find_map(|form| match spelled(&text[start..], form) {
                Spelled::Whole(length) => Some(start..start + length),
                _ => None,
            })
        })
    }
}

/// How much of a form stands at the beginning of a text.
enum Spelled {
    /// All of it, in so many bytes of the text.
    Whole(usize),
    /// The text ends in the middle of it.
    Cut,
    /// Something else.
    No,
}

/// Reads a form as servers, proxies and clients may have written it: in either case, each byte as it is or
/// percent-encoded (`%2F`), each character as JSON and HTML have it (`\u002f`, `\/`, `&#47;`, `&amp;`), with characters
/// between that cannot be seen.
fn spelled(text: &str, form: &str) -> Spelled {
    match spelled_on(text.as_bytes(), form.as_bytes(), true) {
        Spelled::Whole(left) => Spelled::Whole(text.len() - left),
        other => other,
    }
}

/// The same for the rest of a form; `Whole` has how much of the text is left behind it.
fn spelled_on(mut text: &[u8], mut wanted: &[u8], mut is_first: bool) -> Spelled {
    let begins = |wanted: &[u8], found: &[u8]| {
        wanted.get(..found.len()).is_some_and(|wanted| wanted.eq_ignore_ascii_case(found))
    };
    while !wanted.is_empty() {
        if !is_first {
            text = after_unseen(text);
        }
        let Some(next) = text.first() else { return if is_first { Spelled::No } else { Spelled::Cut } };
        // A secret may itself hold what looks like an escape.
        if let Some((found, length)) = escaped(text)
            && begins(wanted, &found)
        {
            match spelled_on(&text[length..], &wanted[found.len()..], false) {
                Spelled::No => {}
                known => return known,
            }
        }
        if !begins(wanted, &[*next]) {
            return Spelled::No;
        }
        (text, wanted, is_first) = (&text[1..], &wanted[1..], false);
    }
    Spelled::Whole(text.len())
}

/// What is left behind characters that cannot be seen.
fn after_unseen(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches(misleads).as_bytes(),
        // In the middle of a character.
        Err(_) => bytes,
    }
}

/// What an escape at the beginning of a text stands for, and how many bytes the escape takes.
fn escaped(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = |digits: Option<&[u8]>, radix| u32::from_str_radix(str::from_utf8(digits?).ok()?, radix).ok();
    let utf8 = |number: u32| Some(char::from_u32(number)?.to_string().into_bytes());
    match text {
        [b'%', rest @ ..] => Some((vec![u8::try_from(digits(rest.get(..2), 16)?).ok()?], 3)),
        [b'\\', b'u', b'{', rest @ ..] => {
            let number = &rest[..rest.iter().take(7).position(|byte| *byte == b'}')?];
            Some((utf8(digits(Some(number), 16)?)?, number.len() + 4))
        }
        [b'\\', b'u', rest @ ..] => Some((utf8(digits(rest.get(..4), 16)?)?, 6)),
        [b'\\', plain @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((vec![*plain], 2)),
        [b'&', b'a'..=b'z', ..] => {
            const NAMED: [(&[u8], u8); 5] =
                [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
            let (name, byte) = NAMED.iter().find(|(name, _)| text.starts_with(name))?;
            Some((vec![*byte], name.len()))
        }
        [b'&', b'#', rest @ ..] => {
            let number = &rest[..rest.iter().take(10).position(|byte| *byte == b';')?];
            let found = match number {
                [b'x' | b'X', hex @ ..] => digits(Some(hex), 16),
                decimal => digits(Some(decimal), 10),
            };
            Some((utf8(found?)?, number.len() + 3))
        }
        _ => None,
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials_of(token: &str) -> Credentials {
        Credentials { username: "alice".to_owned(), is_named: true, token: Secret::new(token), is_jobs_own: false }
    }

    fn credentials() -> Credentials {
        credentials_of("s3cret/t0ken+x")
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let shown = format!("{:?} {:?}", credentials(), credentials().redactor());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("***"));
    }

    #[test]
    fn a_token_that_was_garbled_by_a_recipe_is_recognised() {
        assert_eq!(credentials().shape(), TokenShape::Plain);
        assert_eq!(credentials_of("1d76edb6938a8a4ca3ba92063bc25239761d3ad8").shape(), TokenShape::Plain);
        assert_eq!(credentials_of("ghs_abc").shape(), TokenShape::JobsOwn);
        assert_eq!(credentials_of("alice:1d76edb6").shape(), TokenShape::WithUser);
        // `echo alice:1d76edb6 | base64`, with the newline that echo adds.
        assert_eq!(credentials_of("YWxpY2U6MWQ3NmVkYjYK").shape(), TokenShape::Encoded);
    }

    #[test]
    fn every_form_of_the_token_is_taken_out() {
        let redactor = credentials().redactor();
        for echo in [
            "sha: s3cret/t0ken+x]",
            "?token=s3cret%2Ft0ken%2Bx",
            "%73%33%63%72%65%74%2f%74%30%6b%65%6e%2b%78",
            r"s3cret\u002ft0ken\u002bx",
            "s3cret&#47;t0ken&#x2B;x",
            "S3CRET/T0KEN+X",
            "s3cret/\u{200b}t0k\nen+x",
            "Basic YWxpY2U6czNjcmV0L3Qwa2VuK3g=",
            "YWxpY2U6czNjcmV0L3Qwa2VuK3g",
            "czNjcmV0L3Qwa2VuK3g=",
        ] {
            assert!(redactor.finds(echo), "{echo}");
            assert!(!redactor.finds(&redactor.redact(echo)), "{echo}");
            assert!(redactor.redact(echo).contains("***"), "{echo}");
        }
        let odd = credentials_of("%41é\"x/").redactor();
        for echo in ["%41é\"x/", "%2541%c3%A9%22x%2f", r#"%41\u00e9\"x\/"#, "%41&#xe9;&quot;x/"] {
            assert_eq!(odd.redact(echo), "***", "{echo}");
        }
        assert_eq!(redactor.redact("s3cret/t0ken+x é s3cret/t0ken+x"), "*** é ***");
        assert_eq!(redactor.redact("nothing here % \\u &#; é"), "nothing here % \\u &#; é");
    }

    #[test]
    fn a_form_that_is_cut_off_is_taken_out_too() {
        let redactor = credentials().redactor();
        assert_eq!(redactor.redact_cut("sha: s3cret/t0ken+"), "sha: ***");
        assert_eq!(redactor.redact_cut("a s3cret/t0ken+x b"), "a *** b");
        assert_eq!(redactor.redact_cut("nothing here"), "nothing here");
    }
}
