//! The codes of errors, which stay the same if the words change.

use embedded_registry::{Answer, Match, Persona, Registry};

use crate::harness::Job;
use crate::package::{answers, seed};

/// Changes a job that would publish `dist/app`, or the registry, so that the run fails.
type Spoil = fn(&mut Job, &Registry);

#[test]
fn with_runner_debug_each_error_has_the_code_of_its_kind() {
    let kinds: [(&str, Spoil); 18] = [
        ("missing-input", |job, _| _ = job.without("INPUT_TOKEN")),
        ("invalid-input", |job, _| _ = job.input("if-file-exists", "replace")),
        ("unexpanded-variable", |job, _| _ = job.input("version", "$VERSION")),
        ("outside-workspace", |job, _| _ = job.input("files", "../app")),
        ("no-files-found", |job, _| _ = job.input("files", "bin/*")),
        ("invalid-file-name", |job, _| _ = job.file("dist/ä", "")),
        ("bad-token", |job, _| _ = job.token("0123456789abcdef0123456789abcdef01234567")),
        ("token-required", |job, _| {
            job.downloads().without("INPUT_TOKEN").input("owner", "secretorg").input("version", "v1.0.0");
        }),
        ("missing-scope", |job, registry| _ = job.token(&registry.token("alice_none"))),
        ("no-write-access", |job, registry| _ = job.input("owner", "acme").token(&registry.token("carol_write"))),
        ("owner-not-found", |job, _| _ = job.input("owner", "nobody")),
        ("conflict", |_, registry| registry.seed("alice", "widget", "v1.0.0", "app", b"other")),
        ("quota-exceeded", |_, registry| {
            answers(registry, Match::put("/app"), Answer::text(413, "enforcePackagesQuota"));
        }),
        ("server-unavailable", |_, registry| answers(registry, Match::list(), Answer::text(503, ""))),
        ("server-error", |_, registry| {
            answers(registry, Match::put("/app"), Answer::text(500, "internal server error"));
        }),
        ("connection-failed", |_, registry| registry.stop_listening()),
        ("expected-file-missing", |job, _| _ = job.input("checksums", "SHA256SUMS").input("expect", "lib")),
        ("version-not-found", |job, _| _ = job.downloads().input("version", "v2.0.0")),
    ];
    for (code, spoil) in kinds {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v0.9.0", &[("app", "old")]);
        let mut job = Job::publishing(&registry, &[("app", "new")]);
        spoil(&mut job, &registry);
        job.run().has_codes(&[code]);
    }
}

#[test]
fn the_code_follows_the_hint_and_is_for_debugging_only() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for name in ["a", "b"] {
        registry.seed("alice", "widget", "v1.0.0", name, b"other");
        job.file(format!("dist/{name}"), "new");
    }
    let ran = job.variable("RUNNER_DEBUG", "0").run().exits_with(1);
    assert_eq!((ran.errors().len(), ran.codes.len()), (1, 0), "{}", ran.log);
    job.variable("RUNNER_DEBUG", "1");
    for (runner, line) in
        [("GITHUB_ACTIONS", "::debug::error code: conflict"), ("FORGEJO_ACTIONS", "debug: error code: conflict")]
    {
        let log = job.variable(runner, "true").run().exits_with(1).unwrapped_log();
        let after_hint = log.lines().skip_while(|line| !line.starts_with("  hint: ")).nth(1);
        assert_eq!(after_hint, Some(line), "{log}");
    }
}
