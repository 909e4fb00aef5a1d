//! The cases of `docs/troubleshooting.md` that are about the checksums file of a version.

use std::sync::atomic::{AtomicUsize, Ordering};

use embedded_registry::{Action, Fault, Match, Point, Registry};

use super::{Case, failed, json, page, rejected, text};
use crate::harness::Job;

pub(super) const CASES: &[Case] = &[
    ("A file for `expect` is missing", || {
        checksums_job(|job, registry| {
            registry.seed("acme", "widget", "1.2.0", "app-x86_64-linux.tar.gz", b"content");
            job.input("expect", "*-x86_64-*\n*-aarch64-*")
        })
    }),
    ("The version has no files", || checksums_job(|job, _| job)),
    ("The version changes during the run", || {
        checksums_job(|job, registry| {
            registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
            registry.add_fault(Fault::always(Match::put("/SHA256SUMS"), Point::AfterStore, adds_a_file("1.2.0")));
            job
        })
    }),
    ("The checksums file does not match any more", || {
        checksums_job(|job, registry| {
            registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
            registry.seed("acme", "widget", "1.2.0", "notes.txt", b"notes");
            let deletes = Action::then(|world| assert!(world.delete("acme", "widget", "1.2.0", "app.tar.gz")));
            registry.add_fault(Fault::once(Match::put("/SHA256SUMS"), Point::AfterStore, deletes));
            job.input("expect", "*.tar.gz")
        })
    }),
    ("A file name that a checksums file cannot contain", || {
        checksums_job(|job, registry| {
            registry.add_fault(Fault::always(Match::list(), Point::Head, lists_a_bad_name()));
            job
        })
    }),
    ("The alias does not match the version", || {
        let page = page(413, "413 Request Entity Too Large");
        alias(Fault::always(Match::put("/latest/app.tar.gz"), Point::Head, page))
    }),
    ("An extra file of the alias cannot be deleted", || {
        alias(Fault::always(Match::delete("/latest/old"), Point::Head, text(403, "no")))
    }),
    ("An extra file of the alias is still listed after its deletion", || {
        alias(Fault::always(Match::delete("/latest/old"), Point::Head, text(204, "")))
    }),
    ("Other jobs change the alias", || {
        alias(Fault::always(Match::list().containing("/latest/"), Point::BeforeStore, adds_a_file("latest")))
    }),
    ("A higher release updates the alias at the same time", || {
        let another = Action::then(|world| {
            world.seed("acme", "widget", "1.3.0", "app.tar.gz", b"a newer one");
            world.delete("acme", "widget", "latest", "app.tar.gz");
            world.seed("acme", "widget", "latest", "app.tar.gz", b"a newer one");
        });
        alias(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, another))
    }),
    ("The alias has a file with an invalid name", || {
        alias(Fault::always(Match::list().containing("/latest/"), Point::Head, lists_a_bad_name()))
    }),
    ("An alias is the version itself", || {
        rejected(|job| job.input("checksums", "SHA256SUMS").input("aliases", "latest\n1.2.0"))
    }),
    ("`files` names the checksums file", || {
        rejected(|job| job.input("files", "dist/*\ndist/SHA256SUMS").input("checksums", "SHA256SUMS"))
    }),
    ("A file has the name of the checksums file", || {
        rejected(|job| job.file("dist/SUMS[1]", "").input("files", "dist/SUMS[1]").input("checksums", "SUMS[1]"))
    }),
    ("Only the checksums file matches", || {
        rejected(|job| job.file("out/SHA256SUMS", "").input("files", "out/*").input("checksums", "SHA256SUMS"))
    }),
    ("`expect` without `checksums`", || rejected(|job| job.input("expect", "app-*"))),
    ("The copy of the checksums file cannot be written", || {
        rejected(|job| job.file(".generic-packages", "").input("checksums", "SHA256SUMS"))
    }),
];

/// A job that publishes only the checksums file.
fn checksums_job(change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    failed(|job, registry| change(job.without("INPUT_FILES").input("checksums", "SHA256SUMS"), registry))
}

/// A job that publishes the checksums file and updates an alias, in which that goes wrong.
fn alias(fault: Fault) -> String {
    checksums_job(|job, registry| {
        registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
        registry.seed("acme", "widget", "latest", "app.tar.gz", b"an older one");
        registry.seed("acme", "widget", "latest", "old", b"x");
        registry.add_fault(fault);
        job.input("aliases", "latest")
    })
}

/// Another job uploads one more file each time.
fn adds_a_file(version: &'static str) -> Action {
    let count = AtomicUsize::new(0);
    Action::then(move |world| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        world.seed("acme", "widget", version, &format!("late-{number}"), b"late");
    })
}

fn lists_a_bad_name() -> Action {
    json(200, &format!(r#"[{{"name":"../app","size":1,"sha256":"{}"}}]"#, "0".repeat(64)))
}
