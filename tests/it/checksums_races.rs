//! Checksums files and aliases of a version that other jobs change at the same time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::process::Signal;

use crate::aliases::{job, seed};
use crate::harness::{Job, Ran};
use crate::rights::run_without_rights;
use crate::stopping::{holds, send, stopped};

/// The names that a version has.
fn names(registry: &Registry, version: &str) -> Vec<String> {
    registry.files("alice", "widget", version).into_iter().map(|file| file.name).collect()
}

fn read(registry: &Registry, version: &str, name: &str) -> Option<Vec<u8>> {
    registry.read("alice", "widget", version, name)
}

/// The changes of a version.
fn changes(registry: &Registry, version: &str) -> Vec<String> {
    let version = format!("/{version}/");
    let changes = registry.requests().into_iter().filter(|request| request.method != "GET");
    let is_question = |target: &str| target.ends_with("/%2A");
    let changes = changes.filter(|request| request.target.contains(&version) && !is_question(&request.target));
    changes.map(|request| format!("{} {}", request.method, request.target.rsplit('/').next().unwrap_or(""))).collect()
}

#[test]
fn where_a_file_of_the_run_is_not_verified_no_checksums_are_published_and_no_alias_is_touched() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("other", "1"), ("SHA256SUMS", "an older one")]);
    seed(&registry, "latest", &[("a", "older"), ("kept", "2")]);
    let mut job = job(&registry);
    job.file("dist/a", "content").input("files", "dist/*");
    let local = job.workspace().join("dist/a");
    let vanishes = Action::then(move |_| fs::remove_file(&local).expect("it is there"));
    registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::AfterStore, vanishes));
    registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::AfterStore, Action::Close));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses()["a"], "unknown");
    assert_eq!((changes(&registry, "latest"), changes(&registry, "v1.0.0")), (Vec::new(), vec!["PUT a".to_owned()]));
    assert_eq!(ran.outputs["checksums-file"], "");
}

#[test]
fn what_another_job_puts_in_the_place_of_ours_is_not_deleted() {
    for there_before in [false, true] {
        let registry = Registry::start(Persona::default());
        if there_before {
            seed(&registry, "v1.0.0", &[("a", "content")]);
        }
        let replaces = Action::then(|world| {
            world.delete("alice", "widget", "v1.0.0", "a");
            world.seed("alice", "widget", "v1.0.0", "a", b"another job's");
        });
        registry.script(Fault::once(Match::put("/SHA256SUMS"), Point::AfterStore, replaces));
        let mut job = job(&registry);
        job.file("dist/a", "content").input("files", "dist/*").input("if-file-exists", "overwrite");
        let ran = job.run().exits_with(1).has_a_hint_for_each_error();
        let ran = ran.has_codes(&["changed-by-another-job", "checksums-outdated"]);
        assert_eq!(read(&registry, "v1.0.0", "a").as_deref(), Some(&b"another job's"[..]));
        assert_eq!((ran.statuses()["a"].as_str(), names(&registry, "latest")), ("failed", Vec::new()));
    }
}

#[test]
fn a_checksums_file_that_does_not_hold_any_more_is_not_told_to_be_one() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1"), ("b", "2")]);
    let deletes = Action::then(|world| assert!(world.delete("alice", "widget", "v1.0.0", "a")));
    registry.script(Fault::once(Match::put("/SHA256SUMS"), Point::AfterStore, deletes));
    let mut job = job(&registry);
    let ran = job.input("expect", "a").run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["checksums-outdated", "expected-file-missing"]).says("`a`").says("`SHA256SUMS`");
    assert_eq!((ran.outputs["checksums-file"].as_str(), ran.outputs["uploaded"].as_str()), ("", "0"));
    assert_eq!((ran.statuses()["SHA256SUMS"].as_str(), names(&registry, "latest")), ("failed", Vec::new()));
}

#[test]
fn a_version_that_another_job_deletes_is_not_brought_back_by_its_checksums_file() {
    for (at, code) in [("/v1.0.0/SHA256SUMS", "not-listed"), ("/latest/SHA256SUMS", "alias-mismatch")] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &[("a", "1"), ("b", "2")]);
        let deletes = Action::then(|world| {
            for name in ["a", "b", "SHA256SUMS"] {
                world.delete("alice", "widget", "v1.0.0", name);
            }
        });
        registry.script(Fault::once(Match::put(at), Point::AfterStore, deletes));
        let mut job = job(&registry);
        let ran = job.input("retries", "2").run_in_short().exits_with(1).has_a_hint_for_each_error();
        assert!(ran.codes.iter().any(|each| each == code), "{}", ran.log);
        assert_eq!((names(&registry, "v1.0.0"), ran.outputs["checksums-file"].as_str()), (Vec::new(), ""));
    }
}

/// Two aliases; the version gets one more file when the second of them is as the version was.
fn changes_behind_two_aliases(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("a", "1")]);
    seed(registry, "nightly", &[("a", "0"), ("stray", "x")]);
    let adds = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "late", b"3"));
    registry.script(Fault::once(Match::put("/nightly/SHA256SUMS"), Point::AfterStore, adds));
    let mut job = job(registry);
    job.input("aliases", "latest\nnightly");
    job
}

#[test]
fn an_alias_that_this_run_has_changed_is_not_told_to_be_as_it_was() {
    let registry = Registry::start(Persona::default());
    let job = changes_behind_two_aliases(&registry);
    let full = Answer::text(403, "maximum allowed package storage quota exceeded");
    registry.script(Fault::always(Match::put("/latest/late"), Point::Head, Action::Answer(full)));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"; 2]).says("alias latest does not match").says("alias nightly does not match");
}

#[test]
fn where_the_second_checksums_file_fails_it_is_told_what_the_aliases_have() {
    let registry = Registry::start(Persona::default());
    let job = changes_behind_two_aliases(&registry);
    let full = Answer::text(403, "maximum allowed package storage quota exceeded");
    registry.script(Fault::always(Match::put("/v1.0.0/SHA256SUMS"), Point::Head, Action::Answer(full)).skip(1));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error();
    for alias in ["latest", "nightly"] {
        assert!(
            ran.log.contains(&format!("error: alias {alias} does not match v1.0.0: 1 of 2 files identical")),
            "{}",
            ran.log
        );
    }
    assert_eq!(ran.outputs["checksums-file"], "");
}

#[test]
fn a_file_that_no_workspace_may_hold_is_copied_to_the_alias_all_the_same() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[(".git", "1"), ("a.generic-packages-part", "2")]);
    job(&registry).run().exits_with(0);
    assert_eq!(names(&registry, "latest"), names(&registry, "v1.0.0"));
}

#[test]
fn what_a_killed_run_has_fetched_or_not_finished_is_deleted_by_the_next() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let mut job = job(&registry);
    let (fetched, part) = (".generic-packages/mirrored", ".generic-packages/.left.generic-packages-part");
    job.file(format!("{fetched}/left"), "over").file(part, "half").run().exits_with(0);
    assert!(!job.workspace().join(fetched).exists() && !job.workspace().join(part).exists());
}

#[test]
fn a_checksums_file_that_another_job_makes_anew_while_an_alias_is_moved_is_taken_over_with_all_that_it_covers() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let publishes = Action::then(|world| {
        world.seed("alice", "widget", "v1.0.0", "late", b"2");
        world.delete("alice", "widget", "v1.0.0", "SHA256SUMS");
        let hash = generic_packages::checksum::Sha256::of;
        let sums = format!("{}  a\n{}  late\n", hash(b"1"), hash(b"2"));
        world.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    });
    registry.script(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, publishes));
    let ran = job(&registry).run().exits_with(0).says("alice/widget v1.0.0 and latest: ");
    assert_eq!(names(&registry, "latest"), ["a", "late", "SHA256SUMS"].map(str::to_owned));
    assert_eq!(ran.statuses()["SHA256SUMS"], "unchanged");
}

/// Runs a job that hangs while it sends a file to `latest` in the place of another, and sends SIGINT; once the run has
/// taken note of it, does what else is to be done.
fn interrupted_in_the_gap(registry: &Registry, name: &str, at: Point, then: impl FnOnce(&std::process::Child)) -> Ran {
    seed(registry, "v1.0.0", &[("a", "1")]);
    seed(registry, "latest", &[("a", "0"), ("SHA256SUMS", "older")]);
    let moment = holds(registry, Match::put(&format!("/latest/{name}")), at, 0);
    let mut job = job(registry);
    job.input("timeout", "3600");
    let outputs = job.outside("output");
    job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        send(child, Signal::INT);
        // The time-out of the test runner ends it otherwise.
        while !fs::read_to_string(&outputs).is_ok_and(|text| text.contains("total-size")) {
            std::thread::yield_now();
        }
        then(child);
    })
}

#[test]
fn a_file_of_an_alias_that_is_given_up_in_its_gap_is_named() {
    let registry = Registry::start(Persona::default());
    let again = |child: &std::process::Child| send(child, Signal::INT);
    let ran = interrupted_in_the_gap(&registry, "a", Point::BeforeStore, again);
    let ran = ran.exits_with(130).has_a_hint_for_each_error().has_codes(&["alias-mismatch", "stopped-by-signal"]);
    ran.says("caused by: failed to replace `a`: the upload is not confirmed. The file may be missing");
}

#[test]
fn a_signal_that_finds_the_alias_as_it_should_be_is_all_that_is_wrong() {
    let registry = Registry::start(Persona::default());
    // Its last file is there, and the answer hangs until it is given up.
    let again = |child: &std::process::Child| send(child, Signal::INT);
    let ran = interrupted_in_the_gap(&registry, "SHA256SUMS", Point::AfterStore, again);
    let ran = ran.exits_with(130).has_codes(&["stopped-by-signal"]);
    assert_eq!(names(&registry, "latest"), names(&registry, "v1.0.0"), "{}", ran.log);
}

#[test]
fn a_folder_that_cannot_take_the_copy_is_told_before_anything_is_sent() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let mut job = job(&registry);
    let folder = job.folder(".generic-packages").workspace().join(".generic-packages");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).expect("rights can be changed");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    let ran = ran.exits_with(2).has_a_hint_for_each_error().has_codes(&["permission-denied"]);
    ran.says("caused by: Permission denied");
    assert_eq!(registry.requests(), []);
}

#[test]
fn a_run_that_is_stopped_says_that_its_checksums_file_is_stale_where_it_is() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let publishes = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "b", b"another job's"));
    registry.script(Fault::once(Match::put("/latest/"), Point::Head, publishes));
    let moment = holds(&registry, Match::put("/latest/"), Point::Head, 0);
    let ran = stopped(job(&registry).input("timeout", "3600"), &moment, Signal::TERM).exits_with(143);
    let ran = ran.has_a_hint_for_each_error();
    assert_eq!((ran.statuses()["SHA256SUMS"].as_str(), ran.outputs["checksums-file"].as_str()), ("failed", ""));
    assert!(ran.errors().iter().any(|error| error.contains("`SHA256SUMS`")), "{}", ran.log);
}

#[test]
fn an_alias_that_has_become_right_is_no_failure_whatever_the_last_answers_were_and_the_next_is_moved_too() {
    let with_checksums = || {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &[("a", "1")]);
        registry
    };
    let run = |registry: &Registry| {
        let mut job = job(registry);
        job.input("aliases", "latest\nnightly").input("retries", "0").run()
    };
    let registry = with_checksums();
    run(&registry).exits_with(0);
    let is_list = |target: &str| target.ends_with("/latest/files");
    let lists = registry.requests().iter().filter(|request| is_list(&request.target)).count();
    let registry = with_checksums();
    let fails = Action::Answer(Answer::html(502, ""));
    registry.script(Fault::once(Match::list().containing("/latest/"), Point::Head, fails).skip(lists - 1));
    let ran = run(&registry).exits_with(0).does_not_say("error:").says("alice/widget v1.0.0 and latest and nightly: ");
    assert_eq!(names(&registry, "nightly"), ["a", "SHA256SUMS"], "{}", ran.log);
}

#[test]
fn what_is_in_the_way_of_fetched_files_is_told_before_anything_is_sent() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let mut job = job(&registry);
    job.file(".generic-packages/mirrored", "a file");
    for dry_run in ["true", "false"] {
        let ran = job.input("dry-run", dry_run).is_refused(&registry).has_a_hint_for_each_error();
        ran.has_codes(&["destination-is-no-folder"]);
    }
    // Where nothing is mirrored, nothing is fetched.
    job.without("INPUT_ALIASES").run().exits_with(0);
}

#[test]
fn a_job_with_another_checksums_name_is_not_warned_of_an_older_file() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1"), ("SHA256SUMS", "older")]);
    let mut job = Job::new(&registry);
    job.file("dist/b", "2").input("checksums", "sums.txt").run().exits_with(0).does_not_say("warning:");
}
