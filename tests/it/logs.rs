//! Whole logs and summaries as they are printed, one snapshot each: here, and in `docs/troubleshooting.md`, wording is pinned.
//!
//! CONTRIBUTING.md has the command that updates them.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::process::Signal;

use crate::harness::{Job, Ran};
use crate::stopping::{holds, stopped};

/// Makes a run on that registry.
type Case = fn(&Registry, &mut Job) -> Ran;

/// The name of the snapshot, the exit code, and what leads to the log.
const LOGS: &[(&str, i32, Case)] = &[
    ("release", 0, release),
    ("re-run", 0, |registry, job| {
        release(registry, job);
        job.run()
    }),
    ("overwrite", 0, |registry, job| {
        release(registry, job);
        job.file("dist/app", "the second build").input("if-file-exists", "overwrite").run()
    }),
    ("conflict", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.run()
    }),
    ("skip", 0, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.input("if-file-exists", "skip").run()
    }),
    ("refused-file", 1, |registry, job| {
        let refused = Answer::text(403, "maximum allowed package type size exceeded");
        registry.script(Fault::always(Match::put("/app"), Point::Head, Action::Answer(refused)));
        with_everything(job).run()
    }),
    ("wrong-token", 1, |_, job| job.token("0123456789abcdef0123456789abcdef01234567").run()),
    ("lost-response", 0, |registry, job| {
        registry.script(Fault::once(Match::put("/app"), Point::AfterStore, Action::Reset));
        job.run()
    }),
    ("retries", 0, |registry, job| {
        registry.script(Fault::once(Match::put("/app"), Point::BeforeStore, Action::Reset));
        job.input("retries", "3").run_in_short()
    }),
    ("dry-run", 0, |_, job| with_everything(job).input("dry-run", "true").run()),
    ("download", 0, |registry, job| {
        release(registry, job);
        self::job(registry).downloads().run()
    }),
    ("cancelled", 143, |registry, job| {
        let moment = holds(registry, Match::put("/app"), Point::BeforeStore, 0);
        stopped(job.input("timeout", "3600"), &moment, Signal::TERM)
    }),
    ("bad-inputs", 2, |_, job| {
        job.input("retries", "many").input("version", "$TAG").input("file", "app").without("INPUT_TOKEN").run()
    }),
    ("no-files-found", 2, |_, job| job.input("files", "dist/*.zip\nbuild/*").run()),
    ("github", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.without("FORGEJO_ACTIONS").input("files", "dist/*\nbuild/*").input("if-no-files-found", "warn").run()
    }),
];

const SUMMARIES: &[(&str, i32, Case)] = &[
    ("release-summary", 0, release),
    ("failure-summary", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.run()
    }),
    ("dry-run-summary", 0, |_, job| with_everything(job).input("dry-run", "true").run()),
];

/// A step that publishes two files, one at a time, so that the lines have an order.
fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app", "the first build").file("dist/notes.md", "notes").input("concurrency", "1");
    job.variable("FORGEJO_ACTIONS", "true");
    job
}

fn with_everything(job: &mut Job) -> &mut Job {
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("link-repository", "widget")
}

fn release(_: &Registry, job: &mut Job) -> Ran {
    with_everything(job).run()
}

fn compare(cases: &[(&str, i32, Case)], text: fn(&Ran) -> String) {
    for (name, code, case) in cases {
        let registry = Registry::start(Persona::default());
        let ran = case(&registry, &mut job(&registry)).exits_with(*code);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(*name, text(&ran));
        });
    }
}

#[test]
fn each_log_is_printed_as_its_snapshot() {
    compare(LOGS, Ran::log_for_snapshot);
}

#[test]
fn each_summary_is_written_as_its_snapshot() {
    compare(SUMMARIES, Ran::summary_for_snapshot);
}
