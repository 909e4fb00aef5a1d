//! What drawn worlds have shown to go wrong (`tests/worlds.rs`), each as small as it can be.

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

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
    let ran = job.run_in_short().exits_with(1).says("`b` is not on the registry, though it was there before");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "failed"]);
}
