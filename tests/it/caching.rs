//! A cache in front of the server that answers lists as they were.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::Sha256;

use crate::harness::{Job, Ran};
use crate::package::{answers, put, read, seed};

/// A job of two small files that tries everything three more times.
fn job(registry: &Registry) -> Job {
    let mut job = Job::publishing(registry, &[("first", "1"), ("second", "22222")]);
    job.input("retries", "3");
    job
}

/// Like `job`, but `first` exists with different content, and is replaced.
fn replacing(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("first", "what was there")]);
    let mut job = job(registry);
    job.input("if-file-exists", "overwrite");
    job
}

/// Returns the number of requests for a file with this method.
fn count(registry: &Registry, method: &str, name: &str) -> usize {
    let requests = registry.requests();
    requests.iter().filter(|request| request.method == method && request.target.ends_with(name)).count()
}

/// Lists are answered by that, whatever there is.
fn cache(registry: &Registry, list: Answer) -> Fault {
    registry.clear_faults();
    Fault::always(Match::list(), Point::Head, Action::Answer(list))
}

fn no_version() -> Answer {
    Answer::json(404, r#"{"message":"package does not exist"}"#)
}

/// The list of a version that has `first` with that content, and nothing else.
fn old_list(content: &[u8]) -> Answer {
    let sha256 = Sha256::of(content);
    Answer::json(200, format!(r#"[{{"name":"first","size":{},"sha256":"{sha256}"}}]"#, content.len()))
}

/// A file is `unknown`, the cache is named, and nobody else is blamed.
#[track_caller]
fn blames_the_cache(ran: Ran, registry: &Registry, name: &str) -> Ran {
    assert_eq!(ran.statuses()[name], "unknown", "{}", ran.log);
    let ran = ran.exits_with(1).has_a_hint_for_each_error().has_codes(&["not-listed"]).says(&format!("`{name}`"));
    let ran = ran.says(&format!("cache for {}/api/", registry.url()));
    ran.does_not_say("another job").does_not_say("other job")
}

#[test]
fn every_question_about_a_version_asks_caches_to_ask_the_server() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.run().exits_with(0);
    job.downloads().run().exits_with(0);
    let requests = registry.requests();
    let questions: Vec<_> = requests.iter().filter(|request| request.target.contains("/api/v1/")).collect();
    assert!(questions.len() >= 5, "{questions:?}");
    for question in questions {
        assert_eq!(question.header("Cache-Control"), Some("no-cache"), "{question:?}");
    }
}

#[test]
fn a_file_that_was_accepted_and_is_not_listed_is_unknown_and_not_sent_again() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    registry.add_fault(cache(&registry, no_version()));
    let ran = job.run_with_short_waits().exits_with(1).has_codes(&["not-listed"]).says("(3/3): `second`");
    let ran = ran.says("`first`, `second`").does_not_say("another job");
    assert_eq!(ran.outputs["urls"], "");
    assert_eq!(["first", "second"].map(|name| count(&registry, "PUT", name)), [1, 1]);
    assert_eq!(
        count(&registry, "GET", "/files"),
        1 + 4,
        "the first list, and one try and three retries after the uploads"
    );
    // Without the cache nothing is left to do.
    registry.clear_faults();
    assert_eq!(job.run().exits_with(0).statuses().into_values().collect::<Vec<_>>(), ["unchanged"; 2]);
}

#[test]
fn a_list_that_is_old_for_a_while_is_read_again() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    registry.add_fault(cache(&registry, no_version()).times(4));
    job.run_with_short_waits().exits_with(0).has_retries(6).has_statuses(&["uploaded"; 2]);
    assert_eq!(["first", "second"].map(|name| count(&registry, "PUT", name)), [1, 1]);
}

#[test]
fn a_replacement_that_the_list_does_not_show_is_unknown_and_made_once() {
    let registry = Registry::start(Persona::default());
    let job = replacing(&registry);
    registry.add_fault(cache(&registry, old_list(b"what was there")));
    blames_the_cache(job.run_with_short_waits(), &registry, "second");
    assert_eq!(count(&registry, "DELETE", "first"), 0, "where a list is known to be old nothing is deleted by it");

    registry.add_fault(cache(&registry, old_list(b"what was there")));
    let mut job = job;
    job.input("files", "dist/first");
    blames_the_cache(job.run_with_short_waits(), &registry, "first").has_retries(20);
    assert_eq!(["DELETE", "PUT"].map(|method| count(&registry, method, "first")), [1, 1]);
    assert_eq!(read(&registry, "first").as_deref(), Some("1"));
}

#[test]
fn a_replacement_that_an_old_list_does_not_show_for_a_while_is_made_once() {
    let registry = Registry::start(Persona::default());
    let mut job = replacing(&registry);
    job.input("files", "dist/first");
    registry.add_fault(cache(&registry, old_list(b"what was there")).times(8));
    let ran = job.run_with_short_waits().exits_with(0).has_retries(6);
    assert_eq!(ran.statuses()["first"], "replaced");
    assert_eq!(["DELETE", "PUT"].map(|method| count(&registry, method, "first")), [1, 1]);
}

#[test]
fn a_replacement_that_deleted_and_stored_nothing_is_unknown() {
    for deletes in [true, false] {
        let registry = Registry::start(Persona::default());
        let job = replacing(&registry);
        if !deletes {
            let good = Action::Answer(Answer::empty(204));
            registry.add_fault(Fault::once(Match::delete("/v1.0.0/first"), Point::BeforeStore, good));
        }
        registry.add_fault(Fault::once(put("first"), Point::BeforeStore, Action::Answer(Answer::empty(201))));
        let ran = job.run_with_short_waits();
        assert_eq!(["DELETE", "PUT"].map(|method| count(&registry, method, "first")), [1, 1]);
        blames_the_cache(ran, &registry, "first");
    }
}

#[test]
fn a_replaced_file_is_not_blamed_on_others_though_a_later_list_shows_what_was_deleted() {
    let registry = Registry::start(Persona::default());
    let mut job = replacing(&registry);
    seed(&registry, "v1.0.0", &[("second", "was there too")]);
    // The list after both replacements knows of neither.
    registry.add_fault(Fault::once(Match::list(), Point::Head, Action::OutdatedList(4)).skip(4));
    job.input("concurrency", "1").run_with_short_waits().exits_with(0).has_retries(2).has_statuses(&["replaced"; 2]);
    assert_eq!(registry.acted_faults().len(), 1);
}

#[test]
fn another_job_is_blamed_only_for_content_that_is_neither_old_nor_ours() {
    let registry = Registry::start(Persona::default());
    let mut job = replacing(&registry);
    job.input("files", "dist/first");
    registry.add_fault(cache(&registry, old_list(b"what was there")).times(2));
    answers(&registry, Match::list(), old_list(b"a third one's"));
    let ran =
        job.run_with_short_waits().exits_with(1).has_codes(&["upload-mismatch"]).says("whether another job publishes");
    assert_eq!(ran.statuses()["first"], "failed");
}

#[test]
fn a_409_for_a_file_that_is_not_listed_is_unknown_and_not_blamed_on_another_job() {
    let registry = Registry::start(Persona::default());
    let exists = Action::Answer(Answer::text(409, "package file already exists"));
    registry.add_fault(Fault::always(put("second"), Point::BeforeStore, exists));
    let ran = job(&registry).run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses()["second"], "unknown");
    ran.has_codes(&["not-listed"]).does_not_say("another job");
}

#[test]
fn an_extra_file_of_an_alias_that_is_listed_after_its_deletion_is_deleted_once() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "latest", &[("extra", "x"), ("other", "x")]);
    let mut job = job(&registry);
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("retries", "2");
    // A proxy that confirms a deletion without asking the server.
    registry.add_fault(Fault::always(Match::delete("/extra"), Point::Head, Action::Answer(Answer::empty(204))));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_codes(&["alias-mismatch"]);
    let ran = ran.has_retries(2).says("1 extra file").says("deletion of `extra`");
    ran.says(&format!("cache for {}/api/", registry.url()));
    assert_eq!(["extra", "other"].map(|name| count(&registry, "DELETE", name)), [1, 1]);
    assert_eq!(registry.read("alice", "widget", "latest", "other"), None);
}
