//! Many errors of one kind are one message.

use std::os::unix::fs::symlink;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran};

/// Ends the test unless the log and the summary have exactly one error and one hint, which name the count and the first
/// five names.
#[track_caller]
fn is_one_message(ran: Ran, what: &str) {
    assert_eq!(ran.errors().len(), 1, "{}", ran.log);
    let ran = ran.has_a_hint_for_each_error().says(&format!("error: {what}"));
    assert_eq!(ran.summary.matches("hint: ").count(), 1, "{}", ran.summary);
    assert!(ran.summary.contains(what), "{}", ran.summary);
    let annotations = ran.log.lines().filter(|line| line.starts_with("::error")).count();
    assert_eq!(annotations, 1, "{}", ran.log);
}

#[test]
fn many_conflicts_are_one_error_and_the_outputs_have_each() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..1_000 {
        registry.seed("alice", "widget", "v1.0.0", &format!("f{number:04}"), b"theirs");
        job.file(format!("dist/f{number:04}"), "ours");
    }
    let ran = job.run().exits_with(1).says("`f0004` (registry: 6 bytes, local: 4 bytes) and 995 more");
    is_one_message(
        ran,
        "1000 files already exist with different content: `f0000` (registry: 6 bytes, local: 4 bytes), `f0001` \
         (registry: 6 bytes, local: 4 bytes), ",
    );
    let mut job = Job::new(&registry);
    for number in 0..200 {
        job.file(format!("dist/f{number:04}"), "ours");
    }
    assert_eq!(job.run().exits_with(1).statuses().values().filter(|status| *status == "failed").count(), 200);
}

#[test]
fn many_duplicate_names_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..1_000 {
        job.file(format!("dist/a/f{number:04}"), "").file(format!("dist/b/f{number:04}"), "");
    }
    let ran = job.input("files", "dist/**").run_rejected(&registry);
    is_one_message(
        ran,
        "failed to publish several files under each of 1000 names: `f0000` (`dist/a/f0000` and `dist/b/f0000`), \
         `f0001` (`dist/a/f0001` and `dist/b/f0001`), ",
    );
}

#[test]
fn many_invalid_names_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..6 {
        job.file(format!("dist/caf\u{e9}{number}"), "");
    }
    let ran = job.run_rejected(&registry);
    is_one_message(
        ran,
        "failed to publish 6 files because of their names: `dist/caf\u{e9}0` (contains `\u{e9}` (U+00E9)), ",
    );
}

#[test]
fn files_that_cannot_be_read_are_one_error_per_reason() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/good", "");
    for name in ["a", "b"] {
        symlink("nowhere", job.workspace().join("dist").join(name)).expect("a link");
        symlink("/etc/hostname", job.workspace().join("dist").join(format!("out{name}"))).expect("a link");
    }
    let ran = job.run_rejected(&registry).says("error: failed to read 2 broken links: `dist/a`, `dist/b`");
    let ran = ran.says("error: failed to read 2 files outside the workspace: `dist/outa`");
    assert_eq!(ran.errors().len(), 2, "{}", ran.log);
}

#[test]
fn failed_uploads_with_one_cause_are_one_error_without_the_others() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "other", b"");
    let mut job = Job::new(&registry);
    for name in ["a", "b", "c"] {
        job.file(format!("dist/{name}"), name);
        let answer = if name == "c" { Answer::text(413, "too large") } else { Answer::text(500, "broken") };
        registry.add_fault(Fault::always(Match::put(&format!("v1.0.0/{name}")), Point::Head, Action::Answer(answer)));
    }
    let ran = job.run().exits_with(1).says("error: failed to upload 2 files: `a`, `b`");
    let ran = ran.says("error: failed to upload `c` to alice/widget v1.0.0");
    assert_eq!(ran.errors().len(), 2, "{}", ran.log);
    assert_eq!(ran.files().len(), 3);
}

#[test]
fn lines_with_one_mistake_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let lines: Vec<String> = (0..12).map(|number| format!("- dist/f{number}")).collect();
    let ran = job.input("files", lines.join("\n")).run_rejected(&registry);
    is_one_message(
        ran,
        "failed to read input `files`: each of 12 lines is a YAML list, but this input is text: `- dist/f0`, ",
    );
}

#[test]
fn names_with_the_token_are_one_error_without_the_names() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let token = registry.token("alice_write");
    job.file(format!("dist/{token}-a"), "").file(format!("dist/{token}-b"), "");
    is_one_message(
        job.run_rejected(&registry),
        "failed to publish 2 files: their names contain the token or another secret",
    );
}
