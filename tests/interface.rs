//! The action's interface stands in four places: in the code, in `action.yml`, in the README's tables and in the help.
//! They name the same inputs and outputs, in the same order.
//!
//! `action.yml` is read line by line, in the one layout that it has: a name that were written in another way would be
//! missed here, and so reported.

use generic_packages::inputs::NAMES as INPUTS;
use generic_packages::report::OUTPUT_NAMES as OUTPUTS;

const ACTION: &str = include_str!("../action.yml");
const README: &str = include_str!("../README.md");
const HELP: &str = include_str!("../src/help.txt");

#[test]
fn action_yml_has_the_inputs_and_outputs_of_the_code() {
    assert_eq!(names(&declared("inputs")), INPUTS, "inputs: action.yml on the left, src/inputs.rs on the right");
    assert_eq!(names(&declared("outputs")), OUTPUTS, "outputs: action.yml on the left, src/report on the right");
}

#[test]
fn the_readme_has_the_inputs_and_outputs_of_the_code() {
    assert_eq!(names(&tabled("input")), INPUTS, "inputs: README.md on the left, src/inputs.rs on the right");
    assert_eq!(names(&tabled("output")), OUTPUTS, "outputs: README.md on the left, src/report on the right");
}

#[test]
fn the_help_has_the_inputs_of_the_code() {
    assert_eq!(names(&helped()), INPUTS, "inputs: src/help.txt on the left, src/inputs.rs on the right");
}

#[test]
fn the_same_inputs_are_required_in_action_yml_the_readme_and_the_help() {
    let in_action = required(&declared("inputs"), "required: true");
    assert!(!in_action.is_empty(), "action.yml requires nothing");
    assert_eq!(required(&tabled("input"), "| required |"), in_action, "README.md on the left, action.yml on the right");
    assert_eq!(required(&helped(), " required "), in_action, "src/help.txt on the left, action.yml on the right");
}

/// A default there would hold on runners only that read it, and would hide that an input is not given.
#[test]
fn action_yml_sets_no_defaults() {
    assert!(!ACTION.lines().any(|line| line.trim_start().starts_with("default:")));
}

/// An input or output, with the text that a document has on it.
type Entry = (&'static str, String);

fn names(entries: &[Entry]) -> Vec<&'static str> {
    entries.iter().map(|(name, _)| *name).collect()
}

fn required(entries: &[Entry], mark: &str) -> Vec<&'static str> {
    entries.iter().filter(|(_, text)| text.contains(mark)).map(|(name, _)| *name).collect()
}

/// The keys two blanks deep below a key of `action.yml`, each with the lines below it.
fn declared(section: &str) -> Vec<Entry> {
    let heading = format!("{section}:");
    let mut entries: Vec<Entry> = Vec::new();
    let lines = ACTION.lines().skip_while(|line| *line != heading).skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        match line.strip_prefix("  ").filter(|line| line.starts_with(|first: char| first != ' ' && first != '#')) {
            Some(key) => entries.push((key.split(':').next().unwrap_or(key), String::new())),
            None => entries.last_mut().into_iter().for_each(|(_, text)| *text = format!("{text}{line}\n")),
        }
    }
    entries
}

/// The names in backticks in the first column of the README's first table that is headed so, each with its row.
fn tabled(heading: &str) -> Vec<Entry> {
    let heading = format!("| {heading} |");
    let rows = README.lines().skip_while(|line| !line.starts_with(&heading)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| (row.split('`').nth(1).filter(|_| row.starts_with("| `")).unwrap_or(row), row.to_owned()))
        .collect()
}

/// The help's lines of the form `  name  text`, each with its text.
fn helped() -> Vec<Entry> {
    HELP.lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|line| (line.split(' ').next().unwrap_or(line), line.to_owned()))
        .collect()
}
