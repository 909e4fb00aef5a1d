//! Problems of inputs.

use std::fmt;

use super::raw::{AUDIENCE, is_input};
use crate::files::BadLine;
use crate::hint::{Explain, Plural};
use crate::package::BadName;
use crate::sanitize::Sanitized;

/// A problem of one input, or of one environment variable.
#[derive(Debug, thiserror::Error)]
pub struct InputError {
    code: &'static str,
    pub(super) input: &'static str,
    /// The value or the line that is wrong, in backticks, as the user wrote it. Never a secret.
    value: Option<String>,
    problem: String,
    hint: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if is_input(self.input) { "input" } else { "variable" };
        let subject = self.value.as_deref().unwrap_or("it");
        write!(f, "failed to read {kind} `{}`: {subject} {}", self.input, self.problem)
    }
}

impl Explain for InputError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }

    fn plural(&self) -> Option<Plural> {
        let item = self.value.clone()?;
        let problem = self.problem.replace("{}", "{ }");
        Some(Plural {
            text: format!("failed to read input `{}`: each of {{}} lines {problem}", self.input),
            item,
            is_hint_an_example: true,
        })
    }
}

impl InputError {
    /// Creates a problem of an input, or of the value or the line of it that is wrong.
    pub(super) fn new(
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let value = value.map(|value| format!("`{}`", Sanitized::new(value)));
        Self { code: "invalid-input", input, value, problem: problem.into(), hint: hint.into() }
    }

    /// Creates a problem of a line of an input whose content is secret.
    pub(super) fn of_line(input: &'static str, number: u32, problem: String, hint: &str) -> Self {
        Self { value: Some(format!("line {number}")), ..Self::new(input, None, problem, hint) }
    }

    pub(super) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// Whether another problem is only that an input is missing, because of this one.
    pub(super) fn explains_missing(&self, other: &Self) -> bool {
        let is_same = self.input == other.input || (self.input, other.input) == (AUDIENCE, "token");
        other.code == MISSING && is_same
    }

    /// Creates the problem of a required input that is not set.
    pub(super) fn missing(input: &'static str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(input, None, problem, hint).with_code(MISSING)
    }

    pub(super) fn bad_line(input: &'static str, line: &str) -> impl FnOnce(BadLine) -> Self {
        move |bad| Self::new(input, Some(line), bad.to_string(), bad.hint().unwrap_or_default()).with_code(bad.code())
    }

    pub(super) fn bad_name(input: &'static str, hint: &str) -> impl FnOnce(BadName) -> Self {
        move |bad| Self { value: Some(format!("`{}`", bad.name)), ..Self::new(input, None, bad.why, hint) }
    }
}

/// The code of a required input that is not set.
const MISSING: &str = "missing-input";
