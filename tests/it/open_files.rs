//! Runs that may open few files: whatever cannot be opened then, the limit is what is named.

use std::fs;

use embedded_registry::{Persona, Registry};

use crate::harness::{Job, Ran};

/// Runs a job with that limit on open files.
pub(crate) fn run_with(job: &Job, limit: u32) -> Ran {
    job.run_as(job.command_of(&["sh", "-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]))
}

/// Checks a run with a limit on open files: it does not panic, leaves no partial file, and its hints name the limit.
#[track_caller]
fn names_the_limit(job: &Job, limit: u32, ran: &Ran) {
    assert!(matches!(ran.code, Some(0..=2)), "{limit}:\n{}", ran.log);
    let log = ran.unwrapped_log();
    let mut hints = log.lines().filter(|line| line.starts_with("  hint: "));
    assert_eq!(ran.code == Some(0), ran.errors().is_empty(), "{limit}:\n{log}");
    assert!(hints.all(|hint| hint.contains("`ulimit -n`")), "{limit}:\n{log}");
    for folder in ["tools", ".generic-packages"] {
        let entries = fs::read_dir(job.workspace().join(folder)).into_iter().flatten().flatten();
        let parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("-part")).count();
        assert_eq!(parts, 0, "{limit}: parts in {folder}\n{log}");
    }
}

/// From too few for a runtime to enough for all, with a number of each kind between them.
const LIMITS: [u32; 11] = [5, 6, 7, 8, 9, 12, 19, 20, 27, 45, 100];

#[test]
fn a_run_that_may_open_few_files_names_the_limit_whatever_it_could_not_open() {
    let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    for limit in LIMITS {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        for name in &names {
            job.file(format!("dist/{name}"), name);
        }
        let ran = run_with(job.input("checksums", "SHA256SUMS").input("concurrency", "32"), limit);
        names_the_limit(&job, limit, &ran);

        let registry = Registry::start(Persona::default());
        for name in &names {
            registry.seed("alice", "widget", "v1.0.0", name, name.as_bytes());
        }
        let mut job = Job::downloading(&registry);
        // By a name that has to be resolved, unless some files can be opened: glibc may say then that the name is
        // unknown.
        if limit < 10 || limit == 100 {
            job.variable("GITHUB_SERVER_URL", registry.url().replace("127.0.0.1", "localhost"));
        }
        let ran = run_with(job.input("concurrency", "32"), limit);
        names_the_limit(&job, limit, &ran);
        if limit < 10 {
            ran.exits_with(2).says("error: failed to start").says("caused by: Too many open files");
        } else if limit == 100 {
            ran.exits_with(0);
        }
    }
}
