//! The input `aliases`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::process::Signal;

use crate::harness::{Job, Ran, gather};
use crate::stopping::{holds, stopped};

/// A job that publishes the checksums file of version v1.0.0 and makes `latest` identical.
pub(crate) fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS").input("aliases", "latest");
    job
}

pub(crate) fn seed(registry: &Registry, version: &str, files: &[(&str, &str)]) {
    for (name, content) in files {
        registry.seed("alice", "widget", version, name, content.as_bytes());
    }
}

/// What a version has: the contents by the names.
fn has(registry: &Registry, version: &str) -> BTreeMap<String, String> {
    let content = |name: &str| registry.read("alice", "widget", version, name).expect("it is there");
    let files = registry.files("alice", "widget", version);
    files.into_iter().map(|file| (file.name.clone(), String::from_utf8(content(&file.name)).expect("a text"))).collect()
}

/// The requests of these methods, without what is in front of the version.
fn asked(registry: &Registry, methods: &[&str]) -> Vec<String> {
    let requests = registry.requests().into_iter().filter(|request| methods.contains(&request.method.as_str()));
    let place = |target: &str| target.split("/widget/").nth(1).unwrap_or_default().to_owned();
    requests.map(|request| format!("{} {}", request.method, place(&request.target))).collect()
}

fn changes(registry: &Registry) -> Vec<String> {
    asked(registry, &["PUT", "DELETE"])
}

/// The downloads of files.
fn downloads(registry: &Registry) -> Vec<String> {
    asked(registry, &["GET"]).into_iter().filter(|line| !line.ends_with("/files") && line.contains('/')).collect()
}

const OLD: [(&str, &str); 4] = [("same", "0"), ("other", "an older one"), ("stray", "x"), ("SHA256SUMS", "older")];
const NEW: [(&str, &str); 3] = [("same", "0"), ("other", "ours"), ("new", "1")];

#[test]
fn a_new_alias_gets_all_that_the_version_has_and_its_checksums_last() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        seed(&registry, "v1.0.0", &[("a", "1"), ("b", "22"), ("c", "333")]);
        seed(&registry, "v0.9.0", &[("a", "0")]);
        let mut job = job(&registry);
        job.input("aliases", "latest\n\n nightly/x ").run().exits_with(0);
        let version = has(&registry, "v1.0.0");
        assert_eq!(version.len(), 4);
        for alias in ["latest", "nightly/x"] {
            assert_eq!(has(&registry, alias), version, "{persona:?}");
        }
        assert_eq!(has(&registry, "v0.9.0").len(), 1);
        let changes = changes(&registry);
        assert_eq!(changes.iter().filter(|line| line.starts_with("DELETE")).count(), 0);
        assert_eq!(changes[4], "PUT latest/SHA256SUMS");
        assert_eq!(changes.last().map(String::as_str), Some("PUT nightly%2Fx/SHA256SUMS"));
    }
}

#[test]
fn equal_files_stay_new_ones_are_added_others_replaced_extra_files_deleted_and_the_checksums_come_last() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    let ran = job(&registry).run().exits_with(0);
    assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
    let wanted = ["PUT %2A", "DELETE other", "PUT other", "DELETE stray", "DELETE SHA256SUMS", "PUT SHA256SUMS"];
    let of_latest: Vec<String> = changes(&registry)
        .into_iter()
        .filter_map(|line| line.contains("latest/").then(|| line.replace("latest/", "")))
        .collect();
    assert_eq!(of_latest[0], "PUT new");
    let of_latest: Vec<&str> = of_latest[1..].iter().map(String::as_str).filter(|line| *line != "PUT %2A").collect();
    assert_eq!(of_latest, wanted[1..]);
    let ran = ran.says("1 of 4 files").says("`stray`");
    // How long each replaced file was away.
    assert_eq!(ran.log.lines().filter(|line| line.ends_with(" s at most")).count(), 2, "{}", ran.log);
    // The outputs are about the version.
    assert_eq!(ran.statuses().into_iter().collect::<Vec<_>>(), [("SHA256SUMS".to_owned(), "uploaded".to_owned())]);
    assert!(ran.outputs["urls"].ends_with("/v1.0.0/SHA256SUMS"));
}

#[test]
fn an_alias_that_is_right_is_only_looked_at() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    let job = job(&registry);
    job.run().exits_with(0);
    registry.forget_requests();
    job.run().exits_with(0);
    assert_eq!((changes(&registry), downloads(&registry)), (vec![], vec![]));
}

#[test]
fn only_what_is_not_at_hand_is_downloaded_once_and_nothing_of_it_is_left() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    let mut job = job(&registry);
    job.file("dist/ours", "of this run").file("dist/same", "0").input("files", "dist/*");
    job.input("aliases", "latest\nnightly").run().exits_with(0);
    let mut fetched = downloads(&registry);
    fetched.sort();
    assert_eq!(fetched, ["GET v1.0.0/new", "GET v1.0.0/other"]);
    assert_eq!(has(&registry, "nightly"), has(&registry, "v1.0.0"));
    let left: Vec<_> = fs::read_dir(job.workspace().join(".generic-packages")).expect("a folder").flatten().collect();
    assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["SHA256SUMS"]);
}

#[test]
fn what_is_downloaded_wrong_is_not_sent() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    registry.script(Fault::always(Match::get("/v1.0.0/new"), Point::Head, Action::SendOtherBytes));
    let job = job(&registry);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"]).says("1 of 4 files").says("`new`");
    assert_eq!(has(&registry, "latest").get("new"), None);
    assert_eq!(has(&registry, "latest")["other"], "an older one", "nothing is deleted before all is at hand");
    registry.clear_script();
    job.run().exits_with(0);
    assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
}

#[test]
fn a_name_that_differs_by_case_is_spelled_as_in_the_version_afterwards() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("App", "1")]);
    seed(&registry, "latest", &[("app", "1")]);
    job(&registry).run().exits_with(0);
    assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
}

#[test]
fn a_version_without_checksums_updates_no_alias() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "latest", &OLD);
    let before = has(&registry, "latest");
    // An empty version, one of nothing but checksums, and one in which something is missing.
    job(&registry).run().exits_with(1).has_codes(&["version-has-no-files"]);
    seed(&registry, "v1.0.0", &[("SHA256SUMS", "of what is gone")]);
    job(&registry).run().exits_with(1).has_codes(&["version-has-no-files"]);
    seed(&registry, "v1.0.0", &NEW);
    job(&registry).input("expect", "*.exe").run().exits_with(1).has_codes(&["expected-file-missing"]);
    let refused = Action::Answer(Answer::text(400, "invalid filename"));
    registry.script(Fault::always(Match::put("/v1.0.0/a"), Point::Head, refused));
    job(&registry).file("dist/a", "1").input("files", "dist/*").run().exits_with(1);
    assert_eq!(has(&registry, "latest"), before);
    assert!(!registry.requests().iter().any(|request| request.target.contains("latest")));
}

#[test]
fn bad_aliases_are_refused_together() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).input("aliases", "V1.0.0\n..\nlatest\nLATEST\nnightly").is_refused(&registry);
    ran.has_codes(&["invalid-input"; 3]).says("input `aliases`: `V1.0.0`").says("`..`").says("`LATEST`");
    let mut job = job(&registry);
    job.without("INPUT_CHECKSUMS").input("files", "dist/*").input("expect", "a");
    job.is_refused(&registry).has_codes(&["invalid-input"; 2]).says("input `aliases`").says("input `expect`");
}

#[test]
fn a_failure_says_what_the_alias_is_and_a_re_run_repairs_it() {
    let too_large = || Action::Answer(Answer::html(413, "<title>413 Request Entity Too Large</title>"));
    let cases = [
        (Match::put("/latest/new"), "1 of 4 files"),
        (Match::put("/latest/other"), "2 of 4 files"),
        (Match::put("/latest/SHA256SUMS"), "3 of 4 files"),
    ];
    for (on, state) in cases {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &NEW);
        seed(&registry, "latest", &OLD);
        seed(&registry, "nightly", &OLD);
        registry.script(Fault::always(on, Point::Head, too_large()));
        let mut job = job(&registry);
        job.input("aliases", "latest\nnightly");
        let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["alias-mismatch"]);
        let ran = ran.says(state).says("client_max_body_size 0;`").says("alias nightly was not changed");
        let ran = ran.does_not_say("alice/widget v1.0.0 and");
        assert_eq!(ran.statuses()["SHA256SUMS"], "uploaded", "the version itself has its checksums file");
        assert_eq!(has(&registry, "nightly").len(), OLD.len());
        registry.clear_script();
        job.run().exits_with(0);
        for alias in ["latest", "nightly"] {
            assert_eq!(has(&registry, alias), has(&registry, "v1.0.0"));
        }
    }
}

#[test]
fn an_extra_file_that_cannot_be_deleted_is_told() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    registry.script(Fault::always(
        Match::delete("/latest/stray"),
        Point::Head,
        Action::Answer(Answer::text(403, "no")),
    ));
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"]).says("3 of 4 files").says("`stray`");
}

#[test]
fn a_deletion_of_an_extra_file_is_tried_again_only_where_it_is_still_there() {
    for (at, times) in [(Point::Head, 2), (Point::AfterStore, 1)] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &NEW);
        seed(&registry, "latest", &OLD);
        registry.script(Fault::once(Match::delete("/latest/stray"), at, Action::Answer(Answer::text(502, ""))));
        job(&registry).input("retries", "1").run_in_short().exits_with(0);
        assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
        assert_eq!(changes(&registry).iter().filter(|line| *line == "DELETE latest/stray").count(), times, "{at:?}");
    }
}

#[test]
fn an_extra_file_that_another_job_changes_or_deletes_first_is_not_deleted_as_it_was() {
    for replaces in [false, true] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &NEW);
        seed(&registry, "latest", &OLD);
        let another = Action::then(move |world| {
            world.delete("alice", "widget", "latest", "stray");
            if replaces {
                world.seed("alice", "widget", "latest", "stray", b"another one");
            }
        });
        registry.script(Fault::once(Match::put("/latest/other"), Point::AfterStore, another));
        let ran = job(&registry).run().exits_with(0);
        assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
        // It is looked at as what it is in another round.
        let rounds = ran.log.matches("alias latest: another job changed it").count();
        let deletions = changes(&registry).iter().filter(|line| *line == "DELETE latest/stray").count();
        assert_eq!((rounds, deletions), (usize::from(replaces), usize::from(replaces)), "{}", ran.log);
    }
}

#[test]
fn an_extra_file_that_is_gone_when_it_is_to_be_deleted_is_no_failure() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    let gone = Action::then(|world| assert!(world.delete("alice", "widget", "latest", "stray")));
    registry.script(Fault::once(Match::delete("/latest/stray"), Point::BeforeStore, gone));
    job(&registry).run().exits_with(0);
    assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
}

#[test]
fn an_alias_that_another_job_changes_meanwhile_is_brought_there_again() {
    // What was to be replaced, what was sent, and something of another name.
    for name in ["other", "new", "late"] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &NEW);
        seed(&registry, "latest", &OLD);
        let another = Action::then(move |world| {
            world.delete("alice", "widget", "latest", name);
            world.seed("alice", "widget", "latest", name, b"another one");
        });
        registry.script(Fault::once(Match::put("/latest/new"), Point::AfterStore, another));
        job(&registry).input("retries", "2").run_in_short().exits_with(0);
        assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"), "{name}");
    }
}

#[test]
fn an_alias_that_changes_each_time_is_given_up_after_three_times() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    let count = AtomicUsize::new(0);
    let another = Action::then(move |world| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        world.seed("alice", "widget", "latest", &format!("late-{number}"), b"late");
    });
    // The list that would show that all is well.
    registry.script(Fault::always(Match::list().containing("latest"), Point::BeforeStore, another));
    let ran = job(&registry).run_in_short().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"]).says("each of 3 attempts");
    registry.clear_script();
    job(&registry).run().exits_with(0);
    assert_eq!(has(&registry, "latest"), has(&registry, "v1.0.0"));
}

#[test]
fn of_two_runs_at_once_a_mixture_leaves_at_least_one_red() {
    for skip in [0, 1, 2] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &NEW);
        seed(&registry, "v2.0.0", &[("same", "2"), ("other", "2"), ("two", "2")]);
        seed(&registry, "nightly", &OLD);
        let lists = Match::list().containing("/nightly/");
        registry.script(Fault::once(lists, Point::AfterStore, gather(2)).times(2).skip(2 * skip));
        let jobs = ["v1.0.0", "v2.0.0"].map(|version| {
            let mut job = job(&registry);
            job.input("version", version).input("aliases", "nightly").input("retries", "3");
            job
        });
        let runs: Vec<Ran> = thread::scope(|scope| {
            let runs: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.run_in_short())).collect();
            runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
        });
        let nightly = has(&registry, "nightly");
        let is_whole = ["v1.0.0", "v2.0.0"].iter().any(|version| nightly == has(&registry, version));
        let all_green = runs.iter().all(|ran| ran.code == Some(0));
        assert!(is_whole || !all_green, "{nightly:?}\n{}\n{}", runs[0].log, runs[1].log);
        for ran in runs.iter().filter(|ran| ran.code != Some(0)) {
            assert_eq!(ran.codes[0], "alias-mismatch", "{}", ran.log);
        }
        // Each alone repairs it.
        jobs[1].run_in_short().exits_with(0);
        assert_eq!(has(&registry, "nightly"), has(&registry, "v2.0.0"));
    }
}

#[test]
fn a_signal_finishes_a_replacement_in_its_gap_and_says_what_the_alias_is() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    let (begun, begins) = std::sync::mpsc::channel();
    let (go, goes) = std::sync::mpsc::channel::<()>();
    let goes = std::sync::Mutex::new(goes);
    let waits = Action::then(move |_| {
        begun.send(()).expect("the test waits");
        let goes = goes.lock().expect("no hook panics");
        goes.recv_timeout(std::time::Duration::from_secs(20)).expect("the test sends");
    });
    registry.script(Fault::once(Match::put("/latest/other"), Point::BeforeStore, waits));
    let mut job = job(&registry);
    job.input("timeout", "3600");
    let outputs = job.outside("output");
    let mut saved = String::new();
    let ran = job.run_while(job.command(), |child| {
        begins.recv_timeout(std::time::Duration::from_secs(20)).expect("the moment comes");
        crate::stopping::send(child, Signal::TERM);
        // What is so far is put down at once, and is about the version.
        while !fs::read_to_string(&outputs).is_ok_and(|text| text.contains("total-size")) {
            thread::yield_now();
        }
        saved = fs::read_to_string(&outputs).expect("it is there");
        go.send(()).expect("the hook waits");
    });
    assert!(saved.contains("/v1.0.0/SHA256SUMS") && !saved.contains("/latest/"), "{saved}");
    let ran = ran.exits_with(143).has_a_hint_for_each_error();
    assert_eq!(has(&registry, "latest")["other"], "ours");
    let ran = ran.has_codes(&["alias-mismatch", "stopped-by-signal"]).says("3 of 4 files");
    assert_eq!(ran.statuses()["SHA256SUMS"], "uploaded");
    assert_eq!(ran.outputs["checksums-file"], ".generic-packages/SHA256SUMS");
}

#[test]
fn a_signal_while_files_are_fetched_leaves_the_alias_as_it_is_and_no_litter() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    seed(&registry, "latest", &OLD);
    let before = has(&registry, "latest");
    let mut job = job(&registry);
    job.input("timeout", "3600");
    let moment = holds(&registry, Match::get("/v1.0.0/new"), Point::AfterStore, 0);
    stopped(&job, &moment, Signal::INT).exits_with(130).has_codes(&["alias-mismatch", "stopped-by-signal"]);
    assert_eq!(has(&registry, "latest"), before);
    let left = fs::read_dir(job.workspace().join(".generic-packages")).expect("a folder").count();
    assert_eq!(left, 1, "the copy of the checksums file");
}

#[test]
fn a_version_that_changes_while_its_alias_is_updated_gets_new_checksums_and_aliases() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &NEW);
    let another = Action::then(|world| {
        world.store("alice", "widget", "v1.0.0", "late", b"late");
    });
    registry.script(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, another));
    job(&registry).run().exits_with(0);
    let version = has(&registry, "v1.0.0");
    assert!(version["SHA256SUMS"].contains("  late\n"), "{version:?}");
    assert_eq!(has(&registry, "latest"), version);
}

#[test]
fn a_list_in_one_line_is_not_taken_for_a_version() {
    let registry = Registry::start(Persona::default());
    for line in [
        "latest, stable",
        "latest,",
        "latest,stable",
        "latest stable",
        "- latest",
        "\"latest\"",
        "latest # newest",
        "# x",
    ] {
        job(&registry).input("aliases", line).is_refused(&registry).has_codes(&["invalid-input"]).says("`aliases`");
    }
}
