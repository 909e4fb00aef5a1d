//! The input `aliases`: versions that are kept identical to another one, and those that follow releases.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::Sha256;
use rustix::process::Signal;

use crate::harness::{Job, Ran, gather, run_at_once};
use crate::package::{another_job_deletes, another_job_publishes, changes, contents, count, put, requests, seed};
use crate::stopping::{holds, interrupted_twice, stopped, terminated_during};

const OLD: &[(&str, &str)] = &[("same", "0"), ("other", "an older one"), ("extra", "x"), ("SHA256SUMS", "older")];
const NEW: &[(&str, &str)] = &[("same", "0"), ("other", "ours"), ("new", "1")];

/// A job that publishes the checksums file of v1.0.0 and makes `latest` identical.
fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS").input("aliases", "latest");
    job
}

/// Starts a registry with these files in v1.0.0 and `latest`, and creates a `job` for it.
fn start(version: &[(&str, &str)], latest: &[(&str, &str)]) -> (Registry, Job) {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", version);
    seed(&registry, "latest", latest);
    let job = job(&registry);
    (registry, job)
}

#[track_caller]
fn is_identical(registry: &Registry, alias: &str) {
    assert_eq!(contents(registry, alias), contents(registry, "v1.0.0"), "{alias}");
}

fn too_large() -> Answer {
    Answer::html(413, "<title>413 Request Entity Too Large</title>")
}

fn quota() -> Answer {
    Answer::text(403, "maximum allowed package storage quota exceeded")
}

#[test]
fn a_new_alias_gets_all_files_of_the_version_and_its_checksums_file_last() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        // The last two are names that no workspace may have.
        seed(&registry, "v1.0.0", &[("a", "1"), ("b", "22"), (".git", "3"), ("c.generic-packages-part", "4")]);
        seed(&registry, "v0.9.0", &[("a", "0")]);
        let mut job = job(&registry);
        // Files that a killed run left behind.
        let left = [".generic-packages/downloads/left", ".generic-packages/.left.generic-packages-part"];
        job.file(left[0], "").file(left[1], "").input("aliases", "latest\n\n nightly/x ").run().exits_with(0);
        assert_eq!(contents(&registry, "v1.0.0").len(), 5);
        is_identical(&registry, "latest");
        is_identical(&registry, "nightly/x");
        assert_eq!(contents(&registry, "v0.9.0").len(), 1);
        let changes = changes(&registry);
        assert!(changes.iter().all(|change| change.starts_with("PUT")), "{changes:?}");
        assert_eq!((&*changes[5], &*changes[10]), ("PUT latest/SHA256SUMS", "PUT nightly%2Fx/SHA256SUMS"));
        assert!(left.iter().all(|path| !job.workspace().join(path).exists()));
    }
}

#[test]
fn missing_files_of_an_alias_are_uploaded_different_ones_replaced_extra_ones_deleted_and_identical_ones_kept() {
    let (registry, job) = start(NEW, OLD);
    let ran = job.run().exits_with(0).says("1 of 4 files").says("`extra`");
    is_identical(&registry, "latest");
    let expected = ["PUT new", "DELETE other", "PUT other", "DELETE extra", "DELETE SHA256SUMS", "PUT SHA256SUMS"];
    let changes = changes(&registry).into_iter().filter(|change| change.contains(" latest/"));
    assert_eq!(changes.map(|change| change.replace("latest/", "")).collect::<Vec<_>>(), expected);
    // How long each replaced file was unavailable.
    assert_eq!(ran.log.lines().filter(|line| line.ends_with(" s at most")).count(), 2, "{}", ran.log);
    // The outputs are about the version.
    let ran = ran.has_statuses(&["uploaded"]);
    assert!(ran.outputs["urls"].ends_with("/v1.0.0/SHA256SUMS"));
    registry.clear_requests();
    job.run().exits_with(0);
    let is_list = |request: &String| request.ends_with("/files") || request == "GET v1.0.0";
    assert!(requests(&registry).iter().all(is_list), "an identical alias is only listed: {:?}", requests(&registry));
}

#[test]
fn only_files_that_are_not_in_the_workspace_are_downloaded_once_and_deleted_afterwards() {
    let (registry, mut job) = start(NEW, OLD);
    job.file("dist/ours", "of this run").file("dist/same", "0").input("files", "dist/*");
    job.input("aliases", "latest\nnightly").run().exits_with(0);
    let mut downloads = requests(&registry);
    downloads.retain(|line| line.starts_with("GET v1.0.0/") && !line.ends_with("/files"));
    downloads.sort();
    assert_eq!(downloads, ["GET v1.0.0/new", "GET v1.0.0/other"]);
    is_identical(&registry, "nightly");
    let left = fs::read_dir(job.workspace().join(".generic-packages")).expect("a folder").flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["SHA256SUMS"]);
}

#[test]
fn a_name_that_differs_by_case_gets_the_spelling_of_the_version() {
    let (registry, job) = start(&[("App", "1")], &[("app", "1")]);
    job.run().exits_with(0);
    is_identical(&registry, "latest");
}

#[test]
fn a_version_without_a_checksums_file_of_verified_files_updates_no_alias() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "latest", OLD);
    let before = contents(&registry, "latest");
    // The version is empty, has nothing but a checksums file, or lacks an expected file; an upload is refused, and one
    // is not verified because the local file is gone.
    job(&registry).run().exits_with(1).has_codes(&["version-has-no-files"]);
    seed(&registry, "v1.0.0", &[("SHA256SUMS", "of deleted files")]);
    job(&registry).run().exits_with(1).has_codes(&["version-has-no-files"]);
    seed(&registry, "v1.0.0", NEW);
    job(&registry).input("expect", "*.exe").run().exits_with(1).has_codes(&["expected-file-missing"]);
    registry.add_fault(Fault::once(put("a"), Point::Head, Action::Answer(Answer::text(400, "invalid filename"))));
    let mut job = job(&registry);
    job.file("dist/a", "1").input("files", "dist/*").run().exits_with(1).has_codes(&["invalid-file-name"]);
    let path = job.workspace().join("dist/a");
    let delete = Action::then(move |_| fs::remove_file(&path).expect("the file is there"));
    registry.add_fault(Fault::once(put("a"), Point::AfterStore, delete));
    registry.add_fault(Fault::once(put("a"), Point::AfterStore, Action::Close));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
    ran.has_statuses(&["not-attempted", "unknown"]).has_outputs(&[("checksums-file", "")]);
    assert_eq!((contents(&registry, "latest"), changes(&registry)), (before, vec!["PUT v1.0.0/a".to_owned(); 2]));
    assert!(!requests(&registry).iter().any(|request| request.contains("latest")));
}

#[test]
fn bad_aliases_are_refused_together() {
    let (registry, mut job) = start(&[], &[]);
    let ran = job.input("aliases", "V1.0.0\n..\nlatest\nLATEST\nnightly").run_rejected(&registry);
    ran.has_codes(&["invalid-input"; 3]).says("input `aliases`: `V1.0.0`").says("`..`").says("`LATEST`");
    // A list in one line.
    for line in
        ["latest, stable", "latest,", "latest,stable", "latest stable", "- latest", "\"latest\"", "latest # new", "# x"]
    {
        job.input("aliases", line).run_rejected(&registry).has_codes(&["invalid-input"]).says("`aliases`");
    }
    job.input("aliases", "true").run_rejected(&registry).has_codes(&["invalid-input"]).says("`true` is a boolean");
    job.input("aliases", "latest").without("INPUT_CHECKSUMS").input("files", "dist/*").input("expect", "a");
    job.run_rejected(&registry).has_codes(&["invalid-input"; 2]).says("input `aliases`").says("input `expect`");
}

#[test]
fn a_failed_alias_is_an_error_with_its_state_the_next_is_not_changed_and_the_next_run_repairs_both() {
    let answer = |answer| Action::Answer(answer);
    for (on, action, state, cause) in [
        (Match::put("/latest/new"), answer(too_large()), "1 of 4 files", "client_max_body_size 0;`"),
        (Match::put("/latest/other"), answer(too_large()), "2 of 4 files", "client_max_body_size 0;`"),
        (Match::put("/latest/SHA256SUMS"), answer(too_large()), "3 of 4 files", "client_max_body_size 0;`"),
        (Match::delete("/latest/extra"), answer(Answer::text(403, "no")), "3 of 4 files", "`extra`"),
        // Nothing is deleted before all files are downloaded.
        (Match::get("/v1.0.0/new"), Action::CorruptDownload, "1 of 4 files", "`new`"),
    ] {
        let (registry, mut job) = start(NEW, OLD);
        seed(&registry, "nightly", OLD);
        registry.add_fault(Fault::always(on.clone(), Point::Head, action));
        let ran = job.input("aliases", "latest\nnightly").run().exits_with(1).has_a_hint_for_each_error();
        let ran = ran.has_codes(&["alias-mismatch"]).says(state).says(cause).says("alias nightly was not changed");
        ran.does_not_say("alice/widget v1.0.0 and").has_statuses(&["uploaded"]);
        assert_eq!(contents(&registry, "nightly").len(), OLD.len());
        if on.method.as_deref() == Some("GET") {
            assert!(!changes(&registry).iter().any(|change| change.starts_with("DELETE")));
        }
        registry.clear_faults();
        job.run().exits_with(0);
        is_identical(&registry, "latest");
        is_identical(&registry, "nightly");
    }
}

#[test]
fn an_extra_file_is_deleted_once_and_only_if_it_is_as_it_was_listed() {
    let broken = || Action::Answer(Answer::text(502, ""));
    let deletes = || another_job_deletes("latest", "extra");
    let replaces = || another_job_publishes("latest", "extra", "another one");
    let delete = || Match::delete("/latest/extra");
    for (on, at, action, deletions, is_listed_again) in [
        (delete(), Point::Head, broken(), 2, false),
        (delete(), Point::AfterStore, broken(), 1, false),
        (delete(), Point::BeforeStore, deletes(), 1, false),
        (Match::put("/latest/other"), Point::AfterStore, deletes(), 0, false),
        (Match::put("/latest/other"), Point::AfterStore, replaces(), 1, true),
    ] {
        let (registry, mut job) = start(NEW, OLD);
        registry.add_fault(Fault::once(on.clone(), at, action));
        let ran = job.input("retries", "1").run_with_short_waits().exits_with(0);
        is_identical(&registry, "latest");
        assert_eq!(count(&registry, "DELETE latest/extra"), deletions, "{on:?} {at:?}");
        assert_eq!(ran.log.contains("alias latest: another job changed it"), is_listed_again, "{}", ran.log);
    }
}

#[test]
fn an_alias_that_another_job_changes_is_updated_again_up_to_three_times() {
    // A file that is to be replaced, one that was uploaded, and one of another name.
    for name in ["other", "new", "late"] {
        let (registry, mut job) = start(NEW, OLD);
        let another = another_job_publishes("latest", name, "another one");
        registry.add_fault(Fault::once(Match::put("/latest/new"), Point::AfterStore, another));
        job.input("retries", "2").run_with_short_waits().exits_with(0);
        is_identical(&registry, "latest");
    }
    let (registry, job) = start(NEW, OLD);
    let number = AtomicUsize::new(0);
    let another = Action::then(move |world| {
        let name = format!("late-{}", number.fetch_add(1, Ordering::SeqCst));
        world.seed("alice", "widget", "latest", &name, b"late");
    });
    registry.add_fault(Fault::always(Match::list().containing("latest"), Point::BeforeStore, another));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"]).says("each of 3 attempts");
    registry.clear_faults();
    job.run().exits_with(0);
    is_identical(&registry, "latest");
}

#[test]
fn of_two_runs_at_once_at_least_one_fails_if_they_leave_a_mixture() {
    for skip in [0, 1, 2] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", NEW);
        seed(&registry, "v2.0.0", &[("same", "2"), ("other", "2"), ("two", "2")]);
        seed(&registry, "nightly", OLD);
        let lists = Match::list().containing("/nightly/");
        registry.add_fault(Fault::once(lists, Point::AfterStore, gather(2)).times(2).skip(2 * skip));
        let jobs = ["v1.0.0", "v2.0.0"].map(|version| {
            let mut job = job(&registry);
            job.input("version", version).input("aliases", "nightly").input("retries", "3");
            job
        });
        let runs = run_at_once(&jobs, Job::run_with_short_waits);
        let nightly = contents(&registry, "nightly");
        let is_whole = ["v1.0.0", "v2.0.0"].iter().any(|version| nightly == contents(&registry, version));
        let failed: Vec<&Ran> = runs.iter().filter(|ran| ran.code != Some(0)).collect();
        assert!(is_whole || !failed.is_empty(), "{nightly:?}\n{}\n{}", runs[0].log, runs[1].log);
        assert!(failed.iter().all(|ran| ran.codes[0] == "alias-mismatch"), "{failed:?}");
        // Each alone repairs it.
        jobs[1].run_with_short_waits().exits_with(0);
        assert_eq!(contents(&registry, "nightly"), contents(&registry, "v2.0.0"));
    }
}

#[test]
fn a_version_that_changes_while_an_alias_is_updated_updates_the_alias_again() {
    let publishes = || another_job_publishes("v1.0.0", "late", "2");
    let made_again = Action::then(|world| {
        let sums = format!("{}  a\n{}  late\n", Sha256::of(b"1"), Sha256::of(b"2"));
        world.delete("alice", "widget", "v1.0.0", "SHA256SUMS");
        world.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    });
    // The other job publishes a file, or the checksums file as well.
    for (actions, status) in [(vec![publishes()], "replaced"), (vec![publishes(), made_again], "unchanged")] {
        let (registry, job) = start(&[("a", "1")], &[]);
        for action in actions {
            registry.add_fault(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, action));
        }
        let ran = job.run().exits_with(0).says("alice/widget v1.0.0 and latest: ");
        assert!(contents(&registry, "v1.0.0")["SHA256SUMS"].contains("  late\n"));
        is_identical(&registry, "latest");
        assert_eq!(ran.statuses()["SHA256SUMS"], status);
    }
    let (registry, mut job) = start(&[("a", "1")], &[]);
    for name in ["a", "SHA256SUMS"] {
        let deletes = another_job_deletes("v1.0.0", name);
        registry.add_fault(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, deletes));
    }
    let ran = job.input("retries", "2").run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
    assert!(ran.codes.contains(&"alias-mismatch".to_owned()), "{}", ran.log);
    assert_eq!((contents(&registry, "v1.0.0").len(), ran.outputs["checksums-file"].as_str()), (0, ""));
}

#[test]
fn aliases_that_were_identical_before_the_version_changed_again_are_errors_if_they_cannot_be_updated() {
    for (on, skip) in [(Match::put("/latest/late"), 0), (Match::put("/v1.0.0/SHA256SUMS"), 1)] {
        let (registry, mut job) = start(&[("a", "1")], &[]);
        seed(&registry, "nightly", &[("a", "0"), ("extra", "x")]);
        let publishes = another_job_publishes("v1.0.0", "late", "3");
        registry.add_fault(Fault::once(Match::put("/nightly/SHA256SUMS"), Point::AfterStore, publishes));
        registry.add_fault(Fault::always(on, Point::Head, Action::Answer(quota())).skip(skip));
        let ran =
            job.input("aliases", "latest\nnightly").run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
        for alias in ["latest", "nightly"] {
            let error = format!("alias {alias} does not match v1.0.0: ");
            assert!(ran.errors().iter().any(|text| text.starts_with(&error)), "{}", ran.log);
        }
        assert_eq!(ran.outputs["checksums-file"].is_empty(), skip == 1, "{}", ran.log);
    }
}

#[test]
fn an_alias_that_is_identical_in_the_end_is_no_failure_whatever_the_last_responses_were() {
    let run = |registry: &Registry| {
        seed(registry, "v1.0.0", &[("a", "1")]);
        job(registry).input("aliases", "latest\nnightly").input("retries", "0").run()
    };
    let registry = Registry::start(Persona::default());
    run(&registry).exits_with(0);
    let lists = count(&registry, "GET latest/files");
    for answer in [Answer::html(502, ""), Answer::text(429, "").header("Retry-After", "2")] {
        let registry = Registry::start(Persona::default());
        let fails = Action::Answer(answer);
        registry.add_fault(Fault::once(Match::list().containing("/latest/"), Point::Head, fails).skip(lists - 1));
        run(&registry).exits_with(0).does_not_say("error:").says("alice/widget v1.0.0, latest and nightly: ");
        assert_eq!(contents(&registry, "nightly").len(), 2);
    }
}

#[test]
fn a_signal_finishes_a_replacement_in_an_alias_and_says_how_the_alias_stands() {
    let (registry, mut job) = start(NEW, OLD);
    job.input("timeout", "3600");
    let (ran, saved) = terminated_during(&registry, &job, Match::put("/latest/other"));
    assert!(saved.contains("/v1.0.0/SHA256SUMS") && !saved.contains("/latest/"), "{saved}");
    let ran = ran.exits_with(143).has_a_hint_for_each_error().has_codes(&["alias-mismatch", "stopped-by-signal"]);
    assert_eq!(contents(&registry, "latest")["other"], "ours");
    let ran = ran.says("3 of 4 files").has_statuses(&["uploaded"]);
    ran.has_outputs(&[("checksums-file", ".generic-packages/SHA256SUMS")]);
}

#[test]
fn a_second_interrupt_cancels_a_replacement_in_an_alias() {
    // The second time its last file is stored, and only the response is missing.
    for (name, at, codes) in [
        ("a", Point::BeforeStore, &["alias-mismatch", "stopped-by-signal"][..]),
        ("SHA256SUMS", Point::AfterStore, &["stopped-by-signal"]),
    ] {
        let (registry, mut job) = start(&[("a", "1")], &[("a", "0"), ("SHA256SUMS", "older")]);
        let moment = holds(&registry, Match::put(&format!("/latest/{name}")), at, 0);
        let ran = interrupted_twice(job.input("timeout", "3600"), &moment).exits_with(130);
        let ran = ran.has_a_hint_for_each_error().has_codes(codes);
        if codes.len() == 1 {
            is_identical(&registry, "latest");
        } else {
            ran.says("caused by: failed to replace `a`: the upload is not confirmed. The file may be missing");
        }
    }
}

#[test]
fn a_signal_during_a_download_for_an_alias_changes_nothing_and_leaves_no_temporary_file() {
    let (registry, mut job) = start(NEW, OLD);
    let before = contents(&registry, "latest");
    let moment = holds(&registry, Match::get("/v1.0.0/new"), Point::AfterStore, 0);
    let ran = stopped(job.input("timeout", "3600"), &moment, Signal::INT).exits_with(130);
    ran.has_codes(&["alias-mismatch", "stopped-by-signal"]);
    assert_eq!(contents(&registry, "latest"), before);
    let left = fs::read_dir(job.workspace().join(".generic-packages")).expect("a folder").count();
    assert_eq!(left, 1, "the copy of the checksums file");
}
