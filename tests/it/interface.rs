//! What the action takes and gives is written in four places, and is the same in all of them.

use std::fs;
use std::path::Path;

use generic_packages::inputs;
use generic_packages::report::OUTPUT_NAMES;
use yaml_rust2::{Yaml, YamlLoader};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The keys of a mapping of `action.yml`, in their order.
fn declared(mapping: &str) -> Vec<String> {
    let action = YamlLoader::load_from_str(&read("action.yml")).expect("YAML").remove(0);
    let Yaml::Hash(entries) = &action[mapping] else { panic!("{mapping} is a mapping") };
    entries.keys().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// The names in the first column of the README's table with that heading, in their order.
fn tabulated(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    rows.take_while(|line| line.starts_with("| `"))
        .map(|row| row.split('`').nth(1).expect("a name").to_owned())
        .collect()
}

#[test]
fn the_inputs_are_the_same_in_the_action_the_readme_the_help_and_the_code() {
    assert_eq!(declared("inputs"), inputs::NAMES);
    assert_eq!(tabulated("input"), inputs::NAMES);
    let help = read("src/help.txt");
    let words: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    let listed: Vec<&str> = words.into_iter().filter(|word| inputs::NAMES.contains(word)).collect();
    assert_eq!(listed, inputs::NAMES);
}

#[test]
fn the_outputs_are_the_same_in_the_action_the_readme_and_the_code() {
    assert_eq!(declared("outputs"), OUTPUT_NAMES);
    assert_eq!(tabulated("output"), OUTPUT_NAMES);
}
