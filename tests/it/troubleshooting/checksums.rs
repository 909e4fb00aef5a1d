//! The cases of `docs/troubleshooting.md` that are about the checksums file of a version.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::{Case, job, told, told_before};
use crate::harness::Job;

pub(crate) const CASES: &[Case] = &[
    ("A file for `expect` is missing", missing),
    ("The version has no files", || checksums_job(|_| {}, |job| job)),
    ("The version changes during the run", || {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let another = Action::then(move |world| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            world.seed("acme", "widget", "1.2.0", &format!("late-{number}"), b"late");
        });
        let changes = Fault::always(Match::put("/SHA256SUMS"), Point::AfterStore, another);
        checksums_job(
            |registry| {
                registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
                registry.script(changes.clone());
            },
            |job| job,
        )
    }),
    ("The checksums file does not match any more", || {
        let deletes = Action::then(|world| assert!(world.delete("acme", "widget", "1.2.0", "app.tar.gz")));
        let deletes = Fault::once(Match::put("/SHA256SUMS"), Point::AfterStore, deletes);
        checksums_job(
            |registry| {
                registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
                registry.seed("acme", "widget", "1.2.0", "notes.txt", b"notes");
                registry.script(deletes.clone());
            },
            |job| job.input("expect", "*.tar.gz"),
        )
    }),
    ("A file name that a checksums file cannot contain", || {
        let list = format!(r#"[{{"name":"../app","size":1,"sha256":"{}"}}]"#, "0".repeat(64));
        let answer = Action::Answer(Answer::json(200, list));
        let lists = Fault::always(Match::list(), Point::Head, answer);
        checksums_job(|registry| registry.script(lists.clone()), |job| job)
    }),
    ("The alias does not match the version", || {
        let page = Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>");
        mirroring(&Fault::always(Match::put("/latest/app.tar.gz"), Point::Head, Action::Answer(page)))
    }),
    ("An extra file of the alias cannot be deleted", || {
        mirroring(&Fault::always(Match::delete("/latest/old"), Point::Head, Action::Answer(Answer::text(403, "no"))))
    }),
    ("Other jobs change the alias", || {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let another = Action::then(move |world| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            world.seed("acme", "widget", "latest", &format!("late-{number}"), b"late");
        });
        mirroring(&Fault::always(Match::list().containing("/latest/"), Point::BeforeStore, another))
    }),
    ("A higher release updates the alias at the same time", || {
        let another = Action::then(|world| {
            world.seed("acme", "widget", "1.3.0", "app.tar.gz", b"a newer one");
            world.delete("acme", "widget", "latest", "app.tar.gz");
            world.seed("acme", "widget", "latest", "app.tar.gz", b"a newer one");
        });
        mirroring(&Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, another))
    }),
    ("The alias has a file with an invalid name", || {
        let list = format!(r#"[{{"name":"../app","size":1,"sha256":"{}"}}]"#, "0".repeat(64));
        let lists = Match::list().containing("/latest/");
        mirroring(&Fault::always(lists, Point::Head, Action::Answer(Answer::json(200, list))))
    }),
    ("An alias is the version itself", || {
        told_before(|job| job.input("checksums", "SHA256SUMS").input("aliases", "latest\n1.2.0"))
    }),
    ("`files` names the checksums file", || {
        told_before(|job| job.input("files", "dist/*\ndist/SHA256SUMS").input("checksums", "SHA256SUMS"))
    }),
    ("A file has the name of the checksums file", || {
        told_before(|job| job.file("dist/SUMS[1]", "").input("files", "dist/SUMS[1]").input("checksums", "SUMS[1]"))
    }),
    ("Only the checksums file matches", || {
        told_before(|job| job.file("out/SHA256SUMS", "").input("files", "out/*").input("checksums", "SHA256SUMS"))
    }),
    ("`expect` without `checksums`", || told_before(|job| job.input("expect", "app-*"))),
    ("The copy of the checksums file cannot be written", || {
        told_before(|job| job.file(".generic-packages", "").input("checksums", "SHA256SUMS"))
    }),
];

/// What is said by a job that publishes only the checksums file.
fn checksums_job(prepare: impl Fn(&Registry), spoil: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let registry = Registry::start(Persona::default());
    prepare(&registry);
    let mut job = job(&registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS");
    told(&registry, spoil(&mut job))
}

fn missing() -> String {
    checksums_job(
        |registry| registry.seed("acme", "widget", "1.2.0", "app-x86_64-linux.tar.gz", b"content"),
        |job| job.input("expect", "*-x86_64-*\n*-aarch64-*"),
    )
}

/// What is said by a job that publishes the checksums file, and moves an alias.
fn mirroring(fault: &Fault) -> String {
    checksums_job(
        |registry| {
            registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"content");
            registry.seed("acme", "widget", "latest", "app.tar.gz", b"an older one");
            registry.seed("acme", "widget", "latest", "old", b"x");
            registry.script(fault.clone());
        },
        |job| job.input("aliases", "latest"),
    )
}
