//! What drawn worlds have shown to go wrong (`tests/worlds.rs`), each as small as it can be.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::Job;

/// The upload of a file of that name.
fn put(name: &str) -> Match {
    Match::put(&format!("/v1.0.0/{name}"))
}

/// Somebody else deletes `b`.
fn b_is_deleted() -> Action {
    Action::then(|world| assert!(world.delete("alice", "widget", "v1.0.0", "b")))
}

fn read(registry: &Registry, name: &str) -> Option<Vec<u8>> {
    registry.read("alice", "widget", "v1.0.0", name)
}

#[test]
fn a_file_that_was_skipped_for_what_is_gone_at_the_end_is_sent() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    registry.script(Fault::once(put("a"), Point::BeforeStore, b_is_deleted()));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "ours").input("if-file-exists", "skip").input("retries", "1");
    let ran = job.run_in_short().exits_with(0);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "uploaded"]);
    assert_eq!(read(&registry, "b").as_deref(), Some(&b"ours"[..]));
}

#[test]
fn a_file_that_was_skipped_for_what_is_gone_at_the_end_is_no_success_where_it_cannot_be_sent() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    registry.script(Fault::once(put("a"), Point::BeforeStore, b_is_deleted()));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "ours").input("if-file-exists", "skip");
    let ran = job.run_in_short().exits_with(1).has_codes(&["file-lost"]).says("`b`");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "failed"]);
}

#[test]
fn replacing_goes_on_when_an_upload_in_doubt_turns_out_to_be_there() {
    for retries in ["1", "2"] {
        let registry = Registry::start(Persona::default());
        registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
        // The list does not show it at the first look.
        registry.script(Fault::once(put("a"), Point::AfterStore, Action::Reset));
        registry.script(Fault::once(Match::list(), Point::Head, Action::Lag(1)).skip(1));
        let mut job = Job::new(&registry);
        job.file("dist/a", "1").file("dist/b", "ours").input("if-file-exists", "overwrite").input("retries", retries);
        let ran = job.run_in_short().exits_with(0);
        assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "replaced"]);
        assert_eq!(read(&registry, "b").as_deref(), Some(&b"ours"[..]));
    }
}

#[test]
fn the_next_file_is_replaced_when_one_in_doubt_turns_out_to_be_there() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "a", b"theirs");
    registry.seed("alice", "widget", "v1.0.0", "b", b"theirs");
    registry.script(Fault::once(put("a"), Point::AfterStore, Action::Reset));
    let html = Action::Answer(Answer::html(200, "<title>Sign in</title>"));
    registry.script(Fault::once(Match::list(), Point::Head, html).skip(2));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "ours").input("if-file-exists", "overwrite");
    let ran = job.run_in_short();
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["replaced", "replaced"], "{}", ran.log);
    ran.exits_with(0);
}

#[test]
fn what_keeps_files_from_being_sent_is_told() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(put("a"), Point::AfterStore, Action::Reset));
    let html = Action::Answer(Answer::html(200, "<title>Sign in</title>"));
    registry.script(Fault::once(Match::list(), Point::Head, html).skip(1));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22");
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&[
        "web-page",
        "not-verified",
        "not-verified",
    ]);
    assert_eq!(ran.statuses()["a"], "unknown");
}

#[test]
fn words_that_break_off_in_their_middle_are_asked_for_again() {
    for (cut, bytes) in [(Match::list(), 20), (Match::put("%2A"), 2)] {
        let registry = Registry::start(Persona::default());
        registry.script(Fault::once(cut, Point::AnswerByte(bytes), Action::Reset));
        let mut job = Job::new(&registry);
        job.file("dist/a", vec![7; 1024 * 1024 + 1]).input("retries", "1");
        let ran = job.run_in_short();
        assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded"], "{}", ran.log);
        ran.exits_with(0);
    }
}

#[test]
fn an_upload_without_an_answer_is_unknown_when_the_token_ends_with_it() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(put("a"), Point::AfterStore, Action::then(|world| world.revoke("alice_write"))));
    registry.script(Fault::once(put("a"), Point::AfterStore, Action::Reset));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown"], "it is there");
}

#[test]
fn what_was_there_at_first_is_unknown_where_the_last_list_is_not_to_be_had() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "b", b"ours");
    registry.script(Fault::once(put("a"), Point::BeforeStore, b_is_deleted()));
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::text(500, ""))).skip(1));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "ours");
    let ran = job.run_in_short().exits_with(1);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown", "unknown"]);
}
