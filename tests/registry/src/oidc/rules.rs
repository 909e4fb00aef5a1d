//! The claim rules of integrations.

use serde_json::Value;

use super::jwt::Jwt;

/// A rule about a claim of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The claim is this text.
    Eq {
        /// The name of the claim.
        claim: String,
        /// The text.
        value: String,
    },
    /// The claim is one of these texts.
    In {
        /// The name of the claim.
        claim: String,
        /// The texts.
        values: Vec<String>,
    },
    /// The claim matches this pattern, in which `*` stands for any text, with slashes, and `?` for one character.
    Glob {
        /// The name of the claim.
        claim: String,
        /// The pattern.
        pattern: String,
    },
}

impl Rule {
    /// Requires that a claim is a text.
    #[must_use]
    pub fn eq(claim: &str, value: &str) -> Self {
        Self::Eq { claim: claim.to_owned(), value: value.to_owned() }
    }

    /// Requires that a claim is one of several texts.
    #[must_use]
    pub fn one_of(claim: &str, values: &[&str]) -> Self {
        Self::In { claim: claim.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    /// Requires that a claim matches a pattern.
    #[must_use]
    pub fn glob(claim: &str, pattern: &str) -> Self {
        Self::Glob { claim: claim.to_owned(), pattern: pattern.to_owned() }
    }

    fn claim(&self) -> &str {
        match self {
            Self::Eq { claim, .. } | Self::In { claim, .. } | Self::Glob { claim, .. } => claim,
        }
    }

    /// Checks the claims of a token. The error is the server's.
    pub(super) fn check(&self, jwt: &Jwt<'_>) -> Result<(), String> {
        let claim = self.claim();
        let actual = match (claim, jwt.claims.get(claim)) {
            ("aud", _) => jwt.audiences().first().copied().unwrap_or_default(),
            // The server knows these claims, and reads a missing one as an empty text.
            ("iss" | "sub" | "jti", None) => "",
            (_, None) => return Err(format!("claim rule on {claim:?} couldn't be satisfied: claim not found")),
            (_, Some(Value::String(text))) => text,
            (_, Some(other)) => return Err(format!("claim {claim:?} must be a string, but was {}", go_type(other))),
        };
        match self {
            Self::Eq { value, .. } if actual != value => {
                Err(format!("claim {claim:?} must be {value:?}, but was {actual:?}"))
            }
            Self::In { values, .. } if !values.iter().any(|value| value == actual) => {
                let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                Err(format!("claim {claim:?} must be one of [{}], but was {actual:?}", values.join(" ")))
            }
            Self::Glob { pattern, .. } if !matches_glob(pattern, actual) => {
                Err(format!("claim {claim:?} must match glob {pattern:?}, but value {actual:?} did not match"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the type that Go reads a JSON value as.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Whether a text matches a pattern of `*` and `?`.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some(sign) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[sign.len_utf8()..];
    match (sign, text.chars().next()) {
        ('*', _) if matches_glob(rest, text) => true,
        ('*', Some(first)) => matches_glob(pattern, &text[first.len_utf8()..]),
        ('?', Some(first)) => matches_glob(rest, &text[first.len_utf8()..]),
        (_, Some(first)) if first == sign => matches_glob(rest, &text[first.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches_glob;

    #[test]
    fn an_asterisk_stands_for_any_text_with_slashes() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b"),
            ("refs/tags/*", "refs/tags/v1.0/rc"),
            ("refs/*/v1", "refs/tags/v1"),
            ("*/widget", "acme/widget"),
            ("v?.*", "v1."),
            ("a*b*c", "abbcbc"),
        ] {
            assert!(matches_glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("refs/tags/*", "refs/heads/main"), ("v?", "v"), ("*a", "ab"), ("a", "A")] {
            assert!(!matches_glob(pattern, text), "{pattern} {text}");
        }
    }
}
