//! Finds the inputs among the environment variables.

use std::collections::BTreeMap;

use super::Reader;
use crate::runner::Environment;
use crate::sanitize::Sanitized;
use crate::secret::{Redactor, Secret};
use crate::unexpanded::{expression_hint, unexpanded};

/// Inputs that can contain `$` and `%` for other reasons: patterns, whose lines are checked one by one, and secrets.
const NOT_CHECKED: [&str; 7] =
    ["files", "expect", "executable", "token", "ca-certificate", "client-certificate", "headers"];

impl Reader {
    /// Returns the inputs that are set. Shells cannot name a hyphen, so `INPUT_SERVER_URL` counts as `INPUT_SERVER-URL`.
    pub(super) fn collect(&mut self, environment: &Environment) -> BTreeMap<&'static str, Secret> {
        let mut found = BTreeMap::<&'static str, Secret>::new();
        let mut unknown = Vec::new();
        for (variable, value) in environment.variables() {
            let Some(given) = variable.to_str().and_then(|name| name.strip_prefix("INPUT_")) else { continue };
            if value.to_str().is_some_and(|text| text.trim().is_empty()) {
                continue;
            }
            let given = given.to_lowercase();
            let folded = given.replace('_', "-");
            let Some(name) = self.command.inputs().iter().find(|name| **name == folded) else {
                unknown.push(given);
                continue;
            };
            match value.to_str() {
                None => self.problem(name, None, "is not valid UTF-8", "Set the input to UTF-8 text"),
                Some(text) => match found.insert(name, Secret::new(text)) {
                    Some(other) if other.expose() != text => self.problem(
                        name,
                        None,
                        "is set twice with different values, with a hyphen and with an underscore",
                        "Set only one of the two variables",
                    ),
                    _ => {}
                },
            }
        }
        self.check_unknown(&unknown, |name| found.contains_key(name));
        self.check_unexpanded(&mut found);
        found
    }

    /// Rejects and removes values with a variable, a command or an expression that was meant to be expanded.
    fn check_unexpanded(&mut self, given: &mut BTreeMap<&'static str, Secret>) {
        given.retain(|name, value| {
            let Some(part) = unexpanded(value.expose()).filter(|_| !NOT_CHECKED.contains(name)) else { return true };
            // A part of a password can look like a variable.
            if value.expose().contains('@') || *name == "username" && value.expose().contains(':') {
                let hint = "Use an expression such as `${{ github.ref_name }}`, because no shell expands inputs";
                self.reject("unexpanded-variable", name, None, "contains a variable, which is not expanded", hint);
            } else {
                let problem = format!("contains `{}`, which is not expanded", Sanitized::new(part));
                self.reject("unexpanded-variable", name, None, problem, expression_hint(part));
            }
            false
        });
    }

    /// Rejects a token in another input: it would end up in URLs, outputs or errors.
    pub(super) fn reject_token(&mut self, redactor: &Redactor, given: &BTreeMap<&'static str, Secret>) {
        for (name, _) in given.iter().filter(|(name, value)| {
            // A header is as secret as the token.
            !matches!(**name, "token" | "headers") && redactor.finds(value.expose())
        }) {
            self.problems.retain(|problem| problem.input != *name);
            self.reject(
                "secret-in-input",
                name,
                None,
                "contains the token, which would become public",
                "Remove the token from this input",
            );
        }
    }
}
