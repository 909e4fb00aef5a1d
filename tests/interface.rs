//! The actions' interfaces have the same inputs and outputs in the code, in each `action.yml`, in the README's tables
//! and in the help. The order is the same too, except that the README groups the inputs.
//!
//! `action.yml` is read line by line, in its one layout. A name that is written in another way is missing here, and so
//! reported.

use generic_packages::command::Command;

const README: &str = include_str!("../README.md");
const HELP: &str = include_str!("../src/help.txt");

/// A command and the places of its interface.
struct Interface {
    command: Command,
    /// The command's name, which is the heading of its inputs in the help.
    name: &'static str,
    action: &'static str,
    /// Headings of the README's sections with the tables of inputs and outputs.
    sections: [&'static str; 2],
    /// Names of the required inputs.
    required: &'static [&'static str],
}

const INTERFACES: [Interface; 2] = [
    Interface {
        command: Command::Publish,
        name: "publish",
        action: include_str!("../action.yml"),
        sections: ["## Inputs", "## Outputs"],
        required: &[],
    },
    Interface {
        command: Command::Download,
        name: "download",
        action: include_str!("../download/action.yml"),
        sections: ["## Download", "## Download"],
        required: &[],
    },
];

#[test]
fn each_action_yml_has_the_inputs_and_outputs_of_the_code() {
    for Interface { command, action, .. } in INTERFACES {
        let (inputs, outputs) = (command.inputs(), command.outputs());
        assert_eq!(
            names(&declared(action, "inputs")),
            inputs,
            "action.yml on the left, src/inputs/mod.rs on the right"
        );
        assert_eq!(names(&declared(action, "outputs")), outputs, "action.yml on the left, src/report on the right");
    }
}

#[test]
fn the_readme_has_the_inputs_and_outputs_of_the_code() {
    for Interface { command, sections, .. } in INTERFACES {
        let [inputs, outputs] = sections;
        let (inputs, outputs) = (tabled(inputs, "input"), tabled(outputs, "output"));
        // The README groups the inputs by topic.
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        let wanted = sorted(command.inputs().to_vec());
        assert_eq!(sorted(names(&inputs)), wanted, "README.md on the left, src/inputs/mod.rs on the right");
        assert_eq!(names(&outputs), command.outputs(), "README.md on the left, src/report on the right");
    }
}

#[test]
fn the_help_has_the_inputs_of_the_code() {
    for Interface { command, name, .. } in INTERFACES {
        assert_eq!(names(&helped(name)), command.inputs(), "src/help.txt on the left, src/inputs/mod.rs on the right");
    }
}

#[test]
fn the_same_inputs_are_required_in_each_action_yml_the_readme_and_the_help() {
    for Interface { name, action, sections, required: wanted, .. } in INTERFACES {
        assert_eq!(required(&declared(action, "inputs"), "required: true"), wanted, "action.yml of {name}");
        assert_eq!(required(&tabled(sections[0], "input"), "| required |"), wanted, "README.md, {name}");
        assert_eq!(required(&helped(name), "[required]"), wanted, "src/help.txt, {name}");
    }
}

/// A default there would hold on runners only that read it, and would hide that an input is not given.
#[test]
fn no_action_yml_sets_defaults() {
    for Interface { action, name, .. } in INTERFACES {
        assert!(!action.lines().any(|line| line.trim_start().starts_with("default:")), "{name}");
    }
}

/// Runners build an image with the folder of its Dockerfile, so that both actions are one program. Nothing but the
/// command goes through its arguments.
#[test]
fn both_actions_run_the_same_image() {
    let [publish, download] = INTERFACES.map(|interface| {
        let runs = interface.action.split("\nruns:\n").nth(1).expect("how it runs");
        // Without what is for linters.
        let lines = runs.lines().map(|line| line.split(" # ").next().unwrap_or_default());
        lines.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
    });
    assert_eq!(publish, "  using: docker\n  image: Dockerfile\n");
    assert_eq!(download, "  using: docker\n  image: ../Dockerfile\n  args:\n    - download\n");
}

/// An input or output, with the text that a document has on it.
type Entry = (&'static str, String);

fn names(entries: &[Entry]) -> Vec<&'static str> {
    entries.iter().map(|(name, _)| *name).collect()
}

fn required(entries: &[Entry], mark: &str) -> Vec<&'static str> {
    entries.iter().filter(|(_, text)| text.contains(mark)).map(|(name, _)| *name).collect()
}

/// The keys two blanks deep below a key of an `action.yml`, each with the lines below it.
fn declared(action: &'static str, section: &str) -> Vec<Entry> {
    let heading = format!("{section}:");
    let mut entries: Vec<Entry> = Vec::new();
    let lines = action.lines().skip_while(|line| *line != heading).skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        match line.strip_prefix("  ").filter(|line| line.starts_with(|first: char| first != ' ' && first != '#')) {
            Some(key) => entries.push((key.split(':').next().unwrap_or(key), String::new())),
            None => entries.last_mut().into_iter().for_each(|(_, text)| *text = format!("{text}{line}\n")),
        }
    }
    entries
}

/// Lists the names in backticks in the first column of the README's table that has this heading in this section.
/// Rows without a name are the headings of groups.
fn tabled(section: &str, heading: &str) -> Vec<Entry> {
    let heading = format!("| {heading} |");
    let section = README.lines().skip_while(|line| *line != section);
    let rows = section.skip_while(|line| !line.starts_with(&heading)).skip(2);
    let names = |row: &'static str| row.split('|').nth(1).unwrap_or(row).split('`').skip(1).step_by(2);
    rows.take_while(|line| line.starts_with('|'))
        .flat_map(|row| names(row).map(|name| (name, row.to_owned())))
        .collect()
}

/// The help's lines of the form `  name  text` below the line that names the command, each with its text.
fn helped(command: &str) -> Vec<Entry> {
    let heading = format!("Inputs of {command}:");
    HELP.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|line| (line.split(' ').next().unwrap_or(line), line.to_owned()))
        .collect()
}
