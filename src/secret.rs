//! Secrets: a type from their first byte, and what takes them out of text from outside.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

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
    const SHORTEST: usize = 6;

    /// What takes a token out of a text, where nobody's name goes with it.
    #[must_use]
    pub fn of_token(token: &Secret) -> Self {
        Self::of(&[token.expose()])
    }

    fn of(secrets: &[&str]) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            forms.push((*secret).to_owned());
            forms.push(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
            forms
                .extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
        }
        forms.retain(|form| form.len() >= Self::SHORTEST);
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms }
    }

    /// The text without any form of the secret.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for form in &self.forms {
            if clean.contains(form.as_str()) {
                clean = Cow::Owned(clean.replace(form.as_str(), "***"));
            }
        }
        clean
    }

    /// The text without any form of the secret, and without what may be the beginning of one at its end: for a text
    /// that was cut off.
    #[must_use]
    pub fn redact_cut(&self, text: &str) -> String {
        let mut clean = self.redact(text).into_owned();
        let begins = |length: usize| {
            clean.is_char_boundary(clean.len() - length)
                && self.forms.iter().any(|form| form.starts_with(&clean[clean.len() - length..]))
        };
        let longest = self.forms.first().map_or(0, String::len).min(clean.len());
        if let Some(length) = (1..=longest).rev().find(|&length| begins(length)) {
            clean.truncate(clean.len() - length);
            clean.push_str("***");
        }
        clean
    }

    /// Whether the text holds any form of the secret.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form.as_str()))
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
        Credentials { username: "alice".to_owned(), token: Secret::new(token), is_jobs_own: false }
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
            "Basic YWxpY2U6czNjcmV0L3Qwa2VuK3g=",
            "YWxpY2U6czNjcmV0L3Qwa2VuK3g",
            "czNjcmV0L3Qwa2VuK3g=",
        ] {
            assert!(redactor.finds(echo), "{echo}");
            assert!(!redactor.finds(&redactor.redact(echo)), "{echo}");
            assert!(redactor.redact(echo).contains("***"), "{echo}");
        }
        assert_eq!(redactor.redact("nothing here"), "nothing here");
    }

    #[test]
    fn a_form_that_is_cut_off_is_taken_out_too() {
        let redactor = credentials().redactor();
        assert_eq!(redactor.redact_cut("sha: s3cret/t0ken+"), "sha: ***");
        assert_eq!(redactor.redact_cut("a s3cret/t0ken+x b"), "a *** b");
        assert_eq!(redactor.redact_cut("nothing here"), "nothing here");
    }
}
