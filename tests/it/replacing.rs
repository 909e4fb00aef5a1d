//! Files that exist with different content: `if-file-exists`.

use std::fs;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::Job;
use crate::package::{
    another_job_deletes, another_job_publishes, answers, changes, contents, count, put, read, requests, script, seed,
};

/// A release of `a` and `b`; the registry has another `b`, and `c`, which is in no job.
fn job(registry: &Registry, policy: &str) -> Job {
    seed(registry, "v1.0.0", &[("b", "theirs"), ("c", "untouched")]);
    let mut job = Job::publishing(registry, &[("a", "1"), ("b", "ours")]);
    job.input("if-file-exists", policy);
    job
}

fn delete() -> Match {
    Match::delete("/v1.0.0/b")
}

fn too_large() -> Answer {
    Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>")
}

#[test]
fn by_default_different_content_fails_the_run_before_any_upload() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "fail");
    for ran in [job.run(), job.without("INPUT_IF-FILE-EXISTS").run()] {
        ran.exits_with(1).has_codes(&["conflict"]).has_statuses(&["not-attempted", "failed"]);
    }
    assert_eq!(changes(&registry), [""; 0]);
}

#[test]
fn skip_keeps_the_registrys_file_with_one_warning_and_uploads_the_others() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry, "skip");
    let ran = job.run().exits_with(0).has_statuses(&["uploaded", "skipped"]);
    let ran = ran.has_outputs(&[("skipped", "1"), ("failed", "0")]);
    assert_eq!(ran.outputs["urls"].lines().count(), 1, "the URL of different content is no output");
    assert!(ran.summary.contains("| ` b ` |"), "no link to different content");
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
    // The second run has nothing to upload, so it reads the list once.
    for (ran, lists) in [(ran, 2), (job.run(), 3)] {
        assert_eq!(ran.lines("::warning title=generic-packages::`b` ").len(), 1, "{}", ran.log);
        assert!(count(&registry, "GET v1.0.0/files") >= lists);
    }
    assert_eq!(count(&registry, "GET v1.0.0/files"), 3);
}

#[test]
fn overwrite_replaces_different_content_after_all_other_uploads_and_keeps_identical_content() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let job = job(&registry, "overwrite");
        let ran = job.run().exits_with(0).has_statuses(&["uploaded", "replaced"]);
        ran.has_outputs(&[("replaced", "1"), ("uploaded", "1")]);
        let expected = [("a", "1"), ("b", "ours"), ("c", "untouched")];
        assert_eq!(contents(&registry, "v1.0.0"), expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let methods: Vec<String> = requests(&registry).into_iter().filter(|line| !line.starts_with("GET")).collect();
        assert_eq!(methods, ["PUT v1.0.0/a", "PUT v1.0.0/%2A", "DELETE v1.0.0/b", "PUT v1.0.0/b"], "{persona:?}");
        registry.clear_requests();
        job.run().exits_with(0).has_statuses(&["unchanged"; 2]);
        assert!(requests(&registry).iter().all(|line| line.starts_with("GET")), "{:?}", requests(&registry));
    }
}

#[test]
fn the_only_file_of_a_version_is_replaced_also_by_one_of_another_case() {
    for name in ["app", "App"] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &[(name, "theirs")]);
        Job::publishing(&registry, &[("app", "ours")]).input("if-file-exists", "overwrite").run().exits_with(0);
        assert_eq!(contents(&registry, "v1.0.0"), [("app".to_owned(), "ours".to_owned())].into());
    }
}

#[test]
fn another_job_that_publishes_the_file_during_the_run_is_no_exception() {
    for (policy, code, status, left) in
        [("overwrite", 0, "replaced", "1"), ("skip", 0, "skipped", "x"), ("fail", 1, "failed", "x")]
    {
        let registry = Registry::start(Persona::default());
        let other = another_job_publishes("v1.0.0", "a", "x");
        registry.add_fault(Fault::once(put("a"), Point::BeforeStore, other));
        let mut job = Job::publishing(&registry, &[("a", "1")]);
        job.input("if-file-exists", policy).run_with_short_waits().exits_with(code).has_statuses(&[status]);
        assert_eq!(read(&registry, "a").as_deref(), Some(left), "{policy}");
    }
}

#[test]
fn a_skipped_file_whose_other_content_is_deleted_meanwhile_is_uploaded_or_an_error() {
    for (retries, code, codes, status) in [("1", 0, &[][..], "uploaded"), ("0", 1, &["file-lost"], "failed")] {
        let registry = Registry::start(Persona::default());
        registry.add_fault(Fault::once(put("a"), Point::BeforeStore, another_job_deletes("v1.0.0", "b")));
        let ran = job(&registry, "skip").input("retries", retries).run_with_short_waits().exits_with(code);
        ran.has_codes(codes).has_statuses(&["uploaded", status]);
    }
}

#[test]
fn a_replacement_deletes_only_what_was_listed_and_says_what_became_of_it() {
    let (head, before, after) = (Point::Head, Point::BeforeStore, Point::AfterStore);
    let once = Fault::once;
    let always = Fault::always;
    let text = |status, text: &str| Action::Answer(Answer::text(status, text));
    let page = |status| Action::Answer(Answer::html(status, "<title>Not now</title>"));
    let third = || another_job_publishes("v1.0.0", "b", "a third one's");
    let deletes = || another_job_deletes("v1.0.0", "b");
    let lag = |changes, skip| once(Match::list(), head, Action::OutdatedList(changes)).skip(skip);
    let limit = || Action::Answer(too_large());
    let away = |at| {
        let uploads = always(put("b"), head, page(502)).skip(1).times(9);
        vec![once(put("b"), at, page(502)), uploads, always(Match::list(), head, page(502)).skip(3).times(9)]
    };
    let (changed, missing) = (("changed-by-another-job", Some("a third one's")), ("replaced-file-missing", None));
    let done = ("", Some("ours"));
    let mut wrong = Vec::new();
    // The faults, the code of the error and the content that is left, and how many DELETEs and PUTs of the file there are.
    // The lists are read at the start, after the uploads, before the deletion, and at the end.
    for (number, (faults, retries, (code, left), deletions, uploads)) in [
        // Another job changes the file before the deletion.
        (vec![once(put("a"), after, third())], 0, changed, 0, 0),
        (vec![once(put("%2A"), head, third())], 0, changed, 0, 0),
        (vec![once(delete(), head, third()), once(delete(), head, text(429, ""))], 3, changed, 1, 0),
        (vec![once(Match::list(), head, deletes()).skip(2)], 0, done, 0, 1),
        (vec![once(delete(), before, deletes())], 0, done, 1, 1),
        // The deletion is refused or breaks. After a lost response the upload shows whether the file is gone.
        (vec![always(delete(), head, text(403, "no"))], 3, ("no-write-access", Some("theirs")), 1, 0),
        (vec![always(delete(), head, text(404, "404 page not found"))], 3, ("wrong-server-url", Some("theirs")), 1, 0),
        (vec![always(delete(), head, text(409, "no"))], 3, ("unexpected-response", Some("theirs")), 1, 0),
        (vec![always(delete(), before, Action::Reset)], 3, ("connection-broken", Some("theirs")), 4, 4),
        (vec![always(delete(), before, text(500, ""))], 3, ("server-error", Some("theirs")), 4, 4),
        (vec![once(delete(), after, text(408, ""))], 2, done, 2, 1),
        (vec![once(delete(), after, text(408, ""))], 0, missing, 1, 0),
        // Another job publishes the file between the deletion and the upload.
        (vec![once(delete(), after, third())], 0, changed, 1, 1),
        (vec![once(delete(), after, third()), once(delete(), after, Action::Reset)], 3, changed, 1, 1),
        (vec![once(put("b"), head, third()), once(put("b"), head, limit())], 3, changed, 1, 1),
        (vec![once(put("b"), after, third())], 3, ("upload-mismatch", Some("a third one's")), 1, 1),
        // The upload is refused, also if nothing was deleted or the list is old.
        (vec![always(put("b"), head, limit())], 3, missing, 1, 1),
        (vec![always(put("b"), head, limit()), lag(1, 3)], 3, missing, 1, 1),
        (
            vec![once(delete(), before, text(204, "")), always(put("b"), head, limit())],
            3,
            ("body-limit-exceeded", Some("theirs")),
            1,
            1,
        ),
        // The upload fails 20 times, or once more.
        (vec![always(put("b"), before, text(500, "")).times(20)], 0, done, 1, 21),
        (vec![always(put("b"), before, text(500, ""))], 0, missing, 1, 21),
        // Neither an upload nor a list succeeds for a while.
        (away(before), 0, done, 1, 11),
        (away(after), 0, done, 1, 10),
        // A list is old, also after a lost response.
        (vec![lag(2, 3)], 3, done, 1, 1),
        (vec![lag(2, 3), once(put("b"), after, Action::Reset)], 3, done, 2, 2),
        (vec![lag(3, 3), once(put("a"), after, Action::Reset)], 3, done, 1, 1),
        (vec![lag(1, 1), once(put("a"), after, Action::Reset)], 1, done, 1, 1),
        (vec![lag(1, 1), once(put("a"), after, Action::Reset)], 2, done, 1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry, "overwrite");
        let scripted = faults.len();
        script(&registry, faults);
        let ran = job.input("retries", retries.to_string()).run_with_short_waits();
        let status = match (code, deletions) {
            ("", 0) => "uploaded",
            ("", _) => "replaced",
            _ => "failed",
        };
        let found = (
            ran.codes.join(" "),
            ran.statuses()["b"].clone(),
            read(&registry, "b"),
            count(&registry, "DELETE v1.0.0/b"),
            count(&registry, "PUT v1.0.0/b"),
        );
        let expected = (code.to_owned(), status.to_owned(), left.map(str::to_owned), deletions, uploads);
        assert!(registry.acted_faults().len() >= scripted, "{number}: a fault is not met");
        if found != expected || ran.statuses()["a"] != "uploaded" {
            wrong.push(format!("{number}: {found:?} instead of {expected:?}\n{}", ran.log));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_next_file_is_replaced_if_the_response_to_one_is_lost() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "theirs"), ("b", "theirs")]);
    registry.add_fault(Fault::once(put("a"), Point::AfterStore, Action::Reset));
    let html = Action::Answer(Answer::html(200, "<title>Sign in</title>"));
    registry.add_fault(Fault::once(Match::list(), Point::Head, html).skip(2));
    let mut job = Job::publishing(&registry, &[("a", "1"), ("b", "ours")]);
    job.input("if-file-exists", "overwrite").run_with_short_waits().exits_with(0).has_statuses(&["replaced"; 2]);
}

#[test]
fn nothing_is_deleted_without_write_access_after_a_failed_upload_or_for_a_file_that_has_changed() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "overwrite");
    job.input("files", "dist/b")
        .token(&registry.token("alice_read"))
        .run()
        .exits_with(1)
        .has_codes(&["no-write-access"]);
    job.token(&registry.token("alice_write")).input("files", "dist/*");
    registry.add_fault(Fault::once(put("a"), Point::Head, Action::Answer(Answer::text(400, "invalid filename"))));
    job.run().exits_with(1).has_statuses(&["failed", "not-attempted"]);
    let path = job.workspace().join("dist/b");
    let change = Action::then(move |_| fs::write(&path, "changed").expect("the file can be written"));
    registry.add_fault(Fault::once(put("a"), Point::AfterStore, change));
    job.run().exits_with(1).has_codes(&["file-changed"]).says("dist/b");
    assert_eq!(read(&registry, "b").as_deref(), Some("theirs"));
    assert_eq!(changes(&registry), ["PUT v1.0.0/a"; 2]);
}

#[test]
fn a_replacement_that_is_refused_says_that_the_file_is_missing_and_which_checksums_file_no_longer_matches() {
    for (answer, fix) in [
        (too_large(), "Raise the body size limit of the reverse proxy"),
        (Answer::text(403, "maximum allowed package type size exceeded"), "Reduce the size of the file"),
        (Answer::text(403, "maximum allowed package storage quota exceeded"), "Delete old versions"),
        (Answer::text(413, "enforcePackagesQuota"), "Delete old versions"),
    ] {
        for (checksums, name, warns) in [("", "other", false), ("", "sha256sums", true), ("SUMS", "Sums", true)] {
            let registry = Registry::start(Persona::default());
            let mut job = job(&registry, "overwrite");
            seed(&registry, "v1.0.0", &[(name, "older")]);
            answers(&registry, put("b"), answer.clone());
            let ran = job.input("checksums", checksums).run().exits_with(1).has_a_hint_for_each_error().says(fix);
            let ran = ran.has_codes(&["replaced-file-missing"]).says("The old file is not restored").says("/v1.0.0/b)");
            assert_eq!(ran.lines("::error title=generic-packages::failed to replace `b`: the old file").len(), 1);
            if warns {
                ran.says(&format!("warning: `{name}`")).says(&format!("`checksums: {name}`"));
            } else {
                ran.does_not_say("warning: ");
            }
            registry.clear_faults();
            job.run().exits_with(0);
            assert_eq!(read(&registry, "b").as_deref(), Some("ours"));
        }
    }
}
