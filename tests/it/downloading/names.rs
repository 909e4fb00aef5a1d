//! Names on the registry that no disk should get.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::tools;
use crate::harness::Job;

/// A list with these names, each of the same five bytes.
fn list(names: &[&str]) -> Answer {
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let rows: Vec<serde_json::Value> =
        names.iter().map(|name| serde_json::json!({ "name": name, "size": 5, "sha256": hash })).collect();
    Answer::json(200, serde_json::to_string(&rows).expect("JSON"))
}

/// A registry that lists these names, and a job that downloads all of them.
fn listing(names: &[&str]) -> (Registry, Job) {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(list(names))));
    registry.add_fault(Fault::always(
        Match::get(""),
        Point::Head,
        Action::Answer(Answer::empty(200).with_body("hello")),
    ));
    let mut job = Job::downloading(&registry);
    job.input("version", "v1.0.0");
    (registry, job)
}

/// Names that would lead out of the folder, command a runner or a terminal, or be taken for something else.
const HOSTILE: [&str; 25] = [
    "..",
    ".",
    "",
    "../evil",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "\u{1b}[31mred",
    "a\u{202e}b",
    " a",
    "a ",
    "::set-env name=X::y\n",
    "caf\u{e9}",
    ".git",
    ".GIT",
    ".git.",
    "HEAD",
    "Head.",
    "commondir",
    "gitdir",
    ".x.generic-packages-part",
    "y.GENERIC-PACKAGES-PART",
    "a*b",
];

#[test]
fn a_hostile_name_that_is_selected_ends_the_run_before_anything_is_written() {
    for name in HOSTILE {
        let (registry, job) = listing(&["good", name]);
        job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["unsafe-name"]);
        assert!(!job.workspace().join("tools").exists(), "{name:?}");
        assert!(registry.requests().iter().all(|request| request.target.ends_with("/files")), "{name:?}");
    }
}

#[test]
fn a_hostile_name_that_is_not_selected_does_no_harm() {
    for name in HOSTILE {
        let (_registry, mut job) = listing(&["good", name]);
        job.input("files", "good").run().exits_with(0);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["good"], "{name:?}");
        assert_eq!(std::fs::read_dir(job.workspace()).expect("a folder").count(), 1, "{name:?}");
    }
}

#[test]
fn all_hostile_names_are_one_error() {
    let (_registry, job) = listing(&HOSTILE);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    // Two of them are one name on a registry.
    ran.has_codes(&["unsafe-name"]).says(&format!("{} files", HOSTILE.len() - 1));
}

#[test]
fn a_name_with_the_token_in_it_is_not_shown() {
    let (registry, mut job) = listing(&[]);
    let token = registry.token("alice_write");
    registry.clear_faults();
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(list(&[&format!("a-{token}")]))));
    let ran = job.token(&token).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["secret-in-name"]);
    assert!(!job.workspace().join("tools").exists());
}

#[test]
fn two_names_that_differ_by_case_are_never_two_files() {
    // A list in which they have other contents is none of a registry.
    let (registry, job) = listing(&["App", "app"]);
    job.run().exits_with(0);
    assert_eq!(tools(&job).len(), 1);
    // Without a list, two lines may stand for one file.
    registry.seed("alice", "widget", "v1.0.0", "App", b"content");
    registry.clear_faults();
    let mut job = Job::downloading(&registry);
    job.without("INPUT_TOKEN").input("version", "v1.0.0").input("files", "App\napp");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["duplicate-name"]).says("`App`");
    assert!(!job.workspace().join("tools").exists());
}

#[test]
fn a_line_with_an_invalid_name_is_an_error_without_a_list() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "app", b"content");
    let mut job = Job::downloading(&registry);
    job.without("INPUT_TOKEN").input("version", "v1.0.0").input("files", "a\\b\ncaf\u{e9}\napp");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["invalid-file-name"; 2]).says("`a\\b`");
    assert_eq!(tools(&job).len(), 0);
}

#[test]
fn the_line_that_a_hint_gives_leaves_a_hostile_name_out() {
    // An empty one is left out by no line.
    let long = format!("a/{}", "b".repeat(100_000));
    for name in HOSTILE.into_iter().filter(|name| !name.is_empty()).chain([long.as_str()]) {
        let (_registry, mut job) = listing(&["good", name]);
        let told = job.run().exits_with(1).unwrapped_log();
        let line = told.split("a line `").nth(1).and_then(|rest| rest.split_once("` to")).expect("a line").0;
        assert!(line.len() < 100, "{line}");
        job.input("files", format!("*\n{line}")).run().exits_with(0);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["good"], "{name:?}: {line}");
    }
}
