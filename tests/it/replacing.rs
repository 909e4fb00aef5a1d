//! Other content under a file's name: `if-file-exists`.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::Job;

/// A release of `a` and `b`; the registry has another `b`, and `c`, which is nobody's business.
fn job(registry: &Registry, policy: &str) -> Job {
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    registry.seed("alice", "widget", "v1.0.0", "c", b"untouched");
    let mut job = Job::new(registry);
    job.file("dist/a", "1").file("dist/b", "ours").input("if-file-exists", policy);
    job
}

fn read(registry: &Registry, name: &str) -> Option<String> {
    registry.read("alice", "widget", "v1.0.0", name).map(|bytes| String::from_utf8(bytes).expect("a text"))
}

fn methods(registry: &Registry) -> Vec<String> {
    registry.requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
}

fn delete() -> Match {
    Match::delete("/v1.0.0/b")
}

fn put() -> Match {
    Match::put("/v1.0.0/b")
}

#[test]
fn by_default_other_content_ends_the_run_before_anything_is_sent() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "fail");
    for ran in [job.run(), job.without("INPUT_IF-FILE-EXISTS").run()] {
        ran.exits_with(1).has_codes(&["conflict"]);
    }
    assert_eq!((read(&registry, "a"), read(&registry, "b").as_deref()), (None, Some("theirs")));
}

#[test]
fn skip_keeps_what_is_there_with_a_warning_and_sends_the_rest() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry, "skip").run().exits_with(0);
    assert!(ran.log.contains("\n::warning title=generic-packages::`b` "), "{}", ran.log);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "skipped"]);
    assert_eq!((ran.outputs["skipped"].as_str(), ran.outputs["failed"].as_str()), ("1", "0"));
    assert_eq!(ran.outputs["urls"].lines().count(), 1, "the URL of other bytes is none of ours");
    assert!(ran.summary.contains("| ` b ` |"), "no link to other bytes");
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
}

#[test]
fn a_skipped_file_is_warned_of_once_however_often_the_list_is_read() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "skip");
    // The second has nothing to send, so it reads the list once.
    for lists in [2, 1] {
        registry.forget_requests();
        let ran = job.run().exits_with(0);
        assert_eq!(registry.requests().iter().filter(|request| request.target.ends_with("/files")).count(), lists);
        assert_eq!(ran.log.matches("::warning title=generic-packages::`b` ").count(), 1, "{}", ran.log);
    }
}

#[test]
fn overwrite_replaces_other_content_after_all_other_uploads() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let ran = job(&registry, "overwrite").run().exits_with(0);
        assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "replaced"], "{persona:?}");
        assert_eq!((ran.outputs["replaced"].as_str(), ran.outputs["uploaded"].as_str()), ("1", "1"));
        assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
        assert_eq!(read(&registry, "c").as_deref(), Some("untouched"));
        let base = "/api/packages/alice/generic/widget/v1.0.0";
        let changes: Vec<String> = methods(&registry).into_iter().filter(|line| !line.starts_with("GET")).collect();
        let expected = ["PUT", "PUT", "DELETE", "PUT"].iter().zip(["a", "%2A", "b", "b"]);
        assert_eq!(changes, expected.map(|(method, name)| format!("{method} {base}/{name}")).collect::<Vec<_>>());
    }
}

#[test]
fn overwrite_leaves_the_same_content_as_it_is() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "overwrite");
    job.run().exits_with(0);
    registry.forget_requests();
    let ran = job.run().exits_with(0);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unchanged"; 2]);
    assert!(methods(&registry).iter().all(|line| line.starts_with("GET")), "{:?}", methods(&registry));
}

#[test]
fn the_only_file_of_a_version_can_be_replaced() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    let mut job = Job::new(&registry);
    job.file("dist/b", "ours").input("if-file-exists", "overwrite");
    job.run().exits_with(0);
    assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
}

#[test]
fn a_file_of_another_case_is_replaced_and_has_our_spelling_afterwards() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "App", b"theirs");
    let mut job = Job::new(&registry);
    job.file("dist/app", "ours").input("if-file-exists", "overwrite");
    job.run().exits_with(0);
    let files = registry.files("alice", "widget", "v1.0.0");
    assert_eq!(files.iter().map(|file| (file.name.as_str(), file.size)).collect::<Vec<_>>(), [("app", 4)]);
}

#[test]
fn without_the_right_to_write_nothing_is_deleted() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    let mut job = Job::new(&registry);
    job.file("dist/b", "ours").input("if-file-exists", "overwrite").token(&registry.token("alice_read"));
    let ran = job.run().exits_with(1).has_codes(&["no-write-access"]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted"]);
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
}

#[test]
fn where_another_upload_fails_nothing_is_deleted() {
    let registry = Registry::start(Persona::default());
    let refused = Action::Answer(Answer::text(400, "invalid filename"));
    registry.script(Fault::always(Match::put("/v1.0.0/a"), Point::Head, refused));
    let ran = job(&registry, "overwrite").run().exits_with(1);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "not-attempted"]);
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
}

#[test]
fn only_what_was_seen_at_the_start_is_deleted() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "overwrite");
    let other = Action::then(|world| {
        world.delete("alice", "widget", "v1.0.0", "b");
        world.seed("alice", "widget", "v1.0.0", "b", b"a third one's");
    });
    registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::AfterStore, other));
    let ran = job.run().exits_with(1).has_codes(&["changed-by-another-job"]).says("13 bytes").says("4 bytes");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "failed"]);
    assert_eq!(read(&registry, "b").as_deref(), Some("a third one's"));
    assert!(!methods(&registry).iter().any(|line| line.starts_with("DELETE")));
}

#[test]
fn what_changes_just_before_the_deletion_is_not_deleted() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "overwrite");
    let other = Action::then(|world| {
        world.delete("alice", "widget", "v1.0.0", "b");
        world.seed("alice", "widget", "v1.0.0", "b", b"a third one's");
    });
    // The check of write access is the last request before the list that a deletion follows from.
    registry.script(Fault::once(Match::put("/%2A"), Point::Head, other));
    job.input("files", "dist/b").run().exits_with(1).has_codes(&["changed-by-another-job"]);
    assert_eq!(read(&registry, "b").as_deref(), Some("a third one's"));
    assert!(!methods(&registry).iter().any(|line| line.starts_with("DELETE")));
}

#[test]
fn a_file_that_changed_since_it_was_checked_replaces_nothing() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "overwrite");
    let path = job.workspace().join("dist/b");
    let change = Action::then(move |_| std::fs::write(&path, "changed").expect("it can be written"));
    registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::AfterStore, change));
    job.run().exits_with(1).has_codes(&["file-changed"]).says("dist/b");
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
}

#[test]
fn a_deletion_that_is_refused_leaves_what_is_there() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(delete(), Point::Head, Action::Answer(Answer::text(403, "no"))));
    let ran = job(&registry, "overwrite").run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.has_codes(&["no-write-access"]).statuses()["b"], "failed");
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
}

#[test]
fn a_deletion_that_is_refused_is_not_tried_again() {
    for refused in [Answer::text(403, "no"), Answer::text(404, "404 page not found"), Answer::text(409, "no")] {
        let registry = Registry::start(Persona::default());
        registry.script(Fault::always(delete(), Point::Head, Action::Answer(refused)));
        let mut job = job(&registry, "overwrite");
        job.input("retries", "3").run_in_short().exits_with(1).has_retries(0);
        assert_eq!(registry.acted().len(), 1);
    }
}

#[test]
fn what_another_job_puts_in_the_place_of_a_deleted_file_is_not_deleted_too() {
    let registry = Registry::start(Persona::default());
    // The answer is lost, so it has to be looked up what became of the deletion.
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "b", b"a third one's"));
    registry.script(Fault::once(delete(), Point::AfterStore, other));
    registry.script(Fault::once(delete(), Point::AfterStore, Action::Reset));
    let mut job = job(&registry, "overwrite");
    let ran = job.input("retries", "3").run_in_short().exits_with(1).has_codes(&["changed-by-another-job"]);
    assert_eq!(ran.statuses()["b"], "failed");
    assert_eq!(read(&registry, "b").as_deref(), Some("a third one's"));
    assert_eq!(methods(&registry).iter().filter(|line| line.starts_with("DELETE")).count(), 1);
}

#[test]
fn a_file_that_another_job_deleted_first_is_sent_all_the_same() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "overwrite");
    let gone = Action::then(|world| assert!(world.delete("alice", "widget", "v1.0.0", "b")));
    registry.script(Fault::once(delete(), Point::BeforeStore, gone));
    job.run().exits_with(0);
    assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
}

#[test]
fn a_replacement_that_cannot_be_sent_says_first_that_the_file_is_missing() {
    let registry = Registry::start(Persona::default());
    let too_large = Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>");
    registry.script(Fault::always(put(), Point::Head, Action::Answer(too_large)));
    let job = job(&registry, "overwrite");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["replaced-file-missing"]);
    assert_eq!(ran.statuses()["b"], "failed");
    let ran = ran.says("/v1.0.0/b)");
    assert!(
        ran.log.contains("::error title=generic-packages::failed to replace `b`: the old file was deleted"),
        "{}",
        ran.log
    );
    registry.clear_script();
    job.run().exits_with(0);
    assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
}

#[test]
fn a_replacement_that_a_limit_refuses_promises_no_old_file_and_names_the_checksums_file_that_no_longer_matches() {
    let too_large = Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>");
    for (answer, fix) in [
        (too_large, "Raise the body size limit of the reverse proxy"),
        (Answer::text(403, "maximum allowed package type size exceeded"), "Reduce the size of the file"),
        (Answer::text(403, "maximum allowed package storage quota exceeded"), "Delete old versions"),
        (Answer::text(413, "enforcePackagesQuota"), "Delete old versions"),
    ] {
        let run = |checksums: &str, name: &str| {
            let registry = Registry::start(Persona::default());
            let mut job = job(&registry, "overwrite");
            registry.seed("alice", "widget", "v1.0.0", name, b"older");
            registry.script(Fault::always(put(), Point::Head, Action::Answer(answer.clone())));
            let ran = job.input("checksums", checksums).run().exits_with(1).has_a_hint_for_each_error().says(fix);
            ran.has_codes(&["replaced-file-missing"]).says("The old file is not restored")
        };
        run("", "other").does_not_say("warning: ");
        for (checksums, name) in [("", "sha256sums"), ("SUMS", "Sums")] {
            run(checksums, name).says(&format!("warning: `{name}`")).says(&format!("`checksums: {name}`"));
        }
    }
}

#[test]
fn a_replacement_is_tried_twenty_times_whatever_the_retries() {
    let registry = Registry::start(Persona::default());
    let broken = Action::Answer(Answer::text(500, ""));
    registry.script(Fault::always(put(), Point::BeforeStore, broken).times(20));
    job(&registry, "overwrite").run_in_short().exits_with(0).says("(20/20)");
    assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
}

#[test]
fn a_replacement_that_is_given_up_after_twenty_retries_is_not_begun_again() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(put(), Point::BeforeStore, Action::Answer(Answer::text(500, ""))));
    job(&registry, "overwrite").run_in_short().exits_with(1).has_codes(&["replaced-file-missing"]);
    assert_eq!(methods(&registry).iter().filter(|line| line.starts_with("PUT") && line.ends_with("/b")).count(), 21);
}

#[test]
fn what_comes_in_between_is_a_conflict_and_not_deleted() {
    let registry = Registry::start(Persona::default());
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "b", b"a third one's"));
    registry.script(Fault::once(delete(), Point::AfterStore, other));
    let ran = job(&registry, "overwrite").run_in_short().exits_with(1);
    assert_eq!(ran.statuses()["b"], "failed");
    assert_eq!(read(&registry, "b").as_deref(), Some("a third one's"));
}

#[test]
fn what_another_job_published_during_the_run_is_replaced_too_where_that_was_asked_for() {
    for (policy, code, status, left) in
        [("overwrite", 0, "replaced", "1"), ("skip", 0, "skipped", "x"), ("fail", 1, "failed", "x")]
    {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        job.file("dist/a", "1").input("if-file-exists", policy);
        let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "a", b"x"));
        registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::BeforeStore, other));
        let ran = job.run_in_short().exits_with(code);
        assert_eq!(ran.statuses()["a"], status);
        assert_eq!(read(&registry, "a").as_deref(), Some(left), "{policy}");
    }
}

#[test]
fn nothing_is_deleted_where_nothing_is_left_to_delete() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "overwrite");
    let gone = Action::then(|world| assert!(world.delete("alice", "widget", "v1.0.0", "b")));
    registry.script(Fault::once(Match::list(), Point::Head, gone).skip(2));
    job.run().exits_with(0);
    assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
    assert!(!methods(&registry).iter().any(|line| line.starts_with("DELETE")), "{:?}", methods(&registry));
}

#[test]
fn a_deletion_that_was_carried_out_whatever_was_said_of_it_counts_as_ours() {
    let registry = Registry::start(Persona::default());
    let timeout = || Action::Answer(Answer::text(408, "Request Timeout"));
    registry.script(Fault::once(delete(), Point::AfterStore, timeout()));
    let mut job = job(&registry, "overwrite");
    let ran = job.input("retries", "2").run_in_short().exits_with(0);
    assert_eq!(ran.statuses()["b"], "replaced");
    // Where it was the last try too, the file is said to be missing.
    let other = Registry::start(Persona::default());
    other.script(Fault::once(delete(), Point::AfterStore, timeout()));
    self::job(&other, "overwrite").run_in_short().exits_with(1).has_codes(&["replaced-file-missing"]);
}
