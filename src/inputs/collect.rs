//! Finds the inputs among the environment variables.

use std::collections::BTreeMap;

use super::unknown::check_unknown;
use super::{InputError, RawInputs};
use crate::command::Command;
use crate::runner::Environment;
use crate::sanitize::Sanitized;
use crate::secret::Secret;
use crate::unexpanded::{expression_hint, unexpanded};

/// Inputs that can contain `$` and `%` for other reasons: patterns, whose lines are checked one by one, and secrets.
const NOT_CHECKED: [&str; 7] =
    ["files", "expect", "executable", "token", "ca-certificate", "client-certificate", "headers"];

/// Returns the inputs that are set, and a warning about unknown ones. Shells cannot name a hyphen, so `INPUT_SERVER_URL`
/// counts as `INPUT_SERVER-URL`.
pub(super) fn collect(
    command: Command,
    environment: &Environment,
    problems: &mut Vec<InputError>,
) -> (RawInputs, Option<String>) {
    let mut found = BTreeMap::<&'static str, Secret>::new();
    let mut unknown = Vec::new();
    for (variable, value) in environment.variables() {
        let Some(given) = variable.to_str().and_then(|name| name.strip_prefix("INPUT_")) else { continue };
        if value.to_str().is_some_and(|text| text.trim().is_empty()) {
            continue;
        }
        let given = given.to_lowercase();
        let folded = given.replace('_', "-");
        let Some(name) = command.inputs().iter().find(|name| **name == folded) else {
            unknown.push(given);
            continue;
        };
        let Some(text) = value.to_str() else {
            problems.push(InputError::new(name, None, "is not valid UTF-8", "Set the input to UTF-8 text"));
            continue;
        };
        if found.insert(name, Secret::new(text)).is_some_and(|other| other.expose() != text) {
            let problem = "is set twice with different values, with a hyphen and with an underscore";
            problems.push(InputError::new(name, None, problem, "Set only one of the two variables"));
        }
    }
    let warning = check_unknown(command, &unknown, |name| found.contains_key(name), problems);
    found.retain(|name, value| match check_expanded(name, value.expose()) {
        Ok(()) => true,
        Err(problem) => {
            problems.push(problem);
            false
        }
    });
    (RawInputs::new(found), warning)
}

/// Rejects a value with a variable, a command or an expression that was meant to be expanded.
fn check_expanded(name: &'static str, value: &str) -> Result<(), InputError> {
    let Some(part) = unexpanded(value).filter(|_| !NOT_CHECKED.contains(&name)) else { return Ok(()) };
    // A part of a password can look like a variable.
    let error = if value.contains('@') || name == "username" && value.contains(':') {
        let hint = "Use an expression such as `${{ github.ref_name }}`, because no shell expands inputs";
        InputError::new(name, None, "contains a variable, which is not expanded", hint)
    } else {
        let problem = format!("contains `{}`, which is not expanded", Sanitized::new(part));
        InputError::new(name, None, problem, expression_hint(part))
    };
    Err(error.with_code("unexpanded-variable"))
}
